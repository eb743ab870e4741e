import json
from collections.abc import Iterator
from typing import Any

import boto3
import pyarrow as pa
import pytest
from click.testing import Result

from pipeline.demo.athena import service as athena
from pipeline.relations import views
from tests.captures import opencost, serving
from tests.conftest import CLUSTER_ARN
from tests.end_to_end.test_collect import collect, run

HOUR = "19T10"
NOW = ("--now", "2026-11-21T12:00:00Z")
VIEWS = {view.name for view in views("no_cur")}
TABLES = {
    *("allocations", "nodes", "volumes", "job_runs", "virtual_clusters", "managed_endpoints"),
    *("policy_cost_centers", "policy_sole_tenancy", "policy_other_services"),
    *("policy_distribution", "policy_markups", "policy_settings"),
}


@pytest.fixture
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A lake with one hour of a real server, and an Athena workgroup; nothing is published yet."""
    athena.install()
    boto3.client("s3").create_bucket(Bucket="results")
    boto3.client("athena").create_work_group(
        Name="chargeback", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/"}}
    )
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    with serving(opencost("opencost-2026-05")) as upstream:
        monkeypatch.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect(HOUR).exit_code == 0
        yield monkeypatch


def relations(database: str = "chargeback") -> dict[str, Any]:
    tables = boto3.client("glue").get_tables(DatabaseName=database)["TableList"]
    return {table["Name"]: table for table in tables}


def said(result: Result) -> str:
    return f"{result.output}{result.exception or ''}"


def declare_bill(columns: dict[str, str], name: str = "cur_data", database: str = "billing") -> None:
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "billing_period", "Type": "string"}],
            "StorageDescriptor": {
                "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
                "Location": "s3://lake/cur/",
            },
        },
    )


def cur2_columns() -> dict[str, str]:
    from pipeline.catalog import glue_type
    from pipeline.demo.bill.columns import CUR_2

    schema: pa.Schema = CUR_2
    return {field.name: glue_type(field.type) for field in schema if field.name != "billing_period"}


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


def test_a_bill_without_lines_yet_is_no_error(environment: pytest.MonkeyPatch) -> None:
    declare_bill(cur2_columns())
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    verified = run("verify", *NOW)
    assert verified.exit_code == 0, said(verified)
    assert "not run: no bill yet" in verified.output
    assert run("verify", "--month", "2026-11", *NOW).exit_code == 0


@pytest.mark.parametrize("kind", ["VIRTUAL_VIEW", "EXTERNAL_TABLE"])
@pytest.mark.parametrize("name", ["compute_cost", "emr_eks_cost", "allocations"])
def test_publish_never_replaces_what_it_did_not_make(kind: str, name: str, environment: pytest.MonkeyPatch) -> None:
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "chargeback"})
    theirs = {
        "Name": name,
        "TableType": kind,
        "ViewOriginalText": "/* Presto View: bm90IG91cnM= */",
        "StorageDescriptor": {"Columns": [{"Name": "job_id", "Type": "string"}], "Location": ""},
    }
    glue.create_table(DatabaseName="chargeback", TableInput=theirs)  # type: ignore[arg-type]
    result = run("publish", *NOW)
    assert result.exit_code == 78
    assert name in said(result)
    assert "CHARGEBACK_GLUE_DATABASE" in said(result), "it says how to proceed"
    assert set(relations()) == {name}, "nothing else was made either"
    glue.delete_table(DatabaseName="chargeback", Name=name)
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


def test_a_bill_that_does_not_exist_or_is_none_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    result = run("publish", *NOW)
    assert result.exit_code == 78
    assert "billing.cur_data, but there is no such table" in said(result)
    declare_bill({"line_item_usage_type": "string", "product_region": "string"}, name="old")
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.old")
    result = run("publish", *NOW)
    assert result.exit_code == 65
    assert "The bill billing.old lacks bill_payer_account_id, line_item_currency_code," in said(result)


def test_a_bill_without_resource_ids_is_read_as_far_as_it_goes(environment: pytest.MonkeyPatch) -> None:
    columns = cur2_columns()
    del columns["line_item_resource_id"], columns["product_product_family"]
    declare_bill(columns)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    result = run("publish", *NOW)
    assert result.exit_code == 0, said(result)
    assert "The bill billing.cur_data has no resource IDs" in said(result)


def test_an_unknown_workgroup_is_one_sentence_of_athenas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_ATHENA_WORKGROUP", "elsewhere")
    result = run("publish", *NOW)
    assert result.exit_code in (65, 78)
    assert "WorkGroup" in said(result)
    assert "Traceback" not in said(result)


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
    assert "allocations_reach_ledger" in said(result)
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
