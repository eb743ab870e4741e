import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from kubernetes_validate import validate  # type: ignore[import-untyped]

from pipeline import errors
from pipeline.cli import cli
from pipeline.errors import ChargebackError, ConfigurationError, UsageError
from pipeline.settings import PREFIX, CollectSettings, Settings, read_settings
from tests.kustomized import BASE, CRONJOB, Manifest, container, job, of_kind, pod, rendered, with_components

CHECKOUT = Path(__file__).parents[2]
BY_THE_CLOCK = {"chargeback-collect", "chargeback-verify"}
TEMPLATES = {"chargeback-doctor", "chargeback-backfill", "chargeback-publish"}
ASKS_KUBECOST = {"chargeback-collect", "chargeback-doctor", "chargeback-backfill"}
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
SECRETS = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field)}


@pytest.fixture(scope="module")
def base() -> tuple[Manifest, ...]:
    return rendered(BASE)


@pytest.fixture(scope="module")
def cron_jobs(base: tuple[Manifest, ...]) -> dict[str, Manifest]:
    return of_kind(base, "CronJob")


@pytest.fixture(params=sorted(BY_THE_CLOCK | TEMPLATES))
def cron_job(request: pytest.FixtureRequest, cron_jobs: dict[str, Manifest]) -> Manifest:
    return cron_jobs[request.param]


def test_two_run_by_the_clock_and_the_templates_never_do(cron_jobs: dict[str, Manifest]) -> None:
    suspended = {name for name, cron_job in cron_jobs.items() if cron_job["spec"].get("suspend")}
    assert (suspended, cron_jobs.keys() - suspended) == (TEMPLATES, BY_THE_CLOCK)


def test_collecting_runs_five_minutes_past_every_hour_and_refreshes_the_ledger(cron_jobs: dict[str, Manifest]) -> None:
    collect = cron_jobs["chargeback-collect"]
    assert collect["spec"]["schedule"] == "5 * * * *"
    assert container(collect)["args"] == ["collect", "--refresh"]


