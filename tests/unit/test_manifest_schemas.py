import ipaddress
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.kustomized import BASE, COMPONENTS, CRONJOB, EXAMPLE, Manifest, of_kind, rendered, with_components

KUBERNETES = ["1.29", "1.31", "1.33", "1.35", "1.37"]
BY_OPERATORS = {"PrometheusRule", "SecretStore", "ExternalSecret"}
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
QUANTITY = re.compile(r"[1-9]\d*(\.\d+)?(m|[kMGT]|[KMGT]i)?")
QUANTITIES = {"cpu", "memory", "sizeLimit"}
SECONDS = {"activeDeadlineSeconds", "startingDeadlineSeconds", "ttlSecondsAfterFinished"}
ENUMERATIONS = {
    ("spec", "concurrencyPolicy"): {"Allow", "Forbid", "Replace"},
    ("spec", "restartPolicy"): {"Never", "OnFailure"},
    ("rules", "action"): {"FailIndex", "FailJob", "Ignore", "Count"},
    ("onExitCodes", "operator"): {"In", "NotIn"},
    ("onPodConditions", "status"): {"True", "False", "Unknown"},
    ("onPodConditions", "type"): {"DisruptionTarget"},
    ("matchExpressions", "operator"): {"In", "NotIn", "Exists", "DoesNotExist"},
    ("spec", "policyTypes"): {"Ingress", "Egress"},
    ("ports", "protocol"): {"TCP", "UDP", "SCTP"},
    ("seccompProfile", "type"): {"RuntimeDefault", "Localhost"},
    ("capabilities", "drop"): {"ALL"},
}
MINUTE, HOUR, DAY, MONTH, WEEKDAY = (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)


@pytest.fixture(params=["base", "example", *COMPONENTS])
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """What each directory that somebody may apply comes to."""
    directories = {"base": BASE, "example": EXAMPLE}
    if request.param in directories:
        return rendered(directories[request.param])
    return with_components(request.param)


@pytest.mark.parametrize("file", sorted(CRONJOB.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CRONJOB)))
def test_every_file_is_yaml_and_its_directorys_kustomization_reads_it(file: Path) -> None:
    documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    assert all(document["kind"] and document["apiVersion"] for document in documents)
    if file.name != "kustomization.yaml":
        kustomization = yaml.safe_load((file.parent / "kustomization.yaml").read_text(encoding="utf-8"))
        patches = [patch.get("path") for patch in kustomization.get("patches", [])]
        assert [*kustomization.get("resources", []), *patches].count(file.name) == 1


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(manifests: tuple[Manifest, ...], version: str) -> None:
    known = [manifest for manifest in manifests if manifest["kind"] not in BY_OPERATORS]
    assert len(known) > 5
    for manifest in known:
        assert _validated(json.dumps(manifest), version) == version


def test_the_validation_would_find_a_misspelt_field() -> None:
    cron_job = of_kind(rendered(BASE), "CronJob")["chargeback-collect"]
    misspelt = {**cron_job, "spec": {**cron_job["spec"], "concurencyPolicy": "Forbid"}}
    with pytest.raises(kubernetes_validate.ValidationError, match="concurencyPolicy"):
        kubernetes_validate.validate(misspelt, "1.33", strict=True)


def test_every_word_is_one_that_kubernetes_knows(manifests: tuple[Manifest, ...]) -> None:
    found = {(parent, key, value) for parent, key, value in _leaves(manifests) if (parent, key) in ENUMERATIONS}
    assert {(parent, key) for parent, key, _ in found} == ENUMERATIONS.keys()
    assert {(parent, key, value) for parent, key, value in found if value not in ENUMERATIONS[parent, key]} == set()


def test_every_amount_is_a_quantity_and_no_request_exceeds_its_limit(manifests: tuple[Manifest, ...]) -> None:
    amounts = [value for _, key, value in _leaves(manifests) if key in QUANTITIES]
    assert amounts
    assert [amount for amount in amounts if not QUANTITY.fullmatch(str(amount))] == []
    for cron_job in of_kind(manifests, "CronJob").values():
        [container] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert _bytes(requests["memory"]) <= _bytes(limits["memory"])
        assert limits.keys() == {"memory"}


def test_every_deadline_is_a_positive_number_of_seconds(manifests: tuple[Manifest, ...]) -> None:
    deadlines = [value for _, key, value in _leaves(manifests) if key in SECONDS]
    assert deadlines
    assert all(type(deadline) is int and deadline > 0 for deadline in deadlines)


def test_every_schedule_is_a_cron_expression_of_a_zone_that_exists(manifests: tuple[Manifest, ...]) -> None:
    for cron_job in of_kind(manifests, "CronJob").values():
        assert _is_cron(cron_job["spec"]["schedule"])
        assert cron_job["spec"]["timeZone"] in available_timezones()


@pytest.mark.parametrize("wrong", ["60 * * * *", "5 * * *", "5 24 * * *", "5 * 0 * *", "x * * * *", "9-5 * * * *"])
def test_what_is_no_cron_expression_would_be_found(wrong: str) -> None:
    assert not _is_cron(wrong)


def test_every_address_range_is_one_and_holds_what_it_excepts(manifests: tuple[Manifest, ...]) -> None:
    blocks = [value for policy in of_kind(manifests, "NetworkPolicy").values() for value in _ip_blocks(policy)]
    assert blocks
    for block in blocks:
        network = ipaddress.ip_network(block["cidr"])
        for hole in map(ipaddress.ip_network, block.get("except", [])):
            assert hole.version == network.version
            assert hole.subnet_of(network)  # type: ignore[arg-type]  # of one version, as the line above says


def test_every_label_is_short_and_plain_enough(manifests: tuple[Manifest, ...]) -> None:
    labels = [value for parent, _, value in _leaves(manifests) if parent in {"labels", "matchLabels"}]
    assert labels
    assert [label for label in labels if not LABEL.fullmatch(label)] == []


def test_no_name_is_too_long_for_the_jobs_that_get_it(manifests: tuple[Manifest, ...]) -> None:
    assert all(len(name) <= 52 for name in of_kind(manifests, "CronJob"))


@cache  # most objects are the same in every directory
def _validated(manifest: str, version: str) -> str:
    """The version whose schema knows every field of this JSON."""
    found: str = kubernetes_validate.validate(json.loads(manifest), version, strict=True)
    return found


def _leaves(node: Any, parent: str = "", key: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every scalar with its key and the key above; a list's elements stand for the list."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, key or parent, name)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _leaves(value, parent, key)
    else:
        yield parent, key, node


def _ip_blocks(policy: Manifest) -> Iterator[Manifest]:
    for rule in policy["spec"].get("egress", []):
        for peer in rule.get("to", []):
            if "ipBlock" in peer:
                yield peer["ipBlock"]


def _bytes(amount: str) -> int:
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    return int(amount[:-2]) * units[amount[-2:]]


def _is_cron(text: str) -> bool:
    fields = text.split()
    bounds = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)
    return len(fields) == len(bounds) and all(map(_is_field, fields, bounds))


def _is_field(field: str, bounds: tuple[int, int]) -> bool:
    """Whether each part of a list is `*`, a number or a range within *bounds*, in steps or not."""
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/[1-9]\d*)?", part)
        if match is None:
            return False
        first, last = match["first"], match["last"] or match["first"]
        if first and not bounds[0] <= int(first) <= int(last) <= bounds[1]:
            return False
    return True
