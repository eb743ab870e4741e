"""`publish --cur-location`, from its argument to its exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pyarrow as pa
import pytest

from pipeline.demo.athena import service as athena
from pipeline.demo.bill.columns import CUR_2
from tests.bills import CUR1_FULL, CUR1_MIN, LINE, delivery
from tests.conftest import CLUSTER_ARN
from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import said
from tests.export_bucket import Folder
from tests.fault_proxy import Exchange, Fault, faults_before, glue_denies, passed_on, refused, replied

NOW = ("--now", "2026-11-21T12:00:00Z")
FIRST, SECOND = "2026-11-03T04:05:06.789Z-0a1b2c3d", "2026-11-04T04:05:06.789Z-9f8e7d6c"
PLACE = "s3://bills/exports/chargeback"


def cur2(*costs: float) -> pa.Table:
    line = {"line_item_line_item_type": "Usage", "line_item_product_code": "AmazonEC2"}
    return pa.Table.from_pylist([line | {"line_item_unblended_cost": cost} for cost in costs], CUR_2)


@pytest.fixture
def export(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An account with an empty lake and a bill that is exported, with its executions side by side."""
    athena.install()
    s3 = boto3.client("s3")
    for name in ("results", "bills"):
        s3.create_bucket(Bucket=name)
    boto3.client("athena").create_work_group(
        Name="chargeback", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/"}}
    )
    for name, value in {
        "CHARGEBACK_CLUSTER_ARN": CLUSTER_ARN,
        "CHARGEBACK_LAKE": f"s3://{bucket}/chargeback",
        "CHARGEBACK_CUR_TABLE": "billing.lines",
    }.items():
        monkeypatch.setenv(name, value)
    folder = Folder(s3, "bills", "exports/chargeback")
    folder.export("2026-10", cur2(1.0), execution=FIRST)
    folder.export("2026-11", cur2(2.0, 4.0), execution=FIRST)
    return folder


def billed() -> list[tuple[str, str]]:
    """What each month cost, as a query of the view sees it."""
    client = boto3.client("athena")
    started = client.start_query_execution(
        QueryString="SELECT count(*), sum(billed_cost) FROM cur_line_items",
        QueryExecutionContext={"Database": "chargeback"},
        WorkGroup="chargeback",
    )
    answer = client.get_query_results(QueryExecutionId=started["QueryExecutionId"])
    return [tuple(cell["VarCharValue"] for cell in row["Data"]) for row in answer["ResultSet"]["Rows"][1:]]


def databases() -> set[str]:
    return {found["Name"] for found in boto3.client("glue").get_databases()["DatabaseList"]}


def test_the_bill_is_declared_with_its_database_and_read_by_the_views(export: Folder) -> None:
    result = run("publish", "--cur-location", f"{PLACE}/", *NOW)
    assert result.exit_code == 0, said(result)
    assert "bill declared relation=billing.lines months=2 changed=2" in said(result)
    assert billed() == [("3", "7.0")]
    export.export("2026-11", cur2(8.0), execution=SECOND)
    assert run("publish", "--cur-location", PLACE, *NOW).exit_code == 0
    assert billed() == [("2", "9.0")], "the former execution is not counted any more"


def test_a_report_1_is_declared_by_its_months_whose_columns_come_and_go(export: Folder) -> None:
    legacy = Folder(export.s3, "bills", "reports/athena")
    legacy.report(2026, 9, delivery([LINE | {"line_item_unblended_cost": 1.0}], CUR1_MIN))
    legacy.report(2026, 10, delivery([LINE | {"line_item_unblended_cost": 2.0}], CUR1_FULL))
    place = "s3://bills/reports/athena"
    printed = run("publish", "--dry-run", "--cur-location", place, *NOW).output
    assert "PARTITIONED BY (`year` string, `month` string)" in printed
    result = run("publish", "--cur-location", place, *NOW)
    assert result.exit_code == 0, said(result)
    assert billed() == [("2", "3.0")]
    later = LINE | {"line_item_net_unblended_cost": 3.0, "line_item_unblended_cost": 4.0}
    legacy.report(2026, 11, delivery([later], CUR1_FULL | {"resource_tags_user_cost_center": "string"}))
    assert run("publish", "--cur-location", place, *NOW).exit_code == 0
    assert billed() == [("3", "7.0")]
    assert run("verify", "--month", "2026-11", *NOW).exit_code == 0


