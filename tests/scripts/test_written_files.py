import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from pipeline.settings import PREFIX, CollectSettings
from tests.deploying import CHECKOUT, REUSES, Place, Ran

BILL = "s3://chargeback-cost-report-billbucket-3c/cost/chargeback"


def test_what_is_written_makes_the_manifests_this_clusters(deployed: tuple[Place, Ran]) -> None:
    place, _ = deployed
    settings = place.settings
    assert settings["CHARGEBACK_CLUSTER_ARN"] == "arn:aws:eks:eu-west-1:111122223333:cluster/analytics-prod"
    assert settings["CHARGEBACK_KUBECOST_URL"] == "http://kubecost-cost-analyzer.kubecost:9090"
    assert {name.removeprefix(PREFIX).lower() for name in settings} <= set(CollectSettings.model_fields)
    assert {account["metadata"]["name"]: account["metadata"]["annotations"] for account in place.written("roles")} == {
        f"chargeback-{run.lower()}": {"eks.amazonaws.com/role-arn": f"arn:aws:iam::111122223333:role/{run}"}
        for run in ("Collect", "Verify", "Publish")
    }
    [kustomization] = place.written("kustomization")
    [pushed] = [call for call in place.calls if call[:3] == ["docker", "buildx", "build"]]
    [image] = kustomization["images"]
    assert f"{image['newName']}:{image['newTag']}" == pushed[pushed.index("--tag") + 1]
    yours = yaml.safe_load((place.directory / "kustomization.yaml").read_text(encoding="utf-8"))
    assert (yours["kind"], yours["resources"]) == ("Kustomization", ["deployed"])
    for path in (CHECKOUT / "cronjob" / "base").iterdir():
        assert (place.directory / "base" / path.name).read_bytes() == path.read_bytes()


def test_kubecosts_values_are_filled(deployed: tuple[Place, Ran]) -> None:
    values = yaml.safe_load((deployed[0].directory / "kubecost" / "values.yaml").read_text(encoding="utf-8"))
    assert "${" not in json.dumps(values)
    assert values["kubecostProductConfigs"]["clusterName"] == "analytics-prod"
    [call] = [call for call in deployed[0].calls if call[:2] == ["helm", "upgrade"]]
    assert "serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::111122223333:role/Kubecost" in call


