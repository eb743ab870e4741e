"""A statement that Athena fails is told in one sentence: what it was for, and Athena's own reason."""

import os
import re

import boto3
import pytest

from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import NOW, said
from tests.fault_proxy import Fault, athena_refuses, faults_before
from tests.served import chargeback


@pytest.fixture
def published(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    assert run("publish", *NOW).exit_code == 0
    return environment


def lose(view: str) -> None:
    boto3.client("glue").delete_table(DatabaseName="chargeback", Name=view)


def test_a_report_says_which_one_it_is_and_athenas_reason_and_nothing_else(published: pytest.MonkeyPatch) -> None:
    lose("job_run_costs")
    ours = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "CHARGEBACK_"))}
    told = chargeback("report", *NOW, environment=ours)
    assert told.returncode == 65
    assert re.fullmatch(
        r"chargeback: The report by job failed: TABLE_NOT_FOUND: line \d+:\d+: "
        r"Table 'awsdatacatalog\.chargeback\.job_run_costs' does not exist\.\n",
        told.stderr,
    ), told.stderr


def test_verify_says_which_check_it_was(published: pytest.MonkeyPatch) -> None:
    lose("cost_distribution")
    result = run("verify", *NOW)
    assert result.exit_code == 65
    assert re.fullmatch(
        r"The check \w+ failed: (INVALID_VIEW: .+: )?TABLE_NOT_FOUND: line \d+:\d+: "
        r"Table 'awsdatacatalog\.chargeback\.cost_distribution' does not exist\.",
        str(result.exception),
    ), said(result)


@pytest.mark.parametrize("command", ["publish", "verify", "report"])
def test_a_right_on_athena_that_is_missing_is_no_reason_of_a_query(
    command: str, published: pytest.MonkeyPatch, moto_url: str
) -> None:
    with faults_before(moto_url, Fault(athena_refuses("SELECT"), "POST", times=None)) as proxy:
        published.setenv("AWS_ENDPOINT_URL", proxy.url)
        result = run(command, *NOW)
    assert result.exit_code == 77
    assert "not authorized to perform athena:StartQueryExecution" in str(result.exception)
