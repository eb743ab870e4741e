"""The ledger's tables in the Glue catalog: where each day's rows lie, and what they were computed from."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar

import boto3

from pipeline.aws import CONFIG, translated
from pipeline.errors import ContractError
from pipeline.glue_types import glue_column, parquet_of, partition_columns
from pipeline.ledger import Inputs, LedgerDay
from pipeline.ledger_table import (
    CLOSED_LEDGER_RUNS,
    CLOSED_MONTHS,
    COST_LEDGER,
    COST_LEDGER_RUNS,
    LEDGER_TABLES,
    OUT_OF_SCOPE_COSTS,
    RUN,
    SCOPE,
    SCOPES,
)
from pipeline.models import Location
from pipeline.tables import PARTITION_KEY, Table
from pipeline.window import parse_instant, rfc3339

_Item = TypeVar("_Item")

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import (
        BatchUpdatePartitionRequestEntryTypeDef,
        PartitionErrorTypeDef,
        PartitionInputTypeDef,
        PartitionTypeDef,
        TableInputTypeDef,
        TableTypeDef,
    )

_PERIOD = "chargeback.bill."  # and a billing period: a parameter of the table, its value the bill's fingerprint
_AT_ONCE = 100  # partitions in a call, which is Glue's limit
_POINTED = (OUT_OF_SCOPE_COSTS, COST_LEDGER)
"""In this order: the ledger's partitions say what a day follows from, so it has that only when both stand."""
_THERE_ALREADY, _GONE_ALREADY = "AlreadyExistsException", "EntityNotFoundException"
_NEVER = rfc3339(datetime(1970, 1, 1, tzinfo=UTC))


