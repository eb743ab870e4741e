from collections import Counter
from datetime import datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.relations import Source
from tests.sql.warehouse import Row, Rows, Warehouse, warehouse

CLASSES = {
    *("split_cost", "tax", "credit", "refund", "discount", "commitment_unused", "commitment"),
    *("emr_uplift", "fargate", "control_plane", "network", "compute", "instance_other"),
    *("storage", "load_balancer", "other"),
}
TEXT = st.none() | st.just("") | st.text(max_size=5)
AMOUNTS = st.integers(min_value=-10_000_000, max_value=10_000_000).map(lambda cents: cents / 100_000)
MOMENTS = st.datetimes(datetime(2026, 9, 1), datetime(2026, 10, 31)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001  a report's times are naive UTC
LINE_TYPES = (
    *("Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee"),
    *("SavingsPlanUpfrontFee", "DiscountedUsage", "RIFee", "Fee", "Tax", "Credit", "Refund"),
    *("EdpDiscount", "FlatRateSubscription"),
)
SPLIT = ("EKSPod-EC2", "ECSTask-EC2")
OPERATIONS = (*SPLIT, "RunInstances", "FargatePod", "InterZone-In", "StartJobRun")
PRODUCTS = ("AmazonEC2", "AmazonEKS", "ElasticMapReduce", "AmazonVPC", "AWSELB", "ComputeSavingsPlans", "AmazonS3")
USAGE_TYPES = (
    *("BoxUsage:m5.xlarge", "EU-SpotUsage:m5.xlarge", "EBSOptimized:m5.xlarge", "USE1-NatGateway-Hours"),
    *("DataTransfer-Regional-Bytes", "EBS:VolumeUsage.gp3", "LoadBalancerUsage", "EMR-EKS-EC2-vCPUHours"),
)
RESOURCES = ("i-0123456789abcdef0", "vol-0123456789abcdef0", "arn:aws:emr-containers:eu-west-1:1:/virtualclusters/v")
COSTS = (
    "line_item_net_unblended_cost",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "savings_plan_recurring_commitment_for_billing_period",
    "savings_plan_net_recurring_commitment_for_billing_period",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_unused_recurring_fee",
    "split_line_item_split_cost",
    "split_line_item_unused_cost",
    "pricing_public_on_demand_cost",
)


def bill_of(source: Source) -> st.SearchStrategy[Rows]:
    period = {"year": st.just("2026"), "month": st.sampled_from(("9", "10"))}
    if source == "cur2":
        period = {"billing_period": st.sampled_from(("2026-09", "2026-10"))}
    line = st.fixed_dictionaries(
        {
            **period,
            "bill_payer_account_id": st.sampled_from(("payer", "other payer")),
            "line_item_line_item_type": st.sampled_from(LINE_TYPES) | TEXT,
            "line_item_operation": st.sampled_from(OPERATIONS) | TEXT,
            "line_item_product_code": st.sampled_from(PRODUCTS) | TEXT,
            "line_item_resource_id": st.sampled_from(RESOURCES) | TEXT,
            "line_item_unblended_cost": AMOUNTS,
            "line_item_usage_start_date": MOMENTS,
            "line_item_usage_type": st.sampled_from(USAGE_TYPES) | TEXT,
            "reservation_reservation_a_r_n": TEXT,
        }
    )
    costs = st.dictionaries(st.sampled_from(COSTS), AMOUNTS, max_size=4)
    return st.lists(st.tuples(line, costs).map(lambda parts: parts[0] | parts[1]), max_size=10)


@cache
def shipped(source: Source) -> Warehouse:
    return warehouse({}, source)


def read(lines: Rows, source: Source, select: str) -> Rows:
    shipped(source).fill("cur", lines)
    return shipped(source).query(select)


@pytest.mark.parametrize("source", ["cur1", "cur2"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_classes_part_the_bill_and_billed_cost_is_unblended_cost(source: Source, data: st.DataObject) -> None:
    lines: Rows = data.draw(bill_of(source))
    found = read(lines, source, "SELECT * FROM cur_line_items")
    assert len(found) == len(lines)
    assert {row["line_class"] for row in found} <= CLASSES
    unsplit = [line for line in lines if line["line_item_operation"] not in SPLIT]
    billed = sum(row["billed_cost"] for row in found)
    assert billed == pytest.approx(sum(line["line_item_unblended_cost"] for line in unsplit), rel=1e-9, abs=1e-9)
    assert Counter(row["line_class"] == "split_cost" for row in found)[True] == len(lines) - len(unsplit)


@pytest.mark.parametrize("source", ["cur1", "cur2"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_basis_holds_for_a_payers_whole_period(source: Source, data: st.DataObject) -> None:
    lines: Rows = data.draw(bill_of(source))
    found = read(lines, source, "SELECT DISTINCT payer_account_id, billing_period, cost_basis FROM cur_line_items")
    nets = ("line_item_net_unblended_cost", *(name for name in COSTS if "net_" in name and "effective" in name))
    has_net = dict.fromkeys(map(_period, lines), False)
    has_net |= {_period(line): True for line in lines if any(line.get(name) for name in nets)}
    assert len(found) == len(has_net)
    assert {
        (row["payer_account_id"], row["billing_period"]): row["cost_basis"] == "net_amortized" for row in found
    } == has_net


def _period(line: Row) -> tuple[str, str]:
    period = line["billing_period"] if "billing_period" in line else f"{line['year']}-{line['month']:0>2}"
    return line["bill_payer_account_id"], period
