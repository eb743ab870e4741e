"""Runs one Athena statement: a Glue catalog and S3 objects in; rows, a view, a table or objects out."""

import re
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from moto.core.exceptions import JsonRESTError
from sqlglot.errors import SqlglotError

from pipeline.demo.athena.bound_query import Bound
from pipeline.demo.athena.bucket_objects import Buckets
from pipeline.demo.athena.dialect import StatementError
from pipeline.demo.athena.glue_catalog import Catalog, Column, View, ViewColumn
from pipeline.demo.athena.query_output import (
    Described,
    as_table,
    athena_columns,
    described,
    folders,
    glue_columns,
    parquet_files,
    require_storable,
    result_columns,
    text_rows,
)
from pipeline.demo.athena.session import Session
from pipeline.demo.athena.statements import (
    CreateTable,
    CreateView,
    Describe,
    Drop,
    Explain,
    Select,
    Show,
    Statement,
    Target,
    Unload,
    read_statement,
)


@dataclass(frozen=True)
class Request:
    """What StartQueryExecution was asked: a statement, and the results' location ending in a slash."""

    execution_id: str
    sql: str
    database: str
    parameters: tuple[str, ...]
    output_location: str


@dataclass(frozen=True)
class Outcome:
    """What a statement gave: columns with their types in Athena's words, rows as text, objects written."""

    substatement: str
    columns: tuple[ViewColumn, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    bytes_read: int = 0
    written: tuple[str, ...] | None = None

    @property
    def statement(self) -> str:
        """Athena's StatementType."""
        if self.substatement in {"SELECT", "UNLOAD"}:
            return "DML"
        return "UTILITY" if self.substatement in {"EXPLAIN", "SHOW", "DESCRIBE"} else "DDL"


class Engine:
    """Athena for one catalog; every failure is a `StatementError` whose message is Athena's reason."""

    def __init__(self, catalog: Catalog, buckets: Buckets, now: datetime) -> None:
        self._catalog, self._buckets, self._now = catalog, buckets, now

    def run(self, request: Request) -> Outcome:
        """Run one statement."""
        try:
            statement = read_statement(request.sql, request.database, request.parameters)
            with closing(Session(self._catalog, self._buckets, self._now)) as session:
                return self._run(statement, session, request)
        except (SqlglotError, pa.ArrowException, JsonRESTError) as error:
            raise StatementError(f"GENERIC_INTERNAL_ERROR: {error}") from error

    def _run(self, statement: Statement, session: Session, request: Request) -> Outcome:
        match statement:
            case Select():
                return _select(session.bound(statement.query, request.database), session)
            case Explain():
                return _explain(statement, session, request.database)
            case CreateView():
                return self._create_view(statement, session, request.database)
            case CreateTable():
                return self._create_table(statement, session, request)
            case Unload():
                return self._unload(statement, session, request)
            case Drop():
                return self._drop(statement)
            case Show():
                return self._show(statement)
            case Describe():
                return self._describe(statement)

    def _create_view(self, view: CreateView, session: Session, database: str) -> Outcome:
        existing = self._catalog.find(view.name)
        if existing and not existing.is_view:
            raise StatementError(f"TABLE_ALREADY_EXISTS: line 1:1: Table already exists: '{view.name}'")
        if existing and not view.replace:
            raise StatementError(f"ALREADY_EXISTS: line 1:1: View already exists: '{view.name}'")
        columns = _storable(session.bound(view.query, database), session)
        stored = View(
            original_sql=view.text,
            catalog="awsdatacatalog",
            schema=database,
            columns=athena_columns(columns),
        )
        self._catalog.put_view(view.name, stored, glue_columns(columns))
        return Outcome("CREATE_VIEW")

    def _create_table(self, table: CreateTable, session: Session, request: Request) -> Outcome:
        if self._catalog.find(table.name) and table.if_not_exists:
            return Outcome("CREATE_TABLE_AS_SELECT")
        if self._catalog.find(table.name):
            raise StatementError(f"TABLE_ALREADY_EXISTS: line 1:1: Destination table '{table.name}' already exists")
        default = f"{request.output_location}tables/{request.execution_id}/"
        location = _folder(table.target.location or default)
        columns, paths = self._write(table.query, table.target, location, session, request)
        plain = columns[: len(columns) - len(table.target.partitioned_by)]
        self._catalog.put_table(table.name, location, plain, columns[len(plain) :])
        for folder in folders(paths):
            self._catalog.put_partition(table.name, folder.values, location + folder.path, plain)
        written = tuple(location + path for path in paths)
        return Outcome("CREATE_TABLE_AS_SELECT", bytes_read=session.bytes_read, written=written)

    def _unload(self, unload: Unload, session: Session, request: Request) -> Outcome:
        location = _folder(unload.target.location or "")
        _, paths = self._write(unload.query, unload.target, location, session, request)
        written = tuple(location + path for path in paths)
        return Outcome("UNLOAD", bytes_read=session.bytes_read, written=written)

    def _write(
        self, query: str, target: Target, location: str, session: Session, request: Request
    ) -> tuple[tuple[Column, ...], tuple[str, ...]]:
        """Write the rows of *query* as Parquet below *location*, which must be empty; columns and paths."""
        if not self._buckets.is_empty(location):
            raise StatementError(f"HIVE_PATH_ALREADY_EXISTS: Target directory already exists: {location}")
        bound = session.bound(query, request.database)
        columns = glue_columns(_storable(bound, session))
        keys = [column.name for column in columns[len(columns) - len(target.partitioned_by) :]]
        if keys != list(target.partitioned_by):
            raise StatementError(
                "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table "
                f"and in the same order as the table properties: {list(target.partitioned_by)}"
            )
        rows = as_table(session.arrow(bound), columns)
        written = parquet_files(rows, keys, target.compression, request.execution_id)
        for path, content in written.items():
            self._buckets.put(location + path, content)
        return columns, tuple(written)

    def _drop(self, drop: Drop) -> Outcome:
        existing = self._catalog.find(drop.name)
        substatement = f"DROP_{drop.kind}"
        if existing is None or existing.is_view != (drop.kind == "VIEW"):
            if existing is None and drop.if_exists:
                return Outcome(substatement)
            raise StatementError(f"TABLE_NOT_FOUND: line 1:1: {drop.kind.capitalize()} '{drop.name}' does not exist")
        self._catalog.drop(drop.name)
        return Outcome(substatement)

    def _show(self, show: Show) -> Outcome:
        wanted = re.compile(show.pattern)
        names = [
            (table.name,)
            for table in self._catalog.tables(show.database)
            if wanted.fullmatch(table.name) and (table.is_view or not show.views_only)
        ]
        heading = "views" if show.views_only else "tab_name"
        return Outcome("SHOW", (ViewColumn(heading, "varchar"),), tuple(names))

    def _describe(self, describe: Describe) -> Outcome:
        table = self._catalog.find(describe.name)
        if table is None:
            raise StatementError(f"TABLE_NOT_FOUND: line 1:1: Table '{describe.name}' does not exist")
        columns = (*table.storage_descriptor.columns, *table.partition_keys)
        rows = tuple((f"{c.name:<20}\t{c.type:<20}\t{c.comment or '':<20}",) for c in columns)
        return Outcome("DESCRIBE", (ViewColumn("col_name", "varchar"),), rows)


def _select(query: Bound, session: Session) -> Outcome:
    columns = athena_columns(described(result_columns(session.run(query)), query.names))
    rows = text_rows(session.rows(query))
    return Outcome("SELECT", columns, rows, session.bytes_read)


def _explain(explain: Explain, session: Session, database: str) -> Outcome:
    """DuckDB's plan, or that the query is valid; no object is opened."""
    if explain.validate:
        query, columns = session.analysed(explain.query, database)
        if explain.stored:
            require_storable(described(columns, query.names), query.names)
        return Outcome("EXPLAIN", (ViewColumn("Valid", "boolean"),), (("true",),))
    query = session.bound(explain.query, database)
    session.run(query, "EXPLAIN {}")
    plan = "\n".join(str(row[-1]) for row in session.rows(query))
    rows = tuple((line,) for line in plan.rstrip().split("\n"))
    return Outcome("EXPLAIN", (ViewColumn("Query Plan", "varchar"),), rows)


def _storable(query: Bound, session: Session) -> Described:
    """The columns that a view or table of *query* would have; nothing is read."""
    columns = described(session.columns(query), query.names)
    require_storable(columns, query.names)
    return columns


def _folder(location: str) -> str:
    return location.rstrip("/") + "/"