def test_the_bill_is_read_only_once_it_is_delivered_and_then_followed_every_day(place: Place) -> None:
    first = place.deploy("--yes", *REUSES[:2], *REUSES[3:])
    assert first.code == 0, first.err
    assert "has not delivered the bill yet" in first.out
    assert "CHARGEBACK_CUR_TABLE" not in place.settings
    place.change(objects={"chargeback-cost-report-billbucket-3c": [["cost/chargeback/metadata/a", "1", "version"]]})
    second = place.deploy("--yes", *REUSES[:2], *REUSES[3:])
    assert "has not delivered" not in second.out
    assert place.settings["CHARGEBACK_CUR_TABLE"] == "chargeback_bill.cur"
    [publish] = place.written("publish")
    [container] = publish["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["publish", "--cur-location", BILL]
    assert publish["spec"]["suspend"] is False


def test_a_second_run_builds_nothing_and_leaves_what_is_yours_alone(place: Place) -> None:
    assert place.deploy("--yes").code == 0
    yours = place.directory / "kustomization.yaml"
    yours.write_text(yours.read_text(encoding="utf-8") + "# a patch of mine\n", encoding="utf-8")
    place.forget()
    again = place.deploy("--yes")
    assert again.code == 0, again.err
    assert not [line for line in place.changes if "buildx" in line or "login" in line or "create --filename" in line]
    assert yours.read_text(encoding="utf-8").endswith("# a patch of mine\n")
    assert "is in the registry already" in again.out


def test_what_there_is_already_is_taken_and_not_made(place: Place) -> None:
    place.change(tables={"athenacurcfn.cur_data": "s3://bill/reports/cur_data/"})
    place.has_tools(["aws", "kubectl", "sleep"])
    ran = place.deploy(
        *("--yes", "--kubecost-url", "http://opencost.opencost:9003", "--cur-table", "athenacurcfn.cur_data"),
        *("--image", "registry:5000/team/chargeback@sha256:abc"),
    )
    assert ran.code == 0, ran.err
    assert [name.partition("/")[2] for name in place.world["stacks"]] == [
        "chargeback-lake",
        "chargeback-analytics-prod",
    ]
    parameters = place.world["stacks"]["eu-west-1/chargeback-lake"]["parameters"]
    assert parameters == {"BillBucket": "bill", "BillPrefix": "reports/cur_data", "BillDatabase": "athenacurcfn"}
    assert place.settings["CHARGEBACK_CUR_TABLE"] == "athenacurcfn.cur_data"
    [kustomization] = place.written("kustomization")
    assert kustomization["images"] == [
        {"name": "emr-eks-chargeback", "newName": "registry:5000/team/chargeback", "digest": "sha256:abc"}
    ]
    assert [patch["path"] for patch in kustomization["patches"]] == ["settings.yaml", "roles.yaml"]


def test_a_second_cluster_may_collect_alone_and_changes_nothing_of_the_lake(place: Place) -> None:
    alone = ("--yes", "--collect-alone", *REUSES[:2], *REUSES[3:])
    ran = place.deploy(*alone)
    assert (ran.code, place.changes) == (2, [])
    assert "the stack chargeback-lake in eu-west-1" in ran.err
    assert place.deploy("--yes", *REUSES).code == 0
    place.forget()
    ran = place.deploy(*alone)
    assert ran.code == 0, ran.err
    stacks = [call[call.index("--stack-name") + 1] for call in place.calls if "deploy" in call]
    assert stacks == ["chargeback-analytics-prod"]
    assert place.world["stacks"]["eu-west-1/chargeback-analytics-prod"]["parameters"]["Refresh"] == "false"
    [kustomization] = place.written("kustomization")
    assert kustomization["components"] == ["../components/collect-alone"]
    assert [account["metadata"]["name"] for account in place.written("roles")] == ["chargeback-collect"]
    assert not any("create job chargeback-publish" in line for line in place.changes)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl, which renders the manifests, is not on the PATH")
@pytest.mark.parametrize("words", [(), ("--collect-alone", "--kubecost-url", "http://kc.costs:80")])
def test_kustomize_takes_what_is_written(place: Place, words: tuple[str, ...]) -> None:
    place.change(objects={"chargeback-cost-report-billbucket-3c": [["cost/chargeback/metadata/a", "1", "version"]]})
    assert place.deploy("--yes").code == 0
    assert place.deploy("--yes", *words).code == 0
    kubectl = shutil.which("kubectl")
    assert kubectl
    done = subprocess.run([kubectl, "kustomize", place.directory], capture_output=True, text=True, check=True)
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}
    collect = found["CronJob", "chargeback-collect"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert collect["containers"][0]["image"].startswith("111122223333.dkr.ecr.eu-west-1.amazonaws.com/")
    assert found["ConfigMap", "chargeback"]["data"]["CHARGEBACK_LAKE"].startswith("s3://")
    assert (("CronJob", "chargeback-publish") in found) is (words == ())
    if words:
        [rule] = found["NetworkPolicy", "chargeback-kubecost"]["spec"]["egress"]
        assert rule["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "costs"}


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("http://kc.costs:8080", {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "costs"}}}),
        (
            "http://kc.costs.svc.cluster.local/",
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "costs"}}},
        ),
        (
            "http://costs.example.com:8080/kubecost",
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}},
        ),
    ],
)
def test_the_network_policy_lets_runs_out_to_a_kubecost_elsewhere(place: Place, url: str, way: dict[str, Any]) -> None:
    assert place.deploy("--yes", "--kubecost-url", url, *REUSES[2:]).code == 0
    [policy] = place.written("kubecost")
    [rule] = policy["spec"]["egress"]
    assert rule["to"][0] == way
    assert rule.get("ports", [{}])[0].get("port", 8080) == 8080


def test_what_an_option_said_and_is_not_said_any_more_is_taken_back(place: Place) -> None:
    assert place.deploy("--yes", *REUSES).code == 0
    assert (place.directory / "deployed" / "kubecost.yaml").exists()
    usual = ("--kubecost-url", "http://opencost.opencost:9003", *REUSES[2:])
    assert place.deploy("--yes", "--identity", "pod-identity", *usual).code == 0
    assert {path.name for path in (place.directory / "deployed").iterdir()} == {"kustomization.yaml", "settings.yaml"}
    [kustomization] = place.written("kustomization")
    assert kustomization["patches"] == [{"path": "settings.yaml"}]
