"""What a closed month keeps, what its bill may still change, and where that shows."""

import csv
import io
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from threading import Event
from typing import Any

import boto3
import pytest

from tests.bills import CUR1_FULL
from tests.end_to_end.test_collect import objects, run
from tests.end_to_end.test_publish import NOW, said
from tests.end_to_end.test_published_bill import asked, declare_bill, deliver
from tests.end_to_end.test_refresh import done, partitions, uplift
from tests.fault_proxy import Exchange, Fault, faults_before, glue_denies, passed_on, replied
from tests.served import finished, started

DECEMBER = ("--now", "2026-12-05T09:00:00Z")
JANUARY = ("--now", "2027-01-05T09:00:00Z")
CLOSE = ("close", "--month", "2026-11", "--before-invoice")
NO = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
INVOICED = {"bill_invoice_id": "1"}
MORE = uplift(20) | INVOICED | {"line_item_unblended_cost": 7.0}
CENTERS = "priority,cost_center,namespace,cluster\n10,jobs,spark-apps,\n90,platform,,my-cluster\n"


def closed() -> list[tuple[str]]:
    return asked("SELECT closed_month FROM closed_months")


def copied() -> set[str]:
    return {key for key in objects() if "/closed_ledger/" in key}


def statement(month: str, *now: str) -> list[dict[str, str]]:
    told = run("statement", "--month", month, "--format", "csv", *(now or DECEMBER))
    assert told.exit_code == 0, said(told)
    return list(csv.DictReader(io.StringIO(told.stdout)))


def page(month: str) -> str:
    told = run("statement", "--month", month, *DECEMBER)
    assert told.exit_code == 0, said(told)
    return told.stdout


def refused(code: int, *command: str) -> str:
    result = run(*command)
    assert result.exit_code == code, said(result)
    return said(result)


def deliver_month(month: int, *lines: dict[str, Any], register: bool = True) -> None:
    values = ("2026", str(month)) if register else ()
    deliver(f"year=2026/month={month}", *values, lines=lines, columns=CUR1_FULL)


