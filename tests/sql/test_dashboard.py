from datetime import UTC, date, datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any

import pytest

from pipeline.dashboard import Dashboard, dashboard
from pipeline.demo.athena.dialect import to_duckdb
from pipeline.errors import ContractError
from pipeline.month import Month
from pipeline.page import page
from pipeline.story import SHEETS
from pipeline.warehouse import Answer
from tests.dashboard_page import Page
from tests.sql.warehouse import Rows, Warehouse, warehouse

OCTOBER = Month(2026, 10)
HOSTILE = """<script>alert("1")</script><img src=x onerror=alert(2)>"&'{{ 7*7 }}#f0f001"""
NOW = datetime(2026, 10, 11, 4, tzinfo=UTC)
FILLED = ("cost_ledger", "bill_reconciliation", "virtual_clusters", "job_runs")
RELATIONS = {visual.relation for sheet in SHEETS for visual in sheet.visuals}


class Engine:
    """DuckDB, asked as the SQL engine is."""

    def __init__(self, of: Warehouse) -> None:
        self._of = of
        self._one_at_a_time = Lock()

    def query(self, sql: str, what: str) -> Answer:  # noqa: ARG002  DuckDB says itself what failed
        with self._one_at_a_time:
            found = self._of.connection.sql(to_duckdb(sql))
            return Answer(tuple(found.columns), tuple(found.fetchall()))


def row(day: date, cost: float, **others: object) -> dict[str, Any]:
    """A row of the ledger: a job run's compute of one hour, unless told otherwise."""
    start = datetime(day.year, day.month, day.day, 5)  # noqa: DTZ001  as the ledger has it
    run = f"{others.get('workload_name', 'run')}-{day:%d}"
    return {
        "usage_date": day,
        "charge_period_start": start,
        "charge_period_end": start + timedelta(hours=1),
        "billing_period": f"{day:%Y-%m}",
        "cluster_arn": "arn",
        "cluster_name": "analytics",
        "cost_category": "compute",
        "cost_state": "provisional",
        "currency": "USD",
        "workload_kind": "job_run",
        "workload_id": run,
        "job_run_id": run,
        "workload_name": "nightly",
        "namespace": "jobs",
        "pod": "driver",
        "minutes": 60.0,
        "cpu_core_hours": 2.0,
        "effective_cost": cost,
    } | others


def asked(ledger: Rows, newest_day: date = date(2026, 10, 10), **relations: Rows) -> Dashboard:
    """The dashboard of October over a ledger of these rows, and other relations with those."""
    made = standing()
    for name in FILLED:
        made.fill(name, {"cost_ledger": ledger, **relations}.get(name, ()))
    return dashboard(Engine(made), OCTOBER, newest_day)


@cache
def standing() -> Warehouse:
    return warehouse(dict.fromkeys(FILLED, ()), reading=RELATIONS)


def read(of: Dashboard, top: int = 25) -> Page:
    return Page(page(of, top, NOW))


def days(first: date, count: int, cost: float, **others: object) -> list[dict[str, Any]]:
    return [row(first + timedelta(days=number), cost, **others) for number in range(count)]


def test_every_relation_of_the_story_has_the_columns_that_it_reads() -> None:
    made = warehouse({})
    for sheet in SHEETS:
        for visual in sheet.visuals:
            assert set(visual.columns) <= made.columns(visual.relation).keys(), visual.name
            if visual.joined:
                needed = {*visual.joined.columns, *(theirs for _, theirs in visual.joined.on)}
                assert needed <= made.columns(visual.joined.relation).keys()


def test_the_sheets_have_their_names_and_the_visuals_names_of_their_own() -> None:
    names = ["Overview", "Virtual clusters", "Jobs", "Waste and savings", "Reconciliation", "Data quality"]
    assert [sheet.name for sheet in SHEETS] == names
    visuals = [visual.name for sheet in SHEETS for visual in sheet.visuals]
    assert len(set(visuals)) == len(visuals)


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    names = {"workload_name": HOSTILE, "namespace": HOSTILE, "virtual_cluster_id": HOSTILE, "cluster_name": HOSTILE}
    more = {"node_pool": HOSTILE, "instance_type": HOSTILE, "capacity_type": HOSTILE, "reason": HOSTILE}
    clusters = [{"cluster_arn": "arn", "virtual_cluster_id": HOSTILE, "name": HOSTILE}]
    shown = read(asked(days(date(2026, 10, 1), 10, 2.0, **names, **more), virtual_clusters=clusters))
    assert {name for name, _ in shown.elements}.isdisjoint({"script", "img", "iframe", "object", "a href"})
    assert not [key for _, found in shown.elements for key in found if key.startswith("on")]
    assert shown.tables["jobs"][0][0].text == HOSTILE
    assert shown.tables["virtual_clusters"][0][0].text == HOSTILE
    assert "{{ 7*7 }}" in shown.text
    assert "var(--part-1)" not in shown.text


