import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy

from tests.served import chargeback

NOW = ("--now", "2026-10-15T04:00:00Z")


def lines(demo: dict[str, str], *arguments: str) -> list[dict[str, str]]:
    done = chargeback("statement", *arguments, "--format", "csv", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_the_statement_of_the_demos_month_is_its_ledger_to_the_cent(
    demo: dict[str, str], engine: sqlalchemy.Engine
) -> None:
    with engine.connect() as connection:
        cost, savings = connection.exec_driver_sql(
            "SELECT (SELECT sum(effective_cost) FROM cost_ledger), (SELECT sum(savings) FROM job_run_costs)"
        ).one()
    found = lines(demo, "--month", "2026-10")
    assert sum(Decimal(row["direct"]) for row in found) == round(Decimal(cost), 2)
    assert sum(Decimal(row["savings"]) for row in found) == round(Decimal(savings), 2)
    assert sum(Decimal(row["distributed"]) for row in found) == 0
    assert {row["state"] for row in found} == {"provisional"}


def test_the_newest_month_is_told_unless_another_is_named(demo: dict[str, str]) -> None:
    assert lines(demo) == lines(demo, "--month", "2026-10")


def test_the_page_of_the_demo_reconciles_with_its_bill(demo: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "statement.html"
    done = chargeback("statement", "--month", "2026-10", "-o", str(page), *NOW, environment=demo)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    html = page.read_text(encoding="utf-8")
    for told in ("Statement 2026-10", "Provisional", "2026-10 has not ended", "87.83", "106.71", "unassigned"):
        assert told in html


def test_a_month_without_cost_is_a_page_that_says_so(demo: dict[str, str]) -> None:
    done = chargeback("statement", "--month", "2026-09", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    assert "There is no cost in 2026-09." in done.stdout
    assert "The bill has no lines of 2026-09" in done.stdout
    assert lines(demo, "--month", "2026-09", "--cost-center", "risk") == []


@pytest.mark.parametrize("center", ["no-such", "<script>"])
def test_a_cost_center_that_has_nothing_of_the_month_is_a_usage_error(center: str, demo: dict[str, str]) -> None:
    done = chargeback("statement", "--month", "2026-10", "--cost-center", center, *NOW, environment=demo)
    assert done.returncode == 2
    assert f"2026-10 has no cost of a cost center '{center}'; there are unassigned." in done.stderr
