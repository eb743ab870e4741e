import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploying import CHECKOUT, REUSES, Place, Ran
from tests.pretended_account import ISSUER

STACKS = (
    "chargeback-cost-report",
    "chargeback-lake",
    "chargeback-analytics-prod",
    "chargeback-kubecost-analytics-prod",
)


def _names(section: str) -> set[str]:
    """The names in a section of a template, read without CloudFormation's tags."""
    return set(re.findall(r"^  (\w+):$", section, re.MULTILINE))


def test_the_steps_come_in_the_order_in_which_each_needs_the_one_before(deployed: tuple[Place, Ran]) -> None:
    place, ran = deployed
    assert ran.code == 0, ran.err
    steps = [
        "cloudformation deploy --region us-east-1 --stack-name chargeback-cost-report",
        "cloudformation deploy --region eu-west-1 --stack-name chargeback-lake",
        "cloudformation deploy --region eu-west-1 --stack-name chargeback-analytics-prod",
        "cloudformation deploy --region eu-west-1 --stack-name chargeback-kubecost-analytics-prod",
        "kubectl create --filename",
        "helm upgrade kubecost oci://public.ecr.aws/kubecost/cost-analyzer --install --version 2.8.4",
        "ecr get-login-password",
        "docker login",
        "docker buildx create",
        "docker buildx build",
        "kubectl apply --kustomize",
        "create job chargeback-publish",
        "get job chargeback-publish",
        "create job chargeback-doctor",
    ]
    changes = [line for line in place.changes if not re.search(r"\blogs\b", line)]
    found = [next((step for step in steps if step in line), line) for line in changes]
    assert sorted(found[6:8]) == ["docker login", "ecr get-login-password"]  # the ends of a pipe start together
    assert [*found[:6], *found[8:]] == [step for step in steps[:6] + steps[8:] if not step.startswith("get")]


@pytest.mark.parametrize(
    ("stack", "template"), list(zip(STACKS, ("cost-report", "lake", "cluster", "kubecost"), strict=True))
)
def test_a_stack_is_given_only_parameters_that_its_template_has(
    deployed: tuple[Place, Ran], stack: str, template: str
) -> None:
    [found] = [made for name, made in deployed[0].world["stacks"].items() if name.endswith(f"/{stack}")]
    text = (CHECKOUT / "infra" / f"{template}.yaml").read_text(encoding="utf-8")
    parameters = text.partition("\nParameters:\n")[2].partition("\nResources:")[0]
    assert set(found["parameters"]) <= _names(parameters)
    outputs = text.partition("\nOutputs:\n")[2]
    assert set(found["outputs"]) <= _names(outputs), "the stand-in answers what the template does not"


def test_the_clusters_stack_learns_who_the_pods_are_and_where_lake_and_bill_lie(deployed: tuple[Place, Ran]) -> None:
    assert deployed[0].world["stacks"]["eu-west-1/chargeback-analytics-prod"]["parameters"] == {
        "ClusterName": "analytics-prod",
        "OidcProvider": ISSUER,
        "KubernetesNamespace": "chargeback",
        "LakeBucket": "chargeback-lake-lakebucket-1a",
        "LakePrefix": "chargeback",
        "ResultsBucket": "chargeback-lake-resultsbucket-2b",
        "DatabaseName": "chargeback",
        "WorkgroupName": "chargeback",
        "BillBucket": "chargeback-cost-report-billbucket-3c",
        "BillPrefix": "cost/chargeback",
        "BillDatabase": "chargeback_bill",
        "Refresh": "true",
        "MetricsNamespace": "",
        "AlarmTopicArn": "",
        "DailyCostLimit": "",
    }


def test_the_registrys_password_is_never_an_argument(deployed: tuple[Place, Ran]) -> None:
    place, ran = deployed
    [(command, said)] = place.said
    assert (command.partition(" --")[0], said.strip()) == ("docker login", "the-password")
    assert "the-password" not in str(place.calls) + ran.out + ran.err


FAILURES = {
    "stack": ("cloudformation deploy .* chargeback-lake", "Workgroup\tquota"),
    "kubecost": ("helm upgrade", "no luck"),
    "image": ("buildx build", "no luck"),
    "manifests": ("kubectl apply", "no luck"),
}


