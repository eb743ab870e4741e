from collections import defaultdict
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipeline.demo.bill.line_items import line_items
from pipeline.demo.bill.sharing import Amounts, ratios, resource_parts
from pipeline.demo.estate.estate import Estate, build_estate

DISCOUNT = 0.06
COVERED = "line_item_line_item_type = 'SavingsPlanCoveredUsage'"
INSTANCE_HOURS = """
    regexp_matches(line_item_usage_type, '^(BoxUsage|SpotUsage):')
    AND line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
"""


@pytest.fixture(scope="module")
def estate() -> Estate:
    return build_estate()


@pytest.fixture(scope="module")
def bill(estate: Estate) -> pa.Table:
    return line_items(estate)


def rows(bill: pa.Table, sql: str) -> list[tuple[Any, ...]]:
    """Run *sql* over the relation `bill`."""
    with duckdb.connect() as connection:
        connection.register("bill", bill)
        return connection.execute(sql).fetchall()


def test_negation_takes_back_what_covered_usage_would_have_cost_and_has_no_resource(bill: pa.Table) -> None:
    groups = rows(
        bill,
        f"""
        SELECT line_item_usage_start_date, line_item_usage_account_id, line_item_usage_type, line_item_operation,
            line_item_availability_zone, savings_plan_savings_plan_a_r_n,
            count(*) FILTER (line_item_line_item_type = 'SavingsPlanNegation'), count(*) FILTER ({COVERED}),
            sum(line_item_unblended_cost), sum(line_item_net_unblended_cost), sum(line_item_usage_amount),
            count(line_item_resource_id) FILTER (line_item_line_item_type = 'SavingsPlanNegation')
        FROM bill WHERE line_item_line_item_type IN ('SavingsPlanNegation', 'SavingsPlanCoveredUsage')
        GROUP BY 1, 2, 3, 4, 5, 6
        """,
    )
    assert {negations for *_, negations, _, _, _, _, _ in groups} == {1}
    assert max(covered for *_, covered, _, _, _, _ in groups) > 1
    for *_, unblended, net, amount, resources in groups:
        assert (unblended, net, amount) == pytest.approx((0, 0, 0), abs=1e-12)
        assert resources == 0


def test_effective_cost_and_unused_commitment_make_the_fee_of_every_hour(bill: pa.Table, estate: Estate) -> None:
    hours = rows(
        bill,
        f"""
        SELECT line_item_usage_start_date,
            sum(savings_plan_savings_plan_effective_cost) FILTER ({COVERED}),
            sum(savings_plan_net_savings_plan_effective_cost) FILTER ({COVERED}),
            sum(savings_plan_total_commitment_to_date - savings_plan_used_commitment),
            sum(savings_plan_used_commitment),
            sum(savings_plan_recurring_commitment_for_billing_period),
            sum(savings_plan_net_recurring_commitment_for_billing_period),
            sum(line_item_unblended_cost) FILTER (line_item_line_item_type = 'SavingsPlanRecurringFee')
        FROM bill WHERE savings_plan_savings_plan_a_r_n IS NOT NULL GROUP BY 1
        """,
    )
    assert len(hours) == len(estate.windows())
    for _, effective, net, unused, used, commitment, net_commitment, fee in hours:
        assert unused >= 0
        assert effective == pytest.approx(used, rel=1e-12)
        assert effective + unused == pytest.approx(commitment, rel=1e-12)
        assert commitment == pytest.approx(fee, rel=1e-12)
        assert net + unused * net_commitment / commitment == pytest.approx(net_commitment, rel=1e-12)
    assert min(unused for _, _, _, unused, *_ in hours) < 1e-9 < max(unused for _, _, _, unused, *_ in hours)


