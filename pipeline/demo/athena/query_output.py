"""What becomes of a query's rows: text for an answer, or Parquet objects of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from duckdb.sqltypes import DuckDBPyType

from pipeline.demo.athena.bound_query import STAR
from pipeline.demo.athena.column_types import arrow_type, as_text, athena_type, glue_type
from pipeline.demo.athena.dialect import StatementError
from pipeline.demo.athena.glue_catalog import Column, ViewColumn

Described = tuple[tuple[str, DuckDBPyType], ...]
"""Names and types of columns."""


@dataclass(frozen=True)
class Folder:
    """One partition among written objects: its values, and its path below the table's location."""

    values: tuple[str, ...]
    path: str


def result_columns(result: duckdb.DuckDBPyConnection) -> Described:
    """Names and types as DuckDB has them."""
    return tuple((str(name), kind) for name, kind, *_ in result.description or ())


def described(columns: Described, names: Sequence[str]) -> Described:
    """The columns of a query's result as Athena names them: one without a name is called `_col` and its number."""
    if STAR in names or len(names) != len(columns):
        return columns
    return tuple((name or f"_col{i}", kind) for i, (name, (_, kind)) in enumerate(zip(names, columns, strict=True)))


def require_storable(columns: Described, names: Sequence[str]) -> None:
    """Raise `StatementError` where a view or table could not have the query's columns, which it calls by *names*."""
    if "" in names:
        position = names.index("") + 1
        raise StatementError(f"MISSING_COLUMN_NAME: line 1:1: Column name not specified at position {position}")
    called = [name.lower() for name, _ in columns]
    for name, kind in columns:
        if called.count(name.lower()) > 1:
            raise StatementError(f"DUPLICATE_COLUMN_NAME: line 1:1: Column name '{name}' specified more than once")
        if kind.id == "null":
            raise StatementError(f"COLUMN_TYPE_UNKNOWN: line 1:1: Column type is unknown: {name}")


def athena_columns(columns: Described) -> tuple[ViewColumn, ...]:
    """The columns with their types in Athena's words."""
    return tuple(ViewColumn(name, athena_type(kind)) for name, kind in columns)


def glue_columns(columns: Described) -> tuple[Column, ...]:
    """The columns with their types in Glue's words; Glue knows lower case only."""
    return tuple(Column(name.lower(), glue_type(kind)) for name, kind in columns)


def text_rows(rows: Sequence[tuple[object, ...]]) -> tuple[tuple[str | None, ...], ...]:
    """The rows as Athena writes them; None is NULL."""
    return tuple(tuple(as_text(value) for value in row) for row in rows)


def as_table(rows: pa.Table, columns: tuple[Column, ...]) -> pa.Table:
    """The rows with exactly the names and types that Glue is told."""
    renamed = rows.rename_columns([column.name for column in columns])
    return renamed.cast(pa.schema([(column.name, arrow_type(column.type)) for column in columns]))


def parquet_files(rows: pa.Table, keys: Sequence[str], compression: str, stem: str) -> dict[str, bytes]:
    """Path to content of each object; paths are Hive-style in the partition *keys*, names begin with *stem*."""
    codec = None if compression.lower() in {"none", "uncompressed"} else compression.lower()
    if codec not in {None, "gzip", "snappy", "zstd"}:
        raise StatementError(f"NOT_SUPPORTED: compression {compression}: GZIP, SNAPPY, ZSTD or NONE is")
    parquet = ds.ParquetFileFormat()
    with TemporaryDirectory() as directory:
        ds.write_dataset(
            rows,
            directory,
            format=parquet,
            file_options=parquet.make_write_options(compression=codec or "none"),
            partitioning=ds.partitioning(pa.schema([rows.schema.field(key) for key in keys]), flavor="hive"),
            basename_template=f"{stem}_{{i}}",
            max_partitions=max(rows.num_rows, 1),
        )
        files = sorted(path for path in Path(directory).rglob("*") if path.is_file())
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def folders(paths: Sequence[str]) -> tuple[Folder, ...]:
    """The partitions that Hive-style *paths* belong to."""
    found = sorted({path.rpartition("/")[0] for path in paths if "/" in path})
    return tuple(
        Folder(tuple(unquote(part.partition("=")[2]) for part in path.split("/")), f"{path}/") for path in found
    )
