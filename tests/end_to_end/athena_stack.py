"""An embedded stack of S3, Glue and Athena with one small table, for tests through real clients."""

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from pyathena import connect
from pyathena.connection import Connection

from pipeline.demo.athena import service as athena

NOW = dt.datetime(2026, 10, 20, 6, 30, tzinfo=dt.UTC)
REGION = "us-east-1"
STARTED = dt.datetime(2026, 10, 19, 1)  # noqa: DTZ001  as Athena has it: naive, UTC
TYPES = {
    "job": "string",
    "minutes": "bigint",
    "cost": "double",
    "price": "decimal(18,6)",
    "started_at": "timestamp",
    "day": "date",
    "spot": "boolean",
    "labels": "map<string,string>",
    "parts": "array<int>",
}
ROWS = pa.table(
    {
        "job": ["a", 'say "b", c', None],
        "minutes": pa.array([60, 2**40, None], pa.int64()),
        "cost": [0.1, 12345678.5, None],
        "price": pa.array([Decimal("1.500000"), Decimal("-0.000001"), None], pa.decimal128(18, 6)),
        "started_at": pa.array(
            [STARTED, STARTED.replace(minute=2, second=3, microsecond=4000), None], pa.timestamp("ms")
        ),
        "day": [dt.date(2026, 10, 19), dt.date(2026, 10, 20), None],
        "spot": [True, False, None],
        "labels": pa.array([[("team", "x"), ("app", "y")], [], None], pa.map_(pa.string(), pa.string())),
        "parts": pa.array([[1, 2], [None], None], pa.list_(pa.int32())),
    }
)


@dataclass(frozen=True)
class Stack:
    """The moto server's clients."""

    s3: Any
    glue: Any
    athena: Any

    def put(self, key: str, table: pa.Table) -> int:
        content = io.BytesIO()
        pq.write_table(table, content)
        self.s3.put_object(Bucket="lake", Key=key, Body=content.getvalue())
        return len(content.getvalue())

    def create(self, name: str, columns: dict[str, str], keys: dict[str, str] | None = None, **parameters: str) -> None:
        entry = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {name.replace("__", "."): value for name, value in parameters.items()},
            "StorageDescriptor": {
                "Columns": [{"Name": n, "Type": t} for n, t in columns.items()],
                "Location": f"s3://lake/{name}/",
            },
            "PartitionKeys": [{"Name": n, "Type": t} for n, t in (keys or {}).items()],
        }
        self.glue.create_table(DatabaseName="costs", TableInput=entry)

    def finished(self, sql: str, **request: Any) -> dict[str, Any]:
        started = self.athena.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": "costs"}, WorkGroup="chargeback", **request
        )
        answer = self.athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        execution: dict[str, Any] = answer["QueryExecution"]
        return execution

    def reason(self, sql: str, **request: Any) -> str:
        """Why Athena fails *sql*."""
        status = self.finished(sql, **request)["Status"]
        assert status["State"] == "FAILED"
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
        return str(status["StateChangeReason"])

    def result(self, execution: dict[str, Any]) -> list[list[str | None]]:
        """The rows of a finished SELECT, as text."""
        answer = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"][1:]]


@contextmanager
def running_stack(url: str) -> Iterator[Stack]:
    """The moto server at *url*, emptied, with Athena at work in it and the table `costs.runs`."""
    requests.post(f"{url}/moto-api/reset", timeout=10).raise_for_status()
    athena.install(lambda: NOW)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", url)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        stack = Stack(boto3.client("s3"), boto3.client("glue"), boto3.client("athena"))
        stack.s3.create_bucket(Bucket="lake")
        stack.s3.create_bucket(Bucket="results")
        stack.glue.create_database(DatabaseInput={"Name": "costs"})
        stack.athena.create_work_group(
            Name="chargeback",
            Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/chargeback/"}},
        )
        stack.create("runs", TYPES)
        stack.put("runs/1.parquet", ROWS)
        yield stack
    athena.install()


@contextmanager
def connected() -> Iterator[Connection[Any]]:
    """PyAthena on the running stack."""
    with connect(work_group="chargeback", schema_name="costs", region_name=REGION, poll_interval=0.01) as connection:
        yield connection


def rows(connection: Connection[Any], sql: str, *parameters: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    if parameters:
        cursor.execute(sql, list(parameters), paramstyle="qmark")
    else:
        cursor.execute(sql)
    return list(cursor.fetchall())
