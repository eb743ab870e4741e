from collections.abc import Callable, Iterator
from functools import cache
from uuid import uuid4

import pytest

from tests.captures import opencost, serving
from tests.served import Installation, serving_s3

Undisturbed = Callable[[str, str], dict[str, bytes]]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """An S3 server that no client's death disturbs: a moto server in a process of its own."""
    with serving_s3() as url:
        yield url


@pytest.fixture(scope="session")
def opencost_url() -> Iterator[str]:
    with serving(opencost("opencost-2026-05")) as upstream:
        yield upstream.url


@pytest.fixture
def installation(s3_server: str, opencost_url: str) -> Installation:
    """An installation whose bucket is new and empty."""
    return Installation.create(opencost_url, s3_server, f"lake-{uuid4().hex}")


@pytest.fixture(scope="session")
def undisturbed(s3_server: str, opencost_url: str) -> Undisturbed:
    """The lake that one run over a span leaves when nothing goes wrong."""

    @cache
    def objects(since: str, until: str) -> dict[str, bytes]:
        calm = Installation.create(opencost_url, s3_server, f"lake-{uuid4().hex}")
        completed = calm.collect(since, until)
        assert completed.returncode == 0, completed.stderr
        return calm.objects()

    return objects
