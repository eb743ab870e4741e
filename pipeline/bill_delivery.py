"""How the bill's table follows its export: month by month, and none of them by guess."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
import pyarrow as pa

from pipeline.bill_catalog import BillCatalog
from pipeline.bill_table import BillTable, statements
from pipeline.catalog import Catalog
from pipeline.cur_export import CurExport, Delivery, NotParquetError, NotYetDeliveredError, find_export
from pipeline.errors import ChargebackError, ConfigurationError, ContractError
from pipeline.glue_types import glue_type
from pipeline.models import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_IN_EVERY_BILL = "line_item_line_item_type"


@dataclass(frozen=True)
class Following:
    """The *table* called *name* (`database.table`) to be made of *former*, and why some months keep what they had.

    *refused* are those that broke the export's contract; *remarks* tell of those that are being delivered, have no rows
    yet, are not Parquet, or are no longer in the export.
    """

    name: str
    former: BillTable | None
    table: BillTable
    remarks: tuple[str, ...]
    refused: tuple[ContractError, ...]

    def statements(self) -> Iterator[str]:
        """The DDL that would do the same in Athena."""
        return statements(self.name, self.table, self.former)


def plan(session: boto3.Session, s3: "S3Client", location: Location, name: str) -> Following:
    """Compare the export at *location* with the table *name*; nothing is changed."""
    following = follow(find_export(s3, location), BillCatalog(session, name).find(), name)
    for remark in following.remarks:
        log.warning(remark)
    for error in following.refused:
        log.error(str(error))
    return following


def declare(session: boto3.Session, following: Following) -> None:
    """Make the table what it has to become, in a database that is made if there is none."""
    database = Catalog(session, following.name.partition(".")[0])
    if not database.database_exists():
        database.create_database()
    BillCatalog(session, following.name).put(following.table, following.former)
    moved = following.table.moved(following.former)
    facts = {"relation": following.name, "months": len(following.table.folders), "changed": len(moved)}
    log.info("bill declared", extra=facts)


def follow(export: CurExport, former: BillTable | None, name: str) -> Following:
    """What the table *name* has to become to show the newest complete execution of every month.

    Raises:
        ConfigurationError: the table is declared over something else, or the export is no Cost and Usage Report.
        ChargebackError: there is no table yet, and not one month to declare it over; the first month's reason.
    """
    table = former or BillTable(export.uri, export.keys)
    _require_same(export, table, name)
    waiting: list[ChargebackError] = []
    refused: list[ContractError] = []
    for month in export.months:
        what = f"{month} of {export.uri}"
        try:
            delivery = export.delivery(month)
            table = _with_columns(table, delivery, what)
            table = _with_folder(table, export.values(month), delivery, what)
        except ContractError as error:
            refused.append(error)
        except (NotYetDeliveredError, NotParquetError) as error:
            waiting.append(error)
    if not table.columns:
        raise [*refused, *waiting][0]
    if _IN_EVERY_BILL not in table.columns:
        raise ConfigurationError(
            f"{export.uri} is no Cost and Usage Report: its files have no column {_IN_EVERY_BILL}. "
            "Create an export of the table COST_AND_USAGE_REPORT."
        )
    return Following(name, former, table, (*map(str, waiting), *_gone(export, table)), tuple(refused))


def _require_same(export: CurExport, table: BillTable, name: str) -> None:
    if (table.export, table.keys) != (export.uri, export.keys):
        raise ConfigurationError(
            f"{name} is declared over {table.export}, by {', '.join(table.keys)}, and not over {export.uri}. "
            "Set CHARGEBACK_CUR_TABLE to a table that is not there yet, or drop this one (DROP TABLE leaves the data)."
        )


def _with_columns(table: BillTable, delivery: Delivery, what: str) -> BillTable:
    """The table with the columns of another month."""
    try:
        return replace(table, columns=table.widened(_columns(delivery)))
    except ContractError as error:
        raise ContractError(
            f"{what} cannot be read: {error}. Ask for the month to be delivered again, or move it out of the export."
        ) from error


def _with_folder(table: BillTable, values: tuple[str, ...], delivery: Delivery, what: str) -> BillTable:
    """The table with a month at its newest execution; an empty one never takes the place of one with rows."""
    if delivery.folder is not None and delivery.has_rows:
        return replace(table, folders={**table.folders, values: delivery.folder})
    if values in table.folders:
        raise ContractError(
            f"{what} had rows and is now empty; {table.partition(values)} stays at {table.folders[values]}. "
            "Ask for the month to be delivered again."
        )
    raise NotYetDeliveredError(f"{what} has no rows yet.")


def _columns(delivery: Delivery) -> Mapping[str, str]:
    """The columns of a delivery's files, with Glue's types; Glue knows names in lower case only."""
    schema = delivery.schema or pa.schema([])
    columns = {}
    for column in schema:
        try:
            columns[column.name.lower()] = glue_type(column.type)
        except KeyError as error:
            raise ContractError(f"its column {column.name} is {column.type}, of which no bill has any") from error
    return columns


def _gone(export: CurExport, table: BillTable) -> Iterator[str]:
    there = {export.values(month) for month in export.months}
    for values, folder in table.folders.items():
        if values not in there:
            yield f"{table.partition(values)} is no longer in {export.uri}; it stays at {folder}."
