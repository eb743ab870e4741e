"""The cases in YAML: what each asks, the rows that it puts in the place of relations, and those that it expects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.relations import Source, checks
from tests.sql.warehouse import Row, Rows

CASES = tuple(sorted(path.parent for path in Path(__file__).parent.glob("*/*/expect.yaml")))
"""The directory of every case; the directory above it is called like the relation that the case asks."""

SELECTS = {check.name: check.template for check in checks()}
"""The checks; every other relation is a view, asked for all that it holds."""


@dataclass(frozen=True)
class Case:
    """A query over a bill of one kind and *replaced* relations, and the rows that it is to give."""

    select: str
    source: Source
    replaced: Mapping[str, Rows]
    expected: Rows

    @property
    def wanted(self) -> list[dict[str, Any]]:
        """What `compared` is to give: the expected rows, whose numbers need fit but to their ninth digit."""
        assert all(list(row) == self.columns for row in self.expected), "every expected row names the same columns"
        return [_approximate(row) for row in self.compared(self.expected)]

    def compared(self, rows: Rows) -> list[dict[str, Any]]:
        """The columns of *rows* that matter, in an order that does not depend on a double's last digits."""
        return in_order({name: _value(row[name]) for name in self.columns} for row in rows)

    @property
    def columns(self) -> list[str]:
        """The columns that matter, which are those that every expected row names."""
        return list(self.expected[0]) if self.expected else []


def name_of(directory: Path) -> str:
    """A case's name: its relation, and what it shows."""
    return f"{directory.parent.name}-{directory.name}"


def case_in(directory: Path) -> Case:
    """Read the case that a directory holds."""
    tables = {path.stem: rows_in(path) for path in directory.glob("*.yaml")}
    expected = tables.pop("expect")
    source: Source = "cur1" if "cur1" in tables else "cur2"
    replaced = {"cur" if name == "cur1" else name: rows for name, rows in tables.items()}
    relation = directory.parent.name
    return Case(SELECTS.get(relation, f"SELECT * FROM {relation}"), source, replaced, expected)


def rows_in(path: Path) -> Rows:
    """The rows of one YAML file."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(rows, list), f"{path} holds no list of rows"
    return rows


def in_order(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Sort rows of the same columns; doubles that differ in their last digits alone are the same to it."""
    return sorted(map(dict, rows), key=_sort_key)


def _value(value: Any) -> Any:
    """A map's entries come from Arrow as a list of pairs."""
    return dict(value) if isinstance(value, list) else value


def _sort_key(row: Row) -> str:
    return repr([f"{value:.6f}" if isinstance(value, float | int) else value for value in row.values()])


def _approximate(row: Row) -> dict[str, Any]:
    approximate = {
        name: pytest.approx(value, rel=1e-9, abs=1e-12) for name, value in row.items() if isinstance(value, float | int)
    }
    return {**row, **approximate}
