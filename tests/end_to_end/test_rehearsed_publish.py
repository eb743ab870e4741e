"""Nothing is changed by a `publish` one of whose views cannot be made."""

import re
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from pipeline.errors import ContractError
from pipeline.rehearsal import Rehearsal
from pipeline.warehouse import Warehouse, athena_url
from tests.bills import CUR2_FULL
from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import NOW, relations, said
from tests.end_to_end.test_published_bill import declare_bill
from tests.fault_proxy import Fault, athena_refuses, faults_before

USAGE_TYPE = "line_item_usage_type"


def objects() -> dict[str, Any]:
    """All that lies in the lake."""
    listed = boto3.client("s3").list_objects_v2(Bucket="lake")["Contents"]
    return {found["Key"]: (found["ETag"], found["LastModified"]) for found in listed}


def declare_anew(usage_type: str) -> None:
    """Declare the bill's table once more, as if a crawler had taken a text for something else."""
    boto3.client("glue").delete_table(DatabaseName="billing", Name="cur_data")
    boto3.client("glue").delete_database(Name="billing")
    declare_bill(CUR2_FULL | {USAGE_TYPE: usage_type})


def test_a_first_publish_whose_bill_no_view_can_read_makes_nothing(environment: pytest.MonkeyPatch) -> None:
    declare_bill(CUR2_FULL | {USAGE_TYPE: "double"})
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    before = objects()
    result = run("publish", *NOW)
    assert result.exit_code == 65
    assert re.fullmatch(
        r"The view cur_\w+ cannot be made: TYPE_MISMATCH: line \d+:\d+: .*DOUBLE.*\. Nothing was changed\.",
        str(result.exception),
    ), said(result)
    assert (relations(), objects()) == ({}, before)


def test_what_was_published_stays_as_it_is_and_a_bill_that_can_be_read_is_followed_again(
    environment: pytest.MonkeyPatch,
) -> None:
    declare_bill(CUR2_FULL)
    environment.setenv("CHARGEBACK_CUR_TABLE", "billing.cur_data")
    assert run("publish", *NOW).exit_code == 0
    before = relations(), objects()
    declare_anew("double")
    result = run("publish", *NOW)
    assert result.exit_code == 65
    assert "The view cur_" in said(result)
    assert (relations(), objects()) == before
    declare_anew("string")
    assert run("publish", *NOW).exit_code == 0


def test_a_right_that_is_missing_is_found_before_anything_is_changed(
    environment: pytest.MonkeyPatch, moto_url: str
) -> None:
    with faults_before(moto_url, Fault(athena_refuses("EXPLAIN (TYPE VALIDATE)"), "POST", times=None)) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        before = objects()
        result = run("publish", *NOW)
    assert result.exit_code == 77
    assert "Explaining the views failed" in said(result)
    environment.setenv("AWS_ENDPOINT_URL", moto_url)
    assert (relations(), objects()) == ({}, before)


def rehearsal(views: Mapping[str, str]) -> Rehearsal:
    tables = {"pods": "SELECT CAST(NULL AS varchar) AS pod, CAST(NULL AS double) AS hours WHERE FALSE"}
    return Rehearsal(Warehouse(athena_url("us-east-1", "chargeback", "chargeback")), tables, views)


@pytest.mark.parametrize("wrong", range(5))
def test_the_view_that_is_named_is_the_first_that_cannot_be_made(wrong: int, environment: pytest.MonkeyPatch) -> None:
    views = {"v0": "SELECT pod, hours FROM pods"}
    views |= {
        f"v{n}": f"WITH pods AS (SELECT pod, hours FROM v{n - 1}) SELECT pod, hours FROM pods" for n in range(1, 5)
    }
    rehearsal(views).require()
    views[f"v{wrong}"] = "SELECT pod, hours, nope FROM pods"
    with pytest.raises(ContractError, match=f"^The view v{wrong} cannot be made: COLUMN_NOT_FOUND: .*'nope'"):
        rehearsal(views).require()


def test_views_that_nobody_reads_are_explained_too(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContractError, match="The view aside cannot be made: FUNCTION_NOT_FOUND"):
        rehearsal({"aside": "SELECT nope(pod) AS x FROM pods", "other": "SELECT pod FROM pods"}).require()


def test_what_is_too_long_for_one_statement_is_asked_in_parts(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    long = f"'{'x' * 150_000}'"
    views = {
        "one": f"SELECT {long} AS x FROM pods",
        "two": f"SELECT {long} AS y FROM pods",
        "three": "SELECT count(*) AS pods FROM pods",
    }
    caplog.set_level("WARNING")
    rehearsal(views).require()
    assert caplog.text == ""
    with pytest.raises(ContractError, match="The view three cannot be made"):
        rehearsal(views | {"three": "SELECT nope FROM pods"}).require()
    rehearsal(views | {"both": "SELECT x, y FROM one CROSS JOIN two"}).require()
    assert "not explained: with what it reads, it is too long for a statement" in caplog.text
