"""One statement's DuckDB: the tables and views that a query names, put in place before it runs."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp

from pipeline.demo.athena.bound_query import Bound, bind, bind_parts, relation
from pipeline.demo.athena.bucket_objects import Buckets
from pipeline.demo.athena.dialect import PRELUDE, StatementError
from pipeline.demo.athena.glue_catalog import Catalog, Name, Table
from pipeline.demo.athena.query_output import Described, result_columns
from pipeline.demo.athena.scan import TableScan

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",  # a query reads the catalog's tables and nothing of this machine
    "python_enable_replacements": "false",  # no name in a query means a variable of this program
    "threads": "1",  # sums of doubles come out the same every time
}

_WITH = re.compile(r"WITH( RECURSIVE)?\b")

_REASONS = (  # what DuckDB says: what Athena says, {0} being the name
    (r'Referenced column "(.+?)" not found', "COLUMN_NOT_FOUND: {at}: Column '{0}' cannot be resolved"),
    (r'does not have a column named "(.+?)"', "COLUMN_NOT_FOUND: {at}: Column '{0}' cannot be resolved"),
    (r'Referenced table "(.+?)" not found', "COLUMN_NOT_FOUND: {at}: Column '{0}' cannot be resolved"),
    (r'Ambiguous reference to column name "(.+?)"', "AMBIGUOUS_NAME: {at}: Column '{0}' is ambiguous"),
    (r"Function with name (\S+) does not exist", "FUNCTION_NOT_FOUND: {at}: Function '{0}' not registered"),
    (r"Table with name (\S+) does not exist", "TABLE_NOT_FOUND: {at}: Table '{0}' does not exist"),
    (
        r'column "(.+?)" must appear in the GROUP BY',
        "EXPRESSION_NOT_AGGREGATE: {at}: '{0}' must be an aggregate expression or appear in GROUP BY clause",
    ),
    (r"Division by zero", "DIVISION_BY_ZERO: Division by zero"),
)
_CLASSES = (
    (duckdb.ParserException, "SYNTAX_ERROR: {at}: "),
    (duckdb.BinderException, "TYPE_MISMATCH: {at}: "),
    (duckdb.CatalogException, "NOT_FOUND: {at}: "),
    (duckdb.ConversionException, "INVALID_CAST_ARGUMENT: "),
    (duckdb.OutOfRangeException, "NUMERIC_VALUE_OUT_OF_RANGE: "),
)


Columns = tuple[tuple[str, str], ...]
"""Names of columns, and their types in DuckDB's words."""

_NO_CTES: Mapping[Name, Columns] = {}


class _View(NamedTuple):
    """A stored view: its query, and the columns that come out of it."""

    bound: Bound
    columns: Columns


