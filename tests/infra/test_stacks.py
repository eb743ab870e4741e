import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline.metrics import Metric
from tests.infra.scene import ISSUER, create_cluster
from tests.infra.stacks import Stack, teach_cloudformation
from tests.infra.templates import read_template

BILL = {"BillBucket": "bill", "BillPrefix": "cost", "BillDatabase": "billing"}
OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
OPERATIONS_SECTIONS = {
    heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", OPERATIONS, re.MULTILINE)
}
SERVICE_ACCOUNTS = {
    "CollectRoleArn": "chargeback-collect",
    "VerifyRoleArn": "chargeback-verify",
    "PublishRoleArn": "chargeback-publish",
}


@pytest.fixture
def lake(aws: str) -> Stack:
    teach_cloudformation()
    return Stack.create(boto3.Session(), "lake", "chargeback-lake")


def test_the_lakes_stack_tells_what_the_settings_and_the_other_stacks_need(lake: Stack) -> None:
    assert lake.status == "CREATE_COMPLETE"
    told = lake.outputs
    buckets = {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}
    assert {told["LakeBucket"], told["ResultsBucket"]} <= buckets
    assert told["Lake"] == f"s3://{told['LakeBucket']}/chargeback"
    assert told["RepositoryUri"].endswith("/emr-eks-chargeback")
    assert set(told) == {
        "LakeBucket",
        "Lake",
        "ResultsBucket",
        "DatabaseName",
        "WorkgroupName",
        "RepositoryUri",
        "AnalystRoleArn",
        "QuickSightRoleArn",
    }


def test_the_workgroup_is_enforced_and_stops_a_query_that_reads_too_much(lake: Stack) -> None:
    group = boto3.client("athena").get_work_group(WorkGroup=lake.outputs["WorkgroupName"])["WorkGroup"]
    configured = group["Configuration"]
    assert configured["EnforceWorkGroupConfiguration"] is True
    assert int(configured["BytesScannedCutoffPerQuery"]) == 100 << 30
    assert configured["ResultConfiguration"] == {
        "OutputLocation": f"s3://{lake.outputs['ResultsBucket']}/chargeback/",
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
    }


