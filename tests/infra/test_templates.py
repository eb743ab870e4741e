import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.demo.bill.columns import CUR_2
from tests.infra.templates import INFRA, TEMPLATES, read_template

REGIONS = {"cost-report": ["us-east-1"]}  # CloudFormation knows exports only there
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    found = _linted(INFRA / f"{name}.yaml", REGIONS.get(name, ["us-east-1", "eu-west-1", "ap-southeast-2"]))
    assert (found.returncode, found.stdout) == (0, "")


def test_cfn_lint_would_find_a_misspelt_property(tmp_path: Path) -> None:
    text = (INFRA / "lake.yaml").read_text(encoding="utf-8")
    misspelt = tmp_path / "lake.yaml"
    misspelt.write_text(text.replace("EnforceWorkGroupConfiguration", "EnforceWorkgroupConfiguration"))
    found = _linted(misspelt, ["us-east-1"])
    assert found.returncode != 0
    assert "EnforceWorkgroupConfiguration" in found.stdout


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_bucket_is_encrypted_private_versioned_tidied_and_kept(name: str) -> None:
    for logical_id, bucket in _of_type(name, "AWS::S3::Bucket").items():
        assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain"), (
            logical_id
        )
        properties = bucket["Properties"]
        [encrypted] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encrypted["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        rules = properties["LifecycleConfiguration"]["Rules"]
        assert {rule["Status"] for rule in rules} == {"Enabled"}
        told = {key for rule in rules for key in rule}
        assert {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", "ExpiredObjectDeleteMarker"} <= told


def test_only_results_expire() -> None:
    expiring = {
        logical_id
        for name in TEMPLATES
        for logical_id, bucket in _of_type(name, "AWS::S3::Bucket").items()
        if any("ExpirationInDays" in rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"])
    }
    assert expiring == {"ResultsBucket"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_bucket_refuses_what_is_not_tls(name: str) -> None:
    policies = {
        policy["Properties"]["Bucket"]["Ref"]: policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in _of_type(name, "AWS::S3::BucketPolicy").values()
    }
    buckets = _of_type(name, "AWS::S3::Bucket")
    assert set(policies) == set(buckets)
    for bucket, statements in policies.items():
        [refusal] = [statement for statement in statements if statement["Effect"] == "Deny"]
        assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (refusal["Principal"], refusal["Action"]) == ("*", "s3:*")
        assert refusal["Resource"] == [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]


def test_nobody_is_allowed_every_action_of_a_service() -> None:
    for name in TEMPLATES:
        for policy in _of_type(name, "AWS::IAM::Policy").values():
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                assert "*" not in str(statement["Action"]), (name, statement["Sid"])


def test_the_export_names_every_column_of_the_report_once_and_in_its_order() -> None:
    query = _export()["DataQuery"]["QueryStatement"]
    match = re.fullmatch(r"SELECT (.*) FROM COST_AND_USAGE_REPORT", query)
    assert match is not None
    assert match[1].split(", ") == CUR_2.names


def test_the_export_is_hourly_with_resources_and_split_costs_and_replaces_its_files() -> None:
    export = _export()
    assert export["DataQuery"]["TableConfigurations"]["COST_AND_USAGE_REPORT"] == {
        "TIME_GRANULARITY": "HOURLY",
        "INCLUDE_RESOURCES": "TRUE",
        "INCLUDE_SPLIT_COST_ALLOCATION_DATA": "TRUE",
        "INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY": "FALSE",
    }
    assert export["DestinationConfigurations"]["S3Destination"]["S3OutputConfigurations"] == {
        "OutputType": "CUSTOM",
        "Format": "PARQUET",
        "Compression": "PARQUET",
        "Overwrite": "OVERWRITE_REPORT",
    }


def test_kubecosts_values_are_yaml_once_they_are_filled_in() -> None:
    text = (INFRA / "kubecost-values.yaml").read_text(encoding="utf-8")
    filled = yaml.safe_load(PLACEHOLDER.sub(lambda match: match[1].lower().replace("_", "-"), text))
    assert filled["kubecostModel"]["etlResolutionSeconds"] == 60
    assert filled["global"]["amp"] == {
        "enabled": True,
        "prometheusServerEndpoint": "query-url",
        "remoteWriteService": "remote-write-url",
        "sigv4": {"region": "region"},
    }
    assert {filled["serviceAccount"]["name"], filled["prometheus"]["serviceAccounts"]["server"]["name"]} == {
        "kubecost-cost-analyzer",
        "kubecost-prometheus-server",
    }


def test_the_page_on_bi_tools_names_outputs_that_there_are() -> None:
    page = (INFRA.parent / "docs" / "bi.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+RoleArn|WorkgroupName|DatabaseName)`", page))
    outputs = {output for name in ("lake", "cluster") for output in read_template(name)["Outputs"]}
    assert {"AnalystRoleArn", "QuickSightRoleArn", "WorkgroupName", "DatabaseName"} <= named <= outputs


def _of_type(name: str, kind: str) -> dict[str, dict[str, Any]]:
    resources = read_template(name)["Resources"]
    return {logical_id: resource for logical_id, resource in resources.items() if resource["Type"] == kind}


def _export() -> dict[str, Any]:
    [export] = _of_type("cost-report", "AWS::BCMDataExports::Export").values()
    found: dict[str, Any] = export["Properties"]["Export"]
    return found


def _linted(template: Path, regions: list[str]) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", *regions, "--", str(template)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