@pytest.mark.parametrize("broken", FAILURES)
def test_after_a_failure_in_the_middle_the_same_command_goes_on(place: Place, broken: str) -> None:
    command, reason = FAILURES[broken]
    place.fail(command)
    first = place.deploy("--yes")
    assert first.code == 1
    assert reason in first.err
    assert "Run the same command again" in first.err
    assert not [line for line in place.changes if "create job" in line]
    second = place.deploy("--yes")
    assert second.code == 0, second.err
    assert place.world["namespaces"]["kubecost"] == {"emr-eks-chargeback/installed": "namespace"}


def test_what_interrupted_runs_leave_is_cleared_first(place: Place) -> None:
    left = {"status": "ROLLBACK_COMPLETE", "parameters": {}, "outputs": {}}
    place.change(
        stacks={"eu-west-1/chargeback-lake": left},
        releases={"kubecost": "pending-install"},
        namespaces={"kubecost": {"emr-eks-chargeback/installed": "namespace"}},
    )
    ran = place.deploy("--yes")
    assert ran.code == 0, ran.err
    changes = "\n".join(place.changes)
    assert re.search(r"delete-stack .*-lake\n.*wait stack-delete-complete .*-lake\n.*deploy .*-lake", changes)
    assert re.search(r"helm uninstall kubecost .*\nhelm upgrade", changes)


def test_a_dry_run_prints_every_command_and_changes_nothing(place: Place, deployed: tuple[Place, Ran]) -> None:
    ran = place.deploy("--dry-run")
    assert ran.code == 0, ran.err
    assert place.changes == []
    assert not place.directory.exists()

    def commands(out: str) -> list[str]:
        return [
            " ".join(line.split()[:4]) for line in out.splitlines() if line.startswith("+ ") and "write" not in line
        ]

    printed = [re.sub(r"\d{8}-\d{6}-\d+", "N", line) for line in commands(ran.out)]
    done = [re.sub(r"\d{8}-\d{6}-\d+", "N", line) for line in commands(deployed[1].out)]
    assert [line.partition(" /")[0] for line in printed] == [line.partition(" /")[0] for line in done]
    assert 'CHARGEBACK_LAKE: "<Lake of chargeback-lake>"' in ran.out


@pytest.mark.parametrize("answer", ["", "n\n", "no\n", "perhaps\n"])
def test_whoever_does_not_say_yes_has_changed_nothing(place: Place, answer: str) -> None:
    ran = place.deploy(*REUSES, answer=answer)
    assert (ran.code, place.changes) == (1, [])
    assert "nothing was changed" in ran.err


@pytest.mark.parametrize(
    ("has", "words", "expected"),
    [
        ({}, (), []),
        ({"providers": [], "addons": ["eks-pod-identity-agent"]}, (), []),
        ({"providers": []}, (), ["eksctl utils associate-iam-oidc-provider"]),
        ({}, ("--identity", "pod-identity"), ["aws eks create-addon", "aws eks wait addon-active"]),
        ({"addons": ["eks-pod-identity-agent"]}, ("--identity", "pod-identity"), []),
    ],
    ids=["provider", "agent", "neither", "agent wanted", "agent preferred"],
)
def test_pods_get_their_roles_by_what_the_cluster_has(
    place: Place, has: dict[str, Any], words: tuple[str, ...], expected: list[str]
) -> None:
    place.change(**has)
    ran = place.deploy("--yes", *words, *REUSES)
    assert ran.code == 0, ran.err
    ways = [line for line in place.changes if line.startswith(("eksctl", "aws eks", "aws iam"))]
    assert [line.partition(" --")[0] for line in ways] == expected
    uses_irsa = place.world["stacks"]["eu-west-1/chargeback-analytics-prod"]["parameters"]["OidcProvider"] != ""
    assert uses_irsa is (place.directory / "deployed" / "roles.yaml").exists()
    assert uses_irsa is ("addons" not in has and "pod-identity" not in words)


def test_without_eksctl_the_oidc_provider_is_made_with_plain_iam(place: Place) -> None:
    place.change(providers=[])
    place.has_tools(["aws", "kubectl", "sleep"])
    assert place.deploy("--yes", *REUSES).code == 0
    assert f"create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com" in str(
        place.changes
    )


