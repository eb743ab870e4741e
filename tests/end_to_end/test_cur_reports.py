"""The bill's table over a legacy Cost and Usage Report for Athena, whose columns come and go."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from tests.end_to_end.athena_stack import Stack, running_stack
from tests.end_to_end.followed_bill import Bill, glue_entries
from tests.export_bucket import lines

REAL_BILL = Path(__file__).parents[3] / "shared" / "data" / "cur"


@pytest.fixture(scope="module")
def stack(moto_url: str) -> Iterator[Stack]:
    with running_stack(moto_url) as stack:
        yield stack


@pytest.fixture
def bill(stack: Stack) -> Bill:
    return Bill(stack)


def test_months_of_different_columns_have_all_of_them_in_table_and_partitions(bill: Bill) -> None:
    bill.folder.report(2026, 9, lines(1, savings_plan_savings_plan_a_r_n="sp-1"))
    bill.folder.report(2026, 10, lines(2, resource_tags_user_team="a", count=pa.scalar(7, pa.int32())))
    bill.followed()
    bill.folder.report(2026, 11, lines(4, count=pa.scalar(2**40, pa.int64())))
    bill.followed()
    assert bill.declared.keys == ("year", "month")
    assert bill.declared.columns == {
        "line_item_line_item_type": "string",
        "line_item_unblended_cost": "double",
        "savings_plan_savings_plan_a_r_n": "string",
        "resource_tags_user_team": "string",
        "count": "bigint",
    }
    columns = "year, month, line_item_unblended_cost, savings_plan_savings_plan_a_r_n, resource_tags_user_team, count"
    assert bill.rows(columns, "ORDER BY 3") == [
        ["2026", "9", "1.0", "sp-1", None, None],
        ["2026", "10", "2.0", None, "a", "7"],
        ["2026", "11", "4.0", None, None, str(2**40)],
    ]
    _, partitions = glue_entries(bill)
    for partition in partitions:
        assert [c["Name"] for c in partition["StorageDescriptor"]["Columns"]] == list(bill.declared.columns)
        assert partition["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")


def test_a_report_is_found_by_its_folder_and_by_that_of_its_years(bill: Bill) -> None:
    bill.folder.report(2026, 12, lines(1))
    bill.folder.report(2027, 1, lines(2))
    inner = bill.planned(f"/{bill.folder.name}")
    outer = bill.planned()
    assert inner.table.folders == outer.table.folders
    assert list(outer.table.folders) == [("2026", "12"), ("2027", "1")]


def test_a_report_under_way_or_in_csv_is_seen_by_its_manifest(bill: Bill) -> None:
    bill.folder.report(2026, 10, lines(1))
    bill.folder.report(2026, 11, lines(2), lines(4))
    bill.folder.delete(f"{bill.folder.name}/year=2026/month=11/{bill.folder.name}-00002.snappy.parquet")
    csv = json.dumps({"reportKeys": [f"{bill.folder.prefix}/20260901-20261001/5f1d/a-1.csv.gz"]}).encode()
    bill.folder.put("20260901-20261001/a-Manifest.json", csv)
    september, november = bill.followed().remarks
    assert "Choose Parquet" in september
    assert "2026-11" in november
    assert "is being delivered" in november
    assert bill.rows("month, line_item_unblended_cost") == [["10", "1.0"]]


@pytest.mark.skipif(not REAL_BILL.exists(), reason=f"there is no real bill in {REAL_BILL}")
def test_a_real_report_can_be_read_to_the_last_line(bill: Bill) -> None:
    (file,) = REAL_BILL.glob("year=*/month=*/*.parquet")
    bill.folder.report(2018, 11, file.read_bytes())
    bill.followed()
    assert len(bill.declared.columns) == 126
    cost = "CAST(sum(CAST(line_item_unblended_cost AS decimal(38,15))) AS decimal(38,10))"
    assert bill.rows(f"year, month, count(*), {cost}", "GROUP BY 1, 2") == [["2018", "11", "124340", "3505.3269681268"]]
