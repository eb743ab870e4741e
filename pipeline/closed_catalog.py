"""The copies of months in the Glue catalog: each run's is a partition, which nothing changes."""

from typing import TYPE_CHECKING

import boto3

from pipeline.aws import CONFIG, translated
from pipeline.glue_types import parquet_of
from pipeline.ledger_table import CLOSED_LEDGER_RUNS
from pipeline.month import Month

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


class ClosedCatalog:
    """The table of copied months in the Glue *database*."""

    def __init__(self, session: boto3.Session, database: str) -> None:
        with translated("Connecting to Glue"):
            self._glue: GlueClient = session.client("glue", config=CONFIG)
        self._database = database

    def add(self, month: Month, run: str, folder: str) -> None:
        """Make what lies in *folder* the copy of *month* by *run*."""
        name = f"{self._database}.{CLOSED_LEDGER_RUNS.name}"
        with translated(f"Adding {month} to {name} (glue:CreatePartition)"):
            self._glue.create_partition(
                DatabaseName=self._database,
                TableName=CLOSED_LEDGER_RUNS.name,
                PartitionInput={
                    "Values": [str(month), run],
                    "StorageDescriptor": parquet_of(CLOSED_LEDGER_RUNS, folder),
                },
            )