def test_an_image_has_another_tag_as_soon_as_anything_in_it_is_another(tmp_path: Path) -> None:
    for name, text in {
        "Dockerfile": "FROM a",
        ".dockerignore": "*\n!code\n",
        "pyproject.toml": 'version = "1.2.3"',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "code").mkdir()

    def tag() -> str:
        command = f'set -euo pipefail; checkout="{tmp_path}"; . infra/image.sh; tag=$(image_tag); echo "$tag"'
        done = subprocess.run(["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    tags = [tag()]
    for path, text in {"code/a.py": "1", "code/b.py": "1", "Dockerfile": "FROM b", "notes.txt": "not in it"}.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
        tags.append(tag())
    assert all(re.fullmatch(r"1\.2\.3-[0-9a-f]{12}", one) for one in tags)
    assert (len(set(tags)), tags[-1]) == (4, tags[-2])
    (tmp_path / ".dockerignore").write_text("!code\n!gone\n", encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        tag()


@pytest.mark.parametrize("tool", ["podman", "finch"])
def test_podman_and_finch_build_for_both_platforms(place: Place, tool: str) -> None:
    place.change(daemon=True)
    place.has_tools(["aws", "kubectl", "sleep", tool])
    ran = place.deploy("--yes", *REUSES[:3])
    assert ran.code == 0, ran.err
    calls = [" ".join(call) for call in place.calls if call[0] == tool]
    assert any("build" in call and "linux/amd64,linux/arm64" in call for call in calls)
    assert "push" in calls[-1]
    assert re.search(r"push (--all|--all-platforms) ", calls[-1])


def test_a_publish_that_fails_is_tried_once_more_and_then_fails_the_run(place: Place) -> None:
    place.change(ends={"publish": ["FailureTarget Failed"]})
    assert place.deploy("--yes", *REUSES).code == 0
    assert sum("create job chargeback-publish" in line for line in place.changes) == 2
    place.change(ends={"publish": ["FailureTarget Failed", "FailureTarget Failed"]})
    again = place.deploy("--yes", *REUSES)
    assert again.code == 1
    assert 'stopped at "First publish"' in again.err


def test_doctors_findings_fail_the_run_unless_kubecost_is_new(place: Place) -> None:
    place.change(ends={"doctor": ["Failed"]})
    first = place.deploy("--yes")
    assert first.code == 0, first.err
    assert "Ask again in three hours" in first.out
    place.change(ends={"doctor": ["Failed"]})
    assert place.deploy("--yes").code == 1


def test_a_job_that_never_ends_is_given_up(place: Place) -> None:
    place.world["running"]["slow"] = "Suspended"
    command = ". infra/jobs.sh; job_seconds=15; job_end slow"
    done = subprocess.run(
        [place.bash, "-c", command],
        cwd=CHECKOUT,
        env={"PATH": str(place.tools)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "late"
    assert [call[0] for call in place.calls] == ["kubectl", "sleep"] * 3


def test_the_cluster_is_reached_by_a_configuration_of_the_runs_own(place: Place, deployed: tuple[Place, Ran]) -> None:
    [made] = [call for call in deployed[0].calls if call[:3] == ["aws", "eks", "update-kubeconfig"]]
    assert not Path(made[made.index("--kubeconfig") + 1]).exists(), "it is gone with the run"
    assert place.deploy("--dry-run", "--context", "my tunnel").code == 0
    assert ["kubectl", "config", "view", "--minify", "--flatten", "--context", "my tunnel"] in place.calls
    assert not any("update-kubeconfig" in call for call in place.calls)


def test_figures_and_alarms_are_set_up_together(place: Place) -> None:
    topic = "arn:aws:sns:eu-west-1:111122223333:alarms"
    words = ("--metrics-namespace", "Chargeback", "--alarm-topic", topic, "--daily-cost-limit", "250.5")
    assert place.deploy("--yes", *words, *REUSES).code == 0
    parameters = place.world["stacks"]["eu-west-1/chargeback-analytics-prod"]["parameters"]
    found = tuple(parameters[name] for name in ("MetricsNamespace", "AlarmTopicArn", "DailyCostLimit"))
    assert found == ("Chargeback", topic, "250.5")
    assert place.settings["CHARGEBACK_METRICS_NAMESPACE"] == "Chargeback"