def test_nothing_on_the_page_is_fetched_or_run() -> None:
    shown = read(asked(days(date(2026, 10, 1), 10, 2.0)))
    policies = [
        found["content"] for name, found in shown.elements if found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    places = [
        value for _, found in shown.elements for key, value in found.items() if key in ("href", "src", "xlink:href")
    ]
    assert all(place.startswith(("#", "data:,")) for place in places)
    assert "@import" not in shown.source
    assert "://" not in shown.source.replace("http://www.w3.org/2000/svg", "").replace(
        "http://www.w3.org/1999/xlink", ""
    )
    ids = [found["id"] for _, found in shown.elements if "id" in found]
    assert len(set(ids)) == len(ids)


def test_an_empty_month_says_so() -> None:
    shown = read(asked(days(date(2026, 9, 1), 10, 2.0)))
    assert "There is no cost in October 2026." in shown.text
    assert not shown.tables


def test_a_month_without_a_bill_says_so_and_shows_what_is_estimated() -> None:
    shown = read(asked(days(date(2026, 10, 1), 10, 2.0, cost_state="estimated", list_cost=None)))
    assert "There is no bill of October 2026 yet" in shown.text
    assert shown.headlines["October 2026 so far"].value == pytest.approx(20)
    assert shown.headlines["Difference from the bill"].value is None
    assert shown.headlines["Saved against list"].value is None
    assert shown.tables["reconciliation"] == []


def test_the_forecast_is_what_was_spent_and_the_latest_weeks_mean_for_each_day_left() -> None:
    spent = [*days(date(2026, 10, 1), 3, 1.0), *days(date(2026, 10, 4), 7, 2.0), *days(date(2026, 10, 11), 1, 0.5)]
    once = [row(date(2026, 10, 9), -5.0, cost_category="credit", workload_id=None, workload_kind=None)]
    figures = asked([*spent, *once]).figures
    assert figures.cost == pytest.approx(3 + 14 + 0.5 - 5)
    assert figures.forecast == pytest.approx(3 + 14 - 5 + 21 * 2)


@pytest.mark.parametrize("newest_day", [date(2026, 10, 31), date(2026, 11, 20)])
def test_a_month_that_is_over_has_no_forecast_and_stands_against_the_whole_month_before(newest_day: date) -> None:
    both = [*days(date(2026, 9, 1), 30, 1.0), *days(date(2026, 10, 1), 31, 2.0)]
    shown = read(asked(both, newest_day))
    assert shown.headlines["Forecast for the month's end"].value is None
    assert shown.headlines["September 2026"].value == pytest.approx(30)
    assert [cell.value for cell in shown.tables["months"][0][1:]] == pytest.approx([30, 62, 32, 32 / 30])


@pytest.mark.parametrize(("newest_day", "same"), [(date(2026, 9, 30), 1), (date(2026, 10, 10), 10)])
def test_a_month_under_way_stands_against_as_many_days_of_the_month_before(newest_day: date, same: int) -> None:
    both = [*days(date(2026, 9, 1), 30, 1.0), *days(date(2026, 10, 1), 10, 2.0)]
    figures = asked(both, newest_day).figures
    assert figures.before == pytest.approx(30)
    assert figures.same_days == pytest.approx(same)


def test_the_largest_increase_of_the_latest_week_against_the_week_before_comes_first() -> None:
    steady = days(date(2026, 9, 27), 14, 5.0, workload_name="steady")
    rising = [*days(date(2026, 9, 27), 7, 1.0), *days(date(2026, 10, 4), 7, 3.0), *days(date(2026, 10, 11), 1, 99.0)]
    new = days(date(2026, 10, 9), 2, 1.0, workload_name="new")
    shown = read(asked([*steady, *rising, *new])).tables["increases"]
    assert [cells[0].text for cells in shown] == ["nightly", "new"]
    assert [cell.value for cell in shown[0][2:]] == pytest.approx([7, 21, 14, 2.0])
    assert [cell.value for cell in shown[1][2:]] == [0, 2, 2, None]


def test_each_release_stands_after_the_one_before_with_the_change_of_its_vcpu_hours() -> None:
    runs = {"run-01": "emr-7.9.0-latest", "run-02": "emr-7.10.0-latest"}
    inventory = [
        {"cluster_arn": "arn", "virtual_cluster_id": cluster, "job_run_id": run, "release_label": label}
        for run, label in runs.items()
        for cluster in ("a", "b")  # a run that is listed twice is no run twice
    ]
    shown = read(asked([row(date(2026, 10, 1), 4.0), row(date(2026, 10, 2), 5.0)], job_runs=inventory))
    first, second = shown.tables["releases"]
    assert [cell.text for cell in first[:2]] == ["nightly", "emr-7.9.0-latest"]
    assert [cell.value for cell in first[2:]] == pytest.approx([4.0, 1, 4.0, 2.0, None], nan_ok=True)
    assert second[1].text == "emr-7.10.0-latest"
    assert [cell.value for cell in second[2:]] == pytest.approx([5.0, 1, 5.0, 2.5, 0.25])


def test_rows_that_are_left_out_are_counted_and_in_the_total() -> None:
    many = [row(date(2026, 10, 1), number, workload_name=f"job {number}") for number in range(1, 31)]
    shown = read(asked(many), top=10)
    assert len(shown.tables["jobs"]) == 10
    assert shown.feet["jobs"][3].value == pytest.approx(sum(range(1, 31)))
    assert "20 more rows are not shown; the total has them." in shown.text
    assert len(read(asked(many), top=0).tables["jobs"]) == 30


def test_costs_in_several_currencies_have_no_sum() -> None:
    with pytest.raises(ContractError, match="CNY, USD"):
        asked([row(date(2026, 10, 1), 1.0), row(date(2026, 10, 2), 1.0, currency="CNY")])
