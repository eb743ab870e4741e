"""What `doctor` finds of the bill."""

from datetime import datetime
from typing import Any

import boto3
import pytest

from tests.bills import CUR1_MIN, CUR2_FULL, LINE, Columns, delivery
from tests.diagnosis import CLUSTER_ARN, Diagnosis, doctor
from tests.end_to_end.test_published_bill import declare_bill, deliver
from tests.export_bucket import Folder
from tests.fault_proxy import Fault, faults_before, refused

PROBES = ["bill: table", "bill: resource IDs", "bill: newest hour", "bill: granularity", "bill: export"]
TABLE = "billing.cur_data"
IN_FILES = {name: kind for name, kind in CUR2_FULL.items() if name != "billing_period" and not kind.startswith("map")}
"""Of an export's columns, those that a line of `tests.bills` may have."""


@pytest.fixture(autouse=True)
def installed(bucket: str, opencost_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "CHARGEBACK_CLUSTER_ARN": CLUSTER_ARN,
        "CHARGEBACK_LAKE": f"s3://{bucket}/chargeback",
        "CHARGEBACK_KUBECOST_URL": opencost_url,
        "CHARGEBACK_SQL_URL": "sqlite://",
        "CHARGEBACK_CUR_TABLE": TABLE,
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def examined(now: str = "2026-11-19T13:00:00Z") -> Diagnosis:
    return doctor("--skip-emr", now=now)


def ending(day: int, hour: int, **columns: object) -> dict[str, Any]:
    """A line of the hour before."""
    times = {
        "line_item_usage_start_date": datetime(2026, 11, day, hour - 1),  # noqa: DTZ001  a report's times are naive UTC
        "line_item_usage_end_date": datetime(2026, 11, day, hour),  # noqa: DTZ001
    }
    return LINE | times | columns


def bill(*lines: dict[str, Any]) -> None:
    declare_bill(CUR2_FULL)
    deliver("2026-11", "2026-11", lines=lines, columns=IN_FILES)


def without(*names: str) -> Columns:
    return {name: kind for name, kind in CUR2_FULL.items() if name not in names}


def test_a_report_that_is_as_it_should_be(installed: pytest.MonkeyPatch) -> None:
    bill(ending(18, 20), ending(19, 2))
    found = examined()
    assert found["bill: table"].found.startswith("billing.cur_data is a Cost and Usage Report 2.0 of ")
    assert found["bill: resource IDs"].verdict == "ok"
    assert found["bill: newest hour"].found == "lines of 2026-11 up to 2026-11-19T02:00:00Z"
    assert found["bill: newest hour"].verdict == "ok"
    assert found["bill: export"].verdict == "not run"


HOURLY = {"identity_time_interval": "2026-11-19T01:00:00Z/2026-11-19T02:00:00Z"}
DAILY = {"identity_time_interval": "2026-11-19T00:00:00Z/2026-11-20T00:00:00Z"}


def test_a_report_is_hourly_if_any_line_is(installed: pytest.MonkeyPatch) -> None:
    bill(ending(19, 1, **DAILY), ending(19, 2, **HOURLY))
    assert examined()["bill: granularity"].found == "hourly"


def test_a_daily_report_is_a_warning(installed: pytest.MonkeyPatch) -> None:
    bill(ending(19, 1, **DAILY))
    found = examined()["bill: granularity"]
    assert found.verdict == "warning"
    assert found.found == "no line is of less than 24 hours, so no hour of a pod finds its line"
    assert "hourly export" in str(found.fix)


@pytest.mark.parametrize("interval", [None, "", "2026-11-19", "2026-11-19T01:00:00/x"])
def test_lines_that_do_not_say_of_how_long_they_are_prove_nothing(
    installed: pytest.MonkeyPatch, interval: str | None
) -> None:
    bill(ending(19, 2, identity_time_interval=interval))
    assert examined()["bill: granularity"].verdict == "not run"


def test_without_a_bill_its_probes_are_not_run(installed: pytest.MonkeyPatch) -> None:
    installed.delenv("CHARGEBACK_CUR_TABLE")
    found = examined()
    assert {found[probe].verdict for probe in PROBES} == {"not run"}
    assert found["bill: table"].found == "CHARGEBACK_CUR_TABLE is not set, so all cost stays estimated"


def test_a_table_that_is_not_there(installed: pytest.MonkeyPatch) -> None:
    found = examined()
    assert found["bill: table"].found == f"CHARGEBACK_CUR_TABLE is {TABLE}, but there is no such table in Glue."
    assert "chargeback publish --cur-location" in str(found["bill: table"].fix)
    assert found["bill: table"].exit_code == 78
    assert {found[probe].found for probe in PROBES[1:]} == {"there is no bill to look at"}


def test_a_needed_column_that_the_export_does_not_select(installed: pytest.MonkeyPatch) -> None:
    declare_bill(without("line_item_usage_type", "line_item_usage_amount"))
    found = examined()["bill: table"]
    assert "lacks line_item_usage_amount, line_item_usage_type" in found.found
    assert "Select the columns in the export's query" in str(found.fix)
    assert found.exit_code == 65


def test_columns_that_are_read_where_there_are_any_are_counted(installed: pytest.MonkeyPatch) -> None:
    declare_bill(without("product_product_family", "pricing_public_on_demand_cost"))
    assert examined()["bill: table"].found.endswith("2 columns that would be read are not there, and NULL")


def test_a_report_without_resource_ids(installed: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_MIN, keys=())
    found = examined()
    assert "a legacy Cost and Usage Report" in found["bill: table"].found
    assert found["bill: resource IDs"].verdict == "warning"
    assert "INCLUDE_RESOURCES" in str(found["bill: resource IDs"].fix)


def test_a_bill_that_nobody_delivers_any_more(installed: pytest.MonkeyPatch) -> None:
    bill(ending(17, 12))
    found = examined()["bill: newest hour"]
    assert found.verdict == "warning"
    assert found.found == "lines of 2026-11 up to 2026-11-17T12:00:00Z, 2 days ago"
    assert "Data Exports" in str(found.fix)
    assert examined(now="2026-11-19T12:00:00Z")["bill: newest hour"].verdict == "ok"


def test_the_newest_period_counts_and_the_newest_hour_of_all_its_files(installed: pytest.MonkeyPatch) -> None:
    bill(ending(1, 3))
    for number, hour in enumerate((4, 9, 7)):
        deliver(f"2026-12/{number}", lines=[ending(30, hour)], columns=IN_FILES)
    partition = {"Values": ["2026-12"], "StorageDescriptor": {"Location": "s3://lake/cur/2026-12/"}}
    boto3.client("glue").create_partition(DatabaseName="billing", TableName="cur_data", PartitionInput=partition)  # type: ignore[arg-type]
    found = examined(now="2026-12-01T12:00:00Z")["bill: newest hour"]
    assert found.found == "lines of 2026-12 up to 2026-11-30T09:00:00Z"


def test_a_partition_without_files(installed: pytest.MonkeyPatch) -> None:
    bill(ending(19, 2))
    boto3.client("s3").delete_object(Bucket="lake", Key="cur/2026-11/bill.parquet")
    found = examined()["bill: newest hour"]
    assert found.found == "no file of 2026-11 in the bill's folders"
    assert "whether the table's partitions lead there" in str(found.fix)
    assert found.exit_code == 65


@pytest.mark.parametrize("body", [b"line_item_usage_start_date\n", b"PAR1"])
def test_files_that_are_not_parquet_tell_at_least_when_they_came(installed: pytest.MonkeyPatch, body: bytes) -> None:
    bill(ending(19, 2))
    boto3.client("s3").put_object(Bucket="lake", Key="cur/2026-11/bill.parquet", Body=body)
    found = examined()["bill: newest hour"]
    assert found.found.startswith("files of 20")
    assert found.verdict == "ok"


def test_a_table_without_partitions_is_looked_at_as_a_whole(installed: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_MIN, keys=())
    deliver("all", lines=[ending(19, 2)], columns=CUR1_MIN)
    assert examined()["bill: newest hour"].found == "lines of 2026-11 up to 2026-11-19T02:00:00Z"


def test_a_bucket_of_the_bill_that_may_not_be_read(installed: pytest.MonkeyPatch, aws: str) -> None:
    bill(ending(19, 2))
    with faults_before(aws, Fault(refused(403, "AccessDenied"), "GET", "cur/", times=None)) as proxy:
        installed.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = examined()["bill: newest hour"]
    assert "s3:ListBucket and s3:GetObject on its bucket" in str(found.fix)
    assert found.exit_code == 77


@pytest.fixture
def export(installed: pytest.MonkeyPatch) -> Folder:
    """A bill whose table `publish --cur-location` declared over its export, with one month."""
    from pipeline.bill_delivery import declare, plan
    from pipeline.models import Location

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="bills")
    folder = Folder(s3, "bills", "exports/chargeback")
    folder.export("2026-11", of_export(ending(18, 20)), execution="2026-11-18T21:00:01.234Z-0a1b2c3d")
    declare(boto3.Session(), plan(boto3.Session(), s3, Location.parse(folder.uri), TABLE))
    return folder


