"""What `doctor` finds of Glue and Athena."""

from importlib.metadata import version

import boto3
import pytest
from moto.athena.models import athena_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from pipeline.catalog import marks
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.relations import views
from tests.diagnosis import CLUSTER_ARN, Diagnosis, doctor
from tests.fault_proxy import Fault, faults_before, glue_denies, replied

VERSION = version("emr-eks-chargeback")
OF_ANALYSTS = [
    "Glue: database",
    "Glue: tables and views",
    "Athena: workgroup",
    "ledger",
    "bill: table",
    "bill: resource IDs",
    "bill: newest hour",
    "bill: granularity",
    "bill: export",
]


@pytest.fixture(autouse=True)
def installed(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    return environment


def published(version: str = VERSION, lake: str = "s3://lake/chargeback") -> None:
    """What `publish` leaves in Glue, as far as `doctor` looks at it."""
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "chargeback"})
    for table in PUBLISHED_TABLES:
        glue.create_table(
            DatabaseName="chargeback",
            TableInput={
                "Name": table.name,
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {"Columns": [], "Location": f"{lake}/{table.name}/"},
                "Parameters": marks(version, (view.name for view in views("no_cur"))),
            },
        )
    for view in views("no_cur"):
        glue.create_table(DatabaseName="chargeback", TableInput={"Name": view.name, "TableType": "VIRTUAL_VIEW"})


def examined(*arguments: str) -> Diagnosis:
    return doctor("--skip-emr", *arguments)


def test_a_database_that_is_not_there_is_published_first(installed: pytest.MonkeyPatch) -> None:
    found = examined()
    assert "There is no Glue database chargeback" in found["Glue: database"].found
    assert "Run `chargeback publish` once" in str(found["Glue: database"].fix)
    assert "AWS_DEFAULT_REGION" in str(found["Glue: database"].fix)
    assert found["Glue: tables and views"].found == "nothing is published"
    assert found["ledger"].verdict == "not run"
    assert found["Athena: workgroup"].found == "chargeback, results in s3://results/"
    assert found.exit_code == 78


def test_a_database_of_somebody_else_is_not_taken_for_ours(installed: pytest.MonkeyPatch) -> None:
    boto3.client("glue").create_database(DatabaseInput={"Name": "chargeback"})
    assert "Nothing was published to the Glue database chargeback yet" in examined()["Glue: database"].found


def test_what_is_published_is_current_and_the_ledger_lags_behind(installed: pytest.MonkeyPatch) -> None:
    published()
    found = examined()
    assert found["Glue: database"].found == (
        f"chargeback in us-east-1: {len(PUBLISHED_TABLES) + len(views('no_cur'))} tables and views"
    )
    assert found["Glue: tables and views"].found == f"all there, as version {VERSION} declares them"
    assert (found["ledger"].verdict, found["ledger"].found) == ("warning", "days: 1 missing")
    assert "chargeback refresh" in str(found["ledger"].fix)
    assert found.exit_code == 0


def test_a_view_that_is_gone_fails_by_its_name(installed: pytest.MonkeyPatch) -> None:
    published()
    boto3.client("glue").delete_table(DatabaseName="chargeback", Name="job_run_costs")
    found = examined()
    assert found["Glue: tables and views"].found == "job_run_costs are not there"
    assert found["Glue: tables and views"].fix == "Run `chargeback publish`."
    assert found.exit_code == 78


def test_tables_of_a_former_version_are_a_warning(installed: pytest.MonkeyPatch) -> None:
    published(version="0.0.9")
    found = examined()["Glue: tables and views"]
    assert (found.verdict, found.found) == ("warning", f"declared by version 0.0.9, and this is {VERSION}")


def test_a_view_of_somebody_else_is_not_taken_for_ours(installed: pytest.MonkeyPatch) -> None:
    boto3.client("glue").create_database(DatabaseInput={"Name": "chargeback"})
    for name in [*(table.name for table in PUBLISHED_TABLES), *(view.name for view in views("no_cur"))]:
        boto3.client("glue").create_table(DatabaseName="chargeback", TableInput={"Name": name})
    found = examined()
    assert "compute_cost" in found["Glue: tables and views"].found
    assert "were not made by chargeback" in found["Glue: tables and views"].found
    assert "CHARGEBACK_GLUE_DATABASE" in str(found["Glue: tables and views"].fix)
    assert found.exit_code == 78


