"""What stands in the ledger after the lake, the bill or the policy changed, and what a reader sees meanwhile."""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from threading import Event
from typing import Any

import boto3
import pytest

from pipeline.ledger_files import GRACE
from pipeline.relations import views
from pipeline.window import parse_instant, rfc3339
from tests.bills import CUR1_FULL, LINE
from tests.conftest import CLUSTER_ARN
from tests.end_to_end.test_collect import collect, objects, run
from tests.end_to_end.test_publish import NOW, relations, said
from tests.end_to_end.test_published_bill import asked, declare_bill, deliver
from tests.fault_proxy import Exchange, Fault, faults_before, glue_denies, only_glue, passed_on
from tests.served import finished, started

CLUSTER = CLUSTER_ARN.rpartition("/")[2]
OTHER_ARN = CLUSTER_ARN.replace(CLUSTER, "research")
OURS = LINE | {"resource_tags_aws_eks_cluster_name": CLUSTER, "product_region_code": "us-east-1"}
LATER = ("--now", "2026-11-21T13:00:00Z")
MUCH_LATER = ("--now", "2026-11-21T18:00:00Z")


def uplift(day: int, month: int = 11) -> dict[str, Any]:
    """An hour of a job run's uplift, which is in the ledger whether or not its pods are known."""
    return OURS | {
        "line_item_product_code": "ElasticMapReduce",
        "line_item_usage_type": "USE1-EMR-EKS-EC2-vCPUHours",
        "line_item_resource_id": "arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/vc/jobruns/run",
        "line_item_usage_start_date": datetime(2026, month, day, 10),  # noqa: DTZ001  a report's times are naive UTC
        "line_item_usage_end_date": datetime(2026, month, day, 11),  # noqa: DTZ001
    }


def partitions(table: str = "cost_ledger") -> dict[str, Mapping[str, Any]]:
    """The days of the ledger, or of another table: where they lie, and what is said of them."""
    pages = boto3.client("glue").get_paginator("get_partitions")
    found = pages.paginate(DatabaseName="chargeback", TableName=table)
    return {partition["Values"][0]: partition for page in found for partition in page["Partitions"]}


def folders() -> dict[str, str]:
    return {day: partition["StorageDescriptor"]["Location"] for day, partition in partitions().items()}


def states(*now: str) -> dict[str, str]:
    """What `status` says of the ledger's days."""
    told = json.loads(run("status", "--format", "json", *(now or NOW)).stdout)
    return {day["usage_date"]: day["ledger"] for day in told["days"] if day["ledger"]}


def statements() -> int:
    return len(boto3.client("athena").list_query_executions()["QueryExecutionIds"])


def done(*command: str) -> None:
    result = run(*command)
    assert result.exit_code == 0, said(result)


def require_the_table_says_what_the_view_says() -> None:
    columns = "usage_date, cost_category, cost_state, pod, COUNT(*), ROUND(SUM(effective_cost), 9)"
    of_table = asked(f"SELECT {columns} FROM cost_ledger GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4")
    assert of_table == asked(f"SELECT {columns} FROM cost_ledger_live GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4")
    assert of_table


