"""Hours that real servers saw of real jobs, beside what EMR meters, computed from what truly ran."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pytest

from pipeline.relations import checks
from tests.captures import HOURS, Answering, capture, instead, opencost
from tests.sql.captured import bill, capacity, held, lake
from tests.sql.warehouse import Warehouse, warehouse

WITH_JOBS = [(server, hour) for server, hours in HOURS.items() for hour in hours if hour not in ("19T03", "19T11")]
SEVERAL_JOBS = [(server, hour) for server, hour in WITH_JOBS if hour != "19T20"]
EVERY_MINUTE = instead(
    "/allocation",
    capture("opencost-2026-05-resolution-60s/allocation-2026-11-19T10.json").answer,
    opencost("opencost-2026-05"),
)
IN_HOUR = tuple[datetime, str]
"""An hour, and a workload's or an instance's ID."""


def witnessed(server: str, *hours: str, answering: Answering | None = None) -> Warehouse:
    rows = {**lake(server, *hours, answering=answering), "cur": bill(held(*hours))}
    return warehouse(rows, reading=("job_run_hours",))


def ratio(shipped: Warehouse, observed: str, metered: str) -> float:
    (row,) = shipped.query(f"SELECT SUM({observed}) / SUM({metered}) AS ratio FROM job_run_hours")
    found: float = row["ratio"]
    return found


def findings(shipped: Warehouse) -> list[dict[str, Any]]:
    (check,) = (check for check in checks() if check.name == "observed_hours_match_uplift")
    return shipped.query(check.template)


@pytest.mark.parametrize(("server", "hour"), SEVERAL_JOBS)
def test_a_server_that_looks_every_five_minutes_sees_3_to_23_percent_too_few_hours(server: str, hour: str) -> None:
    shipped = witnessed(server, hour)
    assert 0.77 < ratio(shipped, "cpu_core_request_hours", "vcpu_hours") < 0.97
    assert 0.77 < ratio(shipped, "ram_gib_request_hours", "gb_hours") < 0.97


def test_of_a_job_of_eleven_minutes_it_sees_half() -> None:
    assert ratio(witnessed("opencost-2026-05", "19T20"), "cpu_core_request_hours", "vcpu_hours") < 0.6


def test_a_server_that_looks_every_minute_sees_98_percent() -> None:
    shipped = witnessed("opencost-2026-05", "19T10", answering=EVERY_MINUTE)
    assert ratio(shipped, "cpu_core_request_hours", "vcpu_hours") == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize(("server", "hour"), WITH_JOBS)
def test_hours_scaled_to_the_witness_within_the_instance_are_those_that_every_workload_held(
    server: str, hour: str
) -> None:
    shipped = witnessed(server, hour)
    true = _sums((one.hour.replace(tzinfo=None), one.workload_id, one.vcpu_hours) for one in held(hour))
    assert corrected(shipped, hour) == {key: pytest.approx(hours, rel=0.02) for key, hours in true.items()}


def test_every_workload_on_the_runtime_meets_its_uplift_in_every_hour() -> None:
    shipped = witnessed("opencost-2026-05", *HOURS["opencost-2026-05"])
    rows = shipped.query("SELECT workload_kind, reason FROM job_run_hours")
    assert {row["reason"] for row in rows} == {None}
    assert {row["workload_kind"] for row in rows} == {
        "job_run",
        "interactive_endpoint",
        "spark_operator",
        "spark_submit",
        "flink",
    }


def test_the_check_tells_both_days_of_five_minutes_and_what_to_set() -> None:
    found = findings(witnessed("opencost-2026-05", *HOURS["opencost-2026-05"]))
    assert [row["usage_date"].day for row in sorted(found, key=lambda row: row["usage_date"])] == [18, 19]
    for row in found:
        assert "PROMETHEUS_QUERY_RESOLUTION_SECONDS=60" in row["advice"]
        assert "ETL_RESOLUTION_SECONDS=60" in row["advice"]


def test_the_check_is_content_with_a_look_every_minute() -> None:
    assert findings(witnessed("opencost-2026-05", "19T10", answering=EVERY_MINUTE)) == []


def corrected(shipped: Warehouse, hour: str) -> Mapping[IN_HOUR, float]:
    """vCPU-hours by workload: pods divided by the observed ratio, and no instance giving more than it has."""
    pods = shipped.query(
        "SELECT pods.window_start, pods.workload_id, pods.instance_id, pods.provider_id, "
        "pods.cpu_core_request_hours / runs.observed_ratio AS hours "
        "FROM pod_hours AS pods LEFT JOIN job_run_hours AS runs ON pods.usage_date = runs.usage_date "
        "AND pods.window_start = runs.charge_period_start AND pods.workload_id = runs.workload_id "
        "WHERE runs.observed_ratio IS NOT NULL"
    )
    asked = _sums((pod["window_start"], _node(pod), pod["hours"]) for pod in pods)
    room = {(at.replace(tzinfo=None), node): hours for (at, node), hours in capacity(hour).items()}
    # A Fargate node is as large as its only pod.
    cut = {key: min(1.0, room.get(key, hours) / hours) for key, hours in asked.items() if hours > 0}
    return _sums(
        (pod["window_start"], pod["workload_id"], pod["hours"] * cut.get((pod["window_start"], _node(pod)), 1.0))
        for pod in pods
    )


def _node(pod: Mapping[str, Any]) -> str:
    """A Fargate node has no instance ID."""
    return str(pod["instance_id"] or pod["provider_id"]).rsplit("/", 1)[-1]


def _sums(hours: Iterable[tuple[datetime, str, float]]) -> dict[IN_HOUR, float]:
    found: dict[IN_HOUR, float] = defaultdict(float)
    for at, of, amount in hours:
        found[at, of] += amount
    return dict(found)
