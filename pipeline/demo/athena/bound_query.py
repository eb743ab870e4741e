"""What a query is once its names are bound: its SQL in DuckDB, what it reads, and what its columns are called."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from pipeline.demo.athena.dialect import StatementError, parse, to_duckdb
from pipeline.demo.athena.glue_catalog import Name
from pipeline.demo.athena.statements import full_name, position

STAR = "*"

_CLOCK = re.compile(r"\b(now|current_date|current_timestamp|localtimestamp)\b", re.IGNORECASE)
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bound:
    """A query in DuckDB's SQL.

    *tables* are those that it reads, each with where it says so; *names* those of its columns, empty where one has
    none and a star where that stands; *places* where it first says each name.
    """

    sql: str
    tables: tuple[tuple[Name, str], ...]
    names: tuple[str, ...]
    places: Mapping[str, str]

    def place(self, name: str) -> str:
        """Where the query first says *name*, `line 1:15`."""
        return self.places.get(name.lower(), "line 1:1")


def bind(text: str, database: str, now: datetime) -> Bound:
    """Bind a query's text, which others ask for again: a view is read by many, and every publish makes all of them.

    Raises:
        StatementError: it cannot be read, or is no query.
    """
    return _remembered(text, database, _moment(text, now))


def bind_parts(text: str, database: str, now: datetime) -> tuple[tuple[tuple[Name, Bound], ...], Bound]:
    """The same in parts: each CTE over those before it, by the name of a view of *database*, and what is around all."""
    return _parts_remembered(text, database, _moment(text, now))


def relation(name: Name) -> str:
    """What a table is called in DuckDB."""
    return f"{name.database}.{name.table}"


def _moment(text: str, now: datetime) -> datetime:
    return now if _CLOCK.search(text) else _ANY_TIME


# What is remembered holds no syntax tree: that of a long query has megabytes.
@lru_cache(maxsize=1024)
def _remembered(text: str, database: str, now: datetime) -> Bound:
    return _bound(_query(text), database, now)


@lru_cache(maxsize=256)
def _parts_remembered(text: str, database: str, now: datetime) -> tuple[tuple[tuple[Name, Bound], ...], Bound]:
    query = _query(text)
    outer = query.args.get("with_")
    if outer is None or outer.recursive or any(cte.args["alias"].columns for cte in outer.expressions):
        return (), _bound(query, database, now)
    ctes: dict[Name, Bound] = {}
    for cte in outer.expressions:
        ctes[Name(database, cte.alias.lower())] = _bound(cte.this, database, now, ctes)
    outer.pop()
    return tuple(ctes.items()), _bound(query, database, now, ctes)


def _query(text: str) -> exp.Expr:
    query = parse(text)
    if not isinstance(query, (exp.Query, exp.Values)):
        raise StatementError(f"NOT_SUPPORTED: this engine does not run: {text.strip()[:100]}")
    return query


def _bound(query: exp.Expr, database: str, now: datetime, ctes: Collection[Name] = ()) -> Bound:
    """Point every table of *query* to its DuckDB relation, and its clock to *now*; *ctes* stand before it."""
    names = tuple(_output_name(item) for item in query.selects) if isinstance(query, exp.Query) else ()
    places = _places(query)
    read = []
    for table in list(_tables(query)):
        if not isinstance(table.this, exp.Identifier):
            raise StatementError(f"NOT_SUPPORTED: table function: {table.sql('athena')}")
        name = full_name(table, database)
        if table.db and name in ctes:
            raise StatementError(f"NOT_SUPPORTED: {position(table)}: a CTE has the name of the table '{name}'")
        read.append((name, position(table)))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(relation(name), quoted=True))
        table.set("db", None)
        table.set("catalog", None)
    for column in query.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    moment = now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    at_now = query.transform(lambda node: _at(moment, node), copy=False)
    return Bound(to_duckdb(at_now), tuple(read), names, places)


def _output_name(item: exp.Expr) -> str:
    """Only an alias or a plain reference names a column; sqlglot would name a cast after what it casts."""
    if item.is_star:
        return STAR
    return item.alias_or_name if isinstance(item, (exp.Alias, exp.Column, exp.Dot)) else ""


def _places(query: exp.Expr) -> dict[str, str]:
    places: dict[str, str] = {}
    for node in query.find_all(exp.Identifier):
        places.setdefault(node.name.lower(), position(node))
    return places


def _at(moment: str, node: exp.Expr) -> exp.Expr:
    """The clock's functions as constants, so that a demo on a fixed clock repeats."""
    match node:
        case exp.CurrentTimestamp():
            return exp.cast(exp.Literal.string(f"{moment}+00"), exp.DType.TIMESTAMPTZ)
        case exp.Localtimestamp():
            return exp.cast(exp.Literal.string(moment), exp.DType.TIMESTAMP)
        case exp.CurrentDate():
            return exp.cast(exp.Literal.string(moment[:10]), exp.DType.DATE)
    return node


def _tables(query: exp.Expr) -> Iterator[exp.Table]:
    """The tables that *query* reads; names of its own CTEs are none."""
    seen: set[int] = set()
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and id(source) not in seen:
                seen.add(id(source))
                yield source
