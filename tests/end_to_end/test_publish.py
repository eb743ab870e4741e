import json
from typing import Any

import boto3
import pytest
from click.testing import Result

from pipeline.relations import views
from tests.end_to_end.test_collect import run

NOW = ("--now", "2026-11-21T12:00:00Z")
VIEWS = {view.name for view in views("no_cur")}
TABLES = {
    *("allocations", "nodes", "volumes", "job_runs", "virtual_clusters", "managed_endpoints"),
    *("policy_cost_centers", "policy_sole_tenancy", "policy_other_services"),
    *("policy_distribution", "policy_markups", "policy_invoices", "policy_settings"),
    *("cost_ledger", "cost_ledger_runs", "out_of_scope_costs"),
    *("closed_ledger_runs", "closed_months"),
}


def relations(database: str = "chargeback") -> dict[str, Any]:
    tables = boto3.client("glue").get_tables(DatabaseName=database)["TableList"]
    return {table["Name"]: table for table in tables}


def said(result: Result) -> str:
    return f"{result.output}{result.exception or ''}"


def test_publishing_declares_every_table_and_view_and_again_changes_none(environment: pytest.MonkeyPatch) -> None:
    assert run("publish", *NOW).exit_code == 0
    first = relations()
    assert set(first) == TABLES | VIEWS
    assert first["allocations"]["Parameters"]["projection.usage_date.range"] == "2026-11-19,NOW+1DAYS"
    assert first["allocations"]["Parameters"]["storage.location.template"] == (
        "s3://lake/chargeback/allocations/usage_date=${usage_date}/"
    )
    assert run("publish", *NOW).exit_code == 0
    second = relations()
    for name in TABLES:
        assert second[name]["StorageDescriptor"] == first[name]["StorageDescriptor"]
        assert second[name]["CreateTime"] == first[name]["CreateTime"], "updated in place, not dropped"


def test_without_a_bill_everything_works_and_stays_estimated(environment: pytest.MonkeyPatch) -> None:
    result = run("publish", *NOW)
    assert "all cost stays estimated" in said(result)
    verified = run("verify", *NOW)
    assert verified.exit_code == 0, said(verified)
    assert "not run: no CUR, no bill yet" in verified.output
    found = json.loads(run("report", "--format", "json", *NOW).stdout)
    assert {row["cost_state"] for row in found["rows"]} == {"estimated"}
    assert found["total"]["total"] > 0.5


def made_by_others(name: str, kind: str) -> None:
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "chargeback"})
    theirs = {
        "Name": name,
        "TableType": kind,
        "ViewOriginalText": "/* Presto View: bm90IG91cnM= */",
        "StorageDescriptor": {"Columns": [{"Name": "job_id", "Type": "string"}], "Location": ""},
    }
    glue.create_table(DatabaseName="chargeback", TableInput=theirs)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["VIRTUAL_VIEW", "EXTERNAL_TABLE"])
@pytest.mark.parametrize("name", ["compute_cost", "emr_eks_cost", "allocations"])
def test_publish_never_replaces_what_it_did_not_make(kind: str, name: str, environment: pytest.MonkeyPatch) -> None:
    made_by_others(name, kind)
    result = run("publish", *NOW)
    assert result.exit_code == 78
    assert name in said(result)
    assert "CHARGEBACK_GLUE_DATABASE" in said(result), "it says how to proceed"
    assert set(relations()) == {name}, "nothing else was made either"


def test_publish_goes_on_once_what_others_made_is_gone(environment: pytest.MonkeyPatch) -> None:
    made_by_others("compute_cost", "VIRTUAL_VIEW")
    assert run("publish", *NOW).exit_code == 78
    boto3.client("glue").delete_table(DatabaseName="chargeback", Name="compute_cost")
    assert run("publish", *NOW).exit_code == 0


