import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kustomized import BASE, Manifest, container, job, of_kind, pod, rendered

CHECKOUT = Path(__file__).parents[2]
ACCOUNTS = {
    "chargeback-collect": "chargeback-collect",
    "chargeback-backfill": "chargeback-collect",
    "chargeback-doctor": "chargeback-collect",
    "chargeback-verify": "chargeback-verify",
    "chargeback-publish": "chargeback-publish",
}
KUBECOST = {("TCP", 9090), ("TCP", 9003)}


@pytest.fixture(scope="module")
def base() -> tuple[Manifest, ...]:
    return rendered(BASE)


@pytest.fixture(params=sorted(ACCOUNTS))
def cron_job(request: pytest.FixtureRequest, base: tuple[Manifest, ...]) -> Manifest:
    return of_kind(base, "CronJob")[request.param]


@pytest.fixture
def policies(base: tuple[Manifest, ...]) -> dict[str, Manifest]:
    return of_kind(base, "NetworkPolicy")


def test_everything_lies_in_a_namespace_that_allows_no_more_than_the_restricted_profile(
    base: tuple[Manifest, ...],
) -> None:
    [(name, namespace)] = of_kind(base, "Namespace").items()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {manifest["metadata"].get("namespace", name) for manifest in base} == {"chargeback"}


def test_each_run_has_the_service_account_of_its_rights(base: tuple[Manifest, ...]) -> None:
    accounts = {name: pod(cron_job)["serviceAccountName"] for name, cron_job in of_kind(base, "CronJob").items()}
    assert accounts == ACCOUNTS
    assert of_kind(base, "ServiceAccount").keys() == set(accounts.values())


def test_no_run_has_a_token_for_the_kubernetes_api(base: tuple[Manifest, ...], cron_job: Manifest) -> None:
    assert pod(cron_job)["automountServiceAccountToken"] is False
    accounts = of_kind(base, "ServiceAccount").values()
    assert [account["automountServiceAccountToken"] for account in accounts] == [False] * 3
    assert {manifest["kind"] for manifest in base} & {"Role", "ClusterRole", "RoleBinding"} == set()


def test_it_runs_as_the_images_user_and_may_do_nothing_else(cron_job: Manifest) -> None:
    context = pod(cron_job)["securityContext"]
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(cron_job)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_only_place_to_write_is_an_empty_directory_of_bounded_size(cron_job: Manifest) -> None:
    [mount], [volume] = container(cron_job)["volumeMounts"], pod(cron_job)["volumes"]
    assert (mount["mountPath"], mount["name"]) == ("/tmp", volume["name"])
    assert volume["emptyDir"].keys() == {"sizeLimit"}


def test_nothing_may_connect_to_a_run(policies: dict[str, Manifest], cron_job: Manifest) -> None:
    assert _selects(policies["chargeback"], cron_job)
    assert set(policies["chargeback"]["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert [policy["spec"].get("ingress") for policy in policies.values()] == [[], None]


def test_only_those_that_have_its_key_may_connect_to_kubecost(
    policies: dict[str, Manifest], cron_job: Manifest
) -> None:
    names = {variable["name"] for variable in container(cron_job).get("env", [])}
    assert _selects(policies["chargeback-kubecost"], cron_job) == ("CHARGEBACK_KUBECOST_API_KEY" in names)
    [rule] = policies["chargeback-kubecost"]["spec"]["egress"]
    assert _ports(rule) == KUBECOST


def test_kubecosts_namespace_and_port_are_those_of_the_address_that_the_settings_show(
    policies: dict[str, Manifest],
) -> None:
    text = (BASE / "configmap.yaml").read_text(encoding="utf-8")
    [(namespace, port)] = re.findall(r"http://[\w-]+\.([\w-]+):(\d+)", text)
    [rule] = policies["chargeback-kubecost"]["spec"]["egress"]
    [expression] = rule["to"][0]["namespaceSelector"]["matchExpressions"]
    assert expression["key"] == "kubernetes.io/metadata.name"
    assert namespace in expression["values"]
    assert ("TCP", int(port)) in _ports(rule)


@pytest.mark.parametrize(
    ("address", "protocol", "port"),
    [
        ("172.20.0.10", "UDP", 53),
        ("169.254.20.10", "TCP", 53),
        ("52.216.1.1", "TCP", 443),
        ("10.0.12.34", "TCP", 443),
        ("2600:1f18::1", "TCP", 443),
        ("169.254.170.23", "TCP", 80),
        ("fd00:ec2::23", "TCP", 80),
    ],
)
def test_a_run_reaches_dns_and_aws(policies: dict[str, Manifest], address: str, protocol: str, port: int) -> None:
    assert _reaches(policies["chargeback"], address, protocol, port)


@pytest.mark.parametrize(
    ("address", "protocol", "port"),
    [
        ("169.254.169.254", "TCP", 80),
        ("169.254.169.254", "TCP", 443),
        ("fd00:ec2::254", "TCP", 80),
        ("fd00:ec2::254", "TCP", 443),
        ("169.254.170.2", "TCP", 80),
        ("10.0.12.34", "TCP", 80),
        ("10.0.12.34", "TCP", 22),
        ("52.216.1.1", "UDP", 443),
    ],
)
def test_a_run_reaches_neither_the_instances_credentials_nor_anything_else(
    policies: dict[str, Manifest], address: str, protocol: str, port: int
) -> None:
    assert not _reaches(policies["chargeback"], address, protocol, port)


def _selects(policy: Manifest, cron_job: Manifest) -> bool:
    labels = job(cron_job)["template"]["metadata"]["labels"]
    selector = policy["spec"]["podSelector"]
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector["matchLabels"].items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def _ports(rule: Manifest) -> set[tuple[str, int]]:
    return {(port["protocol"], port["port"]) for port in rule["ports"]}


def _reaches(policy: Manifest, address: str, protocol: str, port: int) -> bool:
    """Whether a rule allows it; a rule without addresses allows all."""
    rules = (rule for rule in policy["spec"]["egress"] if (protocol, port) in _ports(rule))
    return any("to" not in rule or any(_holds(block, address) for block in _blocks(rule)) for rule in rules)


def _blocks(rule: Manifest) -> Iterator[Manifest]:
    return (peer["ipBlock"] for peer in rule["to"])


def _holds(block: Manifest, address: str) -> bool:
    """Whether the address lies in the block's range, and in none that it excepts."""
    ip = ipaddress.ip_address(address)
    excepted = any(ip in ipaddress.ip_network(hole) for hole in block.get("except", []))
    return ip in ipaddress.ip_network(block["cidr"]) and not excepted
