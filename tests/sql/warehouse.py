"""The shipped views over made-up tables, in DuckDB: any relation can be replaced by rows written by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.demo.athena.dialect import PRELUDE, to_duckdb
from pipeline.relations import Source, render, views
from pipeline.tables import PARTITION_KEY, TABLES, Table

Row = Mapping[str, Any]
Rows = Sequence[Row]

CUR_COLUMNS = {
    "bill_invoice_id": "VARCHAR",
    "bill_payer_account_id": "VARCHAR",
    "billing_period": "VARCHAR",
    "line_item_availability_zone": "VARCHAR",
    "line_item_blended_cost": "DOUBLE",
    "line_item_currency_code": "VARCHAR",
    "line_item_line_item_description": "VARCHAR",
    "line_item_line_item_type": "VARCHAR",
    "line_item_operation": "VARCHAR",
    "line_item_product_code": "VARCHAR",
    "line_item_resource_id": "VARCHAR",
    "line_item_unblended_cost": "DOUBLE",
    "line_item_usage_account_id": "VARCHAR",
    "line_item_usage_amount": "DOUBLE",
    "line_item_usage_end_date": "TIMESTAMP",
    "line_item_usage_start_date": "TIMESTAMP",
    "line_item_usage_type": "VARCHAR",
    "pricing_public_on_demand_cost": "DOUBLE",
    "product": "MAP(VARCHAR, VARCHAR)",
    "product_instance_type": "VARCHAR",
    "product_product_family": "VARCHAR",
    "product_region_code": "VARCHAR",
    "product_servicecode": "VARCHAR",
    "reservation_effective_cost": "DOUBLE",
    "reservation_reservation_a_r_n": "VARCHAR",
    "reservation_unused_amortized_upfront_fee_for_billing_period": "DOUBLE",
    "reservation_unused_recurring_fee": "DOUBLE",
    "resource_tags": "MAP(VARCHAR, VARCHAR)",
    "savings_plan_savings_plan_effective_cost": "DOUBLE",
    "savings_plan_total_commitment_to_date": "DOUBLE",
    "savings_plan_used_commitment": "DOUBLE",
}
"""The columns of a Cost and Usage Report 2.0 that the product reads."""


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


def warehouse(replaced: Mapping[str, Rows], source: Source = "cur2") -> Warehouse:
    """The shipped views over empty tables, the relations in *replaced* holding those rows instead."""
    made = Warehouse(duckdb.connect())
    for statement in (*PRELUDE, *_lake(), _create_table("cur", CUR_COLUMNS)):
        made.connection.execute(statement)
    for name, select in _selects(source):
        made.connection.execute(f'CREATE VIEW "{name}" AS {select}')
        if name in replaced:
            columns = made.columns(name)
            made.connection.execute(f'DROP VIEW "{name}"')
            made.connection.execute(_create_table(name, columns))
    for name, rows in replaced.items():
        made.fill(name, rows)
    return made


def refilled(tables: Mapping[str, Rows]) -> Warehouse:
    """The shipped views over *tables* of the lake or `cur`, in a warehouse that the next call fills anew."""
    made = _standing()
    for name in (*(table.name for table in TABLES), "cur"):
        made.fill(name, tables.get(name, ()))
    return made


@cache
def _standing() -> Warehouse:
    return warehouse({})


@cache
def _translated(statement: str) -> str:
    return to_duckdb(statement)


@cache
def _selects(source: Source) -> tuple[tuple[str, str], ...]:
    return tuple((view.name, to_duckdb(render(view.template, cur_table="cur"))) for view in views(source))


def _lake() -> list[str]:
    return [
        _create_table(table.name, {column.name: _duckdb_type(column.type) for column in table.columns} | _partition(table))
        for table in TABLES
    ]


def _partition(table: Table) -> dict[str, str]:
    return {PARTITION_KEY: "DATE"} if table.partitioned else {}


def _duckdb_type(kind: pa.DataType) -> str:
    if pa.types.is_map(kind):
        return "MAP(VARCHAR, VARCHAR)"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP"
    return "DOUBLE" if pa.types.is_floating(kind) else "VARCHAR"


def _create_table(name: str, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    return f'CREATE TABLE "{name}" ({listed})'


def _entries(row: Row) -> dict[str, Any]:
    """Arrow takes a map as its list of entries."""
    return {name: list(value.items()) if isinstance(value, dict) else value for name, value in row.items()}
