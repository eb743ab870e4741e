"""A `publish` that fails half way leaves the definitions that were there before."""

import json
from typing import Any

import boto3
import pytest
from click.testing import Result

from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import NOW, TABLES, VIEWS, relations, said
from tests.fault_proxy import Act, Exchange, Fault, athena_refuses, faults_before, passed_on, replied

LATE = athena_refuses('CREATE OR REPLACE VIEW "chargeback"."job_run_costs"')
DENIED = replied(400, b'{"__type": "AccessDeniedException"}', Content_Type="application/x-amz-json-1.1")
SAME = "The tables and views in the Glue database chargeback are again what they were before."


def of(action: str, part: str, act: Act) -> Act:
    """Do this to requests for an AWS *action* that have *part* in them, and pass everything else on."""

    def chosen(exchange: Exchange) -> None:
        asked = exchange.headers.get("X-Amz-Target", "").endswith(f".{action}") and part in exchange.body.decode()
        (act if asked else passed_on)(exchange)

    return chosen


def publish_with(environment: pytest.MonkeyPatch, moto_url: str, act: Act) -> Result:
    """Publish through a proxy that does this to it."""
    with faults_before(moto_url, Fault(act, "POST", times=None)) as proxy, environment.context() as cut:
        cut.setenv("AWS_ENDPOINT_URL", proxy.url)
        return run("publish", *NOW)


def notes(result: Result) -> list[str]:
    return getattr(result.exception, "__notes__", [])


def definitions() -> dict[str, Any]:
    """What is defined in the database, but for the times and numbers of its versions."""
    changing = {"UpdateTime", "VersionId"}
    return {
        name: {key: value for key, value in entry.items() if key not in changing} for name, entry in relations().items()
    }


def of_an_earlier_version() -> None:
    """Make of what was published something that this version would change: columns, a view's text, a comment."""
    glue, athena = boto3.client("glue"), boto3.client("athena")
    nodes = glue.get_table(DatabaseName="chargeback", Name="nodes")["Table"]
    kept = {key: nodes.get(key) for key in ("Name", "TableType", "PartitionKeys", "Parameters")}
    fewer = {**nodes["StorageDescriptor"], "Columns": nodes["StorageDescriptor"]["Columns"][:-1]}
    former: Any = {**kept, "Description": "Nodes.", "StorageDescriptor": fewer}
    glue.update_table(DatabaseName="chargeback", TableInput=former)
    athena.start_query_execution(
        QueryString="CREATE OR REPLACE VIEW pod_hours AS\n-- As it was.\nSELECT * FROM allocations",
        QueryExecutionContext={"Database": "chargeback"},
        WorkGroup="chargeback",
    )
    glue.delete_table(DatabaseName="chargeback", Name="job_run_costs")


def test_former_definitions_are_put_back_and_new_ones_are_gone(environment: pytest.MonkeyPatch, moto_url: str) -> None:
    assert run("publish", *NOW).exit_code == 0
    of_an_earlier_version()
    before = definitions()
    result = publish_with(environment, moto_url, LATE)
    assert result.exit_code == 77
    assert 'Creating the view "chargeback"."job_run_costs" failed' in said(result)
    assert notes(result) == [SAME]
    assert definitions() == before


def test_reports_answer_as_before_after_a_publish_that_failed(environment: pytest.MonkeyPatch, moto_url: str) -> None:
    assert run("publish", *NOW).exit_code == 0
    before = run("report", "--format", "json", *NOW).stdout
    assert publish_with(environment, moto_url, LATE).exit_code == 77
    assert run("report", "--format", "json", *NOW).stdout == before
    assert json.loads(before)["rows"]


def test_of_a_first_publish_that_failed_nothing_stays_and_the_next_one_makes_it_all(
    environment: pytest.MonkeyPatch, moto_url: str
) -> None:
    result = publish_with(environment, moto_url, LATE)
    assert result.exit_code == 77
    assert notes(result) == [SAME]
    assert relations() == {}
    assert run("publish", *NOW).exit_code == 0
    assert set(relations()) == TABLES | VIEWS


def test_a_table_that_cannot_be_declared_leaves_those_before_it_as_they_were(
    environment: pytest.MonkeyPatch, moto_url: str
) -> None:
    result = publish_with(environment, moto_url, of("CreateTable", "policy_invoices", DENIED))
    assert result.exit_code == 77
    assert notes(result) == [SAME]
    assert relations() == {}


def test_what_cannot_be_put_back_is_named_with_what_to_do(environment: pytest.MonkeyPatch, moto_url: str) -> None:
    def late_and_for_good(exchange: Exchange) -> None:
        (of("DeleteTable", "allocations", DENIED) if "DeleteTable" in str(exchange.headers) else LATE)(exchange)

    result = publish_with(environment, moto_url, late_and_for_good)
    assert result.exit_code == 77
    assert "job_run_costs" in said(result), "the cause comes first"
    [note] = notes(result)
    assert note.startswith("In the Glue database chargeback, allocations could not be put back as before: Putting ")
    assert note.endswith("Run `chargeback publish` again: it makes all of them new.")
    assert set(relations()) == {"allocations"}
    assert run("publish", *NOW).exit_code == 0
    assert set(relations()) == TABLES | VIEWS
