"""Hours in which made-up pods ran, as Kubecost 2.x tells of them over HTTP, and the rows that they become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.kubecost import Kubecost
from pipeline.models import Cluster, sanitised
from pipeline.rows import window_rows
from pipeline.settings import DEFAULT_LABELS
from pipeline.tables import ALLOCATIONS
from pipeline.window import Window, parse_instant, rfc3339
from tests.captures import Answering, Request, json_answer, serving
from tests.conftest import CLUSTER_ARN

CLUSTER = Cluster.from_arn(CLUSTER_ARN)
TEN = Window.hour(parse_instant("2026-11-19T10:00Z"))
COLLECTED_AT = datetime(2026, 11, 19, 13, tzinfo=UTC)

_CORE_HOUR, _GIB_HOUR, _GPU_HOUR = 0.032, 0.0042, 0.9  # USD
_GIB = 1 << 30
_IN_EVERY_ROW = ("eks.amazonaws.com/nodegroup", "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone")
"""The node labels that Kubecost 2.x adds to its rows unless told otherwise."""


@dataclass(frozen=True)
class RunningNode:
    """A node; *labels* have Kubernetes' own keys."""

    name: str
    provider_id: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    cluster: str = "analytics-prod"
    preemptible: float = 0.0


@dataclass(frozen=True)
class RunningPod:
    """A pod, on *node* from *minute* to *until* of the window; each container asks for *cores* and 4 GiB a core."""

    namespace: str
    name: str
    node: RunningNode | None
    labels: Mapping[str, str]
    containers: tuple[str, ...] = ("spark-kubernetes-executor",)
    controller: tuple[str, str] | None = None
    minute: int = 0
    until: int = 60
    cores: float = 1.0
    gpus: float = 0.0
    traffic: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """USD across zones, across Regions, and to the internet."""


def allocation_document(window: Window, pods: Iterable[RunningPod]) -> dict[str, Any]:
    """What Kubecost says about the containers of *pods*."""
    rows = [_row(window, pod, container) for pod in pods for container in pod.containers]
    return {"code": 200, "data": [{row["name"]: row for row in rows}]}


def asset_document(window: Window, nodes: Iterable[RunningNode]) -> dict[str, Any]:
    """What Kubecost says about *nodes*; each has a root disk beside it, which carries the node's ID."""
    return {"code": 200, "data": [{key: asset for node in nodes for key, asset in _assets(window, node)}]}


def answering(
    pods: Iterable[RunningPod], window: Window = TEN, nodes: Iterable[RunningNode] | None = None
) -> Answering:
    """A Kubecost that knows of *pods*, and of *nodes* or all nodes on which they ran."""
    pods = tuple(pods)
    under = {(pod.node.cluster, pod.node.name): pod.node for pod in pods if pod.node}
    known = under.values() if nodes is None else nodes
    answers = {"/model/allocation": allocation_document(window, pods), "/model/assets": asset_document(window, known)}

    def answer(request: Request) -> Any:
        return json_answer(answers[request.path])

    return answer


def rows_of(
    pods: Iterable[RunningPod],
    window: Window = TEN,
    *,
    nodes: Iterable[RunningNode] | None = None,
    cluster: Cluster = CLUSTER,
    cluster_id: str | None = None,
    labels: tuple[str, ...] = DEFAULT_LABELS,
) -> list[dict[str, Any]]:
    """The rows of `allocations` that an hour with *pods* becomes, in their order."""
    with serving(answering(pods, window, nodes)) as upstream:
        answer = Kubecost(upstream.url, cluster_id=cluster_id).window(window)
    rows: list[dict[str, Any]] = window_rows(answer, cluster, labels, COLLECTED_AT).tables[ALLOCATIONS].to_pylist()
    return rows