def test_a_month_that_is_refused_fails_the_run_once_all_else_is_published(export: Folder) -> None:
    assert run("publish", "--cur-location", PLACE, *NOW).exit_code == 0
    export.export("2026-10", cur2(), execution=SECOND)
    export.export("2026-11", cur2(8.0), execution=SECOND)
    assert run("publish", "--dry-run", "--cur-location", PLACE, *NOW).exit_code == 65
    result = run("publish", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 65
    assert f"2026-10 of {PLACE} had rows and is now empty" in said(result)
    assert billed() == [("2", "9.0")]


def test_dry_run_prints_the_statements_that_would_make_the_table_and_then_only_what_changed(export: Folder) -> None:
    result = run("publish", "--dry-run", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 0, said(result)
    assert "CREATE EXTERNAL TABLE `billing`.`lines` (" in result.output
    assert "PARTITIONED BY (`billing_period` string)" in result.output
    assert (
        "ALTER TABLE `billing`.`lines` ADD PARTITION (`billing_period` = '2026-11') "
        f"LOCATION '{PLACE}/data/BILLING_PERIOD=2026-11/{FIRST}/';"
    ) in result.output
    assert 'CREATE OR REPLACE VIEW "chargeback"."cur_line_items"' in result.output
    assert databases() == set(), "it changed nothing"
    assert run("publish", "--cur-location", PLACE, *NOW).exit_code == 0
    export.export("2026-11", cur2(8.0), execution=SECOND)
    result = run("publish", "--dry-run", "--cur-location", PLACE, *NOW)
    assert result.stdout.split(";")[0].strip() == (
        "ALTER TABLE `billing`.`lines` PARTITION (`billing_period` = '2026-11') "
        f"SET LOCATION '{PLACE}/data/BILLING_PERIOD=2026-11/{SECOND}/'"
    )
    assert result.stdout.count("ALTER TABLE") == 1
    assert billed() == [("3", "7.0")]


def test_without_a_tables_name_the_setting_is_named(export: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGEBACK_CUR_TABLE")
    result = run("publish", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 78
    assert "Set CHARGEBACK_CUR_TABLE to database.table" in said(result)


@pytest.mark.parametrize("place", ["bills/exports", "s3://B/x", "https://bills.s3.amazonaws.com/exports"])
def test_what_is_no_place_in_s3_is_a_mistake_in_usage(place: str, export: Folder) -> None:
    result = run("publish", "--cur-location", place, *NOW)
    assert result.exit_code == 2
    assert "is not a place in S3" in result.output


def test_an_export_that_lacks_columns_is_refused_before_anything_is_declared(export: Folder) -> None:
    export.export("2026-10", cur2(1.0).drop_columns(["line_item_currency_code"]), execution=SECOND)
    export.delete("metadata/BILLING_PERIOD=2026-11/chargeback-Manifest.json")
    export.delete(f"metadata/BILLING_PERIOD=2026-11/{FIRST}/chargeback-Manifest.json")
    result = run("publish", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 65
    assert "lacks line_item_currency_code" in said(result)
    assert databases() == set()


def test_an_export_that_no_view_can_read_is_not_declared(export: Folder) -> None:
    for month in ("2026-10", "2026-11"):
        lines = cur2(1.0)
        at = lines.schema.get_field_index("line_item_usage_type")
        export.export(month, lines.set_column(at, "line_item_usage_type", pa.array([1.0])), execution=SECOND)
    result = run("publish", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 65
    assert "The view cur_" in said(result)
    assert databases() == {"chargeback"}, "which is empty"
    assert boto3.client("glue").get_tables(DatabaseName="chargeback")["TableList"] == []


def of_another_region(exchange: Exchange) -> None:
    """Answer only those who speak to eu-west-1, and tell the others where the bucket lies, as S3 does."""
    if "/eu-west-1/s3/" in exchange.headers["Authorization"]:
        passed_on(exchange)
        return
    body = b"<?xml version='1.0'?><Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
    replied(301, body, Content_Type="application/xml", x_amz_bucket_region="eu-west-1")(exchange)


@contextmanager
def behind(moto_url: str, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> Iterator[None]:
    with faults_before(moto_url, fault) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield


def test_a_bucket_in_another_region_is_read_where_it_lies(
    export: Folder, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with behind(moto_url, monkeypatch, Fault(of_another_region, "GET", "/bills", times=None)):
        result = run("publish", "--dry-run", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 0, said(result)
    assert f"{PLACE}/data/BILLING_PERIOD=2026-11/{FIRST}/" in result.output


DENIED = refused(403, "AccessDenied")


@pytest.mark.parametrize(
    ("fault", "said_of_it"),
    [
        (Fault(DENIED, "GET", "list-type", times=None), f"Listing {PLACE}/ (s3:ListBucket) failed"),
        (Fault(DENIED, "GET", "Manifest.json", times=None), "Manifest.json (s3:GetObject) failed"),
        (Fault(DENIED, "GET", ".parquet", times=None), ".parquet (s3:GetObject) failed"),
        (Fault(glue_denies("GetTable"), "POST", times=None), "Looking for billing.lines (glue:GetTable) failed"),
        (Fault(glue_denies("CreateTable"), "POST", times=None), "Declaring billing.lines (glue:CreateTable) failed"),
        (
            Fault(glue_denies("CreatePartition"), "POST", times=None),
            "Adding billing_period=2026-10 to billing.lines (glue:CreatePartition) failed",
        ),
    ],
)
def test_a_right_that_is_missing_is_named(
    fault: Fault, said_of_it: str, export: Folder, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with behind(moto_url, monkeypatch, fault):
        result = run("publish", "--cur-location", PLACE, *NOW)
    assert result.exit_code == 77
    assert said_of_it in said(result)