def test_verifying_runs_once_a_day(cron_jobs: dict[str, Manifest]) -> None:
    verify = cron_jobs["chargeback-verify"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", verify["spec"]["schedule"])
    assert container(verify)["args"] == ["verify"]


def test_every_schedule_is_utc_and_one_run_at_a_time(cron_job: Manifest) -> None:
    assert cron_job["spec"]["timeZone"] == "Etc/UTC"
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"


def test_an_hourly_run_starts_and_ends_before_the_next_is_due(cron_jobs: dict[str, Manifest]) -> None:
    collect = cron_jobs["chargeback-collect"]
    assert 0 < job(collect)["activeDeadlineSeconds"] < 60 * 60
    assert 0 < collect["spec"]["startingDeadlineSeconds"] < 60 * 60
    assert 0 < cron_jobs["chargeback-verify"]["spec"]["startingDeadlineSeconds"] < 24 * 60 * 60


def test_finished_jobs_go_away_but_a_weekends_failure_is_still_there_on_monday(cron_job: Manifest) -> None:
    assert job(cron_job)["ttlSecondsAfterFinished"] >= 2.5 * 24 * 60 * 60
    assert cron_job["spec"]["successfulJobsHistoryLimit"] >= 1
    assert cron_job["spec"]["failedJobsHistoryLimit"] >= 1


def test_what_a_second_attempt_cannot_mend_fails_the_job_at_once_and_the_rest_is_tried_again(
    cron_job: Manifest,
) -> None:
    codes = {rule["action"]: rule["onExitCodes"] for rule in _rules(cron_job) if "onExitCodes" in rule}
    assert {action: rule["values"] for action, rule in codes.items()} == {
        "FailJob": [2, 65, 77, 78],
        "Count": [69, 75],
    }
    assert all(rule["operator"] == "In" for rule in codes.values())
    assert {rule["containerName"] for rule in codes.values()} == {container(cron_job)["name"]}
    assert pod(cron_job)["restartPolicy"] == "Never"


def test_the_doctor_is_asked_once_and_every_other_run_may_try_again(cron_jobs: dict[str, Manifest]) -> None:
    once = {name for name, cron_job in cron_jobs.items() if job(cron_job)["backoffLimit"] == 0}
    assert once == {"chargeback-doctor"}


def test_the_failure_policy_names_every_exit_code_of_ours_and_no_other(cron_job: Manifest) -> None:
    named = [code for rule in _rules(cron_job) for code in rule.get("onExitCodes", {}).get("values", [])]
    assert sorted(named) == sorted({kind.exit_code for kind in _error_kinds()})


def test_a_node_that_went_away_is_not_counted_as_a_failure(cron_job: Manifest) -> None:
    conditions = [(rule["action"], rule["onPodConditions"]) for rule in _rules(cron_job) if "onPodConditions" in rule]
    assert conditions == [("Ignore", [{"type": "DisruptionTarget", "status": "True"}])]


@pytest.mark.parametrize("components", [[], ["collect-alone"]], ids=["whole", "collect-alone"])
def test_every_run_is_a_command_that_there_is_with_options_that_it_has(components: list[str]) -> None:
    for cron_job in of_kind(with_components(*components), "CronJob").values():
        name, *options = container(cron_job)["args"]
        known = {option for parameter in cli.commands[name].params for option in parameter.opts}
        assert {option.partition("=")[0] for option in options} <= known


def test_a_backfill_that_is_not_told_when_to_begin_fails_at_once(cron_jobs: dict[str, Manifest]) -> None:
    run = CliRunner().invoke(cli, _expanded(container(cron_jobs["chargeback-backfill"])))
    assert run.exit_code == UsageError.exit_code
    assert "'--since'" in run.output


def test_every_variable_of_ours_in_any_file_is_a_setting() -> None:
    texts = (path.read_text(encoding="utf-8") for path in CRONJOB.rglob("*") if path.is_file())
    named = {name for text in texts for name in re.findall(rf"\b{PREFIX}\w+", text)}
    assert PREFIX + "CLUSTER_ARN" in named
    assert named <= SETTINGS


def test_every_variable_of_a_run_is_a_setting_or_stands_in_its_arguments(cron_job: Manifest) -> None:
    names = {variable["name"] for variable in container(cron_job).get("env", [])}
    in_arguments = set(re.findall(r"\$\((\w+)\)", " ".join(container(cron_job)["args"])))
    assert names - SETTINGS == in_arguments


def test_the_base_as_it_stands_says_what_is_still_to_be_set(
    base: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = of_kind(base, "ConfigMap")["chargeback"]["data"]
    _set_environment(monkeypatch, data)
    with pytest.raises(ConfigurationError) as raised:
        read_settings(CollectSettings)
    assert set(re.findall(rf"({PREFIX}\w+) is not set", str(raised.value))) == set(data)


def test_the_examples_beside_the_empty_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (BASE / "configmap.yaml").read_text(encoding="utf-8")
    examples = dict(re.findall(rf'({PREFIX}\w+): ""  # (\S+)', text))
    assert examples.keys() == yaml.safe_load(text)["data"].keys()
    _set_environment(monkeypatch, examples)
    settings = read_settings(CollectSettings)
    assert (settings.cluster_arn.name, settings.lake.bucket) == ("analytics-prod", "bucket")
    assert settings.kubecost_url == examples["CHARGEBACK_KUBECOST_URL"]


def test_the_settings_are_the_config_map_and_no_secret_is_among_them(
    base: tuple[Manifest, ...], cron_job: Manifest
) -> None:
    [(name, config_map)] = of_kind(base, "ConfigMap").items()
    assert container(cron_job)["envFrom"] == [{"configMapRef": {"name": name}}]
    assert {PREFIX + "KUBECOST_API_KEY", PREFIX + "SQL_URL"} == SECRETS
    assert config_map["data"].keys() & SECRETS == set()
    assert of_kind(base, "Secret") == {}


def test_those_that_ask_kubecost_have_its_key_from_a_secret_that_may_be_absent(cron_jobs: dict[str, Manifest]) -> None:
    keys = {name: _variables(cron_job).get(PREFIX + "KUBECOST_API_KEY") for name, cron_job in cron_jobs.items()}
    reference = {"secretKeyRef": {"name": "chargeback-kubecost", "key": "api-key", "optional": True}}
    assert {name: key["valueFrom"] for name, key in keys.items() if key} == dict.fromkeys(ASKS_KUBECOST, reference)


def test_other_services_put_nothing_into_the_environment(cron_job: Manifest) -> None:
    assert pod(cron_job)["enableServiceLinks"] is False


def test_the_image_is_that_of_this_version(cron_job: Manifest) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert container(cron_job)["image"] == f"{project['name']}:{project['version']}"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            BASE / "backfill.yaml",
            [("chargeback-backfill", ["collect", "--refresh", "--since=2026-10-01", "--until=2100-01-01"])],
        ),
        (
            CRONJOB / "README.md",
            [
                ("chargeback-backfill", ["collect", "--refresh", "--since=2026-10-01", "--until=2026-11-01T00:00Z"]),
                ("chargeback-publish", ["publish", "--cur-location=s3://BUCKET/EXPORT"]),
                ("chargeback-publish", ["close", "--month=2026-10"]),
            ],
        ),
    ],
    ids=["the template", "the page"],
)
def test_a_job_made_as_it_is_shown_has_the_arguments_that_it_was_given(
    cron_jobs: dict[str, Manifest], page: Path, expected: list[tuple[str, list[str]]]
) -> None:
    shown = re.findall(
        r"kubectl .*create job --from cronjob/(\S+) .*\|\n(kubectl [^|]+) \|\s+kubectl .*create -f -",
        re.sub(r"^#? +", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE),
    )
    assert [name for name, _ in shown] == [name for name, _ in expected]
    for (name, command), (_, arguments) in zip(shown, expected, strict=True):
        made = _made_by(command, {"metadata": {"name": "made"}, "spec": job(cron_jobs[name])})
        assert validate(made, "1.33", strict=True)
        [runs] = made["spec"]["template"]["spec"]["containers"]
        assert _expanded(runs) == arguments


