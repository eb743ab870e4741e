"""A bill whose table follows its export, in an embedded stack, as queries and Glue see it."""

from typing import Any
from uuid import uuid4

import boto3

from pipeline.bill_catalog import BillCatalog
from pipeline.bill_delivery import Following, declare, plan
from pipeline.bill_table import BillTable
from pipeline.models import Location
from tests.end_to_end.athena_stack import Stack
from tests.export_bucket import Folder


class Bill:
    """A folder for an export, and the table that is declared over it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        unique = uuid4().hex
        self.table = f"costs.bill_{unique}"
        self.folder = Folder(stack.s3, "lake", f"billing/{unique}")

    def planned(self, below: str = "") -> Following:
        return plan(boto3.Session(), self.stack.s3, Location.parse(self.folder.uri + below), self.table)

    def followed(self, below: str = "") -> Following:
        """What `publish --cur-location` did."""
        following = self.planned(below)
        declare(boto3.Session(), following)
        return following

    @property
    def declared(self) -> BillTable:
        found = BillCatalog(boto3.Session(), self.table).find()
        assert found is not None
        return found

    def rows(self, columns: str, rest: str = "ORDER BY 1, 2") -> list[list[str | None]]:
        execution = self.stack.finished(f"SELECT {columns} FROM {self.table} {rest}")
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return self.stack.result(execution)

    def costs(self) -> list[list[str | None]]:
        return self.rows("billing_period, line_item_unblended_cost")


def glue_entries(bill: Bill) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All that Glue knows of the table, with the times at which it was changed."""
    name = {"DatabaseName": "costs"}
    table = bill.stack.glue.get_table(**name, Name=bill.table.removeprefix("costs."))["Table"]
    partitions = bill.stack.glue.get_partitions(**name, TableName=table["Name"])["Partitions"]
    return table, partitions
