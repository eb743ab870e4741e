"""The Glue catalog: the database, the lake's tables with their comments and projection, and what else lies there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import boto3
import pyarrow as pa

from pipeline.aws import translated
from pipeline.models import Location
from pipeline.tables import PARTITION_KEY, TABLES, Column, Table

if TYPE_CHECKING:
    from awswrangler.typing import AthenaPartitionProjectionSettings
    from mypy_boto3_glue import GlueClient

_VIEWS = "chargeback.views"
_MADE_BY = "chargeback.version"
_DATABASE_COMMENT = "EMR on EKS chargeback: what every Spark job cost"


@dataclass(frozen=True)
class Relation:
    """A table or view that stands in a database: its columns' types by name, partition columns included."""

    name: str
    is_view: bool
    columns: dict[str, str]
    parameters: dict[str, str]


class Catalog:
    """One Glue *database*, seen through *session*."""

    def __init__(self, session: boto3.Session, database: str) -> None:
        self._session = session
        self._glue: GlueClient = session.client("glue")
        self._database = database

    def create_database(self) -> None:
        """Create the database unless it exists."""
        import awswrangler as wr  # 0.6 s, which only publishing has to wait for

        with translated(f"Creating the Glue database {self._database}"):
            wr.catalog.create_database(
                self._database, description=_DATABASE_COMMENT, exist_ok=True, boto3_session=self._session
            )

    def database_exists(self) -> bool:
        """Whether the database exists."""
        with translated(f"Looking for the Glue database {self._database}"):
            try:
                self._glue.get_database(Name=self._database)
            except self._glue.exceptions.EntityNotFoundException:
                return False
        return True

    def relations(self) -> dict[str, Relation]:
        """Everything that stands in the database, by name."""
        with translated(f"Listing the Glue database {self._database}"):
            pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=self._database)
            return {table["Name"]: _relation(dict(table)) for page in pages for table in page["TableList"]}

    def relation(self, name: str) -> Relation | None:
        """One table or view of the database; None where there is none."""
        with translated(f"Looking for {self._database}.{name}"):
            try:
                return _relation(dict(self._glue.get_table(DatabaseName=self._database, Name=name)["Table"]))
            except self._glue.exceptions.EntityNotFoundException:
                return None

    def partitions(self, name: str) -> list[dict[str, str]]:
        """The values of a table's registered partitions, by column; none where they are projected."""
        with translated(f"Listing the partitions of {self._database}.{name}"):
            table = dict(self._glue.get_table(DatabaseName=self._database, Name=name)["Table"])
            if _relation(table).parameters.get("projection.enabled", "").lower() == "true":
                return []
            keys = [str(column["Name"]).lower() for column in _columns(table, "PartitionKeys")]
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self._database, TableName=name, ExcludeColumnSchema=True
            )
            return [dict(zip(keys, found["Values"], strict=True)) for page in pages for found in page["Partitions"]]

    def declare(self, table: Table, location: Location, first_day: date, version: str, views: Iterable[str]) -> None:
        """Create *table* over the objects at *location*, or bring it up to date in place.

        The days of a partitioned one are projected from *first_day* on. The names of the *views* that are ours are
        kept on it.
        """
        import awswrangler as wr

        place = location.uri(table.name)
        with translated(f"Declaring {self._database}.{table.name}"):
            wr.catalog.create_parquet_table(
                database=self._database,
                table=table.name,
                path=f"{place}/",
                columns_types={column.name: glue_type(column.type) for column in table.columns},
                partitions_types={column.name: glue_type(column.type) for column in partition_columns(table)},
                columns_comments={
                    column.name: column.comment for column in (*table.columns, *partition_columns(table))
                },
                description=f"One row per {table.grain}.",
                parameters={_MADE_BY: version, _VIEWS: ",".join(sorted(views))},
                mode="overwrite",  # of the definition: awswrangler updates the table in place
                athena_partition_projection_settings=_projection(place, first_day) if table.partitioned else None,
                boto3_session=self._session,
            )


USAGE_DATE = Column(PARTITION_KEY, pa.date32(), "UTC day of the window; the partition")


def partition_columns(table: Table) -> tuple[Column, ...]:
    """The columns that stand in the keys of the table's objects, not in the objects."""
    return (USAGE_DATE,) if table.partitioned else ()


def foreign(relations: dict[str, Relation], views: Iterable[str]) -> list[str]:
    """The names that we are about to use and that stand for something that we did not make."""
    ours = {table.name for table in TABLES if (r := relations.get(table.name)) and _MADE_BY in r.parameters}
    claimed = {name for table in ours for name in relations[table].parameters.get(_VIEWS, "").split(",")}
    wanted = {table.name for table in TABLES} | set(views)
    return sorted(name for name in wanted & set(relations) if name not in ours | claimed)


def glue_type(kind: pa.DataType) -> str:
    """How Glue writes an Arrow type; KeyError for one that no table of ours or of the bill has."""
    if pa.types.is_map(kind):
        return f"map<{glue_type(kind.key_type)},{glue_type(kind.item_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _GLUE_TYPES[kind]


_GLUE_TYPES = {
    pa.string(): "string",
    pa.float64(): "double",
    pa.float32(): "float",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.bool_(): "boolean",
    pa.date32(): "date",
}


def _projection(place: str, first_day: date) -> "AthenaPartitionProjectionSettings":
    return {
        "projection_types": {PARTITION_KEY: "date"},
        "projection_ranges": {PARTITION_KEY: f"{first_day:%Y-%m-%d},NOW+1DAYS"},
        "projection_storage_location_template": f"{place}/{PARTITION_KEY}=${{{PARTITION_KEY}}}/",
    }


def _relation(table: dict[str, object]) -> Relation:
    described = [*_columns(table.get("StorageDescriptor"), "Columns"), *_columns(table, "PartitionKeys")]
    parameters = table.get("Parameters")
    return Relation(
        name=str(table["Name"]),
        is_view=table.get("TableType") == "VIRTUAL_VIEW",
        columns={str(column["Name"]).lower(): str(column.get("Type", "")) for column in described},
        parameters={str(k): str(v) for k, v in parameters.items()} if isinstance(parameters, dict) else {},
    )


def _columns(holder: object, key: str) -> list[dict[str, object]]:
    return list(holder.get(key) or []) if isinstance(holder, dict) else []
