from datetime import UTC, date, datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.dashboard import Dashboard, dashboard
from pipeline.demo.athena.dialect import to_duckdb
from pipeline.errors import ContractError
from pipeline.month import Month
from pipeline.page import page
from pipeline.quicksight_plan import read_by
from pipeline.story import Story, read_story
from pipeline.warehouse import Answer
from tests.dashboard_page import Page, Shown
from tests.sql.warehouse import Rows, Warehouse, warehouse

OCTOBER = Month(2026, 10)
HOSTILE = """<script>alert("1")</script><img src=x onerror=alert(2)>"&'{{ 7*7 }}#f0f001"""
NOW = datetime(2026, 10, 11, 4, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 20, 4, tzinfo=UTC)
FILLED = ("cost_ledger", "bill_reconciliation", "virtual_clusters", "job_runs")


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


def asked(ledger: Rows, *sheets: str, now: datetime = NOW, top: int = 25, **relations: Rows) -> Dashboard:
    """October by these *sheets*, or all of them, over a ledger of these rows, and other relations with those."""
    made = standing()
    for name in FILLED:
        made.fill(name, {"cost_ledger": ledger, **relations}.get(name, ()))
    told = {name: sheet for name, sheet in shipped().sheets.items() if name in sheets or not sheets}
    return dashboard(Engine(made), replace(shipped(), sheets=told), OCTOBER, now, top)


@cache
def standing() -> Warehouse:
    return warehouse(dict.fromkeys(FILLED, ()), reading=read_by(shipped()))


@cache
def shipped() -> Story:
    return read_story()


def read(of: Dashboard) -> Page:
    return Page(page(of, NOW))


def values(cells: list[Shown]) -> list[float | None]:
    return [cell.value for cell in cells]


def days(first: date, count: int, cost: float, **others: object) -> list[dict[str, Any]]:
    return [row(first + timedelta(days=number), cost, **others) for number in range(count)]


def test_every_visual_of_the_story_is_on_the_page_on_its_sheet_and_in_its_order() -> None:
    shown = read(asked(days(date(2026, 10, 1), 10, 2.0)))
    places = [found["id"] for _, found in shown.elements if "id" in found]
    for name, sheet in shipped().sheets.items():
        figures = [f"{name}-{visual.id}" for visual in sheet.visuals if visual.kind == "kpi"]
        others = [f"{name}-{visual.id}" for visual in sheet.visuals if visual.kind != "kpi"]
        assert [place for place in places if place in {*figures, *others}] == [*figures, *others]
        assert sheet.title in shown.text
        assert sheet.question in shown.text
        for visual in sheet.visuals:
            assert visual.title in shown.text
            assert visual.says in shown.text


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    names = {"workload_name": HOSTILE, "namespace": HOSTILE, "virtual_cluster_id": HOSTILE, "cluster_name": HOSTILE}
    more = {"node_pool": HOSTILE, "instance_type": HOSTILE, "capacity_type": HOSTILE, "reason": HOSTILE}
    clusters = [{"cluster_arn": "arn", "virtual_cluster_id": HOSTILE, "name": HOSTILE}]
    shown = read(asked(days(date(2026, 10, 1), 10, 2.0, **names, **more), virtual_clusters=clusters))
    assert {name for name, _ in shown.elements}.isdisjoint({"script", "img", "iframe", "object", "a href"})
    assert not [key for _, found in shown.elements for key in found if key.startswith("on")]
    assert shown.tables["jobs-names"][0][0].text == HOSTILE
    assert shown.tables["virtual-clusters-cost"][0][0].text == HOSTILE
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
    shown = read(
        asked(days(date(2026, 10, 1), 10, 2.0, cost_state="estimated", list_cost=None), "overview", "reconciliation")
    )
    assert "There is no bill of these clusters in October 2026 yet" in shown.text
    assert shown.figures["overview-cost"][0].value == pytest.approx(20)
    for unknown in ("overview-difference", "overview-saved", "reconciliation-bill"):
        assert (shown.figures[unknown][0].text, shown.figures[unknown][0].value) == ("-", None)
    assert shown.tables["reconciliation-classes"] == []


def test_the_forecast_stands_against_the_cost_so_far() -> None:
    shown = read(asked([*days(date(2026, 10, 1), 10, 2.0), row(date(2026, 10, 11), 0.5)], "overview"))
    value, compared, _ = shown.figures["overview-forecast"]
    assert value.value == pytest.approx(62)
    assert compared.text == "Cost: 20.50 (+202.4%)"


def test_a_month_that_is_over_has_cost_what_it_has_and_stands_against_the_whole_month_before() -> None:
    both = [*days(date(2026, 9, 1), 30, 1.0), *days(date(2026, 10, 1), 31, 2.0), *days(date(2026, 11, 1), 19, 9.0)]
    shown = read(asked(both, "overview", now=NOVEMBER))
    assert shown.figures["overview-forecast"][0].value == pytest.approx(62)
    assert shown.figures["overview-against-month-before"][0].value == pytest.approx(62)
    assert shown.figures["overview-against-month-before"][1].text == "Month before: 30.00 (+106.7%)"
    [kind] = shown.tables["overview-kinds"]
    assert [kind[0].text, *values(kind[1:])] == ["Compute", *map(pytest.approx, [62, 62, 30, 32, 32 / 30])]
    [before, october] = shown.tables["overview-months"]
    assert [before[0].text, *values(before[1:])] == ["September 2026", *map(pytest.approx, [30, 0])]
    assert [october[0].text, *values(october[1:])] == ["October 2026", *map(pytest.approx, [62, 0])]


