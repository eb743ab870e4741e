"""What the demo answers to the example queries, as the files of docs/examples/ have it."""

import csv
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.examples import Example
from pipeline.warehouse import Answer

HERE = Path(__file__).parents[1] / "docs" / "examples"

_AMOUNT = re.compile(r"-?\d+\.\d{6}", re.ASCII)


Lines = list[list[str]]
"""An answer as text, cell by cell: its columns, then its rows; amounts have six decimals."""


def kept(example: Example) -> Lines:
    """The answer in the example's file."""
    with _path(example).open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))


def keep(example: Example, answer: Answer) -> None:
    """Make *answer* what the file says."""
    with _path(example).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines_of(answer))


def lines_of(answer: Answer) -> Lines:
    return [list(answer.columns), *([_text(value) for value in row] for row in answer.rows)]


def assert_like(answer: Answer, lines: Lines) -> None:
    """The answer is *lines* but for an amount's last digit, and for the order of rows whose amounts are the same."""
    columns, *rows = lines
    assert list(answer.columns) == columns
    by_key = {_key(row): row for row in rows}
    assert len(by_key) == len(rows), "text, days and counts tell rows apart"
    found = [_like(row, by_key.get(_key([_text(value) for value in row]))) for row in answer.rows]
    assert sorted(found) == sorted(rows)
    assert [_amounts(row) for row in found] == [_amounts(row) for row in rows]


def column(answer: Answer, name: str) -> list[Any]:
    return [row[answer.columns.index(name)] for row in answer.rows]


def total(answer: Answer, *names: str) -> float:
    """The sum of what is not NULL in all of these columns."""
    return float(sum(value for name in names for value in column(answer, name) if value is not None))


def _path(example: Example) -> Path:
    return HERE / f"{example.name}.csv"


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{round(value, 9):z.6f}"  # a half stays one, whatever order its parts were added in
        case datetime():
            return value.isoformat(sep=" ")
    return str(value)


def _like(found: Sequence[Any], row: Sequence[str] | None) -> list[str]:
    """The row as text, with the kept text for each amount that equals it."""
    return [
        text if isinstance(value, float) and value == pytest.approx(float(text), abs=1.5e-6) else _text(value)
        for value, text in zip(found, row or map(_text, found), strict=True)
    ]


def _key(row: Sequence[str]) -> tuple[str, ...]:
    return tuple("" if _AMOUNT.fullmatch(text) else text for text in row)


def _amounts(row: Sequence[str]) -> list[str]:
    return [text for text in row if _AMOUNT.fullmatch(text)]