def test_the_plan_is_used_up_in_every_hour_that_leaves_anything_it_covers_on_demand(bill: pa.Table) -> None:
    eligible = """
        line_item_line_item_type = 'Usage' AND (
            line_item_usage_type LIKE 'BoxUsage:%' OR line_item_operation = 'FargatePod'
        )
    """
    hours = rows(
        bill,
        f"""
        SELECT count(*) FILTER ({eligible}), count(*) FILTER ({COVERED} AND line_item_operation = 'FargatePod'),
            sum(savings_plan_total_commitment_to_date - savings_plan_used_commitment)
        FROM bill GROUP BY line_item_usage_start_date HAVING sum(savings_plan_total_commitment_to_date) > 0
        """,
    )
    assert any(on_demand for on_demand, _, _ in hours)
    assert any(fargate for _, fargate, _ in hours)
    assert all(unused < 1e-9 for on_demand, _, unused in hours if on_demand)


def test_a_plan_covers_first_what_it_saves_most_on(bill: pa.Table) -> None:
    hours = rows(
        bill,
        f"""
        SELECT max(savings_plan_savings_plan_rate / CAST(line_item_unblended_rate AS double)) FILTER ({COVERED})
                OVER (PARTITION BY line_item_usage_start_date),
            regexp_extract(line_item_usage_type, ':([a-z0-9]+)', 1),
            line_item_line_item_type = 'Usage'
        FROM bill WHERE regexp_matches(line_item_usage_type, '^BoxUsage:')
            AND line_item_line_item_type IN ('Usage', 'SavingsPlanCoveredUsage')
        """,
    )
    kept = {"g5": 0.68, "m6i": 0.72, "m5": 0.73}
    assert {family for _, family, _ in hours} == set(kept)
    assert all(worst is None or kept[family] >= worst - 1e-9 for worst, family, on_demand in hours if on_demand)


def test_reserved_usage_costs_nothing_unblended_and_its_fee_looks_like_compute(bill: pa.Table) -> None:
    ((unblended, listed, effective, net, hours),) = rows(
        bill,
        """
        SELECT max(line_item_unblended_cost), sum(pricing_public_on_demand_cost), sum(reservation_effective_cost),
            sum(reservation_net_effective_cost), sum(line_item_usage_amount)
        FROM bill WHERE line_item_line_item_type = 'DiscountedUsage'
        """,
    )
    fee = rows(
        bill,
        """
        SELECT line_item_product_code, line_item_operation, line_item_usage_type, line_item_resource_id,
            product_product_family, line_item_unblended_cost, line_item_usage_amount,
            reservation_unused_recurring_fee + reservation_unused_amortized_upfront_fee_for_billing_period,
            reservation_net_unused_recurring_fee, line_item_net_unblended_cost, reservation_unused_quantity
        FROM bill WHERE line_item_line_item_type = 'RIFee'
        """,
    )
    assert unblended == 0 < effective < listed
    ((*looks, charged, reserved, unused, net_unused, net_charged, unused_hours),) = fee
    assert looks == ["AmazonEC2", "RunInstances", "HeavyUsage:m6i.xlarge", None, None]
    assert effective + unused == pytest.approx(charged, rel=1e-12)
    assert net + net_unused == pytest.approx(net_charged, rel=1e-12)
    assert hours + unused_hours == pytest.approx(reserved, rel=1e-12)
    assert 0 < unused_hours < reserved


def test_a_reservation_is_never_used_for_more_than_the_hour(bill: pa.Table) -> None:
    hours = rows(
        bill,
        """
        SELECT sum(line_item_usage_amount), count(*) FROM bill WHERE line_item_line_item_type = 'DiscountedUsage'
        GROUP BY line_item_usage_start_date
        """,
    )
    assert max(amount for amount, _ in hours) == pytest.approx(1, rel=1e-12)
    assert max(count for _, count in hours) > 1


def test_the_discount_is_on_every_line_save_tax_credits_and_refunds(bill: pa.Table) -> None:
    lines = rows(
        bill,
        """
        SELECT line_item_line_item_type, line_item_unblended_cost, line_item_net_unblended_cost,
            discount_total_discount, coalesce(list_sum(map_values(discount)), 0)
        FROM bill
        """,
    )
    for line_type, unblended, net, discount, by_kind in lines:
        rate = 0 if line_type in {"Tax", "Credit", "Refund"} else DISCOUNT
        assert net == pytest.approx(unblended * (1 - rate), rel=1e-12)
        assert (unblended + discount, by_kind) == pytest.approx((net, discount), abs=1e-12)
    assert not [line for line in lines if line[0].endswith("Discount")]


