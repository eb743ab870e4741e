"""The SQL of the dashboard's data sets, over made-up rows."""

from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from sqlglot import exp, parse_one

from pipeline.demo.athena.dialect import to_duckdb
from pipeline.quicksight_columns import columns
from pipeline.relations import relations_read, views
from pipeline.story import Story, read_story
from tests.sql.warehouse import Row, Rows, warehouse

TODAY = "DATE '2026-10-21'"
TYPES = {
    "DATE": "DATETIME",
    "TIMESTAMP": "DATETIME",
    "VARCHAR": "STRING",
    "DOUBLE": "DECIMAL",
    "BIGINT": "INTEGER",
    "INTEGER": "INTEGER",
}
POD = {
    "account_id": "111122223333",
    "cluster_arn": "c1",
    "cluster_name": "prod",
    "cost_center": "risk",
    "workload_kind": "job_run",
    "workload_id": "r1",
    "workload_name": "nightly",
    "cost_category": "compute",
    "cost_state": "final",
    "currency": "USD",
    "effective_cost": 1.0,
}
COST = {"cluster_name": "prod", "cost_center": "risk", "currency": "USD", "cost_category": "compute"}


@cache
def shipped() -> Story:
    return read_story()


def select(name: str) -> str:
    """A data set's SQL as if it were the 21st of October."""
    return shipped().selects[name].replace("current_date", TODAY)


def answers(name: str, rows: dict[str, Rows]) -> list[dict[str, Any]]:
    return warehouse(rows, reading=relations_read(select(name))).query(select(name))


def pods(*rows: Row) -> dict[str, Rows]:
    return {"cost_center_pods": [{**POD, **row} for row in rows]}


@pytest.mark.parametrize("name", read_story().selects)
def test_a_data_set_gives_the_columns_that_it_promises_of_their_types(name: str) -> None:
    made = warehouse({}, reading=relations_read(select(name)))
    made.connection.execute(f"CREATE VIEW asked AS {to_duckdb(select(name))}")
    assert {column: TYPES[kind] for column, kind in made.columns("asked").items()} == columns(shipped())[name]


@pytest.mark.parametrize("name", read_story().selects)
def test_a_data_set_drops_no_row_by_a_join_and_no_cte_hides_a_view(name: str) -> None:
    tree = parse_one(select(name), read="athena")
    kinds = {(join.side or join.kind) for join in tree.find_all(exp.Join)}
    assert kinds <= {"LEFT", "CROSS"}
    assert {cte.alias for cte in tree.find_all(exp.CTE)}.isdisjoint(view.name for view in views("cur2"))


@pytest.mark.parametrize("name", ["costs", "jobs", "pods"])
def test_what_has_no_name_has_a_word_and_the_sum_stays(name: str) -> None:
    nameless = dict.fromkeys(("cluster_name", "workload_name", "pod"), None)
    found = answers(name, pods({"usage_date": date(2026, 10, 20)}, {"usage_date": date(2026, 10, 20), **nameless}))
    assert sum(row["effective_cost"] for row in found) == 2.0
    texts = {column for column, kind in columns(shipped())[name].items() if kind == "STRING"}
    assert [row for row in found if any(row[column] is None for column in texts)] == []


def test_months_before_the_last_thirteen_are_left_out() -> None:
    days = [date(2025, 8, 31), date(2025, 9, 1), date(2026, 10, 20)]
    found = answers("costs", pods(*({"usage_date": day} for day in days)))
    assert {row["usage_date"] for row in found} == set(days[1:])


def test_pods_are_those_of_the_last_35_days() -> None:
    found = answers(
        "pods", pods({"usage_date": date(2026, 9, 15), "pod": "a"}, {"usage_date": date(2026, 9, 16), "pod": "b"})
    )
    assert [row["pod"] for row in found] == ["b"]


def test_a_runs_uplift_is_a_row_beside_its_pods() -> None:
    day = {"usage_date": date(2026, 10, 20)}
    found = answers("pods", pods(day | {"pod": "driver"}, day | {"cost_category": "emr_uplift", "effective_cost": 0.5}))
    assert {row["pod"]: row["effective_cost"] for row in found} == {"driver": 1.0, "no pod: emr_uplift": 0.5}


def months(*days: tuple[date, float]) -> dict[date, dict[str, Any]]:
    rows = [{**COST, "usage_date": day, "effective_cost": cost} for day, cost in days]
    return {row["month"]: row for row in answers("months", {"cost_center_costs": rows})}


