"""What a column's type is called by DuckDB, Glue, Athena and Arrow, and how Athena writes its values."""

import math
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp

from pipeline.demo.athena.dialect import StatementError

_SCALARS = {  # DuckDB's name: (Glue's, Athena's)
    "boolean": ("boolean", "boolean"),
    "tinyint": ("tinyint", "tinyint"),
    "smallint": ("smallint", "smallint"),
    "integer": ("int", "integer"),
    "bigint": ("bigint", "bigint"),
    "hugeint": ("bigint", "bigint"),  # DuckDB's sum of bigint
    "float": ("float", "real"),
    "double": ("double", "double"),
    "varchar": ("string", "varchar"),
    "blob": ("binary", "varbinary"),
    "date": ("date", "date"),
    "timestamp": ("timestamp", "timestamp(3)"),
    "timestamp_s": ("timestamp", "timestamp(3)"),
    "timestamp_ms": ("timestamp", "timestamp(3)"),
    "timestamp_ns": ("timestamp", "timestamp(3)"),
    "timestamp with time zone": ("timestamp", "timestamp(3) with time zone"),
    "time": ("string", "time(3)"),
    "interval": ("string", "interval day to second"),
    "null": ("string", "unknown"),
}

_ARROW = {
    exp.DType.BOOLEAN: pa.bool_(),
    exp.DType.TINYINT: pa.int8(),
    exp.DType.SMALLINT: pa.int16(),
    exp.DType.INT: pa.int32(),
    exp.DType.BIGINT: pa.int64(),
    exp.DType.FLOAT: pa.float32(),
    exp.DType.DOUBLE: pa.float64(),
    exp.DType.TEXT: pa.string(),
    exp.DType.VARCHAR: pa.string(),
    exp.DType.CHAR: pa.string(),
    exp.DType.BINARY: pa.binary(),
    exp.DType.DATE: pa.date32(),
    exp.DType.TIMESTAMP: pa.timestamp("us"),  # DuckDB's own unit
}


@dataclass(frozen=True)
class _Words:
    """How one catalog spells its types; *scalar* is its place in a row of the table above."""

    scalar: int
    map: str
    array: str
    row: str
    field: str
    comma: str


_GLUE = _Words(0, "map<{},{}>", "array<{}>", "struct<{}>", "{}:{}", ",")
_ATHENA = _Words(1, "map({}, {})", "array({})", "row({})", '"{}" {}', ", ")


def glue_type(column: DuckDBPyType) -> str:
    """The type in Glue's words, such as `map<string,double>`."""
    return _spell(column, _GLUE)


def athena_type(column: DuckDBPyType) -> str:
    """The type in Athena's words with all its parameters, such as `map(varchar, double)`."""
    return _spell(column, _ATHENA)


def _spell(column: DuckDBPyType, words: _Words) -> str:
    if column.id in _SCALARS:
        return _SCALARS[column.id][words.scalar]
    if column.id not in {"decimal", "map", "list", "struct"}:
        raise StatementError(f"NOT_SUPPORTED: a column of DuckDB's type {column} has no type in Athena")
    inner: dict[str, Any] = dict(column.children)
    match column.id:
        case "decimal":
            return f"decimal({inner['precision']},{inner['scale']})"
        case "map":
            return words.map.format(_spell(inner["key"], words), _spell(inner["value"], words))
        case "list":
            return words.array.format(_spell(inner["child"], words))
    fields = (words.field.format(name, _spell(kind, words)) for name, kind in inner.items())
    return words.row.format(words.comma.join(fields))


@cache
def arrow_type(glue: str) -> pa.DataType:
    """The Arrow type of one of Glue's types; `StatementError` for a type that Athena does not know."""
    try:
        return _arrow(exp.DataType.build(glue, dialect="hive"))
    except (ValueError, KeyError) as error:  # sqlglot's ParseError is a ValueError
        raise StatementError(f"HIVE_METASTORE_ERROR: unsupported column type: {glue}") from error


def _arrow(kind: exp.DataType) -> pa.DataType:
    inner = kind.expressions
    match kind.this:
        case exp.DType.DECIMAL:
            precision, scale = [int(part.name) for part in inner] or [10, 0]
            return pa.decimal128(precision, scale)
        case exp.DType.MAP:
            return pa.map_(_arrow(inner[0]), _arrow(inner[1]))
        case exp.DType.ARRAY:
            return pa.list_(_arrow(inner[0]))
        case exp.DType.STRUCT:
            return pa.struct([(field.name, _arrow(field.args["kind"])) for field in inner])
    return _ARROW[kind.this]


def as_text(value: Any) -> str | None:  # noqa: ANN401  whatever DuckDB returns
    """One value as Athena's result files and answers write it; None is NULL."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case float():
            return _double(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            zone = " UTC" if value.tzinfo else ""
            return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}{zone}"
        case date():
            return value.isoformat()
        case bytes():
            return value.hex(" ")
        case dict():
            return "{" + ", ".join(f"{key}={_inner(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_inner(item) for item in value) + "]"
    return str(value)


def _inner(value: Any) -> str:  # noqa: ANN401
    text = as_text(value)
    return "null" if text is None else text


def _double(value: float) -> str:
    """As Java writes it: scientific below 0.001 and from ten million."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits = Decimal(repr(value))
    mantissa = f"{digits.scaleb(-digits.adjusted()).normalize():f}"
    return f"{mantissa}{'' if '.' in mantissa else '.0'}E{digits.adjusted()}"