@pytest.fixture
def billed(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An installation whose bill has one hour of an instance of the cluster, published."""
    declare_bill(CUR1_FULL, keys=("year", "month"))
    deliver("year=2026/month=11", "2026", "11", lines=[OURS], columns=CUR1_FULL)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    done("publish", *NOW)
    return environment


def test_every_view_answers_right_after_collect_and_publish(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    for name in (view.name for view in views("no_cur")):
        asked(f"SELECT * FROM {name} LIMIT 1")
    require_the_table_says_what_the_view_says()
    assert states() == {"2026-11-19": "current"}


def test_an_empty_lake_has_an_empty_ledger(bucket: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/nothing")
    done("publish", *NOW)
    done("refresh", *NOW)
    assert asked("SELECT COUNT(*) FROM cost_ledger") == [(0,)]
    assert partitions() == {}


def test_an_hour_that_is_collected_later_refreshes_its_day_and_no_other(environment: pytest.MonkeyPatch) -> None:
    assert collect("18T23").exit_code == 0
    done("publish", *NOW)
    before = folders()
    assert collect("19T11").exit_code == 0
    assert states() == {"2026-11-18": "current", "2026-11-19": "stale"}
    done("refresh", *LATER)
    after = folders()
    assert after["2026-11-18"] == before["2026-11-18"]
    assert after["2026-11-19"] != before["2026-11-19"]
    require_the_table_says_what_the_view_says()
    assert states() == {"2026-11-18": "current", "2026-11-19": "current"}


def test_a_refresh_without_anything_new_asks_the_engine_nothing(billed: pytest.MonkeyPatch) -> None:
    before, asked_before = partitions(), statements()
    done("refresh", *LATER)
    assert partitions() == before
    assert statements() == asked_before


def test_a_bill_that_comes_is_read_for_its_days(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR1_FULL, keys=("year", "month"))
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    done("publish", *NOW)
    assert asked("SELECT DISTINCT cost_state FROM cost_ledger") == [("estimated",)]
    deliver("year=2026/month=11", "2026", "11", lines=[OURS], columns=CUR1_FULL)
    done("refresh", *LATER)
    require_the_table_says_what_the_view_says()
    assert asked("SELECT SUM(effective_cost) FROM cost_ledger WHERE cost_state = 'provisional'") == [(0.1,)]
    assert asked("SELECT SUM(bill_effective_cost), SUM(difference) FROM bill_reconciliation") == [(0.1, 0.0)]


def test_what_is_out_of_scope_follows_the_bill_though_no_row_of_the_ledger_does(billed: pytest.MonkeyPatch) -> None:
    before = folders()["2026-11-19"]
    foreign = OURS | {"resource_tags_aws_eks_cluster_name": None, "line_item_resource_id": None}
    deliver("year=2026/month=11", lines=[OURS, foreign], columns=CUR1_FULL)
    done("refresh", *LATER)
    assert folders()["2026-11-19"] != before
    assert asked("SELECT SUM(effective_cost) FROM out_of_scope_costs") == [(0.1,)]
    assert asked("SELECT SUM(out_of_scope_cost), SUM(difference) FROM bill_reconciliation") == [(0.1, 0.0)]
    require_the_table_says_what_the_view_says()


def test_an_export_that_says_the_same_again_moves_no_day(billed: pytest.MonkeyPatch) -> None:
    before = folders()
    deliver("year=2026/month=11", lines=[OURS | {"line_item_line_item_description": "again"}], columns=CUR1_FULL)
    assert states() == {"2026-11-19": "stale"}
    done("refresh", *LATER)
    assert folders() == before
    assert states() == {"2026-11-19": "current"}


def test_only_days_whose_rows_differ_are_moved_and_a_day_needs_no_pods(billed: pytest.MonkeyPatch) -> None:
    deliver("year=2026/month=11", lines=[OURS, uplift(10), uplift(11)], columns=CUR1_FULL)
    done("refresh", *LATER)
    before = folders()
    assert set(before) == {"2026-11-10", "2026-11-11", "2026-11-19"}
    changed = uplift(11) | {"line_item_unblended_cost": 0.2}
    deliver("year=2026/month=11", lines=[OURS, uplift(10), changed], columns=CUR1_FULL)
    done("refresh", *MUCH_LATER)
    assert {day for day, folder in folders().items() if folder != before[day]} == {"2026-11-11"}
    assert asked("SELECT SUM(effective_cost) FROM cost_ledger WHERE job_run_id = 'run'") == [(0.1 + 0.2,)]
    require_the_table_says_what_the_view_says()


def test_a_line_that_a_later_bill_brings_stands_on_the_day_it_is_about(billed: pytest.MonkeyPatch) -> None:
    deliver("year=2026/month=12", "2026", "12", lines=[OURS | {"line_item_unblended_cost": 0.5}], columns=CUR1_FULL)
    done("refresh", *LATER)
    require_the_table_says_what_the_view_says()
    by_period = "SELECT billing_period, SUM(effective_cost) FROM cost_ledger WHERE cost_state <> 'estimated' GROUP BY 1"
    assert sorted(asked(by_period)) == [("2026-11", 0.1), ("2026-12", 0.5)]
    deliver("year=2026/month=12", lines=[], columns=CUR1_FULL)
    done("refresh", *LATER)
    require_the_table_says_what_the_view_says()
    assert sorted(asked(by_period)) == [("2026-11", 0.1)]


def test_pods_that_come_after_their_days_bill_wait_and_verify_leaves_their_day_out(billed: pytest.MonkeyPatch) -> None:
    assert collect("18T23").exit_code == 0
    done("refresh", *LATER)
    before = folders()
    assert collect("19T11").exit_code == 0
    done("refresh", *LATER)
    assert folders() == before
    assert states() == {"2026-11-18": "current", "2026-11-19": "stale"}
    done("verify", *LATER)
    done("refresh", "--now", "2026-11-21T19:00:00Z")
    assert states() == {"2026-11-18": "current", "2026-11-19": "current"}
    require_the_table_says_what_the_view_says()


def test_a_ledger_that_is_wholly_older_than_its_inputs_is_not_verified(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    assert collect("19T11").exit_code == 0
    result = run("verify", *NOW)
    assert result.exit_code == 75
    assert "Run `chargeback refresh`, then verify again." in said(result)


def test_another_policy_is_in_the_ledger_once_it_is_published(billed: pytest.MonkeyPatch, tmp_path: Any) -> None:
    before = partitions()["2026-11-19"]["Parameters"]["chargeback.definition"]
    (tmp_path / "settings.csv").write_text("correct_hours\non\n")
    billed.setenv("CHARGEBACK_POLICY", str(tmp_path))
    done("publish", *NOW)
    assert partitions()["2026-11-19"]["Parameters"]["chargeback.definition"] != before
    require_the_table_says_what_the_view_says()


def test_a_day_of_which_nothing_is_left_leaves_the_ledger(environment: pytest.MonkeyPatch) -> None:
    assert collect("18T23").exit_code == 0
    done("publish", *NOW)
    for key in objects():
        if "/usage_date=2026-11-18/" in key and "/cost_ledger/" not in key:
            boto3.client("s3").delete_object(Bucket="lake", Key=key)
    assert states() == {"2026-11-18": "stale", "2026-11-19": "current"}
    done("refresh", *LATER)
    assert set(partitions()) == set(partitions("out_of_scope_costs")) == {"2026-11-19"}


def test_a_cluster_whose_objects_are_deleted_leaves_the_ledger_and_no_other_changes(
    environment: pytest.MonkeyPatch,
) -> None:
    with environment.context() as other:
        other.setenv("CHARGEBACK_CLUSTER_ARN", OTHER_ARN)
        assert collect("19T10").exit_code == 0
        assert collect("18T23").exit_code == 0
    done("publish", *NOW)
    by_cluster = "SELECT cluster_arn, ROUND(SUM(effective_cost), 9) FROM cost_ledger GROUP BY 1"
    before = dict(asked(by_cluster))
    assert before.keys() == {CLUSTER_ARN, OTHER_ARN}
    for key in objects():
        if key.endswith("/111122223333_us-east-1_research.parquet"):
            boto3.client("s3").delete_object(Bucket="lake", Key=key)
    done("refresh", *LATER)
    assert dict(asked(by_cluster)) == {CLUSTER_ARN: before[CLUSTER_ARN]}
    assert set(partitions()) == {"2026-11-19"}
    require_the_table_says_what_the_view_says()


def overtaken_at(action: str, moto_url: str) -> subprocess.CompletedProcess[str]:
    """A refresh that is overtaken by a whole other one before it does *action* in Glue."""
    reached, opened = Event(), Event()

    def held(exchange: Exchange) -> None:
        reached.set()
        opened.wait(60)
        passed_on(exchange)

    ours = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "CHARGEBACK_"))}
    with faults_before(moto_url, Fault(only_glue(action, held), "POST", times=None)) as proxy:
        overtaken = started("refresh", *LATER, environment=ours | {"AWS_ENDPOINT_URL": proxy.url})
        assert reached.wait(60)
        done("refresh", *LATER)
        opened.set()
        return finished(overtaken)


def test_a_refresh_that_adds_a_day_which_another_has_added_meanwhile_ends_well(
    environment: pytest.MonkeyPatch, moto_url: str
) -> None:
    done("publish", *NOW)
    assert collect("18T23").exit_code == 0
    ended = overtaken_at("BatchCreatePartition", moto_url)
    assert ended.returncode == 0, ended.stderr
    assert states() == {"2026-11-18": "current", "2026-11-19": "current"}
    require_the_table_says_what_the_view_says()


def test_a_refresh_that_removes_a_day_which_another_has_removed_meanwhile_ends_well(
    environment: pytest.MonkeyPatch, moto_url: str
) -> None:
    assert collect("18T23").exit_code == 0
    done("publish", *NOW)
    for key in objects():
        if "/usage_date=2026-11-18/" in key and "/cost_ledger/" not in key:
            boto3.client("s3").delete_object(Bucket="lake", Key=key)
    ended = overtaken_at("BatchDeletePartition", moto_url)
    assert ended.returncode == 0, ended.stderr
    assert set(partitions()) == {"2026-11-19"}


def test_former_rows_go_after_the_grace_time_and_no_others_ever(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    former = folders()["2026-11-19"].removeprefix("s3://lake/")
    assert collect("19T11").exit_code == 0
    done("refresh", *LATER)
    replaced_at = parse_instant(LATER[1])
    done("refresh", "--now", rfc3339(replaced_at + GRACE))
    assert any(key.startswith(former) for key in objects()), "a query that began before may still read it"
    done("refresh", "--now", rfc3339(replaced_at + GRACE + timedelta(seconds=1)))
    assert not any(key.startswith(former) for key in objects())
    require_the_table_says_what_the_view_says()
    done("refresh", "--now", rfc3339(replaced_at + 30 * GRACE))
    require_the_table_says_what_the_view_says()


def test_what_a_killed_refresh_left_is_swept_and_seen_by_nobody(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    ours = folders()["2026-11-19"].removeprefix("s3://lake/").split("/20261121")[0]
    left = f"{ours}/20261121T120500Z-0badcafe/usage_date=2026-11-19/part"
    [rows] = [body for key, body in objects().items() if "/cost_ledger/" in key]
    boto3.client("s3").put_object(Bucket="lake", Key=left, Body=rows)
    require_the_table_says_what_the_view_says()
    done("refresh", *LATER)
    assert left in objects(), "it may be one that is still at work"
    done("refresh", "--now", "2026-11-22T12:05:01Z")
    assert left not in objects()


def test_the_files_of_another_database_over_the_same_lake_are_never_swept(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    with environment.context() as other:
        other.setenv("CHARGEBACK_GLUE_DATABASE", "other")
        done("publish", "--now", "2027-01-01T00:00Z")
        done("refresh", "--now", "2027-02-01T00:00Z")
    require_the_table_says_what_the_view_says()


def test_a_month_is_computed_anew_whatever_is_known_of_it(billed: pytest.MonkeyPatch) -> None:
    lost = folders()["2026-11-19"].removeprefix("s3://lake/")
    for key in objects():
        if key.startswith(lost):
            boto3.client("s3").delete_object(Bucket="lake", Key=key)
    assert asked("SELECT COUNT(*) FROM cost_ledger") == [(0,)]
    done("refresh", "--month", "2026-11", *LATER)
    require_the_table_says_what_the_view_says()


def test_the_view_of_a_former_version_gives_way_to_the_table(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    glue = boto3.client("glue")
    live = glue.get_table(DatabaseName="chargeback", Name="cost_ledger_live")["Table"]
    for name in ("cost_ledger", "cost_ledger_runs", "cost_ledger_live"):
        glue.delete_table(DatabaseName="chargeback", Name=name)
    kept = ("TableType", "StorageDescriptor", "PartitionKeys", "ViewOriginalText", "ViewExpandedText", "Parameters")
    view = {name: live[name] for name in kept if name in live}  # type: ignore[literal-required]
    glue.create_table(DatabaseName="chargeback", TableInput={"Name": "cost_ledger", **view})  # type: ignore[typeddict-item]
    allocations = glue.get_table(DatabaseName="chargeback", Name="allocations")["Table"]
    claimed = {"chargeback.views": allocations["Parameters"]["chargeback.views"] + ",cost_ledger"}
    declared = {name: allocations[name] for name in ("Name", *kept) if name in allocations}  # type: ignore[literal-required]
    declared["Parameters"] = allocations["Parameters"] | claimed
    glue.update_table(DatabaseName="chargeback", TableInput=declared)  # type: ignore[arg-type]
    refused = run("refresh", *NOW)
    assert refused.exit_code == 78
    assert "Run `chargeback publish`" in said(refused)
    done("publish", *NOW)
    assert relations()["cost_ledger"]["TableType"] == "EXTERNAL_TABLE"
    require_the_table_says_what_the_view_says()


def test_publishing_again_keeps_the_days_of_the_ledger(billed: pytest.MonkeyPatch) -> None:
    before = partitions()
    done("publish", *LATER)
    assert partitions() == before


def test_a_refresh_before_publish_says_what_to_do(environment: pytest.MonkeyPatch) -> None:
    result = run("refresh", *NOW)
    assert result.exit_code == 78
    assert "Run `chargeback publish`" in said(result)


def test_a_statement_that_fails_leaves_the_days_as_they_were(billed: pytest.MonkeyPatch) -> None:
    before = partitions()
    boto3.client("s3").put_object(
        Bucket="lake", Key="chargeback/allocations/usage_date=2026-11-20/broken.parquet", Body=b"not Parquet"
    )
    result = run("refresh", *LATER)
    assert result.exit_code == 65
    assert "Computing the ledger of 2026-11-20 failed: HIVE_BAD_DATA" in said(result)
    assert partitions() == before


def test_a_refresh_that_ends_between_two_days_leaves_each_whole_and_the_next_goes_on(
    billed: pytest.MonkeyPatch, moto_url: str
) -> None:
    before = partitions()
    deliver("year=2026/month=11", lines=[OURS | {"line_item_unblended_cost": 0.3}, uplift(10)], columns=CUR1_FULL)
    with faults_before(moto_url, Fault(glue_denies("BatchUpdatePartition"), "POST", times=None)) as proxy:
        billed.setenv("AWS_ENDPOINT_URL", proxy.url)
        cut_off = run("refresh", *LATER)
        billed.setenv("AWS_ENDPOINT_URL", moto_url)
    assert cut_off.exit_code == 77
    failed = "Pointing days of chargeback.out_of_scope_costs to their rows (glue:BatchUpdatePartition) failed"
    assert failed in said(cut_off)
    assert partitions()["2026-11-19"] == before["2026-11-19"]
    billed_now = "SELECT usage_date, SUM(effective_cost) FROM cost_ledger WHERE cost_state <> 'estimated' GROUP BY 1"
    assert sorted(asked(billed_now)) == [(date(2026, 11, 10), 0.1), (date(2026, 11, 19), 0.1)]
    done("refresh", *LATER)
    assert sorted(asked(billed_now)) == [(date(2026, 11, 10), 0.1), (date(2026, 11, 19), 0.3)]
    require_the_table_says_what_the_view_says()