def _rules(cron_job: Manifest) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = job(cron_job)["podFailurePolicy"]["rules"]
    return rules


def _error_kinds() -> Iterator[type[ChargebackError]]:
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    return (kind for kind in kinds if issubclass(kind, ChargebackError) and kind is not ChargebackError)


def _variables(cron_job: Manifest) -> dict[str, Manifest]:
    return {variable["name"]: variable for variable in container(cron_job).get("env", [])}


def _made_by(command: str, template: Manifest) -> Manifest:
    """What *command*, which asks no cluster, makes of a job on its standard input."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on the PATH: its part of the command was not tried")
    standard_input = yaml.safe_dump({"apiVersion": "batch/v1", "kind": "Job"} | template)
    run = subprocess.run(
        [kubectl, *shlex.split(command)[1:]], input=standard_input,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made: Manifest = _without_nulls(yaml.safe_load(run.stdout))
    return made


def _expanded(container: Manifest) -> list[str]:
    """The arguments as Kubernetes passes them on."""
    values = {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
    return [re.sub(r"\$\((\w+)\)", lambda match: values[match[1]], argument) for argument in container["args"]]


def _without_nulls(node: Any) -> Any:
    """What Kubernetes reads: kubectl prints `creationTimestamp: null`, which says nothing."""
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return [_without_nulls(value) for value in node] if isinstance(node, list) else node


def _set_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
