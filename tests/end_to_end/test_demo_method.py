"""The figures with which docs/method.md explains a job's cost are those of the demo."""

import re
from pathlib import Path

import pytest
import sqlalchemy

METHOD = Path(__file__).parents[2] / "docs" / "method.md"
STEP = re.compile(r"^```sql\n(?P<query>(?:.*\n)*?)```\n\n(?P<table>(?:\|.*\n)+)", re.MULTILINE)
STEPS = [(step["query"], step["table"]) for step in STEP.finditer(METHOD.read_text(encoding="utf-8"))]


def table(names: list[str], rows: list[tuple[object, ...]]) -> str:
    """What the page shows of an answer: money and hours to the hundredth of a cent."""
    cells = [names, ["---"] * len(names), *([said(value) for value in row] for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def said(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "none" if value is None else str(value)


def test_the_page_has_its_steps() -> None:
    assert len(STEPS) == 5


@pytest.mark.parametrize(("query", "shown"), STEPS)
def test_each_table_is_what_the_demo_answers(query: str, shown: str, engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(query)
        assert table(list(answer.keys()), [tuple(row) for row in answer]) == shown
