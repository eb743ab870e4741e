from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.demo.bill.line_items import line_items
from pipeline.demo.estate.estate import Estate, build_estate

# Columns that queries on a CUR 2.0 rely on, with the types that Athena gives them.
COLUMNS = {
    "bill_payer_account_name": pa.string(),
    "bill_invoice_id": pa.string(),
    "bill_billing_period_start_date": pa.timestamp("ms"),
    "cost_category": pa.map_(pa.string(), pa.string()),
    "discount": pa.map_(pa.string(), pa.float64()),
    "discount_total_discount": pa.float64(),
    "identity_line_item_id": pa.string(),
    "line_item_blended_rate": pa.string(),
    "line_item_net_unblended_cost": pa.float64(),
    "line_item_resource_id": pa.string(),
    "line_item_unblended_cost": pa.float64(),
    "line_item_unblended_rate": pa.string(),
    "line_item_usage_amount": pa.float64(),
    "line_item_usage_start_date": pa.timestamp("ms"),
    "pricing_public_on_demand_cost": pa.float64(),
    "product": pa.map_(pa.string(), pa.string()),
    "product_product_family": pa.string(),
    "reservation_effective_cost": pa.float64(),
    "reservation_reservation_a_r_n": pa.string(),
    "resource_tags": pa.map_(pa.string(), pa.string()),
    "savings_plan_savings_plan_a_r_n": pa.string(),
    "savings_plan_savings_plan_effective_cost": pa.float64(),
    "savings_plan_start_time": pa.string(),
    "split_line_item_parent_resource_id": pa.string(),
    "split_line_item_split_cost": pa.float64(),
}


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


def total(bill: pa.Table, condition: str) -> float:
    ((cost,),) = rows(bill, f"SELECT sum(line_item_unblended_cost) FROM bill WHERE {condition}")
    return float(cost)


def test_two_bills_are_equal(bill: pa.Table) -> None:
    assert line_items(build_estate()).equals(bill)


def test_columns_are_those_of_cur_2_in_alphabetical_order(bill: pa.Table) -> None:
    assert bill.column_names == sorted(bill.column_names)
    assert len(bill.column_names) == 125
    assert {name: bill.schema.field(name).type for name in COLUMNS} == COLUMNS


def test_usage_comes_by_the_hour_and_what_is_of_the_month_spans_it(bill: pa.Table, estate: Estate) -> None:
    spans = rows(
        bill,
        """
        SELECT line_item_line_item_type, min(line_item_usage_start_date), max(line_item_usage_end_date),
            min(line_item_usage_end_date - line_item_usage_start_date) = INTERVAL 1 HOUR
            AND max(line_item_usage_end_date - line_item_usage_start_date) = INTERVAL 1 HOUR
        FROM bill GROUP BY 1 ORDER BY 1
        """,
    )
    first, last = (moment.replace(tzinfo=None) for moment in (estate.history.start, estate.history.end))
    october = datetime(2026, 10, 1), datetime(2026, 11, 1)  # noqa: DTZ001 - as Parquet has it
    of_hours = {line_type for line_type, *_, hourly in spans if hourly}
    assert of_hours == {
        "DiscountedUsage",
        "Refund",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "Usage",
    }
    assert all(first <= start < end <= last for line_type, start, end, _ in spans if line_type in of_hours)
    assert [span for span in spans if span[0] not in of_hours] == [
        ("Credit", *october, False),
        ("RIFee", first, last - timedelta(seconds=1), False),
        ("Tax", *october, False),
    ]


def test_the_month_is_open(bill: pa.Table) -> None:
    assert set(bill["bill_invoice_id"].to_pylist()) == {""}


def test_an_id_and_an_interval_make_a_line_and_the_id_alone_does_not(bill: pa.Table) -> None:
    keys = list(zip(*(bill[f"identity_{part}"].to_pylist() for part in ("line_item_id", "time_interval")), strict=True))
    assert len(set(keys)) == len(keys)
    assert len({line for line, _ in keys}) < len(keys)


