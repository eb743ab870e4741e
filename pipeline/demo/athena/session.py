"""One statement's DuckDB: the tables and views that a query names, put in place before it runs."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from pipeline.demo.athena.bucket_objects import Buckets
from pipeline.demo.athena.dialect import PRELUDE, StatementError, parse, to_duckdb
from pipeline.demo.athena.glue_catalog import Catalog, Name, Table
from pipeline.demo.athena.query_output import Described, result_columns
from pipeline.demo.athena.scan import TableScan
from pipeline.demo.athena.statements import full_name, position

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",  # a query reads the catalog's tables and nothing of this machine
    "python_enable_replacements": "false",  # no name in a query means a variable of this program
    "threads": "1",  # sums of doubles come out the same every time
}

_WITH = re.compile(r"WITH( RECURSIVE)?\b")
_CLOCK = re.compile(r"\b(now|current_date|current_timestamp|localtimestamp)\b", re.IGNORECASE)
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)

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


class _Bound(NamedTuple):
    """A query, the same in DuckDB's SQL, and which tables it reads, each with where it says so."""

    query: exp.Expr
    sql: str
    tables: tuple[tuple[Name, str], ...]


class _View(NamedTuple):
    """A stored view: its query, and the columns that come out of it."""

    bound: _Bound
    columns: Columns


class Session:
    """A DuckDB connection that knows what the query at hand names, as of *now*."""

    def __init__(self, catalog: Catalog, buckets: Buckets, now: datetime) -> None:
        self._catalog, self._now = catalog, now
        self._scan = TableScan(catalog, buckets, now)
        self._connection = _connection()
        self._registered: set[Name] = set()
        self._views: dict[Name, _View] = {}

    @property
    def bytes_read(self) -> int:
        """Bytes that the queries so far read of S3."""
        return self._scan.read.total

    def close(self) -> None:
        """Give the connection's memory back."""
        self._connection.close()

    def run(self, query: exp.Expr, database: str, template: str = "{}") -> duckdb.DuckDBPyConnection:
        """Run *query*, put into *template*; `StatementError` with Athena's reason if it fails."""
        sql = self._ready(query, database)
        with self._reasons(query):
            return self._connection.execute(template.format(sql))

    def rows(self, query: exp.Expr) -> list[tuple[object, ...]]:
        """The rows of the query that `run` started."""
        with self._reasons(query):
            return self._connection.fetchall()

    def arrow(self, query: exp.Expr, database: str) -> pa.Table:
        """The rows of *query* as one Arrow table."""
        sql = self._ready(query, database)
        with self._reasons(query):
            return self._connection.sql(sql).to_arrow_table()

    def columns(self, query: exp.Expr, database: str) -> Described:
        """Names and types of the columns that *query* would have; nothing is read."""
        return _typed(self._planned(_bind(query, database, self._now), ()))

    def analysed(self, query: exp.Expr, database: str) -> Described:
        """The same, once each CTE was planned over those before it: DuckDB passes over one that nobody reads.

        The CTEs are taken out of *query*. They go by the names of views of *database*: what is planned of one then is
        known when a view is made of the same text.
        """
        outer = query.args.get("with_")
        if outer is None or outer.recursive or any(cte.args["alias"].columns for cte in outer.expressions):
            return self.columns(query, database)
        ctes: dict[Name, Columns] = {}
        for cte in outer.expressions:
            bound = _bind(cte.this, database, self._now, ctes)
            ctes[Name(database, cte.alias.lower())] = self._planned(bound, (), ctes)
        outer.pop()
        return _typed(self._planned(_bind(query, database, self._now, ctes), (), ctes))

    def _ready(self, query: exp.Expr, database: str) -> str:
        """*query* in DuckDB's SQL, once the tables that it reads are in place; views are CTEs in front of it.

        DuckDB plans a CTE once for all that read it, and a view of its own for each.
        """
        bound = _bind(query, database, self._now)
        views: dict[str, str] = {}
        self._read(bound, views)
        if not views:
            return bound.sql
        ctes = ", ".join(f'"{name}" AS ({sql})' for name, sql in views.items())
        own = _WITH.match(bound.sql)
        return f"{own[0]} {ctes}, {bound.sql[own.end() :]}" if own else f"WITH {ctes} {bound.sql}"

    def _read(self, bound: _Bound, views: dict[str, str]) -> None:
        """Put the tables that a query reads in place, and add to *views* those that it reads, each after its own."""
        for name, mention in bound.tables:
            if name in self._registered or _relation(name) in views:
                continue
            table = self._require(name, mention)
            if table.is_view:
                view = self._view(name, table, mention, ()).bound
                self._read(view, views)
                views[_relation(name)] = view.sql
            else:
                self._connection.register(_relation(name), self._scan.open(name, table))
                self._registered.add(name)

    def _require(self, name: Name, mention: str) -> Table:
        if not self._catalog.has_database(name.database):
            raise StatementError(f"SCHEMA_NOT_FOUND: {mention}: Schema '{name.database}' does not exist")
        table = self._catalog.find(name)
        if table is None:
            raise StatementError(f"TABLE_NOT_FOUND: {mention}: Table '{name}' does not exist")
        return table

    def _planned(self, bound: _Bound, inside: tuple[Name, ...], ctes: Mapping[Name, Columns] = _NO_CTES) -> Columns:
        """The columns of a query; *inside* are the views around it, *ctes* what it can read beside the catalog."""
        beneath = {
            _relation(name): ctes[name] if name in ctes else self._columns_of(name, mention, inside)
            for name, mention in bound.tables
        }
        with self._reasons(bound.query):
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
            now = self._now if _CLOCK.search(stored.original_sql) else _ANY_TIME
            bound = _bind_view(stored.original_sql, stored.schema, now)
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
    def _reasons(self, query: exp.Expr) -> Iterator[None]:
        """Say in Athena's words what DuckDB complains about."""
        try:
            yield
        except duckdb.Error as error:
            if broken := self._scan.read.broken:
                raise StatementError(f"HIVE_BAD_DATA: Not valid Parquet file: {broken}") from error
            raise StatementError(_reason(str(error), type(error), query)) from error


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=_CONFIG)
    for setting in PRELUDE:
        connection.execute(setting)
    return connection