def test_a_month_under_way_stands_against_as_many_days_of_the_month_before() -> None:
    both = [*days(date(2026, 9, 1), 30, 1.0), *days(date(2026, 10, 1), 11, 2.0)]
    value, compared, _ = read(asked(both, "overview")).figures["overview-against-month-before"]
    assert value.value == pytest.approx(20)
    assert compared.text == "Month before: 10.00 (+100.0%)"


def test_without_a_month_before_nothing_is_an_increase_and_the_page_says_so() -> None:
    shown = read(asked(days(date(2026, 10, 1), 11, 2.0), "overview"))
    assert shown.figures["overview-against-month-before"][1].text == "There is no cost to compare with."
    assert shown.tables["overview-increases"] == []
    assert "none where no job ran on those days There is nothing of this in October 2026." in shown.text


def test_the_largest_increase_against_the_same_days_of_the_month_before_comes_first() -> None:
    steady = [*days(date(2026, 9, 1), 30, 5.0, workload_name="steady")]
    steady += days(date(2026, 10, 1), 10, 5.0, workload_name="steady")
    rising = [*days(date(2026, 9, 1), 10, 1.0), *days(date(2026, 9, 11), 20, 99.0), *days(date(2026, 10, 1), 10, 3.0)]
    new = days(date(2026, 10, 9), 2, 1.0, workload_name="new")
    today = days(date(2026, 10, 11), 1, 99.0, workload_name="today")
    shown = read(asked([*steady, *rising, *new, *today], "overview")).tables["overview-increases"]
    assert [cells[0].text for cells in shown] == ["nightly", "new"]
    assert values(shown[0][1:]) == pytest.approx([20, 2.0, 30, 10, 10, 10])
    assert values(shown[1][1:]) == [2, None, 2, 0, 2, 0]


def test_each_release_stands_after_the_one_before_with_the_change_of_its_vcpu_hours() -> None:
    runs = {"nightly-01": "emr-7.9.0-latest", "nightly-02": "emr-7.10.0-latest"}
    inventory = [
        {"cluster_arn": "arn", "virtual_cluster_id": cluster, "job_run_id": run, "release_label": label}
        for run, label in runs.items()
        for cluster in ("a", "b")  # a run that is listed twice is no run twice
    ]
    ledger = [
        row(date(2026, 10, 1), 4.0, workload_id="nightly-01"),
        row(date(2026, 10, 2), 5.0, workload_id="nightly-02"),
    ]
    shown = read(asked(ledger, "jobs", job_runs=inventory))
    first, second = shown.tables["jobs-releases"]
    assert [cell.text for cell in first] == [
        "nightly", "emr-7.9.0-latest", "4.00", "2026-10-01", "2026-10-01", "1", "4.0000", "2.0000", "-",
    ]  # fmt: skip
    assert [cell.text for cell in second] == [
        "nightly", "emr-7.10.0-latest", "5.00", "2026-10-02", "2026-10-02", "1", "5.0000", "2.5000", "+25.0%",
    ]  # fmt: skip


def test_rows_that_are_left_out_are_counted_and_in_the_total() -> None:
    many = [row(date(2026, 10, 1), number, workload_name=f"job {number}") for number in range(1, 31)]
    shown = read(asked(many, "jobs", top=10))
    assert [cells[0].text for cells in shown.tables["jobs-names"]] == [f"job {number}" for number in range(30, 20, -1)]
    assert shown.feet["jobs-names"][2].value == pytest.approx(sum(range(1, 31)))
    assert "20 more rows are not shown; the total has them." in shown.text
    assert len(read(asked(many, "jobs", top=0)).tables["jobs-names"]) == 30


def test_there_is_no_total_of_ratios_of_counts_of_different_things_or_of_what_overlaps() -> None:
    on_demand = {"spark_role": "executor", "capacity_type": "on_demand"}
    two = [row(date(2026, 10, 1), 4.0, **on_demand), row(date(2026, 10, 1), 5.0, workload_name="hourly", **on_demand)]
    shown = read(asked(two, "jobs", "waste-and-savings"))
    heads = [cell.text for cell in shown.heads["jobs-names"]]
    foot = dict(zip(heads, shown.feet["jobs-names"], strict=True))
    assert (foot["Cost"].value, foot["Runs"].text, foot["Cost per run"].text) == (9.0, "", "")
    assert len(shown.tables["waste-and-savings-findings-by-job"]) == 2
    assert "waste-and-savings-findings-by-job" not in shown.feet


def test_each_state_has_its_share() -> None:
    ledger = [row(date(2026, 10, 1), 1.0, cost_state="estimated"), row(date(2026, 10, 2), 3.0, cost_state="final")]
    assert [
        (cells[0].text, cells[2].text) for cells in read(asked(ledger, "overview")).tables["overview-estimated"]
    ] == [
        ("Final", "75.0%"),
        ("Estimated", "25.0%"),
    ]


def test_costs_in_several_currencies_have_no_sum() -> None:
    with pytest.raises(ContractError, match="CNY, USD"):
        asked([row(date(2026, 10, 1), 1.0), row(date(2026, 10, 2), 1.0, currency="CNY")])
