from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.relations import Source, checks, relations_read, views
from tests.sql.warehouse import Row, Rows, warehouse

HERE = Path(__file__).parent
SELECTS = {check.name: check.template for check in checks()}
VIEWS = {view.name for view in views("cur2")}
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_the_relation_gives_the_expected_rows(case: Path) -> None:
    tables = {path.stem: _rows(path) for path in case.glob("*.yaml")}
    expected = tables.pop("expect")
    source: Source = "cur1" if "cur1" in tables else "cur2"
    replaced = {"cur" if name == "cur1" else name: rows for name, rows in tables.items()}
    select = SELECTS.get(case.parent.name, f"SELECT * FROM {case.parent.name}")
    actual = warehouse(replaced, source, reading=relations_read(select)).query(select)
    columns = list(expected[0]) if expected else []
    assert all(list(row) == columns for row in expected), "every expected row names the same columns"
    wanted = [_approximate(row) for row in _comparable(expected, columns)]
    assert _comparable(actual, columns) == wanted


@pytest.mark.parametrize("relation", sorted(VIEWS))
def test_every_view_has_a_case(relation: str) -> None:
    assert any(case.parent.name == relation for case in CASES)


@pytest.mark.parametrize("check", sorted(SELECTS))
def test_every_check_has_a_case_that_finds_something_and_one_that_does_not(check: str) -> None:
    finds = {bool(_rows(case / "expect.yaml")) for case in CASES if case.parent.name == check}
    assert finds == {True, False}


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_a_check_says_which_day_each_row_is_about(check: Any) -> None:
    assert "usage_date" in _columns(check.template)


def test_every_case_is_about_a_relation_that_ships() -> None:
    assert {case.parent.name for case in CASES} == VIEWS | SELECTS.keys()


def _rows(path: Path) -> Rows:
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(rows, list), f"{path} holds no list of rows"
    return rows


def _columns(select: str) -> list[str]:
    made = warehouse({}, reading=relations_read(select))
    return list(made.query(f"SELECT COUNT(usage_date) AS usage_date FROM ({select}) AS found")[0])


def _comparable(rows: Rows, columns: list[str]) -> list[dict[str, Any]]:
    """The rows' *columns* that matter, in an order that does not depend on a double's last digits."""
    kept = [{name: _value(row[name]) for name in columns} for row in rows]
    return sorted(kept, key=_sort_key)


def _value(value: Any) -> Any:
    """A map's entries come as a list of pairs."""
    return dict(value) if isinstance(value, list) else value


def _sort_key(row: Row) -> str:
    return repr([f"{value:.6f}" if isinstance(value, float | int) else value for value in row.values()])


def _approximate(row: Mapping[str, Any]) -> dict[str, Any]:
    approximate = {
        name: pytest.approx(value, rel=1e-9, abs=1e-12) for name, value in row.items() if isinstance(value, float | int)
    }
    return {**row, **approximate}
