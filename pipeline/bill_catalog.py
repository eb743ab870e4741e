"""The bill's table in the Glue catalog: read, declared, and its months moved in place."""

from typing import TYPE_CHECKING

import boto3

from pipeline.aws import CONFIG, translated
from pipeline.bill_table import EXPORT, BillTable
from pipeline.errors import ConfigurationError
from pipeline.glue_types import parquet_in

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import (
        PartitionInputTypeDef,
        StorageDescriptorTypeDef,
        TableInputTypeDef,
        TableTypeDef,
    )


class BillCatalog:
    """The table *name* (`database.table`), seen through *session*."""

    def __init__(self, session: boto3.Session, name: str) -> None:
        with translated("Connecting to Glue"):
            self._glue: GlueClient = session.client("glue", config=CONFIG)
        self._name = name
        self._database, _, self._table = name.partition(".")

    def find(self) -> BillTable | None:
        """The table as it stands; None where there is none.

        Raises:
            ConfigurationError: it is a table that we did not make.
        """
        table = self._entry()
        if table is None:
            return None
        export = table.get("Parameters", {}).get(EXPORT)
        if export is None:
            raise ConfigurationError(
                f"{self._name} exists and was not made by `chargeback publish --cur-location`; it was not changed. "
                "Set CHARGEBACK_CUR_TABLE to a table that is not there yet, or leave --cur-location out to read theirs."
            )
        return BillTable(
            export=export,
            keys=tuple(key["Name"] for key in table.get("PartitionKeys", [])),
            columns={c["Name"]: c.get("Type", "") for c in table.get("StorageDescriptor", {}).get("Columns", [])},
            folders=self._folders(),
        )

    def put(self, table: BillTable, former: BillTable | None) -> None:
        """Make *table* of *former*, of which whatever is the same is not touched.

        Columns change last: if the work is cut off before, the next run does all of it again.
        """
        if former is None:
            self._create(table)
        changed = former is not None and former.columns != table.columns
        moved = table.moved(former)
        for values, folder in table.folders.items():
            if former is None or values not in former.folders:
                self._add(table, values, folder)
            elif changed or values in moved:
                self._move(table, values, folder)
        if changed:
            self._change_columns(table)

    def _create(self, table: BillTable) -> None:
        with translated(f"Declaring {self._name} (glue:CreateTable)"):
            self._glue.create_table(DatabaseName=self._database, TableInput=self._input(table, {}))

    def _change_columns(self, table: BillTable) -> None:
        entry = self._entry()
        parameters = entry.get("Parameters", {}) if entry else {}
        with translated(f"Changing the columns of {self._name} (glue:UpdateTable)"):
            self._glue.update_table(DatabaseName=self._database, TableInput=self._input(table, parameters))

    def _add(self, table: BillTable, values: tuple[str, ...], folder: str) -> None:
        with translated(f"Adding {table.partition(values)} to {self._name} (glue:CreatePartition)"):
            self._glue.create_partition(
                DatabaseName=self._database, TableName=self._table, PartitionInput=_partition(table, values, folder)
            )

    def _move(self, table: BillTable, values: tuple[str, ...], folder: str) -> None:
        with translated(f"Moving {table.partition(values)} of {self._name} (glue:UpdatePartition)"):
            self._glue.update_partition(
                DatabaseName=self._database,
                TableName=self._table,
                PartitionValueList=list(values),
                PartitionInput=_partition(table, values, folder),
            )

    def _entry(self) -> "TableTypeDef | None":
        with translated(f"Looking for {self._name} (glue:GetTable)"):
            try:
                return self._glue.get_table(DatabaseName=self._database, Name=self._table)["Table"]
            except self._glue.exceptions.EntityNotFoundException:
                return None

    def _folders(self) -> dict[tuple[str, ...], str]:
        with translated(f"Listing the partitions of {self._name} (glue:GetPartitions)"):
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self._database, TableName=self._table
            )
            found = [partition for page in pages for partition in page["Partitions"]]
        return {tuple(p["Values"]): p["StorageDescriptor"].get("Location", "") for p in found}

    def _input(self, table: BillTable, parameters: dict[str, str]) -> "TableInputTypeDef":
        return {
            "Name": self._table,
            "Description": "The bill, one row per line, declared over its export by chargeback",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in table.keys],
            "StorageDescriptor": _storage(table, f"{table.export}/"),
            "Parameters": {**parameters, "EXTERNAL": "TRUE", "classification": "parquet", EXPORT: table.export},
        }


def _partition(table: BillTable, values: tuple[str, ...], folder: str) -> "PartitionInputTypeDef":
    return {"Values": list(values), "StorageDescriptor": _storage(table, folder)}


def _storage(table: BillTable, folder: str) -> "StorageDescriptorTypeDef":
    return parquet_in(folder, [{"Name": name, "Type": kind} for name, kind in table.columns.items()])