def test_images_are_scanned_and_their_tags_never_move(lake: Stack) -> None:
    [repository] = boto3.client("ecr").describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    declared = read_template("lake")["Resources"]["Repository"]["Properties"]  # of which moto keeps a part
    assert declared["ImageScanningConfiguration"] == {"ScanOnPush": True}
    rules = json.loads(declared["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged", "any"]


@pytest.mark.parametrize(("output", "account"), SERVICE_ACCOUNTS.items())
def test_with_irsa_exactly_one_service_account_may_assume_a_role(lake: Stack, output: str, account: str) -> None:
    cluster = create_cluster(lake, "analytics", KubernetesNamespace="finops")
    trust = cluster.role(output).trust
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Principal"]["Federated"].endswith(f":oidc-provider/{ISSUER}")
    assert trust["Condition"] == {
        "StringEquals": {
            f"{ISSUER}:sub": f"system:serviceaccount:finops:{account}",
            f"{ISSUER}:aud": "sts.amazonaws.com",
        }
    }
    assert cluster.declared("AWS::EKS::PodIdentityAssociation") == {}


@pytest.mark.parametrize(("output", "account"), SERVICE_ACCOUNTS.items())
def test_with_pod_identity_exactly_one_service_account_may_assume_a_role(
    lake: Stack, output: str, account: str
) -> None:
    cluster = create_cluster(lake, "analytics", OidcProvider="")
    trust = cluster.role(output).trust
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert trust["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-east-1:123456789012:cluster/analytics",
        "aws:RequestTag/kubernetes-namespace": "chargeback",
        "aws:RequestTag/kubernetes-service-account": account,
    }
    associations = cluster.declared("AWS::EKS::PodIdentityAssociation").values()
    [ours] = [association for association in associations if association["ServiceAccount"] == account]
    assert ours == {
        "ClusterName": "analytics",
        "Namespace": "chargeback",
        "ServiceAccount": account,
        "RoleArn": cluster.outputs[output],
    }


def test_without_a_bill_and_metrics_nobody_has_rights_on_either(lake: Stack) -> None:
    cluster = create_cluster(lake, "analytics")
    assert {name for output in SERVICE_ACCOUNTS for name in cluster.role(output).documents} == {
        "collect",
        "doctor",
        "query",
        "ledger",
        "publish",
    }
    assert cluster.declared("AWS::CloudWatch::Alarm") == {}


def test_the_policies_of_a_role_fit_into_what_iam_takes(lake: Stack) -> None:
    cluster = create_cluster(lake, "analytics", MetricsNamespace="Chargeback", **BILL)
    for output in SERVICE_ACCOUNTS:
        written = "".join(map(json.dumps, cluster.role(output).documents.values()))
        assert len(written) < 10_240, output


def test_a_bill_in_the_whole_bucket_needs_no_prefix(lake: Stack) -> None:
    cluster = create_cluster(lake, "analytics", **(BILL | {"BillPrefix": ""}))
    by_sid = {statement.sid: statement for statement in cluster.role("VerifyRoleArn").statements}
    assert by_sid["ReadBill"].resources == ("arn:aws:s3:::bill/*",)
    assert by_sid["ListBill"].conditions == (("StringLikeIfExists", "s3:prefix", ("*",)),)


def test_metrics_are_put_into_one_namespace_only(lake: Stack) -> None:
    cluster = create_cluster(lake, "analytics", MetricsNamespace="Chargeback")
    for output in ("CollectRoleArn", "VerifyRoleArn"):
        [statement] = [one for one in cluster.role(output).statements if "cloudwatch:PutMetricData" in one.actions]
        assert statement.conditions == (("StringEquals", "cloudwatch:namespace", ("Chargeback",)),)


def test_every_alarm_looks_at_a_figure_of_its_cluster_and_names_its_page(lake: Stack) -> None:
    alarms = _alarms(lake, DailyCostLimit="250.5", AlarmTopicArn="arn:aws:sns:us-east-1:123456789012:chargeback")
    watched = {
        name.removeprefix("chargeback-analytics-"): (alarm["MetricName"], _dimensions(alarm)["Command"])
        for name, alarm in alarms.items()
    }
    assert watched == {
        "no-success": ("Succeeded", "collect"),
        "lost-window": ("WindowsLost", "collect"),
        "failed-check": ("ChecksFailed", "verify"),
        "stale-ledger": ("Succeeded", "refresh"),
        "daily-cost": ("DayCost", "refresh"),
    }
    assert {figure for figure, _ in watched.values()} <= set(Metric)
    for name, alarm in alarms.items():
        assert _dimensions(alarm)["ClusterName"] == "analytics"
        assert alarm["Namespace"] == "Figures"
        section = name.removeprefix("chargeback-analytics-")
        assert re.search(rf"See docs/operations\.md#{section}\.$", alarm["AlarmDescription"])
        assert section in OPERATIONS_SECTIONS
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["arn:aws:sns:us-east-1:123456789012:chargeback"]


def test_a_figure_that_is_missing_is_no_good_news(lake: Stack) -> None:
    alarms = _alarms(lake, DailyCostLimit="250.5")
    missing = {name.rpartition("analytics-")[2]: alarm["TreatMissingData"] for name, alarm in alarms.items()}
    assert missing == {
        "no-success": "breaching",
        "stale-ledger": "breaching",
        "failed-check": "breaching",
        "lost-window": "notBreaching",
        "daily-cost": "ignore",
    }


def test_three_hours_without_a_success_are_an_alarm(lake: Stack) -> None:
    alarm = _alarms(lake)["chargeback-analytics-no-success"]
    assert (int(alarm["Period"]), int(alarm["EvaluationPeriods"])) == (3600, 3)
    assert (alarm["Statistic"], alarm["ComparisonOperator"], int(alarm["Threshold"])) == (
        "Maximum",
        "LessThanThreshold",
        1,
    )


def test_alarms_that_watch_what_does_not_run_are_not_made(lake: Stack) -> None:
    names = {name.rpartition("analytics-")[2] for name in _alarms(lake, Refresh="false", DailyCostLimit="1")}
    assert names == {"no-success", "lost-window", "failed-check"}


def test_without_a_topic_an_alarm_calls_nobody(lake: Stack) -> None:
    assert all("AlarmActions" not in alarm for alarm in _alarms(lake).values())


def test_the_export_is_delivered_by_aws_to_this_account_only(aws: str) -> None:
    teach_cloudformation()
    stack = Stack.create(boto3.Session(), "cost-report", "chargeback-cost-report", ExportName="hourly")
    bucket = stack.outputs["BillBucket"]
    assert stack.outputs["BillLocation"] == f"s3://{bucket}/cost/hourly"
    [policy] = stack.declared("AWS::S3::BucketPolicy").values()
    [delivery] = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    assert delivery["Principal"] == {"Service": ["billingreports.amazonaws.com", "bcm-data-exports.amazonaws.com"]}
    assert delivery["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    assert delivery["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {
            "aws:SourceArn": [
                "arn:aws:cur:us-east-1:123456789012:definition/*",
                "arn:aws:bcm-data-exports:us-east-1:123456789012:export/*",
            ]
        },
    }
    [export] = stack.declared("AWS::BCMDataExports::Export").values()
    destination = export["Export"]["DestinationConfigurations"]["S3Destination"]
    assert (destination["S3Bucket"], destination["S3Prefix"], destination["S3Region"]) == (bucket, "cost", "us-east-1")
    assert read_template("cost-report")["Resources"]["Export"]["DependsOn"] == "BillBucketPolicy"


@pytest.mark.parametrize("issuer", [ISSUER, ""])
def test_kubecost_and_its_prometheus_share_a_role_on_one_workspace(aws: str, issuer: str) -> None:
    teach_cloudformation()
    stack = Stack.create(
        boto3.Session(), "kubecost", "chargeback-kubecost", ClusterName="analytics", OidcProvider=issuer
    )
    assert set(stack.outputs) == {"WorkspaceId", "RemoteWriteUrl", "QueryUrl", "KubecostRoleArn"}
    role = stack.role("KubecostRoleArn")
    assert "kubecost-cost-analyzer" in str(role.trust["Condition"])
    assert "kubecost-prometheus-server" in str(role.trust["Condition"])
    assert set(role.documents) == {"prometheus"}
    associations = stack.declared("AWS::EKS::PodIdentityAssociation")
    assert len(associations) == (0 if issuer else 2)


def test_kubecost_reads_the_bill_and_the_spot_data_feed_where_it_is_told_of_them(aws: str) -> None:
    teach_cloudformation()
    given = {"BillBucket": "bill", "BillDatabase": "billing", "BillTable": "cur", "ResultsBucket": "results"}
    stack = Stack.create(
        boto3.Session(), "kubecost", "chargeback-kubecost", ClusterName="a", SpotDataFeedBucket="feed", **given
    )
    assert set(stack.role("KubecostRoleArn").documents) == {"prometheus", "bill", "spot-data-feed"}


def _alarms(lake: Stack, **parameters: str) -> dict[str, dict[str, Any]]:
    cluster = create_cluster(lake, "analytics", MetricsNamespace="Figures", **parameters)
    return {alarm["AlarmName"]: alarm for alarm in cluster.declared("AWS::CloudWatch::Alarm").values()}


def _dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    return {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
