from collections import defaultdict
from datetime import datetime

import duckdb
import pyarrow as pa
import pytest

from pipeline.demo.bill.line_items import line_items
from pipeline.demo.bill.truth import TrueBill, true_bill
from pipeline.demo.estate.estate import Estate, build_estate
from pipeline.demo.estate.timetable import EMPTY_NODE

# The rules of amortized, net cost by line type, as AWS's documentation of the columns has them.
EFFECTIVE = """
    CASE line_item_line_item_type
        WHEN 'SavingsPlanCoveredUsage' THEN savings_plan_net_savings_plan_effective_cost
        WHEN 'SavingsPlanNegation' THEN 0
        WHEN 'SavingsPlanRecurringFee' THEN (savings_plan_total_commitment_to_date - savings_plan_used_commitment)
            * savings_plan_net_recurring_commitment_for_billing_period
            / savings_plan_recurring_commitment_for_billing_period
        WHEN 'DiscountedUsage' THEN reservation_net_effective_cost
        WHEN 'RIFee' THEN reservation_net_unused_recurring_fee
            + reservation_net_unused_amortized_upfront_fee_for_billing_period
        ELSE line_item_net_unblended_cost
    END
"""


@pytest.fixture(scope="module")
def estate() -> Estate:
    return build_estate()


@pytest.fixture(scope="module")
def bill(estate: Estate) -> pa.Table:
    return line_items(estate)


@pytest.fixture(scope="module")
def truth(estate: Estate) -> TrueBill:
    return true_bill(estate)


def test_the_totals_are_those_of_the_bills_columns(bill: pa.Table, truth: TrueBill) -> None:
    with duckdb.connect() as connection:
        connection.register("bill", bill)
        billed = connection.execute(
            f"""
            SELECT count(*), sum(line_item_unblended_cost), sum(line_item_net_unblended_cost), sum({EFFECTIVE}),
                sum(pricing_public_on_demand_cost)
            FROM bill WHERE line_item_operation <> 'EKSPod-EC2'
            """
        ).fetchone()
    totals = truth.totals()
    charged = [total.charged for total in totals]
    assert billed == pytest.approx(
        (
            sum(total.lines for total in totals),
            sum(of.unblended_cost for of in charged),
            sum(of.net_unblended_cost for of in charged),
            sum(of.effective_cost for of in charged),
            sum(of.list_cost for of in charged),
        ),
        rel=1e-12,
    )


def test_every_class_of_line_occurs_and_the_cluster_has_the_most_of_the_cost(truth: TrueBill) -> None:
    classes = {(total.line_class, total.in_scope) for total in truth.totals()}
    assert {name for name, in_scope in classes if in_scope} == {
        "compute",
        "control_plane",
        "credit",
        "emr_uplift",
        "fargate",
        "load_balancer",
        "network",
        "refund",
        "storage",
    }
    assert {name for name, in_scope in classes if not in_scope} == {
        "commitment",
        "commitment_unused",
        "compute",
        "credit",
        "other",
        "tax",
    }
    assert truth.effective_cost() > truth.effective_cost(in_scope=False) > 0
    assert truth.effective_cost() == pytest.approx(
        sum(truth.effective_cost(name) for name, in_scope in classes if in_scope), rel=1e-12
    )


def test_amortized_and_charged_cost_differ_by_nothing_once_all_lines_are_summed(truth: TrueBill) -> None:
    """Nothing was paid upfront: what commitments spread over lines is what their fees charge."""
    charged = [total.charged for total in truth.totals()]
    assert sum(of.effective_cost for of in charged) == pytest.approx(
        sum(of.net_unblended_cost for of in charged), rel=1e-12
    )


def test_pods_and_idle_capacity_make_the_cost_of_every_instance_hour(truth: TrueBill) -> None:
    pods: dict[tuple[str, datetime], float] = defaultdict(float)
    for pod in truth.pod_hours:
        pods[pod.placement.node.provider_id, pod.window_start] += pod.compute_cost
    for of in truth.instance_hours:
        cost = pods[of.instance_id, of.window_start] + of.idle_cost
        assert cost == pytest.approx(of.charged.effective_cost, rel=1e-12)
        assert of.charged.effective_cost > 0
        assert of.idle_cost >= 0
    assert sum(of.charged.effective_cost for of in truth.instance_hours) == pytest.approx(
        truth.effective_cost("compute"), rel=1e-12
    )


def test_the_instance_without_a_pod_is_idle_as_a_whole(truth: TrueBill) -> None:
    (empty,) = (of for of in truth.instance_hours if of.idle_reason == "empty_node")
    assert (empty.window_start, empty.window_end) == (EMPTY_NODE.start, EMPTY_NODE.end)
    assert empty.idle_cost == empty.charged.effective_cost


