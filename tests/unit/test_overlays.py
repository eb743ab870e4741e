import os
import re
import shutil
from pathlib import Path

import pytest

from pipeline.settings import PREFIX, CollectSettings, read_settings
from tests.kustomized import BASE, COMPONENTS, CRONJOB, EXAMPLE, container, job, of_kind, pod, rendered, with_components

ROLE = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@-]{1,64}")


def test_the_examples_settings_are_taken_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in of_kind(rendered(EXAMPLE), "ConfigMap")["chargeback"]["data"].items():
        monkeypatch.setenv(name, value)
    settings = read_settings(CollectSettings)
    assert (settings.cluster_arn.name, settings.cur_table) == ("analytics-prod", "billing.cur")


def test_the_example_gives_each_service_account_a_role_of_its_own() -> None:
    accounts = of_kind(rendered(EXAMPLE), "ServiceAccount")
    roles = [account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] for account in accounts.values()]
    assert len(set(roles)) == 3
    assert all(ROLE.fullmatch(role) for role in roles)


def test_the_base_names_no_role_so_that_pod_identity_can() -> None:
    accounts = of_kind(rendered(BASE), "ServiceAccount").values()
    assert [account for account in accounts if "annotations" in account["metadata"]] == []


def test_the_example_changes_the_image_of_every_run_and_when_some_start() -> None:
    base, example = (of_kind(rendered(directory), "CronJob") for directory in (BASE, EXAMPLE))
    images = {container(cron_job)["image"] for cron_job in example.values()}
    assert images == {"111122223333.dkr.ecr.us-east-1.amazonaws.com/emr-eks-chargeback:0.1.0"}
    moved = {name for name in base if base[name]["spec"]["schedule"] != example[name]["spec"]["schedule"]}
    assert moved == {"chargeback-collect", "chargeback-verify", "chargeback-publish"}
    kept = {name for name in base if job(base[name])["ttlSecondsAfterFinished"] == 3 * 24 * 60 * 60}
    assert kept == base.keys()
    longer = {name for name in base if job(example[name])["ttlSecondsAfterFinished"] == 7 * 24 * 60 * 60}
    assert longer == {"chargeback-collect", "chargeback-verify"}


def test_the_example_has_the_bills_table_follow_its_export_every_day() -> None:
    publish = of_kind(rendered(EXAMPLE), "CronJob")["chargeback-publish"]
    assert publish["spec"]["suspend"] is False
    command, option = container(publish)["args"]
    assert command == "publish"
    assert re.fullmatch(r"--cur-location=s3://[^/]+/\S+[^/]", option)


def test_a_copy_of_the_example_takes_components_and_another_namespace(tmp_path: Path) -> None:
    copied = tmp_path / "cronjob"
    shutil.copytree(CRONJOB, copied)
    mine = shutil.copytree(copied / "overlays" / "example", copied / "overlays" / "mine")
    kustomization = mine / "kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    shown = re.findall(r"^# (components:|  - \.\./\.\./components/(?!collect-alone).*)$", text, re.MULTILINE)
    assert len(shown) == len(COMPONENTS)  # the key, and all but the one that takes away what other patches name
    for line in shown:
        text = text.replace(f"# {line}", line)
    kustomization.write_text(text.replace("namespace: chargeback", "namespace: costs"), encoding="utf-8")
    manifests = rendered(mine)
    assert {"PrometheusRule", "ExternalSecret", "SecretStore", "CronJob"} <= {each["kind"] for each in manifests}
    [(name, _)] = of_kind(manifests, "Namespace").items()
    assert {each["metadata"].get("namespace", name) for each in manifests} == {"costs"}


def test_collecting_alone_leaves_no_run_that_asks_athena() -> None:
    manifests = with_components("collect-alone")
    cron_jobs = of_kind(manifests, "CronJob")
    assert {name: container(cron_job)["args"] for name, cron_job in cron_jobs.items()} == {
        "chargeback-collect": ["collect"],
        "chargeback-backfill": ["collect", "--since=$(SINCE)", "--until=$(UNTIL)"],
        "chargeback-doctor": ["doctor", "--collect-only"],
    }
    assert of_kind(manifests, "ServiceAccount").keys() == {"chargeback-collect"}


def test_collecting_alone_changes_nothing_else() -> None:
    alone, whole = of_kind(with_components("collect-alone"), "CronJob"), of_kind(rendered(BASE), "CronJob")
    for name, cron_job in alone.items():
        container(cron_job)["args"] = container(whole[name])["args"]
        assert cron_job == whole[name]


def test_a_private_ca_is_a_file_where_those_that_ask_kubecost_look_for_it() -> None:
    base = of_kind(rendered(BASE), "CronJob")
    for name, cron_job in of_kind(with_components("private-ca"), "CronJob").items():
        values = {variable["name"]: variable.get("value") for variable in container(cron_job).get("env", [])}
        if "CHARGEBACK_KUBECOST_API_KEY" not in values:
            assert cron_job == base[name]
            continue
        places = {mount["name"]: mount["mountPath"] for mount in container(cron_job)["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod(cron_job)["volumes"]}
        assert places.keys() == volumes.keys() == {"tmp", "ca"}
        assert values["CHARGEBACK_KUBECOST_CA_BUNDLE"] == places["ca"] + "/ca.crt"
        assert volumes["ca"]["configMap"] == {"name": "chargeback-ca"}


def test_secrets_manager_fills_the_secret_that_the_runs_read() -> None:
    manifests = with_components("secrets-manager")
    [secret], [store] = of_kind(manifests, "ExternalSecret").values(), of_kind(manifests, "SecretStore").values()
    reference = secret["spec"]["secretStoreRef"]
    assert (reference["kind"], reference["name"]) == ("SecretStore", store["metadata"]["name"])
    assert store["spec"]["provider"]["aws"]["service"] == "SecretsManager"
    [key] = secret["spec"]["data"]
    [variable] = container(of_kind(manifests, "CronJob")["chargeback-collect"])["env"]
    read = variable["valueFrom"]["secretKeyRef"]
    assert (secret["spec"]["target"]["name"], key["secretKey"]) == (read["name"], read["key"])
    assert secret["metadata"]["namespace"] == store["metadata"]["namespace"] == "chargeback"
