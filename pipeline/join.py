"""How one window's containers meet their nodes and their workloads."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.attribution import Pod, Workload, attribute, complete, completed
from pipeline.capacity import Capacity, bare_id, capacity
from pipeline.models import Allocation, Asset, Properties

_NOBODY = Properties()


@dataclass(frozen=True)
class Node:
    """One node of the window and its asset."""

    name: str | None
    capacity: Capacity
    asset: Asset


@dataclass(frozen=True)
class Container:
    """One container of the window: upstream's row, its node (None where upstream has none), its workload."""

    allocation: Allocation
    properties: Properties
    capacity: Capacity
    node: Node | None
    workload: Workload

    @property
    def joined_by_name(self) -> bool:
        """Whether the node was found by its name alone, for want of a provider ID."""
        return self.node is not None and not self.properties.provider_id


@dataclass(frozen=True)
class Joined:
    """One window's containers, each with its node and workload, and its nodes, each once."""

    containers: tuple[Container, ...]
    nodes: tuple[Node, ...]


def join(allocations: Iterable[Allocation], assets: Iterable[Asset]) -> Joined:
    """Join containers with nodes on the provider ID, and pods with workloads; every row survives, matched or not."""
    nodes = _Nodes(assets)
    containers = _containers(allocations, nodes)
    known = complete({container.workload for container in containers})
    return Joined(
        tuple(replace(container, workload=completed(container.workload, known)) for container in containers),
        nodes.unique,
    )


class _Nodes:
    """The nodes of one answer, each once, by provider ID and by name.

    An instance may stand on several assets (a node that came back under its name, clusters federated twice): the one
    that ran longest speaks for it.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        by_key: dict[tuple[str | None, str | None], Node] = {}
        self._by_provider_id: dict[str, Node] = {}
        self._by_name: dict[str, Node] = {}
        for asset in sorted(assets, key=_longest_first):
            of = asset.properties or _NOBODY
            node = Node(of.name or None, capacity(of.name, of.provider_id, {}, asset), asset)
            provider_id = bare_id(of.provider_id)
            node = by_key.setdefault((of.name, provider_id), node)
            if provider_id:
                self._by_provider_id.setdefault(provider_id, node)
            if of.name:
                self._by_name.setdefault(of.name, node)
        self.unique = tuple(by_key.values())

    def find(self, of: Properties) -> Node | None:
        """The node that *of* names: by provider ID, by name only where there is no such ID."""
        if of.provider_id:
            return self._by_provider_id.get(bare_id(of.provider_id) or "")
        return self._by_name.get(of.node) if of.node else None


def _longest_first(asset: Asset) -> tuple[float, str, str]:
    of = asset.properties or _NOBODY
    return -(asset.minutes or 0), of.name or "", of.provider_id or ""


def _containers(allocations: Iterable[Allocation], nodes: _Nodes) -> list[Container]:
    """Attribute each container; the containers of one pod share one answer."""
    pods: dict[tuple[str | None, ...], Container] = {}
    containers = []
    for allocation in allocations:
        of = allocation.properties or _NOBODY
        key = (of.node, of.namespace, of.pod, of.controller_kind, of.controller, of.provider_id)
        peer = pods.get(key)
        if peer is not None and peer.properties.labels == of.labels:
            containers.append(replace(peer, allocation=allocation, properties=of))
        else:
            pods[key] = _container(allocation, of, nodes)
            containers.append(pods[key])
    return containers


def _container(allocation: Allocation, of: Properties, nodes: _Nodes) -> Container:
    labels = of.labels or {}
    node = nodes.find(of)
    asset = node.asset if node else None
    provider_id = of.provider_id or (node.capacity.provider_id if node else None)
    return Container(
        allocation=allocation,
        properties=of,
        capacity=capacity(of.node, provider_id, labels, asset),
        node=node,
        workload=attribute(Pod(of.namespace, of.pod, of.controller_kind, of.controller, labels)),
    )