def test_an_instance_that_ran_a_part_of_the_hour_is_billed_for_that_part(truth: TrueBill) -> None:
    parts = [of for of in truth.instance_hours if of.hours < 1 and of.node.pool.capacity_type == "spot"]
    for of in parts:
        assert of.charged.effective_cost == pytest.approx(of.hours * 0.94 * of.node.hourly_cost, rel=1e-12)
    assert parts


def test_split_cost_agrees_where_a_pod_has_one_container(bill: pa.Table, estate: Estate) -> None:
    with duckdb.connect() as connection:
        connection.register("bill", bill)
        split = {
            (uid, hour): cost
            for uid, hour, cost in connection.execute(
                """
                SELECT split_part(line_item_resource_id, '/', 5), line_item_usage_start_date,
                    sum(split_line_item_net_split_cost)
                FROM bill WHERE line_item_operation = 'EKSPod-EC2' GROUP BY 1, 2
                """
            ).fetchall()
        }
    pods = [p for p in true_bill(estate, "advertised").pod_hours if p.placement.node.pool.instance_type]
    assert len(pods) == len(split)
    differences = defaultdict(list)
    for pod in pods:
        found = split[pod.placement.pod.uid, pod.window_start.replace(tzinfo=None)]
        differences[len(pod.placement.pod.containers) > 1].append(pod.compute_cost - found)
    assert max(map(abs, differences[False])) < 1e-12, "one container: the same"
    assert min(differences[True]) > -1e-12, "several: the larger of each is no less than the larger of all"
    assert max(differences[True]) > 1e-6


def test_the_sizes_that_spot_lines_do_not_name_move_spot_pods_alone(estate: Estate, truth: TrueBill) -> None:
    moved = {
        as_kubernetes.placement.node.pool.capacity_type
        for as_kubernetes, advertised in zip(truth.pod_hours, true_bill(estate, "advertised").pod_hours, strict=True)
        if as_kubernetes != advertised
    }
    assert moved == {"spot"}


def test_fargate_pods_have_their_own_lines(truth: TrueBill) -> None:
    pods = [pod for pod in truth.pod_hours if pod.placement.node.pool.provisioner == "fargate"]
    assert sum(pod.compute_cost for pod in pods) == pytest.approx(truth.effective_cost("fargate"), rel=1e-12)
    assert min(pod.compute_cost for pod in pods) > 0


def test_volumes_are_shared_by_the_pods_that_mounted_them(truth: TrueBill, estate: Estate) -> None:
    mounted = sum(pod.storage_cost for pod in truth.pod_hours)
    unmounted = sum(volume.unmounted_cost for volume in truth.volume_hours)
    assert mounted + unmounted == pytest.approx(sum(v.effective_cost for v in truth.volume_hours), rel=1e-12)
    assert {pod.placement.pod.namespace for pod in truth.pod_hours if pod.storage_cost} == {
        "kubecost",
        "notebooks",
        "spark-apps",
    }
    never = {volume.volume_id for volume in estate.volumes if volume.claim in {None, "old-experiments"}}
    for volume in truth.volume_hours:
        assert volume.unmounted_cost >= -1e-15
        if volume.volume_id in never:
            assert volume.unmounted_cost == volume.effective_cost > 0


def test_load_balancers_are_shared_by_the_pods_behind_them(truth: TrueBill) -> None:
    pods = [pod for pod in truth.pod_hours if pod.load_balancer_cost]
    assert {pod.placement.pod.namespace for pod in pods} == {"web"}
    assert sum(pod.load_balancer_cost for pod in pods) == pytest.approx(
        truth.effective_cost("load_balancer"), rel=1e-12
    )


def test_traffic_between_zones_is_shared_by_the_pods_of_the_instance(truth: TrueBill) -> None:
    instances = {of.instance_id for of in truth.instance_hours}
    on_instances = sum(
        line.net_amortized_cost
        for line in truth.charges
        if line.line_class == "network" and line.resource_id in instances
    )
    assert sum(pod.network_cost for pod in truth.pod_hours) == pytest.approx(on_instances, rel=1e-12)
    assert 0 < on_instances < truth.effective_cost("network")


def test_uplift_is_the_estates_true_uplift_less_the_discount(truth: TrueBill, estate: Estate) -> None:
    true = sum(of.cost for of in estate.true_uplift())
    assert truth.effective_cost("emr_uplift") == pytest.approx(0.94 * true, rel=1e-12)


def test_lines_of_other_accounts_and_services_are_out_of_scope(truth: TrueBill, estate: Estate) -> None:
    out = [line for line in truth.charges if not line.in_scope and line.line_class in {"compute", "other", "credit"}]
    ids = {node.provider_id for node in estate.nodes}
    assert out
    assert all(line.resource_id not in ids and not line.tags for line in out)
    assert {line.product.code for line in out} == {"AmazonEC2", "AmazonS3"}
