"""The embedded stack: Kubecost, S3, Glue, Athena and EMR on loopback, over one simulated estate and its bill."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from moto.server import ThreadedMotoServer

from pipeline.demo import emr_containers, persistence, sts
from pipeline.demo.athena import service as athena
from pipeline.demo.bill.line_items import line_items
from pipeline.demo.estate.estate import Estate, build_estate
from pipeline.demo.kubecost import api as kubecost_api
from pipeline.glue_types import glue_type, parquet_in
from pipeline.ledger_table import COST_LEDGER

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import ColumnTypeDef
    from mypy_boto3_s3 import S3Client

LAKE_BUCKET = "chargeback-demo-lake"
BILL_BUCKET = "chargeback-demo-bill"
RESULTS_BUCKET = "chargeback-demo-results"
KEPT_BUCKETS = (LAKE_BUCKET, BILL_BUCKET)

DATABASE = "athenacurcfn_c_u_r"  # the bill's own, as the AWS blog has it: its queries run unchanged
BILL_TABLE = "cur_data"
WORKGROUP = "chargeback"

_LAKE_PREFIX = "chargeback"
_BILL_PREFIX = "cur/chargeback/data"
_BILL_PERIOD = "2026-10"
_BILL_PERIOD_PREFIX = f"{_BILL_PREFIX}/BILLING_PERIOD={_BILL_PERIOD}"
_KEY, _SECRET = "demo", "demo"  # a local server asks for some, and takes any


@dataclass(frozen=True)
class Stack:
    """A running stack: its *estate*, the time that it is there, and the *environment* with which clients reach it."""

    estate: Estate
    now: datetime
    environment: Mapping[str, str]

    def client_environment(self) -> dict[str, str]:
        """This process's environment with the stack's in the place of any other AWS account or chargeback."""
        others = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CHARGEBACK_"))}
        return others | dict(self.environment)


@contextmanager
def running(directory: Path) -> Iterator[Stack]:
    """Start the stack with the objects that *directory* keeps from a former run, and stop it at the end."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's server logs every request
    estate = build_estate()
    now = estate.history.end + timedelta(hours=2)
    athena.install(clock=lambda: now)
    emr_containers.install(estate, now)
    sts.install(estate)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with kubecost_api.serving(estate) as kubecost_url:
            environment = _environment(estate, f"http://{host}:{port}", kubecost_url)
            _furnish(environment, directory, estate)
            yield Stack(estate, now, environment)
    finally:
        server.stop()


def keep(stack: Stack, directory: Path) -> int:
    """Keep the lake and the bill in *directory*; returns how many files changed.

    The ledger is left out: Glue, which knows its files, is new at each start, and `publish` computes it again.
    """
    s3 = _client(stack.environment, "s3")
    return sum(
        persistence.save(s3, directory, bucket, f"{_LAKE_PREFIX}/{COST_LEDGER.name}/") for bucket in KEPT_BUCKETS
    )


def _environment(estate: Estate, aws_url: str, kubecost_url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_DEFAULT_REGION": estate.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CHARGEBACK_CLUSTER_ARN": estate.arn,
        "CHARGEBACK_LAKE": f"s3://{LAKE_BUCKET}/{_LAKE_PREFIX}",
        "CHARGEBACK_KUBECOST_URL": kubecost_url,
        "CHARGEBACK_GLUE_DATABASE": DATABASE,
        "CHARGEBACK_ATHENA_WORKGROUP": WORKGROUP,
        "CHARGEBACK_CUR_TABLE": f"{DATABASE}.{BILL_TABLE}",
    }


def _furnish(environment: Mapping[str, str], directory: Path, estate: Estate) -> None:
    """What an account has before chargeback comes to it: buckets, a workgroup, and a bill."""
    s3: S3Client = _client(environment, "s3")
    for bucket in KEPT_BUCKETS:
        persistence.load(s3, directory, bucket)
    s3.create_bucket(Bucket=RESULTS_BUCKET)
    _client(environment, "athena").create_work_group(
        Name=WORKGROUP,
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{RESULTS_BUCKET}/"}},
    )
    lines = line_items(estate)
    _deliver(s3, lines)
    _declare(_client(environment, "glue"), lines.schema)


def _deliver(s3: "S3Client", lines: pa.Table) -> None:
    """Export the bill as AWS does."""
    body = BytesIO()
    pq.write_table(lines, body, compression="snappy", coerce_timestamps="ms")
    s3.put_object(
        Bucket=BILL_BUCKET, Key=f"{_BILL_PERIOD_PREFIX}/chargeback-00001.snappy.parquet", Body=body.getvalue()
    )


def _declare(glue: "GlueClient", schema: pa.Schema) -> None:
    """Declare the bill's table, as a crawler does."""
    columns: list[ColumnTypeDef] = [{"Name": field.name, "Type": glue_type(field.type)} for field in schema]
    glue.create_database(DatabaseInput={"Name": DATABASE})
    glue.create_table(
        DatabaseName=DATABASE,
        TableInput={
            "Name": BILL_TABLE,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "billing_period", "Type": "string"}],
            "StorageDescriptor": parquet_in(f"s3://{BILL_BUCKET}/{_BILL_PREFIX}/", columns),
            "Parameters": {"classification": "parquet"},
        },
    )
    month = parquet_in(f"s3://{BILL_BUCKET}/{_BILL_PERIOD_PREFIX}/", columns)
    glue.create_partition(
        DatabaseName=DATABASE,
        TableName=BILL_TABLE,
        PartitionInput={"Values": [_BILL_PERIOD], "StorageDescriptor": month},
    )


def _client(environment: Mapping[str, str], service: str) -> Any:  # noqa: ANN401  boto3's clients are made at run time
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    return session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]
