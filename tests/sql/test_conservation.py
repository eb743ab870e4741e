from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.relations import checks
from tests.sql.warehouse import Rows, Warehouse, refilled

# A case takes a tenth of a second: making a found one smaller would take minutes.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST_HOUR = datetime(2026, 10, 13, 22)  # noqa: DTZ001  the lake's times are naive UTC
JOBS = ("j1", "j2", "j3")
PARTS = (
    "cpu_cost",
    "ram_cost",
    "gpu_cost",
    "pv_cost",
    "network_cost",
    "load_balancer_cost",
    "shared_cost",
)
WORKLOADS = (
    *({"workload_kind": "job_run", "workload_id": job, "job_run_id": job} for job in JOBS),
    {"workload_kind": "interactive_endpoint", "workload_id": "e1", "virtual_cluster_id": "vc1"},
    {"workload_kind": "spark_operator", "workload_id": "abc", "emr_internal_id": "abc"},
    {"workload_kind": "spark", "workload_id": "spark-1"},
    {"workload_kind": "platform"},
    {"workload_kind": "other"},
)
RESOURCES = (
    *(f"arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/vc1/jobruns/{job}" for job in JOBS),
    "arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/vc1/jobruns/of-another-cluster",
    "arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/vc1/endpoints/e1",
    "arn:aws:emr-containers:us-east-1:111122223333:/sparkruns/abc",
    "",
    None,
)
LINE_TYPES = ("Usage", "SavingsPlanCoveredUsage", "Credit", "Tax", "EdpDiscount", "TypeOfTomorrow")
COSTS = st.integers(min_value=0, max_value=10_000_000).map(lambda cents: cents / 100_000)
HOURS = st.integers(min_value=0, max_value=3).map(lambda hours: FIRST_HOUR + timedelta(hours=hours))


@st.composite
def containers(draw: Callable[..., Any]) -> dict[str, Any]:
    start = draw(HOURS)
    costs = {part: draw(st.none() | COSTS) for part in PARTS}
    return {
        **draw(st.sampled_from(WORKLOADS)),
        **costs,
        "cluster_arn": draw(st.sampled_from(("c1", "c2"))),
        "account_id": "111122223333",
        "usage_date": start.date(),
        "window_start": start,
        "window_end": start + timedelta(hours=1),
        "pod": draw(st.none() | st.sampled_from(("a", "b"))),
        "workload_name": draw(st.none() | st.sampled_from(("nightly", "hourly"))),
        "spark_role": draw(st.sampled_from((None, "driver", "executor"))),
        "capacity_type": draw(st.sampled_from(("spot", "on_demand", "unknown"))),
        "labels": draw(st.none() | st.just({"team": "risk"})),
        "total_cost": sum(cost or 0.0 for cost in costs.values()),
        "cpu_core_request_hours": draw(COSTS),
    }


@st.composite
def uplift_lines(draw: Callable[..., Any]) -> dict[str, Any]:
    start, cost = draw(HOURS), draw(COSTS)
    return {
        "billing_period": "2026-10",
        "bill_invoice_id": draw(st.sampled_from(("", "42"))),
        "bill_payer_account_id": "999988887777",
        "line_item_usage_account_id": "111122223333",
        "line_item_line_item_type": draw(st.sampled_from(LINE_TYPES)),
        "line_item_product_code": "ElasticMapReduce",
        "line_item_usage_type": draw(st.sampled_from(("EMR-EKS-EC2-vCPUHours", "EMR-EKS-FARGATE-GBHours"))),
        "line_item_resource_id": draw(st.sampled_from(RESOURCES)),
        "line_item_usage_start_date": start,
        "line_item_usage_end_date": start + timedelta(hours=1),
        "line_item_currency_code": "USD",
        "line_item_usage_amount": draw(COSTS),
        "line_item_unblended_cost": cost,
        "savings_plan_savings_plan_effective_cost": cost,
    }


