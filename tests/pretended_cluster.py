"""A pretended cluster and the tools around it: what kubectl, helm, eksctl and the builders of images answer."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.pretended_account import RefusedError, Words, World, associate_provider, aws, option


def _kubectl_get(world: World, words: Words) -> str:
    match words[1]:
        case "namespace":
            labels = world["namespaces"].get(words[2])
            if labels is None:
                return ""
            return f"namespace/{words[2]}" if option(words, "--output") == "name" else "".join(labels.values())
        case "services":
            return " ".join(world["services"])
        case "csidrivers":
            return "\n".join(world["csidrivers"])
        case _:
            return str(world["running"][words[2]])


def kubectl(world: World, words: Words) -> str:
    """A cluster with namespaces, and jobs that end as the scenario says."""
    words = words[2:] if words[0] == "--namespace" else words
    match words[0], words[1]:
        case "auth", _:
            return "no" if f"{words[2]} {words[3]}" in world["denied"] else "yes"
        case "get", _:
            return _kubectl_get(world, words)
        case "create", "job":
            run = option(words, "--from").removeprefix("cronjob/chargeback-")
            ends = world["ends"].get(run, [])
            world["running"][words[2]] = ends.pop(0) if ends else "SuccessCriteriaMet Complete"
        case "create", "--filename":
            [_, name] = re.findall(r"name: (\S+)|installed: (\S+)", Path(words[2]).read_text(encoding="utf-8"))
            world["namespaces"]["kubecost"] = {"emr-eks-chargeback/installed": name[1]}
        case "label", _:
            key, _, value = words[3].partition("=")
            world["namespaces"][words[2]] = {key: value} if value else {}
        case "delete", _:
            world["namespaces"].pop(words[2], None)
        case "apply", _:
            world["namespaces"].setdefault("chargeback", {})
        case "config", _:
            return "of a context"
        case "logs", _:
            return f"log of {words[1]}\n"
    return ""


def helm(world: World, words: Words) -> str:
    """Releases; installing Kubecost brings its Service."""
    match words[0]:
        case "version":
            return str(world["helm"])
        case "status":
            if "kubecost" not in world["releases"]:
                raise RefusedError("Error: release: not found")
            return f"name: kubecost\ninfo:\n  status: {world['releases']['kubecost']}\n"
        case "upgrade":
            if world["releases"].get("kubecost", "").startswith("pending"):
                raise RefusedError("Error: UPGRADE FAILED: another operation is in progress")
            world["releases"]["kubecost"] = "deployed"
            world["services"] = ["kubecost"]
        case "uninstall":
            world["releases"].pop("kubecost")
            world["services"] = []
        case "rollback":
            world["releases"]["kubecost"] = "deployed"
    return ""


def builder(world: World, words: Words) -> str:
    """Docker, podman or finch: what is pushed is in the registry."""
    if words[0] == "info" and not world["daemon"]:
        raise RefusedError("Cannot connect to the daemon")
    if list(words[:2]) in (["buildx", "inspect"], ["manifest", "exists"]):
        raise RefusedError("none of that name")
    if "--push" in words or "push" in words:
        tag = option(words, "--tag") if "--push" in words else words[-1]
        world["images"].append(tag.rpartition(":")[2])
    return ""


def eksctl(world: World, words: Words) -> str:
    """Makes an OIDC provider."""
    associate_provider(world, words)
    return ""


TOOLS: dict[str, Callable[[World, Words], str]] = {
    "aws": aws,
    "kubectl": kubectl,
    "helm": helm,
    "docker": builder,
    "podman": builder,
    "finch": builder,
    "eksctl": eksctl,
    "sleep": lambda _world, _words: "",
}


def _fail_as_told(world: World, line: str) -> None:
    for failure in world["fails"]:
        if failure["times"] and re.search(failure["command"], line):
            failure["times"] -= 1
            raise RefusedError(failure["says"])


def answer(world: World, tool: str, words: Words) -> tuple[int, str]:
    """The exit code of *tool*, called with *words*, and what it says: on stderr if the code is not 0."""
    try:
        _fail_as_told(world, " ".join([tool, *words]))
        return 0, TOOLS[tool](world, words)
    except RefusedError as refused:
        return 1, f"{refused}\n"
