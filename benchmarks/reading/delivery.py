"""How the invented clusters and their bill get into an account: objects on S3, and tables in Glue over them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.reading.bill_lines import PERIOD, Bill, bill
from benchmarks.reading.estate import DAYS, START, Month, months
from benchmarks.reading.lake_rows import LakeRows
from benchmarks.reading.questions import SAMPLE_TABLE
from benchmarks.reading.sample_rows import COLUMNS, hour_file
from pipeline.change import Change
from pipeline.day import ROW_GROUP_ROWS, Day
from pipeline.demo.bill.columns import CUR_2
from pipeline.glue_types import glue_type
from pipeline.models import Location
from pipeline.tables import ALLOCATIONS, PARTITION_KEY, Table

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import StorageDescriptorTypeDef
    from mypy_boto3_s3 import S3Client

BUCKET = "benchmark"

BILL_TABLE = "bill"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_CSV_SERDE = "org.apache.hadoop.hive.serde2.OpenCSVSerde"


@dataclass(frozen=True)
class Size:
    """How much there is: *clusters* with so many *pod_hours* among them, and a month's bill of so many *lines*."""

    clusters: int
    pod_hours: int
    lines: int


@dataclass
class Delivered:
    """What was delivered: rows of `allocations`, lines, how many of them are the clusters', and the sample's bytes."""

    pod_hours: int = 0
    lines: int = 0
    own_lines: int = 0
    sample_bytes: int = 0
    months: Sequence[Month] = field(default_factory=tuple)


class Delivery:
    """A database of its own with all that the benchmark needs, in one account."""

    def __init__(self, s3: "S3Client", glue: "GlueClient", size: Size) -> None:
        self._s3 = s3
        self._glue = glue
        self._size = size
        self.database = f"chargeback_{size.clusters}"
        self.bill_table = f"{self.database}.{BILL_TABLE}"
        self.months = months(size.clusters, size.pod_hours)
        self.lake = Location(BUCKET, f"{self.database}/lake")

    def declare(self) -> None:
        """Declare what the sample and AWS would declare: their tables, the bill's still without a month."""
        self._glue.create_database(DatabaseInput={"Name": self.database})
        self._create(BILL_TABLE, self._bill_storage(), ["billing_period"])
        self._create(SAMPLE_TABLE, self._sample_storage(), [])

    def deliver(self) -> Delivered:
        """Put every object, and add the bill's month."""
        done = Delivered(months=self.months)
        for month in self.months:
            self._put_lake(month, done)
        self._put_bill(bill(self.months, self._size.lines), done)
        return done

    def _put_lake(self, month: Month, done: Delivered) -> None:
        rows = LakeRows(month)
        for number in range(DAYS):
            day = (START + timedelta(days=number)).date()
            for table, changes in rows.day(number):
                self._put_day(table, day, month, changes)
                if table is ALLOCATIONS:
                    done.pod_hours += sum(change.rows.num_rows for change in changes)
                    for hour, change in enumerate(changes):
                        done.sample_bytes += self._put_sample(f"{month.number:03}-{day}-{hour:02}", change)
        for table, listed in rows.inventory().items():
            body = BytesIO()
            pq.write_table(listed, body, compression="zstd", row_group_size=ROW_GROUP_ROWS)
            self._put(self.lake.key(table.name, f"{month.cluster.object_name}.parquet"), body.getvalue())

    def _put_day(self, table: Table, day: date, month: Month, changes: Sequence[Change]) -> None:
        """As the collector writes it."""
        key = self.lake.key(table.name, f"{PARTITION_KEY}={day}", f"{month.cluster.object_name}.parquet")
        body = BytesIO()
        Day(table, key, None).rewrite(changes, body)
        self._put(key, body.getvalue())

    def _put_sample(self, name: str, change: Change) -> int:
        body = hour_file(change.rows)
        self._put(f"{self.database}/compute_cost/{name}.csv", body)
        return len(body)

    def _put_bill(self, made: Bill, done: Delivered) -> None:
        done.lines, done.own_lines = len(made), made.own_lines
        folder = f"{self.database}/cur/data/BILLING_PERIOD={PERIOD}"
        with TemporaryDirectory(prefix="chargeback-bill-") as directory:
            for path in made.write(Path(directory)):
                self._s3.upload_file(str(path), BUCKET, f"{folder}/{path.name}")
        storage: StorageDescriptorTypeDef = {**self._bill_storage(), "Location": f"s3://{BUCKET}/{folder}/"}
        self._glue.create_partition(
            DatabaseName=self.database,
            TableName=BILL_TABLE,
            PartitionInput={"Values": [PERIOD], "StorageDescriptor": storage},
        )

    def _put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def _create(self, table: str, storage: "StorageDescriptorTypeDef", keys: Sequence[str]) -> None:
        self._glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": table,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
                "StorageDescriptor": storage,
                "Parameters": {"skip.header.line.count": "1"} if table == SAMPLE_TABLE else {},
            },
        )

    def _bill_storage(self) -> "StorageDescriptorTypeDef":
        return {
            "Columns": [{"Name": field.name, "Type": glue_type(field.type)} for field in CUR_2],
            "Location": f"s3://{BUCKET}/{self.database}/cur/data/",
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        }

    def _sample_storage(self) -> "StorageDescriptorTypeDef":
        return {
            "Columns": [{"Name": name.lower(), "Type": "string"} for name in COLUMNS],
            "Location": f"s3://{BUCKET}/{self.database}/compute_cost/",
            "InputFormat": _TEXT_INPUT,
            "OutputFormat": _TEXT_OUTPUT,
            "SerdeInfo": {"SerializationLibrary": _CSV_SERDE},
        }