def test_net_columns_are_filled_wherever_their_gross_ones_are(bill: pa.Table) -> None:
    for gross in (
        "savings_plan_savings_plan_effective_cost",
        "reservation_effective_cost",
        "split_line_item_split_cost",
        "split_line_item_unused_cost",
    ):
        net = gross.replace("_plan_savings_plan_", "_plan_net_savings_plan_").replace("_split_cost", "_net_split_cost")
        net = net.replace("reservation_", "reservation_net_").replace("_unused_cost", "_net_unused_cost")
        ((filled, wrong),) = rows(
            bill,
            f"""
            SELECT count({gross}), count(*) FILTER (
                ({gross} IS NULL) <> ({net} IS NULL) OR abs({net} - {gross} * (1 - {DISCOUNT})) > 1e-12
            ) FROM bill
            """,
        )
        assert filled > 0
        assert wrong == 0


def test_the_lines_of_an_instance_hour_sum_to_the_time_that_it_ran(bill: pa.Table, estate: Estate) -> None:
    billed = {
        (instance, hour): (amount, types)
        for instance, hour, amount, types in rows(
            bill,
            f"""
            SELECT line_item_resource_id, line_item_usage_start_date, sum(line_item_usage_amount),
                list(line_item_line_item_type ORDER BY line_item_line_item_type)
            FROM bill WHERE {INSTANCE_HOURS} AND line_item_usage_account_id = '111122223333' GROUP BY 1, 2
            """,
        )
    }
    ran = {
        (node.provider_id, window.start.replace(tzinfo=None)): life.hours
        for window in estate.windows()
        for node in estate.nodes
        if node.pool.instance_type and (life := node.life.within(window))
    }
    assert {key: amount for key, (amount, _) in billed.items()} == pytest.approx(ran, rel=1e-12)
    mixed = {tuple(types) for _, types in billed.values()}
    assert mixed >= {
        ("DiscountedUsage",),
        ("SavingsPlanCoveredUsage",),
        ("SavingsPlanCoveredUsage", "Usage"),
        ("DiscountedUsage", "SavingsPlanCoveredUsage"),
    }


def test_credits_name_emr_on_eks_an_instance_or_nothing_of_the_cluster(bill: pa.Table, estate: Estate) -> None:
    lines = rows(
        bill,
        """
        SELECT line_item_product_code, line_item_usage_type, line_item_resource_id, line_item_unblended_cost < 0
        FROM bill WHERE line_item_line_item_type = 'Credit' ORDER BY 1
        """,
    )
    assert [line[:2] for line in lines] == [
        ("AmazonEC2", "BoxUsage:m5.xlarge"),
        ("AmazonS3", "TimedStorage-ByteHrs"),
        ("ElasticMapReduce", "EMR-EKS-EC2-vCPUHours"),
    ]
    assert [line[2] in {node.provider_id for node in estate.nodes} for line in lines] == [True, False, False]
    assert [line[2] for line in lines[1:]] == [None, None]
    assert all(negative for *_, negative in lines)


def test_a_refund_is_negative_and_in_a_bill_of_its_own_type(bill: pa.Table) -> None:
    lines = rows(
        bill,
        """
        SELECT bill_bill_type, line_item_unblended_cost < 0, line_item_resource_id LIKE '%:natgateway/%'
        FROM bill WHERE line_item_line_item_type = 'Refund'
        """,
    )
    assert lines == [("Refund", True, True)]