class LedgerCatalog:
    """The tables of what `refresh` computes in the Glue *database*, over the lake at *location*."""

    def __init__(self, session: boto3.Session, database: str, location: Location) -> None:
        with translated("Connecting to Glue"):
            self._glue: GlueClient = session.client("glue", config=CONFIG)
        self._database = database
        self._location = location
        self._name = f"{database}.{COST_LEDGER.name}"

    @property
    def stands(self) -> bool:
        """Whether the ledger is a table already, not a view as in former versions, and those beside it are there."""
        others = (OUT_OF_SCOPE_COSTS, CLOSED_LEDGER_RUNS, CLOSED_MONTHS)
        return self._table() is not None and all(self._entry(table.name) is not None for table in others)

    @property
    def place(self) -> str:
        """Whose the ledger's files are: this catalog's and database's, since others may follow the same lake."""
        with translated(f"Looking for the Glue database {self._database} (glue:GetDatabase)"):
            found = self._glue.get_database(Name=self._database)["Database"]
        return f"{found.get('CatalogId', 'catalog')}-{self._database}"

    def declare(self, parameters: Mapping[str, str]) -> None:
        """Create the tables or bring them up to date in place; a view of the name gives way.

        *parameters* say whose they are. What is remembered with the tables, and their partitions, stays.
        """
        folder = f"{self._location.uri(COST_LEDGER.name)}/{self.place}"
        for table in LEDGER_TABLES:
            entry = self._entry(table.name)
            if entry is not None and entry.get("TableType") == "VIRTUAL_VIEW":
                with translated(f"Dropping the view {self._database}.{table.name} (glue:DeleteTable)"):
                    self._glue.delete_table(DatabaseName=self._database, Name=table.name)
                entry = None
            kept = entry.get("Parameters", {}) if entry else {}
            declared = self._input(table, {**kept, **_projection(table, folder), **parameters})
            with translated(f"Declaring {self._database}.{table.name} (glue:CreateTable, glue:UpdateTable)"):
                if entry is None:
                    self._glue.create_table(DatabaseName=self._database, TableInput=declared)
                else:
                    self._glue.update_table(DatabaseName=self._database, TableInput=declared, SkipArchive=True)

    def days(self) -> dict[date, LedgerDay]:
        """The ledger's days; none while there is no table."""
        if not self.stands:
            return {}
        return {day: _rows(day, partition) for day, partition in self._partitions(COST_LEDGER).items()}

    def periods(self) -> dict[str, str]:
        """The fingerprint of each billing period of which all days were computed."""
        table = self._table()
        parameters = table.get("Parameters", {}) if table else {}
        return {name.removeprefix(_PERIOD): value for name, value in parameters.items() if name.startswith(_PERIOD)}

    def remember(self, periods: Mapping[str, str]) -> None:
        """Keep the fingerprints of the billing *periods*, instead of those that were kept before."""
        table = self._table()
        former = table.get("Parameters", {}) if table else {}
        others = {name: value for name, value in former.items() if not name.startswith(_PERIOD)}
        parameters = others | {f"{_PERIOD}{period}": value for period, value in periods.items()}
        if parameters != former:
            with translated(f"Noting the billing periods of {self._name} (glue:UpdateTable)"):
                self._glue.update_table(
                    DatabaseName=self._database, TableInput=self._input(COST_LEDGER, parameters), SkipArchive=True
                )

    def standing(self) -> Mapping[str, Collection[date]]:
        """The days that each table has by now, by the table's name."""
        return {table.name: self._partitions(table).keys() for table in _POINTED}

    def point(self, days: Mapping[date, LedgerDay], standing: Mapping[str, Collection[date]]) -> None:
        """Make *days* what readers see: those that are not *standing* yet first, each of them at one stroke.

        A day that another run has added meanwhile is moved: whatever is behind then, the next run sees by its inputs.
        """
        moved = {}
        for table in _POINTED:
            partitions = {day: _partition(table, day, rows) for day, rows in days.items()}
            added = self._add(table, {day: each for day, each in partitions.items() if day not in standing[table.name]})
            moved[table.name] = [each for day, each in partitions.items() if day not in added]
        for table in _POINTED:
            self._move(table, moved[table.name])

    def forget(self, days: Iterable[date]) -> None:
        """Take *days* away, of which neither the lake nor the bill has anything any more."""
        gone = sorted(days)
        for table in reversed(_POINTED):
            for some in _few(gone):
                with translated(f"Removing days of {self._database}.{table.name} (glue:BatchDeletePartition)"):
                    answer = self._glue.batch_delete_partition(
                        DatabaseName=self._database,
                        TableName=table.name,
                        PartitionsToDelete=[{"Values": [day.isoformat()]} for day in some],
                    )
                self._require_done(table, _others(answer.get("Errors", []), _GONE_ALREADY), "removed")

    def _partitions(self, table: Table) -> "dict[date, PartitionTypeDef]":
        with translated(f"Listing the days of {self._database}.{table.name} (glue:GetPartitions)"):
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=self._database, TableName=table.name, ExcludeColumnSchema=True
            )
            found = [partition for page in pages for partition in page["Partitions"]]
        return {date.fromisoformat(partition["Values"][0]): partition for partition in found}

    def _add(self, table: Table, partitions: "Mapping[date, PartitionInputTypeDef]") -> set[date]:
        """Add the days, and return those that were not there by now."""
        added = set(partitions)
        for some in _few([*partitions.values()]):
            with translated(f"Adding days to {self._database}.{table.name} (glue:BatchCreatePartition)"):
                answer = self._glue.batch_create_partition(
                    DatabaseName=self._database, TableName=table.name, PartitionInputList=some
                )
            errors = answer.get("Errors", [])
            self._require_done(table, _others(errors, _THERE_ALREADY), "added")
            added -= {date.fromisoformat(error.get("PartitionValues", [])[0]) for error in errors}
        return added

    def _move(self, table: Table, partitions: "Sequence[PartitionInputTypeDef]") -> None:
        for some in _few(partitions):
            entries: list[BatchUpdatePartitionRequestEntryTypeDef] = [
                {"PartitionValueList": [*partition.get("Values", [])], "PartitionInput": partition}
                for partition in some
            ]
            with translated(
                f"Pointing days of {self._database}.{table.name} to their rows (glue:BatchUpdatePartition)"
            ):
                answer = self._glue.batch_update_partition(
                    DatabaseName=self._database, TableName=table.name, Entries=entries
                )
            self._require_done(table, answer.get("Errors", []), "changed")

    def _require_done(self, table: Table, errors: Sequence[object], done: str) -> None:
        if errors:
            raise ContractError(
                f"{len(errors)} days of {self._database}.{table.name} were not {done}; Glue says {errors[0]}. "
                "They are as they were: run `chargeback refresh` again."
            )

    def _table(self) -> "TableTypeDef | None":
        entry = self._entry(COST_LEDGER.name)
        return None if entry is None or entry.get("TableType") == "VIRTUAL_VIEW" else entry

    def _entry(self, name: str) -> "TableTypeDef | None":
        with translated(f"Looking for {self._database}.{name} (glue:GetTable)"):
            try:
                return self._glue.get_table(DatabaseName=self._database, Name=name)["Table"]
            except self._glue.exceptions.EntityNotFoundException:
                return None

    def _home(self, table: Table) -> str:
        """The folder of a table whose partitions, if it has any, have folders of their own."""
        if table is CLOSED_MONTHS:
            return f"{self._location.uri(table.name, self.place)}/"
        return f"{self._location.uri(COST_LEDGER.name)}/"

    def _input(self, table: Table, parameters: Mapping[str, str]) -> "TableInputTypeDef":
        return {
            "Name": table.name,
            "Description": f"One row per {table.grain}.",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [glue_column(column) for column in partition_columns(table)],
            "StorageDescriptor": parquet_of(table, self._home(table)),
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **parameters},
        }


