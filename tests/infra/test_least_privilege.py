import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import boto3
import pytest

from tests.infra.policies import Call, Statement, is_allowed
from tests.infra.scene import NAMESPACE, Scene, acted, create_cluster
from tests.served import clean_environment

COMMANDS = {
    "CollectRoleArn": ("collect", "refresh", "doctor"),
    "VerifyRoleArn": ("verify",),
    "PublishRoleArn": ("publish", "close"),
}

BI = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
PYTHON_EXAMPLES = re.findall(r"^```python\n(.*?)^```$", BI, re.MULTILINE | re.DOTALL)

# A cluster that only collects has the first, others the second; one that collects and refreshes has both.
GIVEN_TWICE = {"CollectRoleArn": {"TellMissingDays", "ListRows"}}


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with acted() as found:
        yield found


@pytest.mark.parametrize("output", COMMANDS)
def test_a_role_may_do_all_that_its_commands_do(scene: Scene, output: str) -> None:
    assert _denied(scene.calls(*COMMANDS[output]), scene.cluster.role(output).statements) == set()


@pytest.mark.parametrize("output", COMMANDS)
def test_no_statement_of_a_role_is_without_use(scene: Scene, output: str) -> None:
    assert _unused(scene.calls(*COMMANDS[output]), scene.cluster.role(output).statements) == set()


def test_no_action_of_a_statement_is_without_use_in_every_role(scene: Scene) -> None:
    used, granted = set(), set()
    for output, commands in COMMANDS.items():
        for statement in scene.cluster.role(output).statements:
            granted |= {(statement.sid, action) for action in statement.actions}
            matching = [call for call in scene.calls(*commands) if statement.matches(call)]
            used |= {(statement.sid, action) for call in matching for action in statement.allowing(call)}
    assert granted - used == set()


@pytest.mark.parametrize("output", COMMANDS)
def test_without_any_one_right_but_those_given_twice_something_is_denied(scene: Scene, output: str) -> None:
    calls, granted = scene.calls(*COMMANDS[output]), scene.cluster.role(output).statements
    spare = {
        statement.sid
        for statement in granted
        if not _denied(calls, [other for other in granted if other is not statement])
    }
    assert spare == GIVEN_TWICE.get(output, set())


def test_a_command_may_not_do_what_another_may(scene: Scene) -> None:
    verify = scene.cluster.role("VerifyRoleArn").statements
    assert {call.action for call in _denied(scene.calls("collect"), verify)} >= {"s3:PutObject"}
    assert {call.action for call in _denied(scene.calls("refresh"), verify)} >= {"s3:DeleteObject", "glue:UpdateTable"}
    collect = scene.cluster.role("CollectRoleArn").statements
    assert {call.action for call in _denied(scene.calls("publish"), collect)} >= {"glue:CreateTable", "s3:PutObject"}


def test_a_cluster_that_only_collects_has_no_athena_and_no_glue(scene: Scene) -> None:
    alone = create_cluster(
        scene.lake, scene.cluster_name, "chargeback-alone", Refresh="false", MetricsNamespace=NAMESPACE
    )
    granted = alone.role("CollectRoleArn").statements
    services = {action.partition(":")[0] for statement in granted for action in statement.actions}
    assert services == {"s3", "emr-containers", "cloudwatch"}
    assert _denied(scene.calls("collect", "doctor-of-collecting"), granted) == set()
    assert _unused(scene.calls("collect"), granted) == set()


def test_no_cluster_can_replace_another_ones_rows(scene: Scene) -> None:
    other = create_cluster(scene.lake, "other", "chargeback-other", Refresh="false")
    denied = _denied(scene.calls("collect"), other.role("CollectRoleArn").statements)
    written = {call for call in scene.calls("collect") if call.action == "s3:PutObject"}
    assert written
    assert written <= denied


def test_figures_go_into_no_other_namespace(scene: Scene) -> None:
    told = {call.context for command in ("collect", "refresh", "verify") for call in _figures(scene, command)}
    assert told == {(("cloudwatch:namespace", NAMESPACE),)}
    elsewhere = Call("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", "AWS/EC2"),))
    for output in COMMANDS:
        assert not is_allowed(elsewhere, scene.cluster.role(output).statements)


