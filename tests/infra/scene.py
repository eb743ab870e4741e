"""Every command at work in an account that the templates made, and what each of them called there."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow as pa
import pytest
import requests
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.emrcontainers.models import emrcontainers_backends

from pipeline.demo import emr_containers
from pipeline.demo.athena import service as athena
from pipeline.demo.bill.line_items import line_items
from pipeline.demo.estate.estate import Estate, build_estate
from pipeline.demo.kubecost import api as kubecost_api
from pipeline.window import rfc3339
from tests.export_bucket import Folder
from tests.infra.policies import Call
from tests.infra.recording import RecordingAccount, serving
from tests.infra.requests_as_calls import ACCOUNT, REGION
from tests.infra.stacks import Stack, teach_cloudformation
from tests.served import chargeback

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BILL = {"BillPrefix": "cost", "BillDatabase": "billing"}
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
NAMESPACE = "Figures"
_EARLIER = "2026-10-10"
_MONTH = "2026-10"


@dataclass(frozen=True)
class Scene:
    """The stacks, and who called what: by command, as each has an access key of its own."""

    account: RecordingAccount
    bill: Stack
    lake: Stack
    cluster: Stack
    cluster_name: str
    environment: Mapping[str, str]
    now: datetime

    def calls(self, *commands: str) -> set[Call]:
        return {call for command in commands for call in self.account.calls[command]}

    def run(self, command: str, *arguments: str, key: str | None = None, later: timedelta = timedelta(0)) -> None:
        """Run one command as a pod does; its calls are kept under its own name, or under that of *key*."""
        environment = {**self.environment, "AWS_ACCESS_KEY_ID": key or command}
        done = chargeback(command, *arguments, "--now", rfc3339(self.now + later), environment=environment)
        assert done.returncode == 0, done.stderr


@contextmanager
def acted() -> Iterator[Scene]:
    """Set the scene, run every command, and leave the account up."""
    estate = build_estate()
    now = estate.history.end + timedelta(hours=2)
    athena.install(clock=lambda: now)
    account = RecordingAccount()
    with serving(account) as url, kubecost_api.serving(estate) as kubecost, pytest.MonkeyPatch.context() as patch:
        requests.post(f"{url}/moto-api/reset", timeout=10).raise_for_status()
        teach_cloudformation()
        aws = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "administrator",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in aws.items():
            patch.setenv(name, value)
        session = boto3.Session()
        bill = Stack.create(session, "cost-report", "chargeback-cost-report")
        of_bill = {**BILL, "BillBucket": bill.outputs["BillBucket"]}
        lake = Stack.create(session, "lake", "chargeback-lake", **of_bill)
        cluster = create_cluster(lake, estate.name, MetricsNamespace=NAMESPACE, **of_bill)
        settings = {
            "CHARGEBACK_CLUSTER_ARN": estate.arn,
            "CHARGEBACK_LAKE": lake.outputs["Lake"],
            "CHARGEBACK_KUBECOST_URL": kubecost,
            "CHARGEBACK_GLUE_DATABASE": lake.outputs["DatabaseName"],
            "CHARGEBACK_ATHENA_WORKGROUP": lake.outputs["WorkgroupName"],
            "CHARGEBACK_CUR_TABLE": f"{BILL['BillDatabase']}.cur",
            "CHARGEBACK_METRICS_NAMESPACE": NAMESPACE,
        }
        scene = Scene(account, bill, lake, cluster, estate.name, {**aws, **settings}, now)
        _act(scene, estate)
        yield scene
    athena.install()


def create_cluster(lake: Stack, name: str, stack: str = "chargeback-analytics", **parameters: str) -> Stack:
    """The stack of a cluster over the lake's, with IRSA unless told otherwise."""
    given = {
        "ClusterName": name,
        "OidcProvider": ISSUER,
        "LakeBucket": lake.outputs["LakeBucket"],
        "ResultsBucket": lake.outputs["ResultsBucket"],
    }
    return Stack.create(lake.session, "cluster", stack, **(given | parameters))