def _projection(table: Table, folder: str) -> dict[str, str]:
    """Of the runs: a query names one, and each may have any day."""
    if table is not COST_LEDGER_RUNS:
        return {}
    any_day = _of_day(f"${{{SCOPE.name}}}", f"${{{PARTITION_KEY}}}")
    return {
        "projection.enabled": "true",
        f"projection.{RUN.name}.type": "injected",
        f"projection.{SCOPE.name}.type": "enum",
        f"projection.{SCOPE.name}.values": ",".join(SCOPES.values()),
        f"projection.{PARTITION_KEY}.type": "date",
        f"projection.{PARTITION_KEY}.format": "yyyy-MM-dd",
        f"projection.{PARTITION_KEY}.range": "2015-01-01,NOW+366DAYS",
        "storage.location.template": f"{folder}/${{{RUN.name}}}/{any_day}",
    }


def _others(errors: "Sequence[PartitionErrorTypeDef]", code: str) -> "list[PartitionErrorTypeDef]":
    """The *errors* but those of a *code*, which says that another run was faster."""
    return [error for error in errors if error.get("ErrorDetail", {}).get("ErrorCode") != code]


def _few(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _of_day(scope: str, day: str) -> str:
    """Where a day's rows lie in their run's folder; the engine writes them there."""
    return f"{SCOPE.name}={scope}/{PARTITION_KEY}={day}/"


def _partition(table: Table, day: date, rows: LedgerDay) -> "PartitionInputTypeDef":
    return {
        "Values": [day.isoformat()],
        "StorageDescriptor": parquet_of(table, f"{rows.folder}{_of_day(SCOPES[table.name], day.isoformat())}"),
        "Parameters": {
            "chargeback.run": rows.run,
            "chargeback.digest": rows.digest,
            "chargeback.lake": rows.inputs.lake,
            "chargeback.bill": " ".join(f"{period}={value}" for period, value in sorted(rows.inputs.bill.items())),
            "chargeback.definition": rows.inputs.definition,
            "chargeback.refreshed_at": rfc3339(rows.refreshed_at),
        },
    }


def _rows(day: date, partition: "PartitionTypeDef") -> LedgerDay:
    """A day as the ledger's partition tells of it; of one that somebody else made nothing is known, so it is stale."""
    said = partition.get("Parameters", {})
    periods = (entry.partition("=") for entry in said.get("chargeback.bill", "").split())
    return LedgerDay(
        run=said.get("chargeback.run", ""),
        folder=partition.get("StorageDescriptor", {})
        .get("Location", "")
        .removesuffix(_of_day(SCOPES[COST_LEDGER.name], day.isoformat())),
        digest=said.get("chargeback.digest", ""),
        inputs=Inputs(
            lake=said.get("chargeback.lake", ""),
            bill={period: value for period, _, value in periods},
            definition=said.get("chargeback.definition", ""),
        ),
        refreshed_at=parse_instant(said.get("chargeback.refreshed_at", _NEVER)),
    )
