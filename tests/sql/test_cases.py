from pathlib import Path
from typing import Any

import pytest

from pipeline.relations import checks, relations_read, views
from tests.sql.cases import CASES, SELECTS, case_in, name_of, rows_in
from tests.sql.warehouse import warehouse

VIEWS = {view.name for view in views("cur2")}


@pytest.mark.parametrize("directory", CASES, ids=name_of)
def test_the_relation_gives_the_expected_rows(directory: Path) -> None:
    case = case_in(directory)
    made = warehouse(case.replaced, case.source, reading=relations_read(case.select))
    assert case.compared(made.query(case.select)) == case.wanted


@pytest.mark.parametrize("relation", sorted(VIEWS))
def test_every_view_has_a_case(relation: str) -> None:
    assert any(case.parent.name == relation for case in CASES)


@pytest.mark.parametrize("check", sorted(SELECTS))
def test_every_check_has_a_case_that_finds_something_and_one_that_does_not(check: str) -> None:
    finds = {bool(rows_in(case / "expect.yaml")) for case in CASES if case.parent.name == check}
    assert finds == {True, False}


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_a_check_says_which_day_each_row_is_about(check: Any) -> None:
    assert "usage_date" in _columns(check.template)


def test_every_case_is_about_a_relation_that_ships() -> None:
    assert {case.parent.name for case in CASES} == VIEWS | SELECTS.keys()


def _columns(select: str) -> list[str]:
    made = warehouse({}, reading=relations_read(select))
    return list(made.query(f"SELECT COUNT(usage_date) AS usage_date FROM ({select}) AS found")[0])