def bills() -> st.SearchStrategy[Rows]:
    """Bills that were delivered once: no two lines are the same."""
    return st.lists(uplift_lines(), max_size=12, unique_by=lambda line: repr(line))


@settings(max_examples=40, deadline=None, phases=UNSHRUNK)
@given(st.lists(containers(), max_size=12), bills())
def test_every_cent_of_pods_and_uplift_is_in_the_ledger_and_in_every_mart(pods: Rows, lines: Rows) -> None:
    shipped = refilled({"allocations": pods, "cur": lines}, settled=("cost_ledger",))
    parts = sum(pod[part] or 0.0 for pod in pods for part in PARTS)
    uplift = sum(line["line_item_unblended_cost"] for line in lines)
    expected = pytest.approx(parts + uplift, rel=1e-9, abs=1e-9)
    assert _sum(shipped, "cost_ledger") == expected
    assert _sum(shipped, "job_run_costs") == expected
    assert _sum(shipped, "virtual_cluster_costs") == expected
    assert _sum(shipped, "instance_costs") == expected
    with_id = "(SELECT effective_cost FROM cost_ledger WHERE workload_id IS NOT NULL) AS with_id"
    assert _sum(shipped, "job_name_costs") == pytest.approx(_sum(shipped, with_id), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None, phases=UNSHRUNK)
@given(st.lists(containers(), max_size=12), bills())
def test_no_check_of_severity_error_finds_anything(pods: Rows, lines: Rows) -> None:
    shipped = refilled({"allocations": pods, "cur": lines}, settled=("cost_ledger", "attributed_costs"))
    of_error = {check.name: check.template for check in checks() if check.severity == "error"}
    assert {name: shipped.query(select) for name, select in of_error.items()} == {name: [] for name in of_error}


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(st.lists(containers(), min_size=1, max_size=12))
def test_a_pod_has_one_compute_row_in_the_ledger(pods: Rows) -> None:
    shipped = refilled({"allocations": pods})
    computed = shipped.query("SELECT COUNT(*) AS rows_found FROM cost_ledger WHERE cost_category = 'compute'")
    assert computed == shipped.query("SELECT COUNT(*) AS rows_found FROM pod_hours")


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(st.lists(containers(), max_size=12), st.lists(uplift_lines(), max_size=12))
def test_no_pod_multiplies_an_uplift_row(pods: Rows, lines: Rows) -> None:
    shipped = refilled({"allocations": pods, "cur": lines})
    in_ledger = "SELECT COUNT(*) AS rows_found FROM cost_ledger WHERE cost_state <> 'estimated'"
    assert shipped.query(in_ledger) == shipped.query("SELECT COUNT(*) AS rows_found FROM resource_charges")


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(st.lists(containers(), max_size=12), st.lists(uplift_lines(), max_size=12))
def test_no_hour_of_either_witness_is_lost_or_counted_twice(pods: Rows, lines: Rows) -> None:
    shipped = refilled({"allocations": pods, "cur": lines})
    on_runtime = ("job_run", "interactive_endpoint", "spark_operator")
    requested = sum(pod["cpu_core_request_hours"] for pod in pods if pod["workload_kind"] in on_runtime)
    assert _sum(shipped, "job_run_hours", "cpu_core_request_hours") == pytest.approx(requested, rel=1e-9, abs=1e-9)
    metered = "(SELECT vcpu_hours FROM emr_uplift WHERE cost_category = 'emr_uplift' AND workload_id IS NOT NULL) AS m"
    expected = pytest.approx(_sum(shipped, metered, "vcpu_hours"), rel=1e-9, abs=1e-9)
    assert _sum(shipped, "job_run_hours", "vcpu_hours") == expected


def _sum(shipped: Warehouse, relation: str, of: str = "effective_cost") -> float:
    [row] = shipped.query(f"SELECT COALESCE(SUM({of}), 0e0) AS total FROM {relation}")
    total: float = row["total"]
    return total