def test_the_month_that_runs_goes_on_as_its_latest_whole_week() -> None:
    found = months(
        (date(2026, 9, 1), 7.0), *((date(2026, 10, day), 2.0) for day in range(1, 21)), (date(2026, 10, 21), 0.1)
    )
    october = found[date(2026, 10, 1)]
    assert october["effective_cost"] == pytest.approx(40.1)
    assert october["forecast_cost"] == pytest.approx(31 * 2.0), "20 whole days at 2, and 11 more; the 21st is not whole"
    assert found[date(2026, 9, 1)]["forecast_cost"] == 7.0, "a month that is over has cost what it has cost"


def test_a_cluster_that_began_within_the_month_is_forecast_from_its_first_day() -> None:
    [found] = months((date(2026, 10, 11), 3.0), (date(2026, 10, 12), 3.0), (date(2026, 10, 13), 0.0)).values()
    assert found["forecast_cost"] == pytest.approx(6.0 + 19 * 3.0)


def test_a_month_goes_on_as_the_latest_week_from_its_first_day_on() -> None:
    found = months(*((date(2026, 9, day), float(day >= 24)) for day in range(1, 31)), (date(2026, 10, 1), 0.1))
    assert found[date(2026, 10, 1)]["forecast_cost"] == pytest.approx(31.0)
    assert found[date(2026, 9, 1)]["forecast_cost"] == pytest.approx(7.0)


def test_on_a_clusters_first_day_nobody_knows_what_the_month_will_have_cost() -> None:
    assert months((date(2026, 10, 1), 3.0))[date(2026, 10, 1)]["forecast_cost"] is None


def test_what_comes_once_a_month_is_in_the_forecast_once() -> None:
    days = [{**COST, "usage_date": date(2026, 10, day), "effective_cost": 1.0} for day in range(1, 11)]
    tax = {**days[4], "cost_category": "tax", "effective_cost": 5.0}
    found = answers("months", {"cost_center_costs": [*days, tax]})
    assert sum(row["forecast_cost"] for row in found) == pytest.approx(31.0 + 5.0)


def test_a_cluster_that_is_gone_costs_nothing_on_the_days_to_come() -> None:
    days = [{**COST, "usage_date": date(2026, 10, day), "effective_cost": 1.0} for day in range(1, 21)]
    gone = [{**row, "cluster_name": "old"} for row in days[:3]]
    found = {row["cluster_name"]: row for row in answers("months", {"cost_center_costs": [*days, *gone]})}
    assert (found["old"]["forecast_cost"], found["prod"]["forecast_cost"]) == (3.0, pytest.approx(31.0))


def test_whole_days_stand_against_as_many_of_the_month_before() -> None:
    spent = [(date(2026, 9, 1), 2.0), (date(2026, 9, 30), 50.0), (date(2026, 10, 1), 3.0), (date(2026, 10, 2), 0.1)]
    october = months(*spent)[date(2026, 10, 1)]
    assert (october["compared_cost"], october["cost_before"]) == (3.0, 2.0)


def test_a_month_that_is_over_stands_against_all_of_the_month_before() -> None:
    september = months((date(2026, 8, 31), 2.0), (date(2026, 9, 30), 5.0))[date(2026, 9, 1)]
    assert (september["compared_cost"], september["cost_before"]) == (5.0, 2.0)


def test_a_cluster_without_cost_on_the_days_before_is_not_compared() -> None:
    spent = [(date(2026, 9, 30), 2.0), (date(2026, 10, 1), 3.0), (date(2026, 10, 2), 0.1)]
    october = months(*spent)[date(2026, 10, 1)]
    assert (october["compared_cost"], october["cost_before"], october["effective_cost"]) == (None, None, 3.1)


def test_an_increase_is_over_the_same_days_of_the_month_before() -> None:
    days = [
        {"usage_date": date(2026, 9, 5), "effective_cost": 1.0, "workload_id": "r1"},
        {"usage_date": date(2026, 9, 28), "effective_cost": 100.0, "workload_id": "r2"},
        {"usage_date": date(2026, 10, 5), "effective_cost": 4.0, "workload_id": "r3"},
        {"usage_date": date(2026, 10, 5), "effective_cost": 3.0, "workload_id": "r4"},
        {"usage_date": date(2026, 10, 20), "effective_cost": 50.0, "workload_id": "r5"},
    ]
    found = {row["month"]: row for row in answers("increases", pods(*days))}
    october = found[date(2026, 10, 1)]
    assert (october["cost"], october["cost_before"], october["increase"]) == (7.0, 1.0, 6.0)
    assert (october["runs"], october["runs_before"]) == (2, 1)
    assert found[date(2026, 9, 1)]["cost"] == 101.0
    assert date(2026, 11, 1) not in found


