from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
import sqlalchemy

from pipeline.demo.athena import service as athena
from tests.captures import opencost, serving
from tests.conftest import CLUSTER_ARN
from tests.end_to_end.test_collect import collect
from tests.served import Installation, serving_demo, serving_s3

Undisturbed = Callable[[str, str], dict[str, bytes]]
ATHENA = (
    "awsathena+rest://:@athena.us-east-1.amazonaws.com:443/athenacurcfn_c_u_r?work_group=chargeback&poll_interval=0.05"
)


@pytest.fixture(scope="session")
def demo_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "chargeback-demo"


@pytest.fixture(scope="session")
def demo(demo_directory: Path) -> Iterator[dict[str, str]]:
    """What the one demo that all tests share says to export; they ask it, and change nothing there."""
    with serving_demo(demo_directory) as environment:
        yield environment


@pytest.fixture
def engine(demo: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> sqlalchemy.Engine:
    """The demo's Athena, as PyAthena reaches it; boto3 reaches the rest of it."""
    for name, value in demo.items():
        monkeypatch.setenv(name, value)
    boto3.setup_default_session()
    return sqlalchemy.create_engine(ATHENA)


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


@pytest.fixture
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A lake with one hour of a real server, and an Athena workgroup; nothing is published yet."""
    athena.install()
    boto3.client("s3").create_bucket(Bucket="results")
    boto3.client("athena").create_work_group(
        Name="chargeback", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/"}}
    )
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    with serving(opencost("opencost-2026-05")) as upstream:
        monkeypatch.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect("19T10").exit_code == 0
        yield monkeypatch
