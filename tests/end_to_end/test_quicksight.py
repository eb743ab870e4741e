"""`chargeback dashboards` against a QuickSight that remembers what it was told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline.quicksight_plan import read_by
from pipeline.story import read_story
from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import said
from tests.quicksight_account import Answer, QuickSightAccount, error, serving

CHECKOUT = Path(__file__).parents[2]
OWNER = "arn:aws:quicksight:us-east-1:111122223333:group/default/finops"
READER = "arn:aws:quicksight:us-east-1:111122223333:user/default/reader@example.com"
ROLE = "arn:aws:iam::111122223333:role/chargeback-lake-QuickSightRole-EXAMPLE"


@pytest.fixture
def account(environment: pytest.MonkeyPatch) -> Iterator[QuickSightAccount]:
    """A new account, with all published that the data sets read."""
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "chargeback"})
    for name in {"cost_ledger", *read_by(read_story())}:
        glue.create_table(DatabaseName="chargeback", TableInput={"Name": name})
    account = QuickSightAccount()
    with serving(account) as url:
        environment.setenv("AWS_ENDPOINT_URL_QUICKSIGHT", url)
        yield account


@pytest.fixture
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", "arn:aws:eks:us-east-1:111122223333:cluster/analytics-prod")
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    return monkeypatch


def test_everything_is_made_in_the_order_in_which_one_needs_the_other(account: QuickSightAccount) -> None:
    result = run("dashboards", "--principal", OWNER, "--reader", READER, "--role-arn", ROLE)
    assert result.exit_code == 0, said(result)
    made = result.stdout.splitlines()
    assert made[0] == "made chargeback-athena"
    assert made[-1] == "made chargeback"
    kinds = [kind for kind, _ in account.standing]
    data_sets = kinds.count("DataSet")
    assert data_sets == kinds.count("RefreshSchedule") == len(read_story().data_sets) == len(made) - 2
    source = account.standing["DataSource", "chargeback-athena"]
    assert source["DataSourceParameters"] == {"AthenaParameters": {"WorkGroup": "chargeback", "RoleArn": ROLE}}
    assert account.standing["RefreshSchedule", "chargeback-costs/chargeback-daily"]["ScheduleFrequency"] == {
        "Interval": "DAILY",
        "TimeOfTheDay": "05:00",
        "Timezone": "UTC",
    }


def test_owners_get_all_of_it_and_readers_the_dashboard(account: QuickSightAccount) -> None:
    assert run("dashboards", "--principal", OWNER, "--reader", READER).exit_code == 0
    assert all(OWNER in granted for granted in account.granted.values())
    assert len(account.granted) == len(read_story().data_sets) + 2
    assert {name for name, granted in account.granted.items() if READER in granted} == {"chargeback"}
    assert account.granted["chargeback"][READER] == [
        f"quicksight:{action}" for action in ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard")
    ]


def test_a_second_run_brings_up_to_date_what_stands_and_makes_nothing(account: QuickSightAccount) -> None:
    assert run("dashboards", "--principal", OWNER).exit_code == 0
    stood = dict(account.standing)
    account.calls.clear()
    again = run("dashboards", "--principal", READER, "--role-arn", ROLE)
    assert again.exit_code == 0, said(again)
    assert {line.split()[0] for line in again.stdout.splitlines()} == {"updated"}
    assert [call for call in account.calls if call.startswith("Create")] == []
    assert account.standing.keys() == stood.keys()
    changed = {key for key in stood if shown(account.standing[key]) != shown(stood[key])}
    assert changed == {("DataSource", "chargeback-athena")}
    assert (account.versions["chargeback"], account.published["chargeback"]) == (2, 2)
    assert account.granted["chargeback"].keys() == {OWNER, READER}


def shown(request: dict[str, Any]) -> dict[str, Any]:
    """What is said when a thing is made and when it is updated, too."""
    return {key: value for key, value in request.items() if key != "Permissions"}


def test_a_failure_in_the_middle_leaves_what_stands_and_the_next_run_goes_on(account: QuickSightAccount) -> None:
    def full(operation: str, request: dict[str, Any]) -> Answer | None:
        if operation == "CreateDataSet" and request["DataSetId"] == "chargeback-jobs":
            return error(409, "LimitExceededException", "Insufficient SPICE capacity.")
        return None

    account.refuse = full
    broken = run("dashboards", "--principal", OWNER)
    assert broken.exit_code == 78
    assert "Insufficient SPICE capacity. Buy SPICE capacity" in said(broken)
    stood = [name for kind, name in account.standing if kind == "DataSet"]
    assert 0 < len(stood) < len(read_story().data_sets)
    assert ("Dashboard", "chargeback") not in account.standing
    account.refuse = None
    healed = run("dashboards", "--principal", OWNER)
    assert healed.exit_code == 0, said(healed)
    verbs = {name: verb for verb, name in map(str.split, healed.stdout.splitlines())}
    assert {verbs[name] for name in stood} == {"updated"}
    assert verbs["chargeback-jobs"] == verbs["chargeback"] == "made"


def test_who_may_not_is_told_which_right_is_missing(account: QuickSightAccount) -> None:
    account.refuse = lambda operation, request: (  # noqa: ARG005
        error(403, "AccessDeniedException", "User is not authorized") if operation == "CreateDataSource" else None
    )
    result = run("dashboards", "--principal", OWNER)
    assert result.exit_code == 77
    assert "quicksight:CreateDataSource" in said(result)
    assert account.standing == {}


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "advice"),
    [
        (403, "UnsupportedUserEditionException", 78, "Enterprise edition"),
        (404, "ResourceNotFoundException", 78, "subscribed to QuickSight"),
        (409, "ConflictException", 75, "Try again"),
        (400, "InvalidParameterValueException", 65, "InvalidParameterValueException"),
    ],
)
def test_what_quicksight_refuses_becomes_an_exit_code_and_what_to_do(
    account: QuickSightAccount, status: int, code: str, exit_code: int, advice: str
) -> None:
    account.refuse = lambda operation, request: (  # noqa: ARG005
        error(status, code, "No.") if operation == "CreateDataSource" else None
    )
    result = run("dashboards", "--principal", OWNER)
    assert result.exit_code == exit_code
    assert advice in said(result)


def test_it_waits_until_the_data_source_and_the_dashboard_stand(account: QuickSightAccount) -> None:
    account.settling = {"chargeback-athena": [{"Status": "CREATION_IN_PROGRESS"}]}
    assert run("dashboards", "--principal", OWNER).exit_code == 0
    assert account.settling["chargeback-athena"] == []
    assert account.calls.index("CreateDataSet") > len([c for c in account.calls if c == "DescribeDataSource"])


def test_a_data_source_that_may_not_ask_athena_is_a_mistake_in_the_configuration(account: QuickSightAccount) -> None:
    failed = {"Status": "CREATION_FAILED", "ErrorInfo": {"Type": "ACCESS_DENIED", "Message": "Access denied to bucket"}}
    account.settling = {"chargeback-athena": [failed]}
    result = run("dashboards", "--principal", OWNER)
    assert result.exit_code == 78
    assert "Access denied to bucket (ACCESS_DENIED)" in said(result)
    assert [kind for kind, _ in account.standing] == ["DataSource"]


def test_a_version_with_mistakes_is_told_and_the_published_one_stays(account: QuickSightAccount) -> None:
    assert run("dashboards", "--principal", OWNER).exit_code == 0
    mistake = {"Type": "COLUMN_TYPE_MISMATCH", "Message": "usage_date is no STRING"}
    standing = {"Status": "CREATION_SUCCESSFUL"}
    account.settling = {"chargeback": [standing, {"Status": "CREATION_FAILED", "Errors": [mistake]}]}
    result = run("dashboards")
    assert result.exit_code == 65
    assert "version 2" in said(result)
    assert "usage_date is no STRING (COLUMN_TYPE_MISMATCH)" in said(result)
    assert account.published["chargeback"] == 1


def test_a_dry_run_prints_what_quicksight_would_be_told_and_asks_nobody(
    account: QuickSightAccount, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_GLUE_DATABASE", "not_published")
    result = run("dashboards", "--dry-run")
    assert result.exit_code == 0, said(result)
    told = json.loads(result.stdout)
    assert set(told) == {"DataSource", "DataSets", "RefreshSchedule", "Dashboard"}
    assert told["Dashboard"]["DashboardId"] == "chargeback-not_published"
    assert account.calls == []


def test_it_makes_nothing_over_views_that_were_not_published(account: QuickSightAccount) -> None:
    boto3.client("glue").delete_table(DatabaseName="chargeback", Name="cost_center_pods")
    result = run("dashboards", "--principal", OWNER)
    assert result.exit_code == 78
    assert "lacks cost_center_pods" in said(result)
    assert account.calls == []


def test_whoever_gives_it_to_nobody_is_told_so(account: QuickSightAccount) -> None:
    result = run("dashboards")
    assert result.exit_code == 0
    assert "Nobody was given it" in result.stderr


@pytest.mark.parametrize(
    "options", [("--principal", "finops"), ("--reader", "arn:aws:iam::111122223333:user/me"), ("--role-arn", OWNER)]
)
def test_what_is_no_such_arn_is_a_usage_error(account: QuickSightAccount, options: tuple[str, str]) -> None:
    result = run("dashboards", *options)
    assert result.exit_code == 2
    assert "is not the ARN of" in result.stderr
    assert account.calls == []


def test_the_page_names_the_rights_that_making_and_updating_it_takes_and_no_others(account: QuickSightAccount) -> None:
    assert run("dashboards", "--principal", OWNER).exit_code == 0
    assert run("dashboards", "--principal", OWNER).exit_code == 0
    page = (CHECKOUT / "dashboards" / "README.md").read_text(encoding="utf-8")
    [policy] = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    allowed = {action for statement in json.loads(policy)["Statement"] for action in _listed(statement["Action"])}
    asked = {f"quicksight:{call}" for call in account.calls}
    # What QuickSight asks of the caller besides: that the data source and the data sets may be used.
    asked |= {"quicksight:PassDataSet", "quicksight:PassDataSource"}
    assert {action for action in allowed if action.startswith("quicksight:")} == asked


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_page_lists_every_sheet_with_its_question_and_every_data_set() -> None:
    page = (CHECKOUT / "dashboards" / "README.md").read_text(encoding="utf-8")
    dashboard = read_story()
    for sheet in dashboard.sheets.values():
        assert f"\n| {sheet.title} | {sheet.question} |" in page
    assert [name for name in dashboard.data_sets if f"`{name}`" not in page] == []
    assert f"at {dashboard.refresh_at} UTC" in page