def of_export(*lines: dict[str, Any]) -> Any:
    return delivery(lines, IN_FILES)


def test_a_table_that_shows_the_newest_deliveries(export: Folder) -> None:
    found = examined()
    assert found["bill: export"].found == "shows the newest deliveries of s3://bills/exports/chargeback"
    assert found["bill: export"].verdict == "ok"
    assert found["bill: newest hour"].found == "lines of 2026-11 up to 2026-11-18T20:00:00Z"


def test_a_table_that_lags_behind_its_export(export: Folder) -> None:
    export.export("2026-11", of_export(ending(19, 2)), execution="2026-11-19T03:00:01.234Z-9f8e7d6c")
    found = examined()["bill: export"]
    assert found.verdict == "warning"
    assert "newer deliveries of billing_period=2026-11" in found.found
    assert "chargeback publish --cur-location s3://bills/exports/chargeback" in str(found.fix)


def test_an_export_that_is_gone(export: Folder) -> None:
    listed = export.s3.list_objects_v2(Bucket="bills")["Contents"]
    for found in listed:
        export.s3.delete_object(Bucket="bills", Key=found["Key"])
    assert "holds no export of the bill" in examined()["bill: export"].found


def test_a_month_that_had_rows_and_is_empty_fails(export: Folder) -> None:
    export.export("2026-11", of_export(), execution="2026-11-19T03:00:01.234Z-9f8e7d6c")
    found = examined()["bill: export"]
    assert "had rows and is now empty" in found.found
    assert found.exit_code == 65
