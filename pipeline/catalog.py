"""The Glue catalog: the database, the lake's tables with their comments and projection, and what else lies there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import boto3

from pipeline.aws import translated
from pipeline.glue_types import glue_type, partition_columns
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.models import Location
from pipeline.tables import PARTITION_KEY, Table

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
    location: str = ""

    @property
    def is_projected(self) -> bool:
        """Whether its partitions follow from its parameters, and are registered nowhere."""
        return self.parameters.get("projection.enabled", "").lower() == "true"

    @property
    def made_by(self) -> str | None:
        """The version of ours that declared it; None where it is not ours, or a view, which cannot tell."""
        return self.parameters.get(_MADE_BY)


@dataclass(frozen=True)
class Partition:
    """A registered partition: the values of its columns, and the folder in S3 that has its rows."""

    values: dict[str, str]
    folder: str


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

    def partitions(self, name: str) -> list[Partition]:
        """A table's registered partitions; none where they are projected."""
        with translated(f"Listing the partitions of {self._database}.{name}"):
            table = dict(self._glue.get_table(DatabaseName=self._database, Name=name)["Table"])
            if _relation(table).is_projected:
                return []
            keys = [str(column["Name"]).lower() for column in _columns(table, "PartitionKeys")]
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self._database, TableName=name, ExcludeColumnSchema=True
            )
            found = [partition for page in pages for partition in page["Partitions"]]
        return [
            Partition(dict(zip(keys, of["Values"], strict=True)), of.get("StorageDescriptor", {}).get("Location", ""))
            for of in found
        ]

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
                parameters=marks(version, views),
                mode="overwrite",  # of the definition: awswrangler updates the table in place
                athena_partition_projection_settings=_projection(place, first_day) if table.partitioned else None,
                boto3_session=self._session,
            )


def marks(version: str, views: Iterable[str]) -> dict[str, str]:
    """The parameters that make a table ours; the names of the *views* that are ours are kept on it."""
    return {_MADE_BY: version, _VIEWS: ",".join(sorted(views))}


def foreign(relations: dict[str, Relation], views: Iterable[str]) -> list[str]:
    """The names that we are about to use and that stand for something that we did not make."""
    ours = {table.name for table in PUBLISHED_TABLES if (r := relations.get(table.name)) and _MADE_BY in r.parameters}
    claimed = {name for table in ours for name in relations[table].parameters.get(_VIEWS, "").split(",")}
    wanted = {table.name for table in PUBLISHED_TABLES} | set(views)
    return sorted(name for name in wanted & set(relations) if name not in ours | claimed)


def _projection(place: str, first_day: date) -> "AthenaPartitionProjectionSettings":
    return {
        "projection_types": {PARTITION_KEY: "date"},
        "projection_ranges": {PARTITION_KEY: f"{first_day:%Y-%m-%d},NOW+1DAYS"},
        "projection_storage_location_template": f"{place}/{PARTITION_KEY}=${{{PARTITION_KEY}}}/",
    }


def _relation(table: dict[str, object]) -> Relation:
    described = [*_columns(table.get("StorageDescriptor"), "Columns"), *_columns(table, "PartitionKeys")]
    parameters, storage = table.get("Parameters"), table.get("StorageDescriptor")
    return Relation(
        name=str(table["Name"]),
        is_view=table.get("TableType") == "VIRTUAL_VIEW",
        columns={str(column["Name"]).lower(): str(column.get("Type", "")) for column in described},
        parameters={str(k): str(v) for k, v in parameters.items()} if isinstance(parameters, dict) else {},
        location=str(storage.get("Location", "")) if isinstance(storage, dict) else "",
    )


def _columns(holder: object, key: str) -> list[dict[str, object]]:
    return list(holder.get(key) or []) if isinstance(holder, dict) else []
