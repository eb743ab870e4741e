"""The shipped views over made-up tables, in DuckDB: any relation can be replaced by rows written by hand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.bill import Bill
from pipeline.demo.athena.dialect import PRELUDE, to_duckdb
from pipeline.glue_types import partition_columns
from pipeline.ledger_table import CLOSED_LEDGER_RUNS, CLOSED_MONTHS, COST_LEDGER_RUNS, OUT_OF_SCOPE_COSTS
from pipeline.relations import Source, View, in_dependency_order, relations_read, views
from pipeline.tables import PARTITION_KEY, TABLES
from tests.bills import CUR1_FULL, CUR2_FULL, Columns

_BILL_TYPES = {
    "double": "DOUBLE",
    "map<string,double>": "MAP(VARCHAR, DOUBLE)",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP",
}

Row = Mapping[str, Any]
Rows = Sequence[Row]

BILLS: Mapping[Source, Columns] = {"cur1": CUR1_FULL, "cur2": CUR2_FULL, "no_cur": {}}
"""The columns that the bill's table has unless a test says otherwise."""

_DUCKDB_TYPES = {
    pa.string(): "VARCHAR",
    pa.float64(): "DOUBLE",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("ms"): "TIMESTAMP",
    pa.date32(): "DATE",
}


@dataclass(frozen=True)
class Warehouse:
    """A DuckDB connection that holds the lake's tables, a bill called `cur`, and the views."""

    connection: duckdb.DuckDBPyConnection

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement in Athena's SQL."""
        rows: list[dict[str, Any]] = self.connection.sql(_translated(statement)).to_arrow_table().to_pylist()
        return rows

    def columns(self, relation: str) -> dict[str, str]:
        """Names and types of a relation's columns, in order."""
        described = self.connection.execute(f'DESCRIBE "{relation}"').fetchall()
        return {name: kind for name, kind, *_ in described}

    def fill(self, table: str, rows: Rows) -> None:
        """Make *rows* all that a table holds; columns that a row leaves out are NULL."""
        self.connection.execute(f'DELETE FROM "{table}"')
        schema = self.connection.sql(f'FROM "{table}" LIMIT 0').to_arrow_table().schema
        for row in rows:
            assert row.keys() <= set(schema.names), f"{table} has no {row.keys() - set(schema.names)}"
        typed = pa.Table.from_pylist([_entries(row) for row in rows], schema=schema)
        with_rows = self.connection.register("rows", typed)
        with_rows.execute(f'INSERT INTO "{table}" FROM rows')
        with_rows.unregister("rows")


def warehouse(
    replaced: Mapping[str, Rows],
    source: Source = "cur2",
    columns: Columns | None = None,
    files: Sequence[Path] = (),
    reading: Collection[str] | None = None,
) -> Warehouse:
    """The shipped views over empty tables, the relations in *replaced* holding those rows instead.

    The bill's table has *columns*, and the lines of the Parquet *files*, if there are any. Who says which relations
    will be read is spared the making of all others.
    """
    made = Warehouse(duckdb.connect())
    columns = BILLS[source] if columns is None else columns
    for statement in (*PRELUDE, *_lake(), _bill_table(columns, files)):
        made.connection.execute(statement)
    below = _below(source, reading, replaced.keys())
    for name, select in _selects(source, tuple(columns.items())):
        if name in replaced:
            made.connection.execute(_create_table(name, _described(source, tuple(columns.items()))[name]))
        elif name in below:
            made.connection.execute(f'CREATE VIEW "{name}" AS {select}')
    for name, rows in replaced.items():
        made.fill(name, rows)
    return made


def refilled(tables: Mapping[str, Rows], settled: Sequence[str] = ()) -> Warehouse:
    """The shipped views over *tables* of the lake or `cur`, in a warehouse that the next call fills anew.

    Each view that is *settled*, in that order, is asked once: whatever reads it finds the rows that it answered then.
    """
    made = _standing()
    for name in _reads("cur2"):
        made.connection.execute(f'DROP TABLE IF EXISTS temp."{name}"')
    for name in (*(table.name for table in TABLES), "cur"):
        made.fill(name, tables.get(name, ()))
    for name in settled:
        made.connection.execute(f'CREATE TEMP TABLE "{name}" AS FROM main."{name}"')
    return made


@cache
def _standing() -> Warehouse:
    return warehouse({})


@cache
def _translated(statement: str) -> str:
    return to_duckdb(statement)


@cache
def _selects(source: Source, columns: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    bill = Bill("cur", source, dict(columns))
    return tuple((view.name, _translated(bill.select(view))) for view in every_view(source))


@cache
def _described(source: Source, columns: tuple[tuple[str, str], ...]) -> Mapping[str, Mapping[str, str]]:
    """The columns of every view."""
    made = warehouse({}, source, dict(columns))
    return {name: made.columns(name) for name in _reads(source)}


_OUT_OF_SCOPE = ", ".join([*(column.name for column in OUT_OF_SCOPE_COSTS.columns), PARTITION_KEY])
REFRESHED = (
    View("cost_ledger", "row of the ledger", "SELECT * FROM cost_ledger_live"),
    View(
        "out_of_scope_costs",
        "charge out of scope",
        f"SELECT {_OUT_OF_SCOPE} FROM attributed_costs WHERE NOT is_in_scope",
    ),
)
"""The tables that `refresh` fills, as if it always just had."""


def every_view(source: Source) -> tuple[View, ...]:
    """The shipped views, and what `refresh` computes as such, each after those it reads."""
    return in_dependency_order((*views(source), *REFRESHED))


@cache
def _reads(source: Source) -> Mapping[str, frozenset[str]]:
    """What every view reads."""
    return {view.name: relations_read(view.template) for view in every_view(source)}


def _below(source: Source, reading: Collection[str] | None, replaced: Collection[str]) -> set[str]:
    """The views that answer who is *reading*; nobody looks below one that is *replaced*."""
    reads, found = _reads(source), set[str]()
    waiting = list(reads if reading is None else reading)
    while waiting:
        name = waiting.pop()
        if name in reads and name not in found and name not in replaced:
            found.add(name)
            waiting += reads[name]
    return found


def _bill_table(columns: Columns, files: Sequence[Path]) -> str:
    if files:
        listed = [str(file) for file in files]
        return f"CREATE VIEW cur AS FROM read_parquet({listed}, hive_partitioning = true, hive_types_autocast = false)"
    return _create_table("cur", {name: _BILL_TYPES[kind] for name, kind in columns.items()} or {"none": "VARCHAR"})


def _lake() -> list[str]:
    tables = (*TABLES, COST_LEDGER_RUNS, CLOSED_LEDGER_RUNS, CLOSED_MONTHS)
    columns = {table.name: (*table.columns, *partition_columns(table)) for table in tables}
    return [_create_table(name, {c.name: _duckdb_type(c.type) for c in of}) for name, of in columns.items()]


def _duckdb_type(kind: pa.DataType) -> str:
    return "MAP(VARCHAR, VARCHAR)" if pa.types.is_map(kind) else _DUCKDB_TYPES[kind]


def _create_table(name: str, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    return f'CREATE TABLE "{name}" ({listed})'


def _entries(row: Row) -> dict[str, Any]:
    """Arrow takes a map as its list of entries."""
    return {name: list(value.items()) if isinstance(value, dict) else value for name, value in row.items()}
