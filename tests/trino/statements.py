"""A case as one statement for Trino: what it replaces as rows in front of it, and the shipped views over them."""

from collections.abc import Mapping
from functools import cache

from sqlglot import exp

from pipeline.bill import Bill
from pipeline.dictionary import lake_types, typed_views
from pipeline.relations import Source, inlined
from tests.sql.cases import Case
from tests.sql.warehouse import BILLS, every_view
from tests.trino.typed_rows import select_of

Types = Mapping[str, str]
"""Names of columns, and their types in Trino's words."""


def statement_of(case: Case) -> str:
    """What asks a *case* of an engine that holds no table at all."""
    tables: dict[str, Types] = {**_table_types(), "cur": _bill_types(case.source)}
    definitions = {name: select_of(case.replaced.get(name, ()), types) for name, types in tables.items()}
    for name, select in _views(case.source).items():
        definitions.pop(name, None)  # the ledger, which is filled from its view
        made = case.replaced.get(name)
        definitions[name] = select if made is None else select_of(made, {**tables, **view_types()}[name])
    return inlined(case.select, definitions)


@cache
def view_types() -> Mapping[str, Types]:
    """The columns of every view, as the data dictionary has them."""
    return {view.name: columns for view, columns in typed_views(lake_types())}


@cache
def _table_types() -> Mapping[str, Types]:
    known = lake_types()
    return {
        table: {name: known.get_column_type(table, name).sql("athena").lower() for name in known.column_names(table)}
        for table in known.mapping
    }


@cache
def _bill_types(source: Source) -> Types:
    hive = {name: exp.DataType.build(kind, dialect="hive") for name, kind in BILLS[source].items()}
    return {name: kind.sql("athena").lower() for name, kind in hive.items()}


@cache
def _views(source: Source) -> Mapping[str, str]:
    bill = Bill("cur", source, BILLS[source])
    return {view.name: bill.select(view) for view in every_view(source)}
