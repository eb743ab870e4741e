"""What publish and verify say of a bill, whatever a crawler has declared of it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from pyathena import connect

from tests.bills import CUR1_FULL, CUR1_MIN, CUR2_FULL, LINE, Columns, delivery
from tests.conftest import CLUSTER_ARN
from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import NOW, said

CLUSTER, REGION = CLUSTER_ARN.rpartition("/")[2], CLUSTER_ARN.split(":")[3]


def declare_bill(columns: Columns, keys: tuple[str, ...] = ("billing_period",)) -> None:
    """A table `billing.cur_data` over s3://lake/cur/, as a crawler declares it, without a partition yet."""
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "billing"})
    glue.create_table(
        DatabaseName="billing",
        TableInput={
            "Name": "cur_data",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items() if name not in keys],
                "Location": "s3://lake/cur/",
            },
        },
    )


def deliver(folder: str, *values: str, lines: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    """Put lines into s3://lake/cur/*folder*, and register it as the partition of these *values*, if any."""
    body = BytesIO()
    pq.write_table(delivery(lines, columns), body)
    boto3.client("s3").put_object(Bucket="lake", Key=f"cur/{folder}/bill.parquet", Body=body.getvalue())
    if values:
        boto3.client("glue").create_partition(
            DatabaseName="billing",
            TableName="cur_data",
            PartitionInput={"Values": list(values), "StorageDescriptor": {"Location": f"s3://lake/cur/{folder}/"}},
        )


def asked(sql: str) -> list[tuple[Any, ...]]:
    with connect(work_group="chargeback", schema_name="chargeback", region_name="us-east-1") as connection:
        return list(connection.cursor().execute(sql).fetchall())


@pytest.mark.parametrize(
    ("report", "keys"), [(CUR1_FULL, ("year", "month")), (CUR2_FULL, ("billing_period",))], ids=["cur1", "cur2"]
)
def test_a_bill_without_lines_yet_is_no_error(
    report: Columns,
    keys: tuple[str, ...],
    environment: pytest.MonkeyPatch,
) -> None:
    declare_bill(report, keys)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    verified = run("verify", *NOW)
    assert verified.exit_code == 0, said(verified)
    assert "not run: no bill yet" in verified.output
    assert run("verify", "--month", "2026-11", *NOW).exit_code == 0


def test_a_bill_that_does_not_exist_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    result = run("publish", *NOW)
    assert result.exit_code == 78
    assert "billing.cur_data, but there is no such table" in said(result)


@pytest.mark.parametrize("report", [CUR1_FULL, CUR2_FULL], ids=["cur1", "cur2"])
def test_a_bill_without_money_or_owner_is_refused_before_anything_is_asked(
    report: Columns,
    environment: pytest.MonkeyPatch,
) -> None:
    needed = {"line_item_unblended_cost", "line_item_currency_code", "bill_payer_account_id"}
    declare_bill({name: kind for name, kind in report.items() if name not in needed}, keys=())
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    result = run("publish", *NOW)
    assert result.exit_code == 65
    assert "lacks bill_payer_account_id, line_item_currency_code, line_item_unblended_cost." in said(result)
    assert not boto3.client("athena").list_query_executions()["QueryExecutionIds"]


def test_a_bill_of_no_known_month_is_refused(environment: pytest.MonkeyPatch) -> None:
    months = {"year", "month", "billing_period", "bill_billing_period_start_date"}
    declare_bill({name: kind for name, kind in CUR1_FULL.items() if name not in months}, keys=())
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    result = run("publish", *NOW)
    assert result.exit_code == 65
    assert "lacks bill_billing_period_start_date." in said(result)


def test_a_bill_without_resource_ids_is_published_and_said_to_lack_them(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_MIN, keys=())
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    result = run("publish", *NOW)
    assert result.exit_code == 0, said(result)
    assert "billing.cur_data has no resource IDs" in said(result)
    assert asked("SELECT COUNT(*) AS bill_lines FROM cur_line_items") == [(0,)]


def test_a_report_1_is_published_and_read_by_its_months(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_FULL, keys=("year", "month"))
    deliver("year=2026/month=9", "2026", "9", lines=[LINE | {"line_item_unblended_cost": 7.0}], columns=CUR1_FULL)
    spot = {"line_item_usage_type": "SpotUsage:m5.large", "line_item_unblended_cost": 0.05, "product_vcpu": ""}
    deliver("year=2026/month=11", "2026", "11", lines=[LINE, LINE | spot], columns=CUR1_MIN)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    verified = run("verify", "--month", "2026-11", *NOW)
    assert verified.exit_code == 0, said(verified)
    read = "billing_period, line_class, is_spot, instance_type, vcpu, billed_cost, effective_cost, cost_basis"
    assert asked(f"SELECT {read} FROM cur_line_items ORDER BY 1, billed_cost DESC") == [
        ("2026-09", "compute", False, "m5.large", 2.0, 7.0, 7.0, "amortized"),
        ("2026-11", "compute", False, "m5.large", None, 0.1, 0.1, "amortized"),
        ("2026-11", "compute", True, "m5.large", None, 0.05, 0.05, "amortized"),
    ]


def test_what_a_report_1_charges_for_the_cluster_is_in_ledger_and_reconciliation(
    environment: pytest.MonkeyPatch,
) -> None:
    declare_bill(CUR1_FULL, keys=("year", "month"))
    ours = LINE | {"resource_tags_aws_eks_cluster_name": CLUSTER, "product_region_code": REGION}
    ours |= {"line_item_line_item_type": "DiscountedUsage", "line_item_unblended_cost": 0.0}
    theirs = LINE | {"line_item_resource_id": "i-0aaaaaaaaaaaaaaaa", "bill_invoice_id": "42"}
    covered = ours | {"reservation_effective_cost": 0.0625}
    deliver("year=2026/month=11", "2026", "11", lines=[covered, theirs], columns=CUR1_FULL)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    assert run("verify", *NOW).exit_code == 0
    billed = "cluster_name, cost_category, cost_state, reason, billed_cost, effective_cost"
    assert asked(f"SELECT {billed} FROM cost_ledger WHERE cost_state <> 'estimated'") == [
        (CLUSTER, "unattributed", "provisional", "no_kubecost_data", 0.0, 0.0625)
    ]
    found = json.loads(run("report", "--month", "2026-11", "--format", "json", *NOW).stdout)["reconciliation"]
    assert {part: cost for part, cost in found.items() if cost} == {
        "unattributed": 0.0625,
        "out_of_scope": 0.1,
        "bill": 0.1625,
    }


def test_a_month_that_had_lines_and_has_none_now_is_refused(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_FULL, keys=("year", "month"))
    deliver("year=2026/month=9", "2026", "9", lines=[LINE], columns=CUR1_FULL)
    deliver("year=2026/month=11", "2026", "11", lines=[], columns=CUR1_FULL)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    result = run("verify", "--month", "2026-11", *NOW)
    assert result.exit_code == 65
    assert "The bill has no lines of 2026-11, although it had some" in said(result)
    assert run("verify", "--month", "2026-10", *NOW).exit_code == 0, "nothing was ever delivered of it"


def test_a_month_between_two_with_lines_had_some_too(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_MIN, keys=())
    starts = [datetime(2026, month, 1) for month in (9, 11)]  # noqa: DTZ001  a report's times are naive UTC
    lines = [LINE | {"bill_billing_period_start_date": start} for start in starts]
    deliver("all", lines=lines, columns=CUR1_MIN)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    result = run("verify", "--month", "2026-10", *NOW)
    assert result.exit_code == 65
    assert "The bill has no lines of 2026-10, although it had some" in said(result)
    assert run("verify", "--month", "2026-12", *NOW).exit_code == 0, "it has yet to come"


OTHER_CURRENCY = LINE | {"line_item_currency_code": "CNY", "line_item_unblended_cost": 0.7}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [LINE, OTHER_CURRENCY],
            ("bill_has_one_currency", "have the export deliver one currency for each payer and period"),
        ),
        (
            [LINE, LINE],
            (
                "bill_is_delivered_once",
                "let the table show the newest execution of the export only, as `publish --cur-location` does",
            ),
        ),
    ],
    ids=["two currencies", "two executions"],
)
def test_a_bill_that_cannot_be_relied_on_fails_verify_before_anything_is_reckoned_from_it(
    lines: Sequence[Mapping[str, Any]],
    told: tuple[str, str],
    environment: pytest.MonkeyPatch,
) -> None:
    declare_bill(CUR1_FULL, keys=("year", "month"))
    deliver("year=2026/month=11", "2026", "11", lines=lines, columns=CUR1_FULL)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    result = run("verify", "--month", "2026-11", *NOW)
    assert result.exit_code == 65
    check, advice = told
    assert str(result.exception) == f"1 of the checks failed: {check}. For {check}, {advice}."
    assert "2026-11" in result.output, "the rows are shown"
    stopped = [line for line in result.output.splitlines() if "not run: the bill has to be put right first" in line]
    assert any("allocations_reach_ledger" in line for line in stopped)


def test_a_report_of_two_currencies_has_no_sum(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_FULL, keys=("year", "month"))
    ours = LINE | {"resource_tags_aws_eks_cluster_name": CLUSTER, "product_region_code": REGION}
    yuan = ours | {"line_item_currency_code": "CNY"}
    deliver("year=2026/month=11", "2026", "11", lines=[ours, yuan], columns=CUR1_FULL)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    result = run("report", "--month", "2026-11", *NOW)
    assert result.exit_code == 65
    assert "in several currencies, CNY, USD: they have no sum" in said(result)