def test_split_rows_bill_nothing_and_make_the_amortized_cost_of_each_instance_hour(bill: pa.Table) -> None:
    compared = rows(
        bill,
        f"""
        WITH instances AS (
            SELECT line_item_resource_id AS instance, line_item_usage_start_date AS hour,
                sum(coalesce(savings_plan_savings_plan_effective_cost, reservation_effective_cost,
                    line_item_unblended_cost)) AS amortized,
                sum(coalesce(savings_plan_net_savings_plan_effective_cost, reservation_net_effective_cost,
                    line_item_net_unblended_cost)) AS net,
                sum(pricing_public_on_demand_cost) AS listed
            FROM bill WHERE {INSTANCE_HOURS} GROUP BY 1, 2
        ),
        split AS (
            SELECT split_line_item_parent_resource_id AS instance, line_item_usage_start_date AS hour,
                sum(split_line_item_split_cost + split_line_item_unused_cost) AS amortized,
                sum(split_line_item_net_split_cost + split_line_item_net_unused_cost) AS net,
                sum(split_line_item_public_on_demand_split_cost + split_line_item_public_on_demand_unused_cost)
                    AS listed,
                min(split_line_item_split_cost) AS least, min(split_line_item_unused_cost) AS least_unused,
                max(abs(line_item_unblended_cost) + abs(line_item_net_unblended_cost)
                    + abs(pricing_public_on_demand_cost)) AS billed
            FROM bill WHERE line_item_operation = 'EKSPod-EC2' GROUP BY 1, 2
        )
        SELECT instances.amortized, split.amortized, instances.net, split.net, instances.listed, split.listed,
            least, least_unused, billed
        FROM split LEFT JOIN instances USING (instance, hour)
        """,
    )
    assert len(compared) > 300
    for amortized, split, net, split_net, listed, split_listed, least, least_unused, billed in compared:
        assert (split, split_net, split_listed) == pytest.approx((amortized, net, listed), rel=1e-12)
        assert billed == 0 <= least_unused
        assert least > 0


def test_a_pod_on_an_instance_has_two_split_rows_an_hour_and_a_third_for_gpus(bill: pa.Table, estate: Estate) -> None:
    meters = defaultdict(set)
    for resource, hour, usage_type in rows(
        bill,
        """
        SELECT line_item_resource_id, line_item_usage_start_date, line_item_usage_type FROM bill
        WHERE line_item_operation = 'EKSPod-EC2'
        """,
    ):
        meters[resource, hour].add(usage_type.removeprefix("USE1-EKS-EC2-"))
    ran = {
        (p.pod.uid, window.start.replace(tzinfo=None)): {"vCPU-Hours", "GB-Hours"}
        | ({"Accelerator-Hours"} if p.pod.requested.gpu else set())
        for window in estate.windows()
        for p in estate.placements
        if p.node.pool.instance_type and p.pod.life.overlaps(window)
    }
    assert {(arn.rpartition("/")[2], hour): found for (arn, hour), found in meters.items()} == ran
    assert {"vCPU-Hours", "GB-Hours", "Accelerator-Hours"} in ran.values()


def test_the_published_example_of_split_cost_comes_out() -> None:
    """Four pods on an m5.xlarge at 1 USD an hour: https://docs.aws.amazon.com/cur/latest/userguide/split-cost-allocation-data.html."""
    cpu, ram, _ = resource_parts(Amounts(4, 16, 0))
    of_cpu, of_ram = ratios([1, 1.9, 1, 1], 4), ratios([4, 6, 2, 2], 16)
    split = [cpu * a + ram * b for a, b in zip(of_cpu, of_ram, strict=True)]
    unused_ram = ram * (1 / sum(of_ram) - 1)
    assert split == pytest.approx([0.218, 0.384, 0.18, 0.18], abs=1e-3)
    total = [whole + unused_ram * of for whole, of in zip(split, of_ram, strict=True)]
    assert total == pytest.approx([0.23, 0.40, 0.19, 0.19], abs=5e-3)
    assert sum(total) == pytest.approx(1, rel=1e-12)


def test_the_published_example_of_accelerated_instances_comes_out() -> None:
    """A p3.16xlarge at 10 USD: https://docs.aws.amazon.com/cur/latest/userguide/example-accelerated-instances.html."""
    cpu, ram, gpu = resource_parts(Amounts(64, 488, 8))
    assert (10 * gpu / 8, 10 * cpu / 64, 10 * ram / 488) == pytest.approx((0.504, 0.05, 0.0056), abs=1e-3)