def test_a_clusters_first_jobs_are_no_increase() -> None:
    days = [{"usage_date": date(2026, 10, day), "workload_id": f"r{day}"} for day in (5, 20)]
    [october] = answers("increases", pods(*days))
    assert (october["cost"], october["increase"]) == (1.0, None)


def test_runs_are_told_by_release() -> None:
    rows = pods(
        {"usage_date": date(2026, 10, 1)},
        {"usage_date": date(2026, 10, 2), "workload_id": "r2"},
        {"usage_date": date(2026, 10, 2), "workload_id": "r1", "workload_kind": "spark_operator"},
        {"usage_date": date(2026, 10, 2), "workload_kind": None, "workload_id": None},
    )
    rows["job_runs"] = [
        {"cluster_arn": "c1", "job_run_id": "r1", "release_label": "emr-7.5.0-latest", "state": "COMPLETED"},
        {"cluster_arn": "c1", "job_run_id": "r2", "release_label": "emr-7.9.0-latest", "state": "FAILED"},
    ]
    found = answers("jobs", rows)
    assert {(row["workload_kind"], row["workload_id"]): (row["release_label"], row["state"]) for row in found} == {
        ("job_run", "r1"): ("emr-7.5.0-latest", "COMPLETED"),
        ("job_run", "r2"): ("emr-7.9.0-latest", "FAILED"),
        ("spark_operator", "r1"): ("unknown", "unknown"),
    }


def test_a_finding_is_whose_most_of_the_run_is() -> None:
    day = {"usage_date": date(2026, 10, 1)}
    rows = pods(day | {"effective_cost": 1.0}, day | {"cost_center": "fraud", "effective_cost": 2.0})
    finding = {
        **day,
        "cluster_arn": "c1",
        "workload_kind": "job_run",
        "finding": "failed_run",
        "currency": "USD",
        "cost": 3.0,
    }
    rows["job_run_findings"] = [finding | {"workload_id": "r1"}, finding | {"workload_id": "unknown"}]
    found = {row["workload_id"]: (row["cost_center"], row["cluster_name"]) for row in answers("findings", rows)}
    assert found == {"r1": ("fraud", "prod"), "unknown": ("unassigned", "unknown")}


def test_spot_is_compared_with_the_list_prices_of_on_demand() -> None:
    of = {"usage_date": date(2026, 10, 1), "cluster_name": "prod", "currency": "USD", "cost_category": "compute"}
    hours = {"cpu_core_hours": 1.0, "ram_gib_hours": 1.0}
    rows = [
        {**of, **hours, "capacity_type": "on_demand", "effective_cost": 6.0, "list_cost": 10.0, "savings": 4.0},
        {**of, **hours, "capacity_type": "spot", "effective_cost": 3.0},
        {**of, "capacity_type": "spot", "cost_category": "idle", "effective_cost": 0.5},
    ]
    found = {row["capacity_type"]: row for row in answers("savings", {"instance_costs": rows})}
    assert found["spot"]["spot_savings_estimate"] == pytest.approx(7.0)
    assert (found["spot"]["pods_cost"], found["spot"]["idle_cost"]) == (3.0, 0.5)
    assert (found["on_demand"]["savings"], found["on_demand"]["spot_savings_estimate"]) == (4.0, None)


def test_a_bills_month_is_its_first_day() -> None:
    rows = [{"billing_period": period, "bill_effective_cost": 1.0} for period in ("2025-08", "2025-09", "2026-10")]
    found = answers("reconciliation", {"bill_reconciliation": rows})
    assert {row["month"] for row in found} == {date(2025, 9, 1), date(2026, 10, 1)}


def test_an_hour_counts_once_however_many_pods_it_has_and_a_day_of_one_window_is_whole() -> None:
    def pod(start: datetime, hours: int) -> Row:
        end = start + timedelta(hours=hours)
        return {"usage_date": start.date(), "cluster_name": "prod", "window_start": start, "window_end": end}

    hour, day = datetime(2026, 10, 1, 7), datetime(2026, 10, 2)  # noqa: DTZ001
    found = answers("coverage", {"pod_hours": [pod(hour, 1), pod(hour, 1), pod(day, 24)]})
    assert {row["usage_date"].day: (row["hours"], row["hours_without_pods"], row["pod_windows"]) for row in found} == {
        1: (1, 23, 2),
        2: (24, 0, 1),
    }