@pytest.fixture
def november(environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A lake with pods of one hour of November, whose bill has an hour of a job's uplift; a policy; all published."""
    (tmp_path / "cost_centers.csv").write_text(CENTERS, encoding="utf-8")
    (tmp_path / "distribution.csv").write_text("pool,method\nplatform,proportional\n", encoding="utf-8")
    (tmp_path / "markups.csv").write_text("cost_center,factor\njobs,1.5\n", encoding="utf-8")
    environment.setenv("CHARGEBACK_POLICY", str(tmp_path))
    declare_bill(CUR1_FULL, keys=("year", "month"))
    deliver_month(11, uplift(19) | INVOICED)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    done("publish", *NOW)
    return environment


def test_a_closed_month_is_charged_what_it_was_and_its_bills_changes_are_the_next_months(
    november: pytest.MonkeyPatch,
) -> None:
    before = statement("2026-11")
    told = run(*CLOSE, *DECEMBER)
    assert told.exit_code == 0, said(told)
    assert "2026-11 is closed: " in told.stdout
    assert "of it 0.00 of months closed before" in told.stdout
    assert statement("2026-11") == before
    assert "Closed on 2026-12-05 09:00 UTC" in page("2026-11")
    assert "Changed since" not in page("2026-11")
    deliver_month(11, uplift(19) | INVOICED, MORE, register=False)
    done("refresh", *DECEMBER)
    assert statement("2026-11") == before
    assert "Changed since the month was closed" in page("2026-11")
    assert "-7.00" in page("2026-11")
    assert "There is no cost in 2026-12 but adjustments of closed months." in page("2026-12")
    assert "EMR uplift, adjustment of 2026-11" in page("2026-12")
    after = statement("2026-12")
    assert {(row["billing_period"], row["cost_category"], row["direct"]) for row in after} == {
        ("2026-11", "emr_uplift", "7.00")
    }
    assert asked("SELECT COUNT(*) FROM closed_ledger WHERE entry = 'adjustment'") == [(0,)]
    verified = run("verify", "--month", "2026-11", *DECEMBER)
    assert verified.exit_code == 0, said(verified)


def test_an_adjustment_is_charged_once(november: pytest.MonkeyPatch) -> None:
    done(*CLOSE, *DECEMBER)
    deliver_month(11, uplift(19) | INVOICED, MORE, register=False)
    deliver_month(12, uplift(2, 12) | INVOICED)
    done("refresh", *JANUARY)
    open_december = statement("2026-12", *JANUARY)
    told = run("close", "--month", "2026-12", *JANUARY)
    assert told.exit_code == 0, said(told)
    assert statement("2026-12", *JANUARY) == open_december
    assert asked("SELECT COUNT(*) FROM closed_month_adjustments") == [(0,)]
    assert statement("2027-01", *JANUARY) == []
    deliver_month(11, uplift(19) | INVOICED, register=False)
    done("refresh", *JANUARY)
    assert [row["direct"] for row in statement("2027-01", *JANUARY)] == ["-7.00"]
    [(of_ledger, of_statements)] = asked(
        "SELECT (SELECT SUM(charged_cost) FROM cost_center_costs), (SELECT SUM(charged_cost) FROM statement_costs)"
    )
    assert of_ledger == pytest.approx(of_statements, abs=1e-9)


def test_another_policy_changes_open_months_and_no_closed_one(november: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = statement("2026-11")
    assert {row["cost_center"] for row in before} >= {"jobs", "unassigned"}
    done(*CLOSE, *DECEMBER)
    (tmp_path / "cost_centers.csv").write_text("priority,cost_center,namespace\n10,others,spark-apps\n")
    (tmp_path / "markups.csv").unlink()
    (tmp_path / "distribution.csv").unlink()
    done("publish", *DECEMBER)
    assert statement("2026-11") == before
    assert asked("SELECT COUNT(*) FROM closed_month_adjustments") == [(0,)]
    assert asked("SELECT DISTINCT cost_center FROM cost_center_costs WHERE cost_center = 'others'") == []
    done("verify", "--month", "2026-11", *DECEMBER)


def test_what_is_no_longer_claimed_by_a_tag_stays_in_a_closed_month(
    november: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = uplift(19) | INVOICED | {
        "line_item_product_code": "AmazonS3", "line_item_usage_type": "TimedStorage-ByteHrs",
        "line_item_resource_id": "bucket",
        "resource_tags_aws_eks_cluster_name": None, "resource_tags_user_team": "risk",
    }  # fmt: skip
    columns = CUR1_FULL | {"resource_tags_user_team": "string"}
    boto3.client("glue").delete_table(DatabaseName="billing", Name="cur_data")
    boto3.client("glue").delete_database(Name="billing")
    declare_bill(columns, keys=("year", "month"))
    deliver("year=2026/month=11", "2026", "11", lines=[uplift(19) | INVOICED, bucket], columns=columns)
    claims = tmp_path / "other_services.csv"
    claims.write_text("priority,cost_center,tag_key,tag_value\n10,jobs,team,risk\n", encoding="utf-8")
    done("publish", *NOW)
    before = statement("2026-11")
    assert "other_service" in {row["cost_category"] for row in before}
    done(*CLOSE, *DECEMBER)
    days, copies = partitions(), copied()
    assert copies
    done("refresh", *DECEMBER)
    assert partitions() == days, "closing a month changes nothing that its days follow from"
    claims.unlink()
    done("publish", "--now", "2028-01-01T00:00Z")
    assert copied() == copies, "nothing ever sweeps them away"
    assert asked("SELECT COUNT(*) FROM closed_month_adjustments") == [(0,)]
    assert statement("2026-11") == before


def test_a_month_is_closed_once_in_its_order_and_only_when_it_has_ended_is_final_and_its_ledger_current(
    november: pytest.MonkeyPatch,
) -> None:
    deliver_month(12, uplift(2, 12) | INVOICED)
    deliver_month(11, MORE, register=False)
    assert "Of 2026-11 the ledger is behind what it follows from on 2026-11-19." in refused(75, *CLOSE, *DECEMBER)
    done("refresh", *DECEMBER)
    assert "2026-11 has not ended: it can be closed from 2026-12-01 on" in refused(2, *CLOSE, *NOW)
    assert "2026-11 is not final: " in refused(2, "close", "--month", "2026-11", *DECEMBER)
    assert "2026-10 has no cost: there is nothing to close" in refused(2, "close", "--month", "2026-10", *DECEMBER)
    done(*CLOSE, *DECEMBER)
    assert "2026-11 was closed at 2026-12-05 09:00 UTC" in refused(2, *CLOSE, *JANUARY)
    assert "2026-11 is closed, and months are closed in their order" in refused(
        2, "close", "--month", "2026-10", *DECEMBER
    )
    later = ("close", "--month", "2027-01", "--now", "2027-02-05T09:00Z")
    assert "2026-12 is open, and months are closed in their order: close it before 2027-01" in refused(2, *later)
    assert closed() == [("2026-11",)]


def test_without_anything_published_there_is_nothing_to_close(environment: pytest.MonkeyPatch) -> None:
    assert "Run `chargeback publish`" in refused(78, *CLOSE, *DECEMBER)


def ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "CHARGEBACK_"))}


