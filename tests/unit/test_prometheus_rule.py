import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kustomized import BASE, CRONJOB, Manifest, of_kind, rendered, with_components

ALERTS = Path(__file__).parents[1] / "data" / "prometheus" / "alerts.yaml"
TOLD = {
    "kube_cronjob_created",
    "kube_cronjob_info",
    "kube_cronjob_status_last_successful_time",
    "kube_job_failed",
    "kube_job_status_start_time",
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    [rule] = of_kind(with_components("prometheus"), "PrometheusRule").values()
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    found: dict[str, Any] = rule["spec"]
    return found


@pytest.fixture
def rules(specification: dict[str, Any]) -> list[Manifest]:
    return [rule for group in specification["groups"] for rule in group["rules"]]


def test_every_alert_says_what_is_wrong_what_to_do_and_how_bad_it_is(rules: list[Manifest]) -> None:
    assert len({rule["alert"] for rule in rules}) == len(rules) == 4
    for rule in rules:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_page_says_of_every_alert_what_to_do(rules: list[Manifest]) -> None:
    page = (CRONJOB / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(Chargeback\w+)` \|", page, re.MULTILINE)) == {rule["alert"] for rule in rules}


def test_the_alerts_ask_for_the_cron_jobs_that_there_are(rules: list[Manifest]) -> None:
    text = " ".join(rule["expr"] for rule in rules)
    cron_jobs = of_kind(rendered(BASE), "CronJob")
    assert set(re.findall(r'cronjob="([^"]+)"', text)) == {"chargeback-collect", "chargeback-verify"}
    assert set(re.findall(r'cronjob="([^"]+)"', text)) <= cron_jobs.keys()
    [jobs] = re.findall(r'job_name=~"([^"]+)"', text)
    assert {name for name in cron_jobs if re.fullmatch(jobs, f"{name}-29380325")} == {
        "chargeback-collect",
        "chargeback-verify",
    }
    assert set(re.findall(r"\bkube_\w+", text)) == TOLD


def test_prometheus_fires_each_alert_when_it_should_and_not_before(
    specification: dict[str, Any], tmp_path: Path
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH: the alerts were not tried on series")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(specification), encoding="utf-8")
    (tmp_path / "alerts.yaml").write_text(_expected(specification), encoding="utf-8")
    run = subprocess.run(
        [promtool, "test", "rules", "alerts.yaml"], cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def _expected(specification: dict[str, Any]) -> str:
    """The file of expectations, each with the annotations of its rule: promtool compares them, too."""
    expectations = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    annotations = {rule["alert"]: rule["annotations"] for group in specification["groups"] for rule in group["rules"]}
    for case in expectations["tests"]:
        for expected in case["alert_rule_test"]:
            for alert in expected.get("exp_alerts", []):
                texts = annotations[expected["alertname"]]
                alert["exp_annotations"] = {name: _filled(text, alert["exp_labels"]) for name, text in texts.items()}
    return yaml.safe_dump(expectations)


def _filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)