def test_uplift_lines_are_the_true_uplift_of_every_resource_and_hour(bill: pa.Table, estate: Estate) -> None:
    billed = rows(
        bill,
        """
        SELECT line_item_usage_start_date, line_item_resource_id,
            sum(line_item_usage_amount) FILTER (line_item_usage_type LIKE '%vCPUHours'),
            sum(line_item_usage_amount) FILTER (line_item_usage_type LIKE '%GBHours'),
            sum(line_item_unblended_cost), count(*)
        FROM bill WHERE line_item_product_code = 'ElasticMapReduce' AND line_item_line_item_type = 'Usage'
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
    )
    expected = [
        (of.window_start.replace(tzinfo=None), of.resource_arn, of.vcpu_hours, of.gb_hours, of.cost, 2)
        for of in sorted(estate.true_uplift(), key=lambda of: (of.window_start, of.resource_arn))
    ]
    assert [row[:2] for row in billed] == [row[:2] for row in expected]
    for line, truth in zip(billed, expected, strict=True):
        assert line[2:] == pytest.approx(truth[2:], rel=1e-12)
    true = sum(of.cost for of in estate.true_uplift())
    uplift = "product_product_family = 'EMR Containers' AND line_item_line_item_type = 'Usage'"
    assert total(bill, uplift) == pytest.approx(true, abs=1e-9)


def test_uplift_lines_are_found_by_family_code_usage_type_and_arn(bill: pa.Table) -> None:
    lines = rows(
        bill,
        """
        SELECT DISTINCT line_item_usage_type, line_item_operation, product_product_family,
            split_part(line_item_resource_id, '/', CAST(-2 AS integer))
        FROM bill WHERE line_item_product_code = 'ElasticMapReduce' AND line_item_line_item_type = 'Usage'
        """,
    )
    assert {line[2] for line in lines} == {"EMR Containers"}
    assert {line[0] for line in lines} == {
        "EMR-EKS-EC2-vCPUHours",
        "EMR-EKS-EC2-GBHours",
        "EMR-EKS-FARGATE-vCPUHours",
        "EMR-EKS-FARGATE-GBHours",
    }
    assert {line[3] for line in lines if line[1] == "StartJobRun"} == {"jobruns"}
    assert {line[3] for line in lines} == {"jobruns", "endpoints", "flinkruns", "sparkoperators", "sparksubmits"}


def test_blended_cost_is_not_what_the_uplift_costs(bill: pa.Table) -> None:
    uplift = bill.filter(pc.equal(bill["line_item_product_code"], "ElasticMapReduce"))
    unblended, blended = (pc.sum(uplift[f"line_item_{kind}_cost"]).as_py() for kind in ("unblended", "blended"))
    assert 0.95 < blended / unblended < 0.999


def test_instances_are_billed_for_the_time_that_they_ran(bill: pa.Table, estate: Estate) -> None:
    billed = dict(
        rows(
            bill,
            """
            SELECT line_item_resource_id, round(sum(line_item_usage_amount), 9) FROM bill
            WHERE regexp_matches(line_item_usage_type, '^(BoxUsage|SpotUsage):')
                AND line_item_usage_account_id = '111122223333'
                AND line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
            GROUP BY 1
            """,
        )
    )
    instances = [node for node in estate.nodes if node.pool.instance_type]
    assert billed == {node.provider_id: round(node.life.hours, 9) for node in instances}
    ((cost,),) = rows(
        bill,
        """
        SELECT sum(greatest(line_item_unblended_cost, pricing_public_on_demand_cost)) FROM bill
        WHERE regexp_matches(line_item_usage_type, '^(Box|Spot)Usage') AND line_item_usage_account_id LIKE '1%'
            AND line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
        """,
    )
    assert cost == pytest.approx(sum(node.hourly_cost * node.life.hours for node in instances), rel=1e-12)


def test_spot_lines_say_nothing_of_instance_zone_or_list_price(bill: pa.Table) -> None:
    described = rows(
        bill,
        """
        SELECT split_part(line_item_usage_type, ':', 1), count(product_instance_type),
            count(line_item_availability_zone), count(product_servicecode), count(pricing_unit)
        FROM bill WHERE regexp_matches(line_item_usage_type, '^(BoxUsage|SpotUsage):')
            AND line_item_line_item_type <> 'Credit'
        GROUP BY 1 ORDER BY 1
        """,
    )
    (_, *of_box), (_, *of_spot) = described
    assert of_spot == [0, 0, 0, 0]
    assert min(of_box) == max(of_box) > 0


def test_an_instance_id_stands_on_lines_that_are_no_instance_hours(bill: pa.Table) -> None:
    codes = defaultdict(set)
    for resource, usage in rows(bill, "SELECT line_item_resource_id, line_item_usage_type FROM bill"):
        if str(resource).startswith("i-"):
            codes[resource].add(str(usage).partition(":")[0])
    assert {"BoxUsage", "DataTransfer-Regional-Bytes"} in codes.values()
    assert {"BoxUsage", "USE1-EKS-Auto"} in codes.values()


def test_every_volume_is_billed_and_so_is_the_root_disk_of_every_instance(bill: pa.Table, estate: Estate) -> None:
    ids = {str(row[0]) for row in rows(bill, "SELECT line_item_resource_id FROM bill WHERE pricing_unit = 'GB-Mo'")}
    disks = {volume.volume_id for volume in estate.volumes}
    instances = [node for node in estate.nodes if node.pool.instance_type]
    assert disks < ids
    assert sum(volume.startswith("vol-") for volume in ids) == len(disks) + len(instances)


def test_fargate_pods_are_billed_for_what_fargate_provided(bill: pa.Table, estate: Estate) -> None:
    pods = "line_item_operation = 'FargatePod' AND line_item_line_item_type <> 'SavingsPlanNegation'"
    lines = rows(bill, f"SELECT DISTINCT line_item_resource_id FROM bill WHERE {pods}")
    on_fargate = [p for p in estate.placements if p.node.pool.provisioner == "fargate"]
    arn = "arn:aws:eks:us-east-1:111122223333:pod/analytics"
    assert {row[0] for row in lines} == {f"{arn}/{p.pod.namespace}/{p.pod.name}/{p.pod.uid}" for p in on_fargate}
    cost = sum(p.node.hourly_cost * p.node.life.hours for p in on_fargate)
    assert total(bill, pods) == pytest.approx(cost, rel=1e-12)


def test_the_control_plane_costs_ten_cents_an_hour(bill: pa.Table, estate: Estate) -> None:
    assert total(bill, f"line_item_resource_id = '{estate.arn}'") == pytest.approx(4.60, abs=1e-9)


def test_every_other_charge_of_a_cluster_and_of_its_neighbours_occurs(bill: pa.Table) -> None:
    found = {row[0] for row in rows(bill, "SELECT DISTINCT line_item_usage_type FROM bill")}
    assert {
        "USE1-EKS-Auto:m5.2xlarge",
        "NatGateway-Hours",
        "NatGateway-Bytes",
        "DataTransfer-Regional-Bytes",
        "LoadBalancerUsage",
        "LCUUsage",
        "TimedStorage-ByteHrs",
    } <= found
    accounts = rows(bill, "SELECT DISTINCT line_item_usage_account_id, bill_payer_account_id FROM bill ORDER BY 1")
    assert accounts == [(account, "999988887777") for account in ("111122223333", "444455556666", "999988887777")]


def test_cost_is_amount_times_rate(bill: pa.Table) -> None:
    wrong = rows(
        bill,
        """
        SELECT * FROM bill WHERE abs(line_item_unblended_cost
            - line_item_usage_amount * CAST(line_item_unblended_rate AS double)) > 1e-12
        """,
    )
    assert wrong == []


def test_what_has_a_price_has_a_sku_and_negation_names_it(bill: pa.Table) -> None:
    without = rows(
        bill,
        """
        SELECT DISTINCT line_item_line_item_type, line_item_operation = 'EKSPod-EC2' FROM bill
        WHERE product_sku IS NULL ORDER BY ALL
        """,
    )
    assert without == [("Credit", False), ("Refund", False), ("Tax", False), ("Usage", True)]
    negations = rows(
        bill,
        """
        SELECT count(*), count(*) FILTER (line_item_line_item_description LIKE '% : ' || product_sku) FROM bill
        WHERE line_item_line_item_type = 'SavingsPlanNegation'
        """,
    )
    assert negations[0][0] == negations[0][1] > 0


def test_tax_has_no_resource(bill: pa.Table) -> None:
    lines = rows(
        bill,
        "SELECT line_item_resource_id, line_item_unblended_cost > 0 FROM bill WHERE line_item_line_item_type = 'Tax'",
    )
    assert lines == [(None, True)]
