import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy

from tests.served import chargeback

NOW = ("--now", "2026-10-15T04:00:00Z")
DAYS = "2026-10-13..2026-10-14"
BOTH = "usage_date BETWEEN DATE '2026-10-13' AND DATE '2026-10-14'"
PARTS = ("price", "hours", "efficiency", "other")


def compare(demo: dict[str, str], periods: str, *arguments: str) -> dict[str, Any]:
    done = chargeback("report", "--compare", periods, *arguments, "--format", "json", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("by", ["job", "virtual-cluster", "cost-center"])
def test_the_total_is_the_ledgers_of_both_days(by: str, demo: dict[str, str], engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection:
        asked = f"SELECT usage_date, sum(effective_cost) AS cost FROM cost_ledger WHERE {BOTH} GROUP BY 1 ORDER BY 1"
        ledger = [row.cost for row in connection.exec_driver_sql(asked)]
    found = compare(demo, DAYS, "--by", by)
    assert [found["total"]["before"], found["total"]["after"]] == pytest.approx(ledger, abs=1e-4)
    assert (found["before"]["days_with_cost"], found["after"]["days_with_cost"]) == (1, 1)
    changes = [abs(row["change"]) for row in found["rows"]]
    assert changes == sorted(changes, reverse=True)


def test_the_parts_of_every_job_are_its_change_and_each_of_them_occurs(demo: dict[str, str]) -> None:
    done = chargeback("report", "--compare", DAYS, "--by", "job", "--format", "csv", *NOW, environment=demo)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    for row in rows:
        assert sum(Decimal(row[part]) for part in PARTS) == Decimal(row["change"])
    for part in PARTS:
        assert any(Decimal(row[part]) for row in rows), part
    assert any(row["workload_name"] == "" for row in rows)


def test_the_runs_of_a_schedule_are_one_job(demo: dict[str, str], engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection:
        named = f"FROM job_name_costs WHERE {BOTH} AND workload_name IS NOT NULL"
        asked = f"SELECT workload_name, sum(effective_cost) AS cost {named} GROUP BY 1"
        costs = {row.workload_name: row.cost for row in connection.exec_driver_sql(asked)}
    found = compare(demo, DAYS, "--by", "job")["rows"]
    for name, cost in costs.items():
        told = [row["before"] + row["after"] for row in found if row["workload_name"] == name]
        assert sum(told) == pytest.approx(cost, abs=1e-4), name


def test_a_month_without_cost_and_one_that_has_begun_say_so(demo: dict[str, str]) -> None:
    done = chargeback("report", "--compare", "2026-09..2026-10", "--by", "virtual-cluster", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    assert "2026-09: no cost" in done.stdout
    assert "2026-10: 4 of 31 days with cost" in done.stdout
    found = compare(demo, "2026-W42..2026-W41", "--by", "virtual-cluster")
    assert found["total"]["after"] == 0.0
    assert all(row["price"] == row["efficiency"] == 0.0 for row in found["rows"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--compare", "2026-10"), "is not two periods"),
        (("--compare", "2026-09..2026-W41"), "compare two of one kind"),
        (("--compare", DAYS, "--by", "pod"), "There is no comparison by 'pod'; there are job, virtual-cluster"),
        (("--compare", DAYS, "--month", "2026-10"), "leave out --month"),
    ],
)
def test_what_cannot_be_compared_is_a_usage_error(arguments: tuple[str, ...], why: str, demo: dict[str, str]) -> None:
    done = chargeback("report", *arguments, *NOW, environment=demo)
    assert done.returncode == 2
    assert why in done.stderr
