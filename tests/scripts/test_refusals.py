from typing import Any

import pytest

from tests.deploying import Place
from tests.pretended_account import EMPTY

CLUSTER = EMPTY["clusters"]["analytics-prod"]


def _missing(err: str) -> list[str]:
    return [line.removeprefix("  - ") for line in err.splitlines() if line.startswith("  - ")]


def test_all_that_is_missing_is_told_at_once(place: Place) -> None:
    place.has_tools([])
    ran = place.run(
        "deploy.sh",
        *("--region", "europe", "--account", "4711", "--identity", "password", "--cur-location", "bucket"),
        *("--alarm-topic", "me", "--image", "a b", "--platforms", "linux/amd64", "--fast", "--kubecost-url"),
    )
    assert ran.code == 2
    told = _missing(ran.err)
    beginnings = [
        "an option that exists",
        "--kubecost-url: a value",
        "--identity",
        "--cur-location",
        "--image",
        "--alarm-topic",
        "--cur-location: the table",
        "--image takes",
        "--alarm-topic and",
        "a cluster",
        "--region",
        "aws:",
        "kubectl:",
        "helm:",
        "--account",
    ]
    assert [line[: len(start)] for line, start in zip(told, beginnings, strict=True)] == beginnings
    assert place.calls == []


@pytest.mark.parametrize(
    "name",
    ["", "-prod", "a b", "a;rm -rf x", "a/b", "ä", "$(date)", "../x", "x" * 101, "lake", "cost-report", "kubecost-a"],
)
@pytest.mark.parametrize("script", ["deploy.sh", "destroy.sh"])
def test_a_name_that_no_cluster_or_another_stack_has_is_refused(place: Place, script: str, name: str) -> None:
    ran = place.run(script, "--cluster", name, "--yes")
    assert ran.code == 2
    assert "cluster" in ran.err
    assert place.changes == []


def _refused(place: Place, *words: str) -> list[str]:
    ran = place.deploy("--yes", *words)
    assert (ran.code, place.changes) == (2, []), ran.out
    return _missing(ran.err)


@pytest.mark.parametrize(
    "words",
    [
        ("--kubecost-url", "http://a.b:9090", "--kubecost-version", "2.8.4"),
        ("--kubecost-url", "http://a.b:9090", "--spot-data-feed", "s3://feed"),
        ("--without-bill", "--cur-table", "a.b"),
        ("--collect-alone", "--without-bill"),
        ("--cur-location", "s3://bucket/export"),
        ("--image", "a:1", "--platforms", "linux/arm64"),
        ("--alarm-topic", "arn:aws:sns:eu-west-1:111122223333:alarms"),
        ("--daily-cost-limit", "100"),
        ("--kubecost-url", 'http://a.b:9090/"quoted'),
        ("--cur-table", "no-database"),
    ],
)
def test_half_a_configuration_is_refused(place: Place, words: tuple[str, ...]) -> None:
    assert _refused(place, *words)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"clusters": {}}, "there is none of that name"),
        ({"clusters": {"analytics-prod": {**CLUSTER, "status": "CREATING"}}}, "is CREATING"),
        ({"clusters": {"analytics-prod": {**CLUSTER, "version": "1.26"}}}, "Kubernetes 1.27"),
        ({"helm": "v3.7.2+g663a896"}, "helm 3.8"),
        ({"csidrivers": []}, "EBS CSI driver"),
        ({"services": ["monitoring"]}, "--kubecost-url http://kubecost-cost-analyzer.monitoring:9090"),
        ({"daemon": False}, "docker, podman or finch"),
        ({"denied": ["create cronjobs.batch"]}, "the right to create cronjobs.batch in the namespace chargeback"),
        ({"denied": ["iam:CreateRole", "iam:GetRole"]}, "iam:CreateRole iam:GetRole"),
        ({"identity": {"Account": "111122223333", "Arn": "arn:aws-cn:iam::111122223333:user/me"}}, "no Data Exports"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_what_the_account_or_the_cluster_lacks_is_told(place: Place, facts: dict[str, Any], told: str) -> None:
    place.change(**facts)
    [line] = _refused(place)
    assert told in line


@pytest.mark.parametrize("what", ["services", "csidrivers"])
def test_a_cluster_into_which_kubectl_cannot_look_is_not_one_without(place: Place, what: str) -> None:
    place.fail(f"kubectl get {what}", f"Error: {what} is forbidden")
    [line] = _refused(place)
    assert line.endswith(f"{what} is forbidden")


def test_another_account_than_the_one_that_was_named_is_refused(place: Place) -> None:
    [line] = _refused(place, "--account", "444455556666")
    assert "the AWS CLI speaks for 111122223333" in line


@pytest.mark.parametrize(
    ("status", "parameters"),
    [
        ("UPDATE_IN_PROGRESS", {}),
        ("UPDATE_ROLLBACK_FAILED", {}),
        ("CREATE_COMPLETE", {"ClusterName": "analytics_prod"}),
    ],
)
def test_a_stack_that_cannot_be_worked_on_is_refused(place: Place, status: str, parameters: dict[str, str]) -> None:
    stack = {"status": status, "parameters": parameters, "outputs": {}}
    place.change(stacks={"eu-west-1/chargeback-analytics-prod": stack})
    [line] = _refused(place)
    assert "chargeback-analytics-prod" in line


def test_a_bill_that_is_not_there_is_refused(place: Place) -> None:
    [line] = _refused(place, "--cur-table", "billing.cur")
    assert "billing.cur in Glue in eu-west-1" in line
    [line] = _refused(place, "--cur-table", "billing.cur", "--cur-location", "s3://bill/export")
    assert "nothing in s3://bill/export" in line


def test_a_bill_that_only_the_roles_may_read_is_taken_and_that_is_said(place: Place) -> None:
    place.fail("list-objects-v2 --bucket payers", "An error occurred (AccessDenied) when calling ListObjectsV2")
    words = ("--cur-table", "billing.cur", "--cur-location", "s3://payers/export")
    ran = place.deploy("--dry-run", *words)
    assert ran.code == 0, ran.err
    assert "You may not look into s3://payers/export" in ran.out
    place.fail("list-objects-v2 --bucket payers", "An error occurred (NoSuchBucket) when calling ListObjectsV2")
    [line] = _refused(place, *words)
    assert "NoSuchBucket" in line


def test_a_directory_with_something_else_in_it_is_refused(place: Place) -> None:
    directory = place.home / "mine"
    (directory / "base").mkdir(parents=True)
    [line] = _refused(place, "--directory", "mine")
    assert str(directory) in line
    (directory / "README").write_text("What deploy.sh wrote for the cluster other.\n", encoding="utf-8")
    assert len(_refused(place, "--directory", "mine")) == 1


def test_rights_that_iam_does_not_tell_are_left_unchecked_and_that_is_said(place: Place) -> None:
    place.fail("simulate-principal-policy", "AccessDenied")
    ran = place.deploy("--dry-run")
    assert ran.code == 0, ran.err
    assert "Your rights in AWS were not checked" in ran.out