def test_a_view_of_an_earlier_version_is_ours_to_replace(environment: pytest.MonkeyPatch) -> None:
    assert run("publish", *NOW).exit_code == 0
    boto3.client("glue").delete_table(DatabaseName="chargeback", Name="emr_eks_cost")
    assert run("publish", *NOW).exit_code == 0
    assert set(relations()) == TABLES | VIEWS


@pytest.mark.parametrize("command", ["verify", "report"])
def test_before_publishing_one_sentence_says_what_to_do(command: str, environment: pytest.MonkeyPatch) -> None:
    result = run(command, *NOW)
    assert result.exit_code == 78
    assert "There is no Glue database chargeback. Run `chargeback publish`" in said(result)
    boto3.client("glue").create_database(DatabaseInput={"Name": "chargeback"})
    assert "Nothing was published to the Glue database chargeback yet" in said(run(command, *NOW))


def test_an_unknown_workgroup_is_one_sentence_of_athenas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_ATHENA_WORKGROUP", "elsewhere")
    result = run("publish", *NOW)
    assert result.exit_code in (65, 78)
    assert "WorkGroup" in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nosuchengine://user:hunter2@host/db", "names the dialect 'nosuchengine', which is not installed"),
        ("hunter2", "is not a SQLAlchemy URL"),
    ],
    ids=["unknown dialect", "no URL"],
)
def test_an_engine_that_cannot_be_reached_by_its_url_is_one_sentence(
    url: str, reason: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_SQL_URL", url)
    result = run("publish", *NOW)
    assert result.exit_code == 78
    assert reason in said(result)
    assert "hunter2" not in said(result)


def test_a_check_that_finds_rows_fails_verify_and_shows_them(environment: pytest.MonkeyPatch) -> None:
    assert run("publish", *NOW).exit_code == 0
    loss = "SELECT * FROM allocations WHERE workload_kind <> 'platform'"
    client = boto3.client("athena")
    client.start_query_execution(
        QueryString=f"CREATE OR REPLACE VIEW kept AS {loss}",
        QueryExecutionContext={"Database": "chargeback"},
        WorkGroup="chargeback",
    )
    pod_hours = next(view.template for view in views("no_cur") if view.name == "pod_hours")
    client.start_query_execution(
        QueryString=f"CREATE OR REPLACE VIEW pod_hours AS {pod_hours.replace('FROM allocations', 'FROM kept')}",
        QueryExecutionContext={"Database": "chargeback"},
        WorkGroup="chargeback",
    )
    result = run("verify", *NOW)
    assert result.exit_code == 65
    assert "ledger_is_current" in said(result)
    assert "2026-11-19" in result.output, "the day that lost rows is shown"


def test_reports_of_a_month_without_data_and_of_an_unknown_kind(environment: pytest.MonkeyPatch) -> None:
    assert run("publish", *NOW).exit_code == 0
    empty = json.loads(run("report", "--month", "2025-01", "--format", "json", *NOW).stdout)
    assert (empty["rows"], empty["total"]) == ([], {"total": 0.0})
    assert "total" in run("report", "--month", "2025-01", *NOW).output
    assert run("report", "--by", "moon", *NOW).exit_code == 2
    assert run("report", "--by", "label:a b", *NOW).exit_code == 2
    assert run("report", "--month", "2026-13", *NOW).exit_code == 2


def test_a_hostile_label_key_is_only_a_key(environment: pytest.MonkeyPatch) -> None:
    assert run("publish", *NOW).exit_code == 0
    assert run("report", "--by", "label:team'--", *NOW).exit_code == 2
    found = json.loads(run("report", "--by", "label:app.kubernetes.io/name", "--format", "json", *NOW).stdout)
    assert any(row["label:app.kubernetes.io/name"] == "coredns" for row in found["rows"])


def test_dry_run_prints_every_view_and_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("publish", "--dry-run")
    assert result.exit_code == 0
    for name in VIEWS:
        assert f'CREATE OR REPLACE VIEW "chargeback"."{name}" AS' in result.output
