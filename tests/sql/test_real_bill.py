"""A real Cost and Usage Report 1.0 of one month, which is no part of the product, through the shipped SQL."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.glue_types import glue_type
from pipeline.relations import checks
from tests.sql.warehouse import Warehouse, warehouse

DELIVERY = Path(__file__).parents[3] / "shared/data/cur/year=2018/month=11/WorkshopCUR-00001.parquet"
pytestmark = pytest.mark.skipif(not DELIVERY.exists(), reason=f"the real bill is not at {DELIVERY}")
CHECKS = {check.name: check.template for check in checks() if check.name.startswith("bill_")}


@pytest.fixture(scope="module")
def bill() -> Warehouse:
    return delivered(DELIVERY)


def delivered(*files: Path) -> Warehouse:
    columns = {field.name: glue_type(field.type) for field in pq.read_schema(DELIVERY)}
    return warehouse({}, "cur1", columns | {"year": "string", "month": "string"}, files)


def found(bill: Warehouse, select: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bill.query(select)]


def test_every_sum_comes_out_to_ten_decimals(bill: Warehouse) -> None:
    sums = """
        SELECT
            COALESCE(line_type, 'all') AS line_type,
            COUNT(*) AS bill_lines,
            CAST(SUM(CAST(billed_cost AS decimal(38, 14))) AS decimal(38, 10)) AS billed_cost,
            CAST(SUM(CAST(effective_cost AS decimal(38, 14))) AS decimal(38, 10)) AS effective_cost
        FROM cur_line_items
        GROUP BY ROLLUP (line_type)
    """
    assert {row[0]: row[1:] for row in found(bill, sums)} == {
        "Usage": (117_129, Decimal("3357.9429681268"), Decimal("3357.9429681268")),
        "DiscountedUsage": (7_202, Decimal(0), Decimal("231.4004400100")),
        "RIFee": (9, Decimal("147.3840000000"), Decimal("43.2164383600")),
        "all": (124_340, Decimal("3505.3269681268"), Decimal("3632.5598464968")),
    }


def test_every_line_has_one_class(bill: Warehouse) -> None:
    classes = dict(found(bill, "SELECT line_class, COUNT(*) AS bill_lines FROM cur_line_items GROUP BY 1"))
    assert sum(classes.values()) == 124_340
    assert classes == {
        "commitment_unused": 9,
        "compute": 20_230,
        "instance_other": 3_878,
        "network": 10_991,
        "other": 62_984,
        "storage": 26_248,
    }


def test_the_month_and_the_basis_are_those_of_the_report(bill: Warehouse) -> None:
    said = "SELECT DISTINCT billing_period, cost_basis, currency FROM cur_line_items"
    assert found(bill, said) == [("2018-11", "amortized", "USD")]


def test_no_instance_runs_longer_than_its_hour_but_the_one_that_aws_billed_so(bill: Warehouse) -> None:
    longer = """
        SELECT resource_id, usage_start, SUM(usage_amount) AS hours, MAX(usage_amount) AS longest_line
        FROM cur_line_items
        WHERE line_class = 'compute'
        GROUP BY 1, 2
        HAVING SUM(usage_amount) > 1e0 + 1e-6
    """
    [(instance, _, hours, longest_line)] = found(bill, longer)
    assert instance == "i-068ca06d607874ab7"
    assert hours == longest_line == pytest.approx(1.433889), "one Spot line, not several lines added up"


def test_a_bill_without_clusters_is_out_of_scope_to_the_last_cent(bill: Warehouse) -> None:
    parts = found(bill, "SELECT out_of_scope_cost, bill_effective_cost, difference FROM bill_reconciliation")
    assert len(parts) == 6
    assert all(out_of_scope == whole and difference == 0 for out_of_scope, whole, difference in parts)
    assert sum(whole for _, whole, _ in parts) == pytest.approx(3632.5598464968, abs=1e-9)


def test_what_a_tag_claims_of_it_comes_into_the_ledger_once(bill: Warehouse) -> None:
    [(key, value)] = found(
        bill,
        """
        SELECT key, value FROM cur_line_items CROSS JOIN UNNEST(tags) AS pairs (key, value)
        WHERE key LIKE 'user_%' GROUP BY 1, 2 ORDER BY SUM(effective_cost) DESC, 1, 2 LIMIT 1
        """,
    )
    tagged = f"SELECT SUM(effective_cost) AS cost FROM cur_line_items WHERE element_at(tags, '{key}') = '{value}'"
    [(cost,)] = found(bill, tagged)
    bill.fill("policy_other_services", [{"tag_key": key, "tag_value": value, "cost_center": "lab"}])
    ledger = "SELECT cost_category, SUM(effective_cost) AS cost FROM cost_ledger GROUP BY 1"
    assert found(bill, ledger) == [("other_service", pytest.approx(cost, rel=1e-9))]
    bill.fill("policy_other_services", [])


def test_spot_lines_have_their_instance_type_and_no_size_zone_or_list_price(bill: Warehouse) -> None:
    spot = """
        SELECT instance_type, COUNT(*) AS bill_lines, COUNT(vcpu) + COUNT(memory_gib) + COUNT(list_cost)
            + COUNT(availability_zone) + COUNT(usage_unit) AS known
        FROM cur_line_items WHERE is_spot GROUP BY 1 ORDER BY 1
    """
    assert found(bill, spot) == [("c5.large", 721, 0), ("m5.large", 302, 0), ("t2.micro", 1_440, 0)]


def test_sizes_of_instances_are_read(bill: Warehouse) -> None:
    sizes = """
        SELECT DISTINCT instance_type, vcpu, memory_gib FROM cur_line_items
        WHERE line_class = 'compute' AND NOT is_spot ORDER BY 1
    """
    assert found(bill, sizes) == [
        ("c5.large", 2, 4),
        ("m4.xlarge", 4, 16),
        ("m5.large", 2, 8),
        ("t2.large", 2, 8),
        ("t2.micro", 1, 1),
        ("t2.nano", 1, 0.5),
    ]


def test_every_tag_of_every_line_is_there_under_the_key_of_a_report_2(bill: Warehouse) -> None:
    keys = """
        SELECT key, COUNT(*) AS bill_lines
        FROM cur_line_items CROSS JOIN UNNEST(tags) AS pairs (key, value)
        GROUP BY 1
    """
    columns = [name for name in pq.read_schema(DELIVERY).names if name.startswith("resource_tags_")]
    counted = ", ".join(f"COUNT(NULLIF({column}, '')) AS {column}" for column in columns)
    [filled] = found(bill, f"SELECT {counted} FROM cur")
    named = (column.removeprefix("resource_tags_") for column in columns)
    assert dict(found(bill, keys)) == dict(zip(named, filled, strict=True))
    assert "user_cost_center" in dict(found(bill, keys))


@pytest.mark.parametrize("check", CHECKS)
def test_no_check_of_the_bill_finds_anything(check: str, bill: Warehouse) -> None:
    assert bill.query(CHECKS[check]) == []


def test_a_second_execution_in_the_table_is_found_on_every_day() -> None:
    days = delivered(DELIVERY, DELIVERY).query(CHECKS["bill_is_delivered_once"])
    assert sorted(row["usage_date"].day for row in days) == list(range(1, 31))
    assert all(row["repeated_lines"] * 2 == row["metered_lines"] for row in days)
