import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import moto.backends
import pytest
from moto.server import ThreadedMotoServer
from xdist.scheduler import LoadFileScheduling

from tests import botocore_models

if TYPE_CHECKING:
    from moto.emrcontainers.models import EMRContainersBackend

# Libraries and syntax trees are a million objects that stay: to look through them again and again took a quarter of
# the tests' time.
gc.set_threshold(100_000, 20, 100)

botocore_models.share()

# To see which services there are, moto lists the folders of its package for every request: a tenth of what one takes.
_services = tuple(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = lambda: _services

CLUSTER_ARN = "arn:aws:eks:us-east-1:111122223333:cluster/analytics-prod"
ASK_THE_DEMO = (
    "test_dashboard_page.py",
    "test_demo.py",
    "test_demo_comparison.py",
    "test_demo_data_sets.py",
    "test_demo_doctor.py",
    "test_demo_examples.py",
    "test_demo_ledger.py",
    "test_demo_method.py",
    "test_demo_statement.py",
    "test_notebook.py",
    "test_readme.py",
)


class OneDemo(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Files go to the workers whole; those that ask the served demo go to one together, for which it starts once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "the demo" if file.endswith(ASK_THE_DEMO) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return OneDemo(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty AWS account: its endpoint, which the environment names, too."""
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    import requests

    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    return moto_url


@pytest.fixture
def bucket(aws: str) -> str:
    boto3.client("s3").create_bucket(Bucket="lake")
    return "lake"


@pytest.fixture(scope="session")
def emr_url() -> Iterator[str]:
    from tests.emr_account import emr_server  # it builds the demo's estate, which few tests need

    with emr_server() as url:
        yield url


@pytest.fixture
def account(emr_url: str, monkeypatch: pytest.MonkeyPatch) -> "Iterator[EMRContainersBackend]":
    """The EMR resources of the demo's estate, as EMR knows them, beside an empty lake."""
    from tests.emr_account import emr_account

    with emr_account(emr_url, monkeypatch) as known:
        yield known
