import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from pipeline import errors
from pipeline.cli import cli
from pipeline.errors import ChargebackError, ConfigurationError
from pipeline.settings import PREFIX, CollectSettings, Settings, read_settings

CHECKOUT = Path(__file__).parents[2]
BASE = CHECKOUT / "cronjob" / "base"
KUBERNETES = ["1.29", "1.31", "1.33", "1.35"]
QUANTITY = re.compile(r"[1-9]\d*(\.\d+)?(m|[kMGT]|[KMGT]i)?")


def _manifest(name: str) -> dict[str, Any]:
    [document] = yaml.safe_load_all((BASE / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


SERVICE_ACCOUNT, CONFIG_MAP, CRON_JOB = map(_manifest, ("serviceaccount", "configmap", "cronjob"))
SCHEDULED = CRON_JOB["spec"]
JOB = SCHEDULED["jobTemplate"]["spec"]
POD = JOB["template"]["spec"]
[CONTAINER] = POD["containers"]


def test_the_kustomization_lists_every_manifest() -> None:
    kustomization = _manifest("kustomization")
    others = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert sorted(kustomization["resources"]) == sorted(others)
    assert (kustomization["apiVersion"], kustomization["kind"]) == (
        "kustomize.config.k8s.io/v1beta1",
        "Kustomization",
    )


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("manifest", [SERVICE_ACCOUNT, CONFIG_MAP, CRON_JOB], ids=lambda manifest: manifest["kind"])
def test_kubernetes_knows_every_field(manifest: dict[str, Any], version: str) -> None:
    assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_the_validation_would_find_a_misspelt_field() -> None:
    with pytest.raises(kubernetes_validate.ValidationError, match="concurencyPolicy"):
        kubernetes_validate.validate(
            {**CRON_JOB, "spec": {**SCHEDULED, "concurencyPolicy": "Forbid"}}, "1.33", strict=True
        )


def test_it_runs_five_minutes_past_every_hour_of_utc_one_run_at_a_time() -> None:
    assert (SCHEDULED["schedule"], SCHEDULED["timeZone"]) == ("5 * * * *", "Etc/UTC")
    assert SCHEDULED["concurrencyPolicy"] == "Forbid"


def test_a_run_ends_before_the_next_is_due() -> None:
    assert 0 < JOB["activeDeadlineSeconds"] < 60 * 60
    assert 0 < SCHEDULED["startingDeadlineSeconds"] < 60 * 60


def test_what_a_second_attempt_cannot_mend_fails_the_job_at_once_and_the_rest_is_tried_again() -> None:
    codes = {rule["action"]: rule["onExitCodes"] for rule in _rules() if "onExitCodes" in rule}
    assert {action: rule["values"] for action, rule in codes.items()} == {
        "FailJob": [2, 65, 77, 78],
        "Count": [69, 75],
    }
    assert all(rule["operator"] == "In" and rule["containerName"] == CONTAINER["name"] for rule in codes.values())
    assert JOB["backoffLimit"] >= 1
    assert POD["restartPolicy"] == "Never"


def test_the_failure_policy_names_every_exit_code_of_ours_and_no_other() -> None:
    named = [code for rule in _rules() for code in rule.get("onExitCodes", {}).get("values", [])]
    assert sorted(named) == sorted({kind.exit_code for kind in _error_kinds()})


def test_a_node_that_went_away_is_not_counted_as_a_failure() -> None:
    conditions = [(rule["action"], rule["onPodConditions"]) for rule in _rules() if "onPodConditions" in rule]
    assert conditions == [("Ignore", [{"type": "DisruptionTarget", "status": "True"}])]


def test_every_variable_of_ours_is_a_setting() -> None:
    assert _variables()
    assert _variables() <= {PREFIX + name.upper() for name in Settings.model_fields}


def test_the_base_as_it_stands_says_what_is_still_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    _set_environment(monkeypatch, CONFIG_MAP["data"])
    with pytest.raises(ConfigurationError) as raised:
        read_settings(CollectSettings)
    assert set(re.findall(rf"({PREFIX}\w+) is not set", str(raised.value))) == set(CONFIG_MAP["data"])


def test_the_examples_beside_the_empty_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (BASE / "configmap.yaml").read_text(encoding="utf-8")
    examples = dict(re.findall(rf'({PREFIX}\w+): ""  # (\S+)', text))
    assert examples.keys() == CONFIG_MAP["data"].keys()
    _set_environment(monkeypatch, examples)
    settings = read_settings(CollectSettings)
    assert (settings.cluster_arn.name, settings.lake.bucket) == ("analytics-prod", "bucket")
    assert settings.kubecost_url == examples["CHARGEBACK_KUBECOST_URL"]


def test_other_services_put_nothing_into_the_environment() -> None:
    assert POD["enableServiceLinks"] is False


def test_the_configuration_is_the_config_map_and_the_key_a_secret_that_may_be_absent() -> None:
    assert CONTAINER["envFrom"] == [{"configMapRef": {"name": CONFIG_MAP["metadata"]["name"]}}]
    [key] = CONTAINER["env"]
    assert key["name"] == "CHARGEBACK_KUBECOST_API_KEY"
    assert key["valueFrom"]["secretKeyRef"]["optional"] is True


def test_it_runs_a_command_that_exists_in_the_image_of_this_version() -> None:
    assert set(CONTAINER["args"]) <= set(cli.commands)
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    assert CONTAINER["image"] == "emr-eks-chargeback:" + re.findall(r'^version = "(.+)"$', project, re.MULTILINE)[0]


def test_it_runs_as_the_images_user_and_may_do_nothing_else() -> None:
    context = POD["securityContext"]
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_only_place_to_write_is_an_empty_directory_of_bounded_size() -> None:
    [mount], [volume] = CONTAINER["volumeMounts"], POD["volumes"]
    assert (mount["mountPath"], mount["name"]) == ("/tmp", volume["name"])
    assert QUANTITY.fullmatch(volume["emptyDir"]["sizeLimit"])


def test_it_has_no_token_for_the_kubernetes_api() -> None:
    assert POD["serviceAccountName"] == SERVICE_ACCOUNT["metadata"]["name"]
    assert POD["automountServiceAccountToken"] is False
    assert SERVICE_ACCOUNT["automountServiceAccountToken"] is False


def test_what_it_may_use_is_bounded_and_asked_for() -> None:
    resources = CONTAINER["resources"]
    assert resources.keys() == {"requests", "limits"}
    for amounts in resources.values():
        assert amounts.keys() == {"cpu", "memory"}
        assert all(QUANTITY.fullmatch(amount) for amount in amounts.values())


def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = JOB["podFailurePolicy"]["rules"]
    return rules


def _error_kinds() -> Iterator[type[ChargebackError]]:
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    return (kind for kind in kinds if issubclass(kind, ChargebackError) and kind is not ChargebackError)


def _variables() -> set[str]:
    """Every name with our prefix in any manifest, comments and all."""
    texts = (path.read_text(encoding="utf-8") for path in (CHECKOUT / "cronjob").rglob("*") if path.is_file())
    return {name for text in texts for name in re.findall(rf"\b{PREFIX}\w+", text)}


def _set_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
