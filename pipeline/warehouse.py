"""The SQL engine: Athena, or any other that SQLAlchemy reaches and that speaks Trino's SQL."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Connection, Engine, Select, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from pipeline import trino_client
from pipeline.aws import translated
from pipeline.errors import ConfigurationError, StatementFailedError

if TYPE_CHECKING:
    import pandas as pd

_POLL_SECONDS = 0.2


def athena_url(region: str, database: str, workgroup: str) -> str:
    """The SQLAlchemy URL of Athena; credentials and endpoint come from the AWS SDK's own chain."""
    options = urlencode({"work_group": workgroup, "poll_interval": _POLL_SECONDS})
    return f"awsathena+rest://:@athena.{quote(region)}.amazonaws.com:443/{quote(database)}?{options}"


_AT_ONCE = 4  # statements: enough to hide their waiting, and far below what a workgroup may have under way
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(ask: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Ask for each of *items*, a few at once, and tell of them in their order.

    After an error no more are begun, and it is raised once those under way have ended: nothing goes on behind it.
    """
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield from pool.map(ask, items)
    except Exception:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Answer:
    """A query's rows, and the names of their columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Warehouse:
    """The engine behind *url*.

    All threads share one connection, as PyAthena's and Trino's drivers let them: to make one takes a while.
    """

    def __init__(self, url: str) -> None:
        self._connecting = Lock()  # without it, threads that ask first at once would each make one
        self._engine = _engine(url)

    def create_view(self, name: str, select: str) -> None:
        """Create the view *name* (quoted) over *select*, or replace it."""
        self._run(f"CREATE OR REPLACE VIEW {name} AS\n{select}", f"Creating the view {name}")

    def unload(self, select: str, folder: str, partitioned_by: Sequence[str], table: str, what: str) -> None:
        """Write the rows of *select* as Parquet into the empty *folder* (`s3://…/`), a folder in it for each partition.

        The columns that it is *partitioned_by*, if any, are the last of *select*. *table* (quoted) is a name that an
        engine without UNLOAD may use for it, as long as it writes.
        """
        names = ", ".join(repr(name) for name in partitioned_by)
        partitions = f", partitioned_by = ARRAY[{names}]" if names else ""
        if self._engine.dialect.name == "awsathena":
            properties = f"format = 'PARQUET', compression = 'ZSTD'{partitions}"
            self._run(f"UNLOAD (\n{select}\n) TO '{folder}' WITH ({properties})", what)
            return
        properties = f"format = 'PARQUET', external_location = '{folder}'{partitions}"
        try:
            self._run(f"CREATE TABLE {table} WITH ({properties}) AS\n{select}", what)
        finally:
            self._run(f"DROP TABLE IF EXISTS {table}", f"Dropping {table}")

    def query(self, sql: str, what: str) -> Answer:
        """Run *sql* as it stands; *what* names it in errors."""
        return self._run(sql, what)

    def frame(self, select: Select[*tuple[Any, ...]], what: str) -> "pd.DataFrame":
        """The answer to *select* as a frame; *what* names it in errors."""
        import pandas as pd  # 34 MB, and a part of a second, that only reports need

        with self._reasons(what), self._connected() as connection:
            try:
                return pd.read_sql(select, connection)
            except pd.errors.DatabaseError as error:  # pandas' own, around the engine's
                raise (error.__cause__ or error) from None

    def _run(self, sql: str, what: str) -> Answer:
        # Without parameters the driver leaves `%` alone: date_format is full of it.
        with self._reasons(what), self._connected() as plain:
            result = plain.execution_options(no_parameters=True).exec_driver_sql(sql)
            if not result.returns_rows:
                return Answer((), ())
            return Answer(tuple(result.keys()), tuple(tuple(row) for row in result))

    def _connected(self) -> Connection:
        with self._connecting:
            return self._engine.connect()

    def _reasons(self, what: str) -> AbstractContextManager[None]:
        """Give the engine's own reason in one sentence."""
        if trino_client.speaks(self._engine.url):
            return trino_client.translated(what, self._engine.url)
        return _translated(what)


def _engine(url: str) -> Engine:
    try:
        parts = make_url(url)
        arguments = trino_client.connect_arguments(parts) if trino_client.speaks(parts) else {}
        engine = create_engine(parts, poolclass=StaticPool, connect_args=arguments)
        engine.dialect.create_connect_args(parts)  # finds mistakes now that it would find at the first query
    except NoSuchModuleError as error:
        dialect = url.partition(":")[0]
        package = "emr-eks-chargeback[trino]" if dialect == "trino" else "the package that has it"
        raise ConfigurationError(
            f"CHARGEBACK_SQL_URL names the dialect {dialect!r}, which is not installed. Install {package}."
        ) from error
    except ArgumentError as error:
        raise ConfigurationError("CHARGEBACK_SQL_URL is not a SQLAlchemy URL.") from error
    except ValueError as error:
        raise ConfigurationError(
            "CHARGEBACK_SQL_URL is not as its dialect wants it, such as trino://user@host:port/awsdatacatalog/database."
        ) from error
    return engine


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Tell why *what* failed; an error of the AWS SDK underneath the driver's is told as such."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if isinstance(cause, ClientError | BotoCoreError):
            with translated(what):
                raise cause from error
        raise StatementFailedError(what, str(error.orig)) from error