def test_a_missing_day_is_told_from_a_right_that_is_missing(scene: Scene) -> None:
    lake = f"arn:aws:s3:::{scene.lake.outputs['LakeBucket']}"
    assert Call("s3:ListBucket", lake) in scene.calls("collect")
    assert is_allowed(Call("s3:ListBucket", lake), scene.cluster.role("CollectRoleArn").statements)


def test_outside_the_lake_and_the_bill_nothing_is_open(scene: Scene) -> None:
    lake, bill = scene.lake.outputs["LakeBucket"], scene.bill.outputs["BillBucket"]
    strange = [
        Call("s3:GetObject", f"arn:aws:s3:::{lake}/other/a.parquet"),
        Call("s3:GetObject", f"arn:aws:s3:::{lake}2/chargeback/a.parquet"),
        Call("s3:ListBucket", f"arn:aws:s3:::{lake}", (("s3:prefix", "other/"),)),
        Call("s3:GetObject", f"arn:aws:s3:::{bill}/another/a.parquet"),
        Call("s3:PutObject", f"arn:aws:s3:::{bill}/cost/chargeback/a.parquet"),
        Call("s3:DeleteObject", f"arn:aws:s3:::{lake}/chargeback/allocations/a.parquet"),
        Call("glue:GetTable", "arn:aws:glue:us-east-1:111122223333:table/others/t"),
        Call("athena:StartQueryExecution", "arn:aws:athena:us-east-1:111122223333:workgroup/primary"),
    ]
    roles = [scene.cluster.role(output) for output in COMMANDS] + [scene.lake.role("AnalystRoleArn")]
    assert [(role.name, call) for role in roles for call in strange if is_allowed(call, role.statements)] == []


@pytest.mark.parametrize("output", ["AnalystRoleArn", "QuickSightRoleArn"])
def test_analysts_and_quicksight_may_report_and_look_around_and_change_nothing(scene: Scene, output: str) -> None:
    granted = scene.lake.role(output).statements
    _look_around(scene)
    for example in PYTHON_EXAMPLES:
        _run_as_analyst(scene, example)
    calls = scene.calls("report", "analyst")
    assert _denied(calls, granted) == set()
    assert _unused(calls, granted) == set()
    writing = {call.action for call in _denied(scene.calls("collect", "publish", "refresh"), granted)}
    assert {"s3:PutObject", "s3:DeleteObject", "glue:CreateTable", "glue:UpdateTable"} <= writing


def _figures(scene: Scene, command: str) -> set[Call]:
    found = {call for call in scene.calls(command) if call.action == "cloudwatch:PutMetricData"}
    assert found, command
    return found


def _look_around(scene: Scene) -> None:
    """What the console and BI tools ask before anybody writes SQL."""
    session = boto3.Session(aws_access_key_id="analyst", aws_secret_access_key="example")
    athena, of = session.client("athena"), {"CatalogName": "AwsDataCatalog"}
    database = scene.lake.outputs["DatabaseName"]
    assert athena.list_work_groups()["WorkGroups"]
    tables = athena.list_table_metadata(**of, DatabaseName=database)["TableMetadataList"]
    assert "cost_ledger" in {table["Name"] for table in tables}
    athena.get_table_metadata(**of, DatabaseName=database, TableName="cost_ledger")
    athena.get_work_group(WorkGroup=scene.lake.outputs["WorkgroupName"])


def _run_as_analyst(scene: Scene, example: str) -> None:
    environment = clean_environment() | dict(scene.environment) | {"AWS_ACCESS_KEY_ID": "analyst"}
    done = subprocess.run(
        [sys.executable, "-c", example], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"[1-9]\d*\.\d", done.stdout), done.stdout


def _denied(calls: Iterable[Call], granted: Iterable[Statement]) -> set[Call]:
    statements = tuple(granted)
    return {call for call in calls if not is_allowed(call, statements)}


def _unused(calls: set[Call], granted: Iterable[Statement]) -> set[str]:
    return {statement.sid for statement in granted if not any(statement.matches(call) for call in calls)}
