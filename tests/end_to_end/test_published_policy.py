import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.end_to_end.test_collect import run
from tests.end_to_end.test_publish import NOW, said

CENTERS = "priority,cost_center,namespace\n10,Jobs,spark-apps\n"
DISTRIBUTION = "pool,method\nplatform,even\n"
MARKUPS = "cost_center,factor\nJobs,1.5\n"


def policy_objects() -> dict[str, Any]:
    listed = boto3.client("s3").list_objects_v2(Bucket="lake", Prefix="chargeback/policy_")["Contents"]
    return {found["Key"]: (found["ETag"], found["LastModified"]) for found in listed}


def charged() -> dict[str, dict[str, float]]:
    found = json.loads(run("report", "--by", "cost-center", "--format", "json", *NOW).stdout)
    return {row["cost_center"]: row for row in found["rows"]}


@pytest.fixture
def policy(tmp_path: Path, environment: pytest.MonkeyPatch) -> Path:
    for name, text in (("cost_centers", CENTERS), ("distribution", DISTRIBUTION), ("markups", MARKUPS)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    (tmp_path / "README.md").write_text("ours", encoding="utf-8")
    environment.setenv("CHARGEBACK_POLICY", str(tmp_path))
    return tmp_path


def test_without_a_policy_nothing_has_a_cost_center_and_nothing_is_distributed(
    environment: pytest.MonkeyPatch,
) -> None:
    assert run("publish", *NOW).exit_code == 0
    found = charged()
    assert set(found) == {"unassigned"}
    assert found["unassigned"]["distributed_cost"] == 0.0
    assert found["unassigned"]["charged_cost"] == pytest.approx(found["unassigned"]["total"])


def test_a_policy_of_ones_own_charges_distributes_and_marks_up(policy: Path) -> None:
    assert run("publish", *NOW).exit_code == 0
    found = charged()
    assert set(found) == {"Jobs", "unassigned"}
    jobs, rest = found["Jobs"], found["unassigned"]
    assert jobs["distributed_cost"] > 0
    assert jobs["distributed_cost"] == pytest.approx(-rest["distributed_cost"])
    assert jobs["charged_cost"] == pytest.approx(1.5 * (jobs["total"] + jobs["distributed_cost"]))
    verified = run("verify", *NOW)
    assert verified.exit_code == 0, said(verified)
    shown = run("report", "--by", "cost-center", *NOW).output
    assert "distributed cost" in shown
    assert "charged cost" in shown


def test_a_policy_is_written_again_only_where_it_changed(policy: Path) -> None:
    assert run("publish", *NOW).exit_code == 0
    first = policy_objects()
    assert "chargeback/policy_markups/policy.parquet" in first
    (policy / "markups.csv").write_text(f"{MARKUPS.replace('1.5', '2')}", encoding="utf-8")
    assert run("publish", *NOW).exit_code == 0
    second = policy_objects()
    assert {key for key in second if second[key] != first[key]} == {"chargeback/policy_markups/policy.parquet"}


def test_what_a_policy_no_longer_says_is_gone(policy: Path) -> None:
    assert run("publish", *NOW).exit_code == 0
    (policy / "markups.csv").unlink()
    assert run("publish", *NOW).exit_code == 0
    jobs = charged()["Jobs"]
    assert jobs["charged_cost"] == pytest.approx(jobs["total"] + jobs["distributed_cost"])


def test_a_policy_in_s3_is_read_from_right_below_its_prefix(environment: pytest.MonkeyPatch) -> None:
    s3 = boto3.client("s3")
    for key, text in (("policy/cost_centers.csv", CENTERS), ("policy/old/markups.csv", "rubbish"), ("policy/x.md", "")):
        s3.put_object(Bucket="lake", Key=key, Body=text.encode())
    environment.setenv("CHARGEBACK_POLICY", "s3://lake/policy/")
    assert run("publish", *NOW).exit_code == 0
    assert set(charged()) == {"Jobs", "unassigned"}


def test_a_place_without_a_policy_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place in ("s3://lake/polcy", str(tmp_path)):
        environment.setenv("CHARGEBACK_POLICY", place)
        result = run("publish", *NOW)
        assert result.exit_code == 78
        assert f"There is no CSV file in {place}, where CHARGEBACK_POLICY says that the policy is." in said(result)
    environment.setenv("CHARGEBACK_POLICY", "s3://no-such-bucket/policy")
    result = run("publish", *NOW)
    assert result.exit_code == 78
    assert "Reading the policy in s3://no-such-bucket/policy" in said(result)


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_a_wrong_policy_is_told_before_anything_is_published(policy: Path, option: tuple[str, ...]) -> None:
    (policy / "markups.csv").write_text("cost_center,factor\nJobs,much\n", encoding="utf-8")
    (policy / "distribution.csv").write_text("pool,method\nplatform,fair\n", encoding="utf-8")
    result = run("publish", *option, *NOW)
    assert result.exit_code == 78
    assert "markups.csv line 2: factor is 'much'" in said(result)
    assert "distribution.csv line 2: method is 'fair'" in said(result)
    assert boto3.client("glue").get_databases()["DatabaseList"] == []


def test_a_rule_that_fits_nothing_is_a_warning_with_what_it_says(policy: Path) -> None:
    (policy / "cost_centers.csv").write_text(f"{CENTERS}20,Lab,sprak-apps\n", encoding="utf-8")
    assert run("publish", *NOW).exit_code == 0
    verified = run("verify", *NOW)
    assert verified.exit_code == 0, said(verified)
    assert "policy_rules_decide" in verified.output
    assert "sprak-apps" in verified.output