@pytest.mark.parametrize("at", ["Glue", "S3"])
def test_what_fails_before_the_end_leaves_the_month_open_and_is_made_good_by_the_next(
    at: str, november: pytest.MonkeyPatch, tmp_path: Path, moto_url: str
) -> None:
    denied = {
        "Glue": Fault(glue_denies("CreatePartition"), "POST", times=None),
        "S3": Fault(replied(403, NO), "PUT", "/closed_months/", times=None),
    }
    with faults_before(moto_url, denied[at]) as proxy:
        failed = finished(started(*CLOSE, *DECEMBER, environment=ours() | {"AWS_ENDPOINT_URL": proxy.url}))
    assert failed.returncode == 77, failed.stderr
    assert closed() == []
    (tmp_path / "markups.csv").write_text("cost_center,factor\njobs,3\n", encoding="utf-8")
    done("publish", *DECEMBER)
    of_jobs = [
        row for row in statement("2026-11") if row["cost_center"] == "jobs" and row["cost_category"] == "compute"
    ]
    assert Decimal(of_jobs[0]["markup"]) == 2 * (Decimal(of_jobs[0]["direct"]) + Decimal(of_jobs[0]["distributed"]))
    before = statement("2026-11")
    done(*CLOSE, *DECEMBER)
    assert statement("2026-11") == before


def closing_while(done_meanwhile: Callable[[], None], moto_url: str, action: str) -> CompletedProcess[str]:
    """What becomes of a closing that is held up before *action*, while something else is done."""
    reached, opened = Event(), Event()

    def held(exchange: Exchange) -> None:
        reached.set()
        opened.wait(60)
        passed_on(exchange)

    held_up = {
        "closing": Fault(held, "PUT", "/closed_months/"),
        "reading the policy again": Fault(held, "GET", "/policy_markups/policy.parquet", first=2),
    }
    with faults_before(moto_url, held_up[action]) as proxy:
        overtaken = started(*CLOSE, *DECEMBER, environment=ours() | {"AWS_ENDPOINT_URL": proxy.url})
        assert reached.wait(60)
        done_meanwhile()
        opened.set()
        return finished(overtaken)


def test_a_policy_that_is_published_while_a_month_is_copied_leaves_it_open(
    november: pytest.MonkeyPatch, tmp_path: Path, moto_url: str
) -> None:
    def publish() -> None:
        (tmp_path / "markups.csv").write_text("cost_center,factor\njobs,3\n", encoding="utf-8")
        done("publish", *DECEMBER)

    ended = closing_while(publish, moto_url, "reading the policy again")
    assert ended.returncode == 75, ended.stderr
    assert "Somebody published while 2026-11 was copied; it is still open." in ended.stderr
    assert closed() == []


def test_of_two_that_close_a_month_the_first_copy_stands(november: pytest.MonkeyPatch, moto_url: str) -> None:
    ended = closing_while(lambda: done(*CLOSE, "--now", "2026-12-05T10:00:00Z"), moto_url, "closing")
    assert ended.returncode == 2, ended.stderr
    assert "Somebody else closed 2026-11 meanwhile; their copy stands." in ended.stderr
    assert "Closed on 2026-12-05 10:00 UTC" in page("2026-11")