@lru_cache(maxsize=1024)
def _columns(sql: str, beneath: tuple[tuple[str, Columns], ...]) -> Columns:
    """The columns of a query in DuckDB's SQL over relations of those columns.

    A view over views is planned over what those are known to give: DuckDB would plan all of them again.
    """
    with closing(_connection()) as connection:
        for relation, columns in beneath:
            listed = ", ".join(f"{exp.to_identifier(name, quoted=True).sql('duckdb')} {kind}" for name, kind in columns)
            connection.execute(f'CREATE TABLE "{relation}" ({listed})')
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


@lru_cache(maxsize=256)
def _bind_view(sql: str, database: str, now: datetime) -> _Bound:
    """Bind a view's text, which every query over it asks for again."""
    return _bind(parse(sql), database, now)


def _bind(query: exp.Expr, database: str, now: datetime, ctes: Collection[Name] = ()) -> _Bound:
    """Point every table of *query* to its DuckDB relation, and its clock to *now*; *ctes* stand before it."""
    bound, read = query.copy(), []
    for table in list(_tables(bound)):
        if not isinstance(table.this, exp.Identifier):
            raise StatementError(f"NOT_SUPPORTED: table function: {table.sql('athena')}")
        name = full_name(table, database)
        if table.db and name in ctes:
            raise StatementError(f"NOT_SUPPORTED: {position(table)}: a CTE has the name of the table '{name}'")
        read.append((name, position(table)))
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(_relation(name), quoted=True))
        table.set("db", None)
        table.set("catalog", None)
    for column in bound.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    moment = now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    at_now = bound.transform(lambda node: _at(moment, node), copy=False)
    return _Bound(query, to_duckdb(at_now), tuple(read))


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


def _relation(name: Name) -> str:
    return f"{name.database}.{name.table}"


def _reason(message: str, kind: type[duckdb.Error], query: exp.Expr) -> str:
    for pattern, reason in _REASONS:
        if found := re.search(pattern, message):
            name = found[1] if found.groups() else ""
            return reason.format(name, at=_mention(query, name))
    plain = message.split("\n", 1)[0].partition(": ")[2] or message
    if "reading the stream" in message:
        return f"HIVE_BAD_DATA: {plain}"
    code = next((code for known, code in _CLASSES if issubclass(kind, known)), "GENERIC_USER_ERROR: ")
    return code.format(at="line 1:1") + plain


def _mention(query: exp.Expr, name: str) -> str:
    """Where *query* first says *name*."""
    places = (node for node in query.find_all(exp.Identifier) if node.name.lower() == name.lower())
    return next((position(node) for node in places), "line 1:1")
