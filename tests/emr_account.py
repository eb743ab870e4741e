"""An AWS account with the estate's EMR resources and an empty lake, and how tests look into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.emrcontainers.models import EMRContainersBackend, emrcontainers_backends
from moto.server import ThreadedMotoServer

from pipeline.aws import CONFIG
from pipeline.demo import emr_containers
from pipeline.demo.estate.estate import build_estate
from pipeline.emr import EmrContainers
from pipeline.inventory import Refreshed, refresh
from pipeline.lake import Lake
from pipeline.models import Cluster, Location
from pipeline.tables import Table
from pipeline.window import HOUR

ESTATE = build_estate()
CLUSTER = Cluster.from_arn(ESTATE.arn)
NOW = ESTATE.history.end + 2 * HOUR
LAKE = Location("lake", "chargeback")
OBJECT = "111122223333_us-east-1_analytics.parquet"


@contextmanager
def emr_server() -> Iterator[str]:
    """A moto server that is started once the endpoints are known to it; yields its address."""
    emr_containers.serve_endpoints([])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def emr_account(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[EMRContainersBackend]:
    """Make the environment that of the account; yields what EMR knows, to be changed."""
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": ESTATE.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{url}/moto-api/reset", timeout=10).raise_for_status()
    emr_containers.install(ESTATE, NOW)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=LAKE.bucket)
    s3.put_bucket_versioning(Bucket=LAKE.bucket, VersioningConfiguration={"Status": "Enabled"})
    yield emrcontainers_backends[DEFAULT_ACCOUNT_ID][ESTATE.region]


def lake() -> Lake:
    return Lake(boto3.client("s3"), LAKE, CLUSTER)


def emr(config: Config = CONFIG) -> EmrContainers:
    return EmrContainers(boto3.Session(), CLUSTER, config)


def refreshed(now: datetime = NOW, config: Config = CONFIG) -> Refreshed:
    return refresh(emr(config), lake(), CLUSTER, now)


def rows(table: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake().whole(table).to_pylist()
    return found


def objects() -> dict[str, bytes]:
    s3 = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket=LAKE.bucket).get("Contents", [])
    return {o["Key"]: s3.get_object(Bucket=LAKE.bucket, Key=o["Key"])["Body"].read() for o in listed}


def forget_objects() -> None:
    s3 = boto3.client("s3")
    for key in objects():
        s3.delete_object(Bucket=LAKE.bucket, Key=key)


def naive(instant: datetime) -> datetime:
    """As the lake has it, and moto."""
    return instant.replace(tzinfo=None)