def _row(window: Window, pod: RunningPod, container: str) -> dict[str, Any]:
    hours = (pod.until - pod.minute) / 60 * window.length.total_seconds() / 3600
    core_hours = pod.cores * hours
    zone, region, internet = (cost / len(pod.containers) for cost in pod.traffic)
    costs = {
        "cpuCost": core_hours * _CORE_HOUR,
        "ramCost": core_hours * 4 * _GIB_HOUR,
        "gpuCost": pod.gpus * hours * _GPU_HOUR,
        "networkCost": zone + region + internet,
    }
    node = pod.node
    name = "/".join([_cluster(pod), node.name if node else "", pod.namespace, pod.name, container])
    return {
        "name": name,
        "properties": _properties(pod, container),
        "window": {"start": rfc3339(window.start), "end": rfc3339(window.end)},
        "start": rfc3339(window.start + window.length * pod.minute / 60),
        "end": rfc3339(window.start + window.length * pod.until / 60),
        "minutes": hours * 60,
        "cpuCores": pod.cores,
        "cpuCoreRequestAverage": pod.cores,
        "cpuCoreUsageAverage": pod.cores / 2,
        "cpuCoreHours": core_hours,
        "ramByteRequestAverage": pod.cores * 4 * _GIB,
        "ramByteUsageAverage": pod.cores * 3 * _GIB,
        "ramByteHours": core_hours * 4 * _GIB,
        "gpuCount": pod.gpus,
        "gpuHours": pod.gpus * hours,
        "pvByteHours": 0,
        "pvs": None,
        "networkTransferBytes": 0,
        "networkReceiveBytes": 0,
        "networkCrossZoneCost": zone,
        "networkCrossRegionCost": region,
        "networkInternetCost": internet,
        "loadBalancerCost": 0,
        "sharedCost": 0,
        "externalCost": 0,
        **costs,
        **{f"{cost}Adjustment": 0 for cost in costs},
        "totalCost": sum(costs.values()),
        "rawAllocationOnly": None,
    }


def _cluster(pod: RunningPod) -> str:
    return pod.node.cluster if pod.node else "analytics-prod"


def _properties(pod: RunningPod, container: str) -> dict[str, Any]:
    """As Kubecost writes them: what is empty is left out."""
    kind, controller = pod.controller or (None, None)
    labels = {key: pod.node.labels[key] for key in _IN_EVERY_ROW if key in pod.node.labels} if pod.node else {}
    given = {
        "cluster": _cluster(pod),
        "node": pod.node.name if pod.node else None,
        "providerID": pod.node.provider_id if pod.node else None,
        "namespace": pod.namespace,
        "pod": pod.name,
        "container": container,
        "controllerKind": kind,
        "controller": controller,
        "labels": _sanitised({**labels, **pod.labels}),
        "namespaceLabels": {"kubernetes_io_metadata_name": pod.namespace},
    }
    return {key: value for key, value in given.items() if value}


def _assets(window: Window, node: RunningNode) -> Iterable[tuple[str, dict[str, Any]]]:
    common = {
        "window": {"start": rfc3339(window.start), "end": rfc3339(window.end)},
        "minutes": window.length.total_seconds() / 60,
    }
    of = {"provider": "AWS", "service": "Kubernetes", "cluster": node.cluster, "name": node.name}
    of |= {"providerID": node.provider_id} if node.provider_id else {}
    yield (
        f"AWS/__undefined__/__undefined__/Compute/{node.cluster}/Node/Kubernetes/{node.provider_id}/{node.name}",
        {
            "type": "Node",
            "properties": {"category": "Compute", **of},
            "labels": _sanitised(node.labels),
            "nodeType": node.labels.get("node.kubernetes.io/instance-type", ""),
            "preemptible": node.preemptible,
            "cpuCoreHours": 8.0,
            "ramByteHours": 32.0 * _GIB,
            "GPUHours": 0.0,
            "adjustment": 0.0,
            "totalCost": 0.4,
            **common,
        },
    )
    yield (
        f"AWS/__undefined__/__undefined__/Storage/{node.cluster}/Disk/Kubernetes/{node.provider_id}/{node.name}",
        {"type": "Disk", "properties": {"category": "Storage", **of}, "labels": None, "totalCost": 0.01, **common},
    )


def _sanitised(labels: Mapping[str, str]) -> dict[str, str]:
    return {sanitised(key): value for key, value in labels.items()}
