"""The closed months in the Glue catalog: each is a partition, which is made once and never changed."""

from datetime import datetime
from typing import TYPE_CHECKING

import boto3

from pipeline.aws import CONFIG, translated
from pipeline.glue_types import parquet_in
from pipeline.ledger_table import CLOSED_LEDGER
from pipeline.month import Month
from pipeline.window import parse_instant, rfc3339

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

_CLOSED_AT = "chargeback.closed_at"


class ClosedCatalog:
    """The table of closed months in the Glue *database*."""

    def __init__(self, session: boto3.Session, database: str) -> None:
        with translated("Connecting to Glue"):
            self._glue: GlueClient = session.client("glue", config=CONFIG)
        self._database = database
        self._name = f"{database}.{CLOSED_LEDGER.name}"

    def months(self) -> dict[Month, datetime]:
        """The closed months, and when each was closed."""
        with translated(f"Listing the months of {self._name} (glue:GetPartitions)"):
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self._database, TableName=CLOSED_LEDGER.name, ExcludeColumnSchema=True
            )
            found = [partition for page in pages for partition in page["Partitions"]]
        return {Month.parse(of["Values"][0]): parse_instant(of["Parameters"][_CLOSED_AT]) for of in found}

    def add(self, month: Month, folder: str, closed_at: datetime) -> bool:
        """Make what lies in *folder* the closed *month*; False if somebody else has closed it by now."""
        with translated(f"Adding {month} to {self._name} (glue:CreatePartition)"):
            try:
                self._glue.create_partition(
                    DatabaseName=self._database,
                    TableName=CLOSED_LEDGER.name,
                    PartitionInput={
                        "Values": [str(month)],
                        "StorageDescriptor": parquet_in(folder, CLOSED_LEDGER),
                        "Parameters": {_CLOSED_AT: rfc3339(closed_at)},
                    },
                )
            except self._glue.exceptions.AlreadyExistsException:
                return False
        return True