def test_tables_over_another_lake_fail(installed: pytest.MonkeyPatch) -> None:
    published(lake="s3://lake/elsewhere")
    found = examined()
    assert "read another lake than s3://lake/chargeback" in found["Glue: tables and views"].found
    assert found.exit_code == 78


def test_glue_that_may_not_be_read(installed: pytest.MonkeyPatch, aws: str) -> None:
    with faults_before(aws, Fault(glue_denies("GetDatabase"), "POST", times=None)) as proxy:
        installed.setenv("AWS_ENDPOINT_URL", proxy.url)
        found = examined()
    assert found["Glue: database"].exit_code == 77
    assert "glue:GetDatabase" in str(found["Glue: database"].fix)
    assert "--collect-only" in str(found["Glue: database"].fix)
    assert found["Athena: workgroup"].verdict == "ok"
    assert found.exit_code == 77


def test_a_role_that_only_collects_is_not_asked_about_the_rest(installed: pytest.MonkeyPatch) -> None:
    found = examined("--collect-only")
    assert {found[probe].verdict for probe in OF_ANALYSTS} == {"not run"}
    assert {found[probe].found for probe in OF_ANALYSTS} == {"--collect-only was given"}
    assert found.exit_code == 0


def workgroup(name: str, **configuration: object) -> None:
    boto3.client("athena").create_work_group(Name=name, Configuration=configuration)


def test_a_workgroup_that_is_not_there(installed: pytest.MonkeyPatch) -> None:
    published()
    installed.setenv("CHARGEBACK_ATHENA_WORKGROUP", "finops")
    found = examined()
    assert "There is no Athena workgroup finops in us-east-1" in found["Athena: workgroup"].found
    assert "CHARGEBACK_ATHENA_WORKGROUP" in str(found["Athena: workgroup"].fix)
    assert found.exit_code == 78


def test_a_workgroup_without_a_place_for_results(installed: pytest.MonkeyPatch) -> None:
    published()
    workgroup("finops")
    installed.setenv("CHARGEBACK_ATHENA_WORKGROUP", "finops")
    found = examined()
    assert found["Athena: workgroup"].found == "finops has no place for the results of queries"
    assert "location of query results" in str(found["Athena: workgroup"].fix)
    assert found.exit_code == 78


def test_a_workgroup_whose_results_athena_keeps_itself_has_a_place(installed: pytest.MonkeyPatch) -> None:
    workgroup("finops", ManagedQueryResultsConfiguration={"Enabled": True}, BytesScannedCutoffPerQuery=10**12)
    installed.setenv("CHARGEBACK_ATHENA_WORKGROUP", "finops")
    found = examined()["Athena: workgroup"]
    assert found.found == "finops, results in Athena's own storage, at most 1,000 GB a query"


def test_a_workgroup_that_is_disabled(installed: pytest.MonkeyPatch) -> None:
    athena_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].work_groups["chargeback"].state = "DISABLED"
    found = examined()["Athena: workgroup"]
    assert (found.found, found.exit_code) == ("chargeback is disabled", 78)


def test_a_workgroup_that_may_not_be_looked_at(installed: pytest.MonkeyPatch, aws: str) -> None:
    body = b'{"__type": "AccessDeniedException", "message": "not authorized to perform athena:GetWorkGroup"}'
    denied = replied(400, body, Content_Type="application/x-amz-json-1.1")
    with faults_before(aws, Fault(denied, "POST", times=None)) as proxy:
        installed.setenv("AWS_ENDPOINT_URL_ATHENA", proxy.url)
        found = examined()
    assert found["Athena: workgroup"].exit_code == 77
    assert "athena:GetWorkGroup" in str(found["Athena: workgroup"].fix)


def test_another_engine_than_athena_needs_no_workgroup(installed: pytest.MonkeyPatch) -> None:
    installed.setenv("CHARGEBACK_SQL_URL", "sqlite://")
    assert examined()["Athena: workgroup"].found == "CHARGEBACK_SQL_URL names another engine"