class Session:
    """A DuckDB connection that knows what the query at hand names, as of *now*."""

    def __init__(self, catalog: Catalog, buckets: Buckets, now: datetime) -> None:
        self._catalog, self._now = catalog, now
        self._scan = TableScan(catalog, buckets, now)
        self._registered: set[Name] = set()
        self._views: dict[Name, _View] = {}

    @property
    def bytes_read(self) -> int:
        """Bytes that the queries so far read of S3."""
        return self._scan.read.total

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return _connection()

    def close(self) -> None:
        """Give the memory of the connection back, if one was needed."""
        if "_connection" in self.__dict__:
            self._connection.close()

    def bound(self, query: str, database: str) -> Bound:
        """Bind a *query*, which `run`, `arrow` and `columns` take."""
        return bind(query, database, self._now)

    def run(self, query: Bound, template: str = "{}") -> duckdb.DuckDBPyConnection:
        """Run *query*, put into *template*; `StatementError` with Athena's reason if it fails."""
        sql = self._ready(query)
        with self._reasons(query):
            return self._connection.execute(template.format(sql))

    def rows(self, query: Bound) -> list[tuple[object, ...]]:
        """The rows of the query that `run` started."""
        with self._reasons(query):
            return self._connection.fetchall()

    def arrow(self, query: Bound) -> pa.Table:
        """The rows of *query* as one Arrow table."""
        sql = self._ready(query)
        with self._reasons(query):
            return self._connection.sql(sql).to_arrow_table()

    def columns(self, query: Bound) -> Described:
        """Names and types of the columns that *query* would have; nothing is read."""
        return _typed(self._planned(query, ()))

    def analysed(self, query: str, database: str) -> tuple[Bound, Described]:
        """The query that is outside of all CTEs and the same of it, once each CTE was planned over those before it.

        DuckDB passes over one that nobody reads. The CTEs go by the names of views of *database*: what is planned of
        one then is known when a view is made of the same text.
        """
        parts, outer = bind_parts(query, database, self._now)
        ctes: dict[Name, Columns] = {}
        for name, bound in parts:
            ctes[name] = self._planned(bound, (), ctes)
        return outer, _typed(self._planned(outer, (), ctes))

    def _ready(self, bound: Bound) -> str:
        """A query in DuckDB's SQL, once the tables that it reads are in place; views are CTEs in front of it.

        DuckDB plans a CTE once for all that read it, and a view of its own for each.
        """
        views: dict[str, str] = {}
        self._read(bound, views)
        if not views:
            return bound.sql
        ctes = ", ".join(f'"{name}" AS ({sql})' for name, sql in views.items())
        own = _WITH.match(bound.sql)
        return f"{own[0]} {ctes}, {bound.sql[own.end() :]}" if own else f"WITH {ctes} {bound.sql}"

    def _read(self, bound: Bound, views: dict[str, str]) -> None:
        """Put the tables that a query reads in place, and add to *views* those that it reads, each after its own."""
        for name, mention in bound.tables:
            if name in self._registered or relation(name) in views:
                continue
            table = self._require(name, mention)
            if table.is_view:
                view = self._view(name, table, mention, ()).bound
                self._read(view, views)
                views[relation(name)] = view.sql
            else:
                self._connection.register(relation(name), self._scan.open(name, table))
                self._registered.add(name)

    def _require(self, name: Name, mention: str) -> Table:
        if not self._catalog.has_database(name.database):
            raise StatementError(f"SCHEMA_NOT_FOUND: {mention}: Schema '{name.database}' does not exist")
        table = self._catalog.find(name)
        if table is None:
            raise StatementError(f"TABLE_NOT_FOUND: {mention}: Table '{name}' does not exist")
        return table

    def _planned(self, bound: Bound, inside: tuple[Name, ...], ctes: Mapping[Name, Columns] = _NO_CTES) -> Columns:
        """The columns of a query; *inside* are the views around it, *ctes* what it can read beside the catalog."""
        beneath = {
            relation(name): ctes[name] if name in ctes else self._columns_of(name, mention, inside)
            for name, mention in bound.tables
        }
        with self._reasons(bound):
            return _columns(bound.sql, tuple(beneath.items()))

    def _columns_of(self, name: Name, mention: str, inside: tuple[Name, ...]) -> Columns:
        table = self._require(name, mention)
        if table.is_view:
            return self._view(name, table, mention, inside).columns
        return _columns_in_duckdb(self._scan.schema(name, table))

    def _view(self, name: Name, table: Table, mention: str, inside: tuple[Name, ...]) -> _View:
        """A view, once it is certain that it can still be read and is what it was when it was created."""
        if name in self._views:
            return self._views[name]
        if name in inside:
            raise StatementError(f"INVALID_VIEW: {mention}: View is recursive: '{name}'")
        stored = self._catalog.view(table)
        try:
            bound = bind(stored.original_sql, stored.schema, self._now)
            found = _View(bound, self._planned(bound, (*inside, name)))
        except StatementError as error:
            raise StatementError(f"INVALID_VIEW: {mention}: Failed analyzing stored view '{name}': {error}") from error
        if [column.lower() for column, _ in found.columns] != [column.name.lower() for column in stored.columns]:
            raise StatementError(
                f"VIEW_IS_STALE: {mention}: View '{name}' is stale or in invalid state: "
                "its columns are not those that it was created with"
            )
        self._views[name] = found
        return found

    @contextmanager
    def _reasons(self, query: Bound) -> Iterator[None]:
        """Say in Athena's words what DuckDB complains about."""
        try:
            yield
        except duckdb.Error as error:
            if broken := self._scan.read.broken:
                raise StatementError(f"HIVE_BAD_DATA: Not valid Parquet file: {broken}") from error
            raise StatementError(_reason(str(error), type(error), query)) from error


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """An empty database: to make one takes longer than most statements do."""
    return duckdb.connect(config=_CONFIG)


def _connection() -> duckdb.DuckDBPyConnection:
    """A connection of its own: what is temporary or registered there, no other sees."""
    connection = _database().cursor()
    for setting in PRELUDE:
        connection.execute(setting)
    return connection


@lru_cache(maxsize=1024)
def _columns(sql: str, beneath: tuple[tuple[str, Columns], ...]) -> Columns:
    """The columns of a query in DuckDB's SQL over relations of those columns.

    A view over views is planned over what those are known to give: DuckDB would plan all of them again.
    """
    with closing(_connection()) as connection:
        for name, columns in beneath:
            listed = ", ".join(f"{exp.to_identifier(each, quoted=True).sql('duckdb')} {kind}" for each, kind in columns)
            connection.execute(f'CREATE TEMP TABLE "{name}" ({listed})')
        return _description(connection.execute(f"SELECT * FROM ({sql}) LIMIT 0"))  # noqa: S608  as it was bound


@lru_cache(maxsize=256)
def _columns_in_duckdb(schema: pa.Schema) -> Columns:
    with closing(_connection()) as connection:
        connection.register("rows", schema.empty_table())
        return _description(connection.execute("FROM rows"))


def _typed(columns: Columns) -> Described:
    return tuple((name, DuckDBPyType(kind)) for name, kind in columns)


def _description(result: duckdb.DuckDBPyConnection) -> Columns:
    return tuple((name, str(kind)) for name, kind in result_columns(result))


def _reason(message: str, kind: type[duckdb.Error], query: Bound) -> str:
    for pattern, reason in _REASONS:
        if found := re.search(pattern, message):
            name = found[1] if found.groups() else ""
            return reason.format(name, at=query.place(name))
    plain = message.split("\n", 1)[0].partition(": ")[2] or message
    if "reading the stream" in message:
        return f"HIVE_BAD_DATA: {plain}"
    code = next((code for known, code in _CLASSES if issubclass(kind, known)), "GENERIC_USER_ERROR: ")
    return code.format(at="line 1:1") + plain