def _act(scene: Scene, estate: Estate) -> None:
    """A life in fast motion: what may happen to the lake and the bill, so that every command does all that it can."""
    s3: S3Client = boto3.client("s3")
    bill = scene.bill.outputs["BillLocation"]
    bucket, _, prefix = bill.removeprefix("s3://").partition("/")
    export, lines = Folder(s3, bucket, prefix), line_items(estate)
    _furnish_emr(estate)
    scene.run("collect")
    _end_virtual_cluster()
    scene.run("collect")  # learns that it ended, and what runs are unfinished there
    scene.run("collect")  # and asks for each of those
    _add_day(s3, scene.lake.outputs["LakeBucket"])
    export.export(_MONTH, lines)
    scene.run("publish", "--cur-location", bill)
    export.export(
        _MONTH, lines.append_column("line_item_iam_principal", pa.nulls(len(lines), pa.string())), execution="2"
    )
    _make_ledger_a_view(scene.lake.outputs["DatabaseName"])
    scene.run("publish", "--cur-location", bill)
    _remove_day(s3, scene.lake.outputs["LakeBucket"])
    export.export(_MONTH, lines, execution="2")  # the month is delivered once more
    scene.run("refresh", later=timedelta(days=3))
    scene.run("verify")
    scene.run("report", "--by", "job")
    scene.run("report", "--by", "cost-center", "--compare", "2026-10-13..2026-10-14", key="report")
    scene.run("statement", "--month", _MONTH, key="report")
    scene.run("close", "--month", _MONTH, "--before-invoice", later=timedelta(days=30))
    scene.run("statement", "--month", _MONTH, key="report")
    scene.run("doctor")
    scene.run("doctor", "--collect-only", key="doctor-of-collecting")


def _furnish_emr(estate: Estate) -> None:
    """EMR's resources in the demo's own account; one run of a job never ends."""
    emr_containers.install(estate, estate.history.end + timedelta(hours=2))
    found, ours = emrcontainers_backends[DEFAULT_ACCOUNT_ID][REGION], emrcontainers_backends[ACCOUNT][REGION]
    ours.virtual_clusters, ours.job_runs = found.virtual_clusters, found.job_runs
    run = next(iter(ours.job_runs.values()))
    run.state, run.finished_at = "RUNNING", None


def _end_virtual_cluster() -> None:
    ours = emrcontainers_backends[ACCOUNT][REGION]
    [unfinished] = {run.virtual_cluster_id for run in ours.job_runs.values() if run.state == "RUNNING"}
    ours.virtual_clusters[unfinished].state = "TERMINATED"


def _add_day(s3: "S3Client", bucket: str) -> None:
    """One more day in the lake, of which the bill has nothing."""
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="chargeback/allocations/usage_date=")["Contents"]
    day = PurePosixPath(listed[0]["Key"])
    body = s3.get_object(Bucket=bucket, Key=str(day))["Body"].read()
    s3.put_object(Bucket=bucket, Key=f"chargeback/allocations/usage_date={_EARLIER}/{day.name}", Body=io.BytesIO(body))


def _remove_day(s3: "S3Client", bucket: str) -> None:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"chargeback/allocations/usage_date={_EARLIER}/")["Contents"]
    for found in listed:
        s3.delete_object(Bucket=bucket, Key=found["Key"])


def _make_ledger_a_view(database: str) -> None:
    """The ledger as former versions had it, a view of ours."""
    glue = boto3.client("glue")
    table: Any = glue.get_table(DatabaseName=database, Name="allocations")["Table"]
    written = glue.meta.service_model.shape_for("TableInput").members  # type: ignore[attr-defined]
    table["Parameters"]["chargeback.views"] += ",cost_ledger"
    given: Any = {key: value for key, value in table.items() if key in written}
    glue.update_table(DatabaseName=database, TableInput=given)
    glue.delete_table(DatabaseName=database, Name="cost_ledger")
    glue.create_table(DatabaseName=database, TableInput={"Name": "cost_ledger", "TableType": "VIRTUAL_VIEW"})
