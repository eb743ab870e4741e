"""Rows made by hand as a SELECT in Trino's words, with a type for every column."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from math import isnan
from typing import Any

from tests.sql.warehouse import Row, Rows


def select_of(rows: Rows, types: Mapping[str, str]) -> str:
    """A SELECT that gives *rows* of the columns in *types*; those that a row leaves out are NULL.

    Columns are named in lower case, as Trino stores them.
    """
    rows = [{name.lower(): value for name, value in row.items()} for row in rows]
    if not rows:
        nothing = ", ".join(_typed("NULL", name, kind) for name, kind in types.items())
        return f"SELECT {nothing} WHERE FALSE"
    given = list(dict.fromkeys(name for row in rows for name in row)) or list(types)[:1]
    assert set(given) <= types.keys(), f"there are no columns {set(given) - types.keys()}"
    columns = ", ".join(_typed(_quoted(name) if name in given else "NULL", name, types[name]) for name in types)
    listed = ",\n".join(f"({_literals(row, given, types)})" for row in rows)
    return f"SELECT {columns} FROM (VALUES\n{listed}\n) AS made ({', '.join(map(_quoted, given))})"


def _typed(value: str, name: str, kind: str) -> str:
    return f"CAST({value} AS {kind}) AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literals(row: Row, columns: Iterable[str], types: Mapping[str, str]) -> str:
    return ", ".join(_literal(row.get(name), types[name]) for name in columns)


def _literal(value: Any, kind: str) -> str:
    """Numbers are written with all their digits, moments and texts in their own type's words."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case int() | float() if kind == "double":
            return _double(value)
        case int() | float():
            return repr(value)
        case datetime():
            assert value.tzinfo is None, "the lake's times are naive UTC"
            return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
        case date():
            return f"DATE '{value}'"
        case dict():
            keys, values = ", ".join(map(_text, value)), ", ".join(_entry(entry) for entry in value.values())
            return f"MAP(ARRAY[{keys}], ARRAY[{values}])"
        case str():
            return _text(value)
    raise TypeError(f"no literal for {value!r}")


def _entry(value: str | float | None) -> str:
    if value is None:
        return "NULL"
    return _text(value) if isinstance(value, str) else _double(value)


def _double(value: float) -> str:
    """All its digits; what is no number is a function."""
    return "nan()" if isnan(value) else f"DOUBLE '{float(value)!r}'"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
