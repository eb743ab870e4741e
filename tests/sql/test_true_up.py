"""Whatever the estate and the bill: every cent of every line is on exactly one row, and no part is negative."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.relations import checks
from tests.sql.warehouse import Row, Rows, Warehouse, refilled

# A case takes a tenth of a second: making a found one smaller would take minutes.
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST_HOUR = datetime(2026, 10, 13, 22)  # noqa: DTZ001  the lake's times are naive UTC
ACCOUNT, REGION, CLUSTER = "111122223333", "us-east-1", "analytics"
CLUSTER_ARN = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
INSTANCES = ("i-1", "i-2", "i-3")
VOLUMES = ("vol-1", "vol-2")
WORKLOADS = (
    {"workload_kind": "job_run", "workload_id": "j1", "job_run_id": "j1", "virtual_cluster_id": "vc1"},
    {"workload_kind": "spark_operator", "workload_id": "abc", "emr_internal_id": "abc"},
    {"workload_kind": "spark", "workload_id": "spark-1"},
    {"workload_kind": "platform"},
)
HOURS = st.integers(min_value=0, max_value=2).map(lambda hours: FIRST_HOUR + timedelta(hours=hours))
COSTS = st.integers(min_value=0, max_value=1_000_000).map(lambda units: units / 100_000)
QUANTITIES = st.sampled_from((0.0, 0.25, 0.5, 1.0, 3.0, 7.5))
FOCUS_CHECKS = {check.name: check.template for check in checks() if check.name.startswith("focus_")}
COMMITMENTS = ("SavingsPlanCoveredUsage", "DiscountedUsage")
COMMITTED = {"compute", "fargate", "bucket"}
"""What commitments are sold for; buckets stand for all that never has pods."""
USAGE = {
    "compute": ("AmazonEC2", "AmazonEC2", "BoxUsage:m5.xlarge", "RunInstances", INSTANCES),
    "spot": ("AmazonEC2", None, "SpotUsage:m5.xlarge", "RunInstances:SV001", INSTANCES),
    "traffic": ("AmazonEC2", "AWSDataTransfer", "DataTransfer-Regional-Bytes", "InterZone-In", (*INSTANCES, "")),
    "credits": ("AmazonEC2", "AmazonEC2", "CPUCredits:t3", "RunInstances", INSTANCES),
    "disk": ("AmazonEC2", "AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", (*VOLUMES, "vol-root")),
    "uplift": (
        "ElasticMapReduce",
        "ElasticMapReduce",
        "EMR-EKS-EC2-vCPUHours",
        "StartJobRun",
        (f"arn:aws:emr-containers:{REGION}:{ACCOUNT}:/virtualclusters/vc1/jobruns/j1", "arn:aws:emr-containers:::/x/y"),
    ),
    "fargate": (
        "AmazonEKS",
        "AmazonEKS",
        "USE1-Fargate-vCPU-Hours:perCPU",
        "FargatePod",
        tuple(f"arn:aws:eks:{REGION}:{ACCOUNT}:pod/{cluster}/spark/f/uid" for cluster in (CLUSTER, "another")),
    ),
    "cluster": ("AmazonEKS", "AmazonEKS", "USE1-AmazonEKS-Hours:perCluster", "CreateOperation", (CLUSTER_ARN, "arn:x")),
    "bucket": ("AmazonS3", "AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", ("bucket",)),
    "tax": ("AmazonEC2", None, "", "", ("",)),
}


CONSERVATION = {
    check.name: check.template
    for check in checks()
    if check.name
    in {
        "bill_is_attributed",
        "instance_hours_add_up",
        "invoices_keep_their_lines",
        "ledger_is_current",
        "parts_stay_within_instance",
    }
}


def window(start: datetime) -> dict[str, Any]:
    return {"usage_date": start.date(), "window_start": start, "window_end": start + timedelta(hours=1)}


COMMON = {"cluster_arn": CLUSTER_ARN, "cluster_name": CLUSTER, "account_id": ACCOUNT, "region": REGION}


@st.composite
def pods(draw: Callable[..., Any]) -> Row:
    on_fargate = draw(st.integers(min_value=0, max_value=4)) == 0
    on_ec2 = {"instance_id": draw(st.sampled_from((*INSTANCES, None))), "capacity_type": "on_demand"}
    return {
        **COMMON,
        **window(draw(HOURS)),
        **draw(st.sampled_from(WORKLOADS)),
        **({"capacity_type": "fargate", "pod": "f"} if on_fargate else {**on_ec2, "pod": draw(st.sampled_from("abc"))}),
        "namespace": "spark",
        "node": "n",
        "minutes": 60.0,
        **{name: draw(QUANTITIES) for name in ("cpu_core_hours", "ram_gib_hours", "cpu_core_request_hours")},
        **{name: draw(COSTS) for name in ("cpu_cost", "network_cost", "pv_cost", "load_balancer_cost")},
        "network_transfer_bytes": draw(st.sampled_from((0.0, 1e6, 5e9))),
    }


@st.composite
def nodes(draw: Callable[..., Any]) -> Row:
    instance = draw(st.sampled_from(INSTANCES))
    minutes = draw(st.sampled_from((0.0, 20.0, 60.0)))
    size = {"cpu_core_hours": 4 * minutes / 60, "ram_gib_hours": 15.5 * minutes / 60, "minutes": minutes}
    return {
        "cluster_arn": CLUSTER_ARN,
        **window(draw(HOURS)),
        "instance_id": instance,
        "node": instance,
        "capacity_type": "on_demand",
        **size,
    }


@st.composite
def mounts(draw: Callable[..., Any]) -> Row:
    volume = draw(st.sampled_from((*VOLUMES, None)))
    return {
        "cluster_arn": CLUSTER_ARN,
        **window(draw(HOURS)),
        "volume_id": volume,
        "volume_name": f"pv-{volume}",
        "namespace": "spark",
        "pod": draw(st.sampled_from(("a", "b", None))),
        "gib_hours": draw(QUANTITIES),
        "cost": draw(COSTS),
    }


@st.composite
def lines(draw: Callable[..., Any]) -> Row:
    start, cost = draw(HOURS), draw(COSTS)
    kind = draw(st.sampled_from(sorted(USAGE)))
    product, service, usage_type, operation, resources = USAGE[kind]
    days = 18 if kind == "tax" else 0
    line_types = ("Usage", "Credit", "TypeOfTomorrow", *(COMMITMENTS if kind in COMMITTED else ()))
    line_type = "Tax" if kind == "tax" else draw(st.sampled_from(line_types))
    sold = {"product": {"vcpu": "4", "memory": "16 GiB"}} if kind == "compute" else {}
    return {
        "billing_period": "2026-10",
        "bill_payer_account_id": "999988887777",
        "bill_invoice_id": draw(st.sampled_from(("", "42"))),
        "line_item_usage_account_id": ACCOUNT,
        "product_region_code": REGION,
        "line_item_line_item_type": line_type,
        "line_item_product_code": product,
        "product_servicecode": service,
        "line_item_usage_type": usage_type,
        "line_item_operation": operation,
        "line_item_resource_id": draw(st.sampled_from(resources)),
        "line_item_usage_start_date": start,
        "line_item_usage_end_date": start + timedelta(hours=1, days=days),
        "line_item_usage_amount": draw(st.sampled_from((0.2, 0.5, 1.0, 1.467))),
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": -cost if line_type == "Credit" else cost,
        "savings_plan_savings_plan_effective_cost": cost,
        "reservation_effective_cost": cost,
        "resource_tags": draw(st.sampled_from(({}, {"aws_eks_cluster_name": CLUSTER}, {"user_team": "risk"}))),
        **sold,
    }


ESTATES = st.tuples(
    st.lists(pods(), max_size=8),
    st.lists(nodes(), max_size=5, unique_by=lambda n: (n["instance_id"], n["window_start"])),
    st.lists(mounts(), max_size=4),
    st.lists(lines(), max_size=14),
)


def shipped(estate: tuple[Rows, Rows, Rows, Rows], *settled: str) -> Warehouse:
    allocations, node_rows, volumes, bill = estate
    return refilled({"allocations": allocations, "nodes": node_rows, "volumes": volumes, "cur": bill}, settled)


def total(made: Warehouse, relation: str, measure: str, where: str = "TRUE") -> float:
    [row] = made.query(f"SELECT COALESCE(SUM({measure}), 0e0) AS cost FROM {relation} WHERE {where}")
    cost: float = row["cost"]
    return cost


@settings(max_examples=60, deadline=None, phases=UNSHRUNK)
@given(ESTATES)
def test_every_cent_of_the_bill_is_on_exactly_one_row(estate: tuple[Rows, Rows, Rows, Rows]) -> None:
    made = shipped(estate, "cur_line_items", "attributed_costs")
    for measure in ("effective_cost", "billed_cost"):
        attributed = total(made, "attributed_costs", measure, "cost_state <> 'estimated'")
        bill = total(made, "cur_line_items", measure)
        assert attributed == pytest.approx(bill, rel=1e-9, abs=1e-9)
    negated = total(made, "attributed_costs", "negated_cost")
    covered = total(made, "cur_line_items", "billed_cost", "line_type = 'SavingsPlanCoveredUsage'")
    assert negated == pytest.approx(covered, rel=1e-9, abs=1e-9)
    differences = made.query("SELECT * FROM bill_reconciliation WHERE ABS(difference) > 1e-9")
    assert differences == []


@settings(max_examples=40, deadline=None, phases=UNSHRUNK)
@given(ESTATES)
def test_no_part_of_a_cost_is_negative_and_none_is_unknown(estate: tuple[Rows, Rows, Rows, Rows]) -> None:
    made = shipped(estate)
    negative = "effective_cost < 0e0 AND cost_category <> 'credit'"
    assert made.query(f"SELECT * FROM attributed_costs WHERE {negative} OR effective_cost IS NULL") == []


@settings(max_examples=10, deadline=None, phases=UNSHRUNK)
@given(ESTATES)
def test_the_checks_of_conservation_find_nothing(estate: tuple[Rows, Rows, Rows, Rows]) -> None:
    made = shipped(estate, "cost_ledger", "attributed_costs")
    assert {name: made.query(check) for name, check in CONSERVATION.items()} == {name: [] for name in CONSERVATION}


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(ESTATES)
def test_a_pod_has_one_compute_row_billed_or_estimated(estate: tuple[Rows, Rows, Rows, Rows]) -> None:
    made = shipped(estate)
    computed = made.query("SELECT COUNT(*) AS found FROM cost_ledger WHERE cost_category = 'compute'")
    assert computed == made.query("SELECT COUNT(*) AS found FROM pod_hours")


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(ESTATES)
def test_every_row_of_the_ledger_is_a_charge_that_conforms_to_focus(estate: tuple[Rows, Rows, Rows, Rows]) -> None:
    made = shipped(estate, "cost_ledger", "emr_costs_focus")
    broken = {name: made.query(check) for name, check in FOCUS_CHECKS.items()}
    assert broken == {name: [] for name in FOCUS_CHECKS}


@settings(max_examples=15, deadline=None, phases=UNSHRUNK)
@given(ESTATES)
def test_the_same_bill_split_twice_gives_the_same_rows(estate: tuple[Rows, Rows, Rows, Rows]) -> None:
    allocations, node_rows, volumes, bill = estate
    again = (allocations[::-1], node_rows[::-1], volumes[::-1], bill[::-1])
    select = "SELECT * EXCLUDE (labels, tags) FROM cost_ledger"
    first, second = (sorted(map(repr, map(rounded, shipped(of).query(select)))) for of in (estate, again))
    assert first == second


def rounded(row: Row) -> list[Any]:
    """Doubles are added in any order, which shows in their last digits."""
    return [f"{value:.9g}" if isinstance(value, float) else value for value in row.values()]
