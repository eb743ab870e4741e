"""The moto server's Glue catalog as Athena sees it: tables, partitions, and views in Presto's shape."""

import base64
import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from moto.glue.exceptions import DatabaseNotFoundException, TableNotFoundException
from moto.glue.models import GlueBackend

from pipeline.demo.athena.accesses import Access, Accesses
from pipeline.demo.athena.dialect import StatementError

PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


@dataclass(frozen=True)
class Name:
    """A table's or view's full name, lower case as in Glue."""

    database: str
    table: str

    def __str__(self) -> str:
        return f"awsdatacatalog.{self.database}.{self.table}"


class _Entry(msgspec.Struct, frozen=True, rename="pascal"):
    """Glue's own spelling of names; fields that Athena does not look at are left out."""


_EntryT = TypeVar("_EntryT", bound=_Entry)


class Column(_Entry, frozen=True):
    """A column or partition key, with its type in Glue's words."""

    name: str
    type: str
    comment: str | None = None


class Serde(_Entry, frozen=True):
    """The class that reads the table's objects."""

    serialization_library: str | None = None


class Storage(_Entry, frozen=True):
    """Where a table or partition lies, and its columns."""

    columns: tuple[Column, ...] = ()
    location: str = ""
    serde_info: Serde = Serde()


class Table(_Entry, frozen=True):
    """One entry of the catalog: a table over S3 objects, or a view."""

    name: str
    table_type: str = ""
    storage_descriptor: Storage = Storage()
    partition_keys: tuple[Column, ...] = ()
    parameters: dict[str, str] = {}
    view_original_text: str | None = None

    @property
    def is_view(self) -> bool:
        """Whether the entry is a view."""
        return self.table_type == "VIRTUAL_VIEW"


class Partition(_Entry, frozen=True):
    """One registered partition: a value for each key, and its own location."""

    values: tuple[str, ...]
    storage_descriptor: Storage


class ViewColumn(msgspec.Struct, frozen=True):
    """A column of a view, with its full type in Athena's words."""

    name: str
    type: str


class View(msgspec.Struct, frozen=True, rename="camel"):
    """What Presto, Trino and Athena keep of a view, inside a comment in Glue."""

    original_sql: str
    catalog: str
    schema: str
    columns: tuple[ViewColumn, ...]
    run_as_invoker: bool = True


# msgspec learns a type when it first meets it; threads that have it learn one at once have crashed the process.
_LEARNT = tuple(map(msgspec.json.Decoder, (Table, Partition, View)))


class Catalog:
    """Tables and views by name; every complaint is a `StatementError` in Athena's words.

    What Athena does in Glue is added to *accesses*.
    """

    def __init__(self, glue: GlueBackend, accesses: Accesses) -> None:
        self._glue = glue
        self._accesses = accesses

    def find(self, name: Name) -> Table | None:
        """The entry called *name*, None if there is none."""
        self._note("GetTable", name)
        try:
            entry = self._glue.get_table(name.database, name.table).as_dict()
        except (DatabaseNotFoundException, TableNotFoundException):
            return None
        return _record(entry, Table)

    def tables(self, database: str) -> tuple[Table, ...]:
        """Everything in *database*, by name."""
        if not self.has_database(database):
            raise StatementError(f"SCHEMA_NOT_FOUND: line 1:1: Schema '{database}' does not exist")
        self._note("GetTables", Name(database, "*"))
        names = sorted(str(entry.name) for entry in self._glue.get_tables(database, None))
        return tuple(table for name in names if (table := self.find(Name(database, name))))

    def has_database(self, database: str) -> bool:
        """Whether Glue has *database*."""
        self._accesses.append(Access("glue:GetDatabase", database))
        return database in self._glue.databases

    def partitions(self, name: Name) -> tuple[Partition, ...]:
        """The partitions that are registered, in the order of their values."""
        self._note("GetPartitions", name)
        found = self._glue.get_partitions(name.database, name.table, "")
        entries = (_record(entry.as_dict(), Partition) for entry in found)
        return tuple(sorted(entries, key=lambda partition: partition.values))

    def view(self, table: Table) -> View:
        """The definition inside a view's entry."""
        encoded = re.search(r"/\* Presto View: (\S+) \*/", table.view_original_text or "")
        if not encoded:
            raise StatementError(f"INVALID_VIEW: '{table.name}' holds no Presto view")
        try:
            return msgspec.json.decode(base64.b64decode(encoded[1]), type=View)
        except (ValueError, msgspec.MsgspecError) as error:
            raise StatementError(f"INVALID_VIEW: '{table.name}': {error}") from error

    def put_view(self, name: Name, view: View, columns: tuple[Column, ...]) -> None:
        """Store *view* so that Athena and Trino's Hive connector can read it; replace one in place."""
        encoded = base64.b64encode(msgspec.json.encode(view)).decode()
        self._put(
            name,
            {
                "Name": name.table,
                "TableType": "VIRTUAL_VIEW",
                "Parameters": {"presto_view": "true", "comment": "Presto View"},
                "ViewOriginalText": f"/* Presto View: {encoded} */",
                "ViewExpandedText": "/* Presto View */",
                "StorageDescriptor": {"Columns": _plain(columns), "Location": "", "SerdeInfo": {}},
                "PartitionKeys": [],
            },
        )

    def put_table(self, name: Name, location: str, columns: tuple[Column, ...], keys: tuple[Column, ...]) -> None:
        """Store a Parquet table at *location*, as CREATE TABLE AS does."""
        self._put(
            name,
            {
                "Name": name.table,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
                "StorageDescriptor": _parquet_storage(location, columns),
                "PartitionKeys": _plain(keys),
            },
        )

    def put_partition(self, name: Name, values: tuple[str, ...], location: str, columns: tuple[Column, ...]) -> None:
        """Register one partition of a table."""
        self._note("BatchCreatePartition", name)
        entry = {"Values": list(values), "StorageDescriptor": _parquet_storage(location, columns)}
        self._glue.create_partition(name.database, name.table, entry)

    def drop(self, name: Name) -> None:
        """Forget the entry; the objects of a table stay, as in Athena."""
        self._note("DeleteTable", name)
        self._glue.delete_table(name.database, name.table)

    def _put(self, name: Name, entry: dict[str, object]) -> None:
        if not self.has_database(name.database):
            raise StatementError(f"SCHEMA_NOT_FOUND: line 1:1: Schema '{name.database}' does not exist")
        if self.find(name):
            self._note("UpdateTable", name)
            self._glue.update_table(name.database, name.table, entry)
        else:
            self._note("CreateTable", name)
            self._glue.create_table(name.database, name.table, entry)

    def _note(self, action: str, name: Name) -> None:
        self._accesses.append(Access(f"glue:{action}", f"{name.database}/{name.table}"))


def _record(entry: dict[str, object], kind: type[_EntryT]) -> _EntryT:
    try:
        return msgspec.convert(entry, kind, strict=False)
    except msgspec.ValidationError as error:
        raise StatementError(f"HIVE_INVALID_METADATA: {entry.get('Name', 'partition')}: {error}") from error


def _plain(columns: tuple[Column, ...]) -> list[dict[str, str]]:
    return [{"Name": column.name, "Type": column.type} for column in columns]


def _parquet_storage(location: str, columns: tuple[Column, ...]) -> dict[str, object]:
    return {
        "Columns": _plain(columns),
        "Location": location,
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": PARQUET_SERDE},
    }
