"""Exports of a bill on S3, delivered as AWS delivers them."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def lines(*costs: float, **columns: object) -> pa.Table:
    """Lines of a bill that cost so much, with the same values in all other *columns*."""
    kinds = pa.repeat("Usage", len(costs))
    table = pa.table({"line_item_line_item_type": kinds, "line_item_unblended_cost": pa.array(costs, pa.float64())})
    for name, value in columns.items():
        table = table.append_column(name, pa.repeat(value, len(costs)))
    return table


@dataclass(frozen=True)
class Folder:
    """A folder of a bucket that exports are delivered to."""

    s3: "S3Client"
    bucket: str
    prefix: str

    @property
    def name(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def put(self, path: str, content: pa.Table | bytes) -> str:
        """Write one object; its key."""
        key = f"{self.prefix}/{path}"
        if isinstance(content, pa.Table):
            body = io.BytesIO()
            pq.write_table(content, body, compression="snappy", coerce_timestamps="ms")
            content = body.getvalue()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return key

    def delete(self, path: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{path}")

    def export(self, month: str, *files: pa.Table, execution: str = "") -> None:
        """Deliver a month of a Data Export; with an *execution*, beside the former ones, else in their place."""
        folder = f"BILLING_PERIOD={month}/"
        written = f"{folder}{execution}/" if execution else folder
        keys = [
            self.put(f"data/{written}{self.name}-{number:05}.snappy.parquet", file)
            for number, file in enumerate(files, 1)
        ]
        self.list_files(month, keys, execution)

    def list_files(self, month: str, keys: Sequence[str], execution: str = "") -> None:
        """Write the manifest of a month, and the execution's own copy."""
        manifest = {"dataFiles": [f"s3://{self.bucket}/{key}" for key in keys], "columns": []}
        for folder in {"", f"{execution}/" if execution else ""}:
            path = f"metadata/BILLING_PERIOD={month}/{folder}{self.name}-Manifest.json"
            self.put(path, json.dumps(manifest).encode())

    def report(self, year: int, month: int, *files: pa.Table | bytes) -> None:
        """Deliver a month of a Cost and Usage Report for Athena."""
        keys = [
            self.put(f"{self.name}/year={year}/month={month}/{self.name}-{number:05}.snappy.parquet", file)
            for number, file in enumerate(files, 1)
        ]
        end = f"{year + month // 12}{month % 12 + 1:02}01"
        manifest = {"assemblyId": "5f1d", "bucket": self.bucket, "reportKeys": keys}
        self.put(f"{year}{month:02}01-{end}/{self.name}-Manifest.json", json.dumps(manifest).encode())
