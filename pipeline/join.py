"""How one window's containers meet their nodes and their workloads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from pipeline.attribution import Pod, Workload, attribute, complete, completed, shared_labels, united
from pipeline.capacity import Capacity, bare_id, capacity, telling
from pipeline.models import NOBODY, Allocation, Asset, Properties

Labels = tuple[tuple[str, str], ...]
"""Labels in the order of their keys."""

_Thing = TypeVar("_Thing")


@dataclass(frozen=True)
class Node:
    """One node of the window and its asset."""

    name: str | None
    capacity: Capacity
    asset: Asset

    @property
    def provider_id(self) -> str | None:
        """The ID by which the cloud knows it; None where its asset names none."""
        return self.capacity.provider_id


class Owner(msgspec.Struct, frozen=True):
    """Whose a container is: the workload, and the *labels* that are kept; None where upstream gives none."""

    workload: Workload
    labels: Labels | None


class Place(msgspec.Struct, frozen=True):
    """What all containers of a pod have in common: its node, and the numbers of its owner and its capacity."""

    node: Node | None
    owner: int
    capacity: int


class Distinct(Generic[_Thing]):
    """Things, each once, numbered from 0 in the order in which they were met."""

    def __init__(self) -> None:
        self._numbers: dict[_Thing, int] = {}

    def number(self, thing: _Thing) -> int:
        """The number of *thing*, which gets one if it is new."""
        return self._numbers.setdefault(thing, len(self._numbers))

    def __iter__(self) -> Iterator[_Thing]:
        return iter(self._numbers)


class Join:
    """One window's nodes, and the owners and capacities that its containers turn out to have.

    Containers are joined one after the other, so that an answer need not be held decoded: with nodes on the provider
    ID, with workloads by their pods. Only the labels that are *kept* (keys) are remembered.
    """

    def __init__(self, assets: Iterable[Asset], kept: Iterable[str]) -> None:
        self._nodes = _Nodes(assets)
        self.kept = tuple(sorted(set(kept)))
        self._owners = Distinct[Owner]()
        self._capacities = Distinct[Capacity]()
        self._told: dict[tuple[str | None, str | None, Labels], int] = {}
        self._unmatched: set[str] = set()
        self._joined_by_name = 0

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, each once."""
        return self._nodes.unique

    @property
    def capacities(self) -> tuple[Capacity, ...]:
        """The capacities by their numbers."""
        return tuple(self._capacities)

    @property
    def nodes_unmatched(self) -> int:
        """How many nodes that containers name have no asset."""
        return len(self._unmatched)

    @property
    def joined_by_name(self) -> int:
        """How many containers found their node by its name alone, for want of a provider ID."""
        return self._joined_by_name

    def owners(self) -> list[Owner]:
        """The owners by their numbers, each with what the other pods of its workload say of it."""
        same = united(owner.workload for owner in self._owners)
        known = complete(same.values())
        whole = [Owner(completed(same[owner.workload], known), owner.labels) for owner in self._owners]
        shared = shared_labels(((owner.workload, dict(owner.labels or ())) for owner in whole), self.kept)
        return [_with_labels(owner, shared.get((owner.workload.kind, owner.workload.id or ""), {})) for owner in whole]

    def places(self, allocations: Iterable[Allocation]) -> Iterator[tuple[Allocation, Place]]:
        """Join containers; every one comes back, matched or not."""
        last, place = NOBODY, None
        for allocation in allocations:
            of = allocation.properties or NOBODY
            if place is None or not _is_of_same_pod(of, last):
                last, place = of, self._place(of)
            self._joined_by_name += place.node is not None and not (of.provider_id and place.node.provider_id)
            yield allocation, place

    def _place(self, of: Properties) -> Place:
        labels = of.labels or {}
        node = self._nodes.find(of)
        if of.node and node is None:
            self._unmatched.add(of.node)
        workload = attribute(Pod(of.namespace, of.pod, of.controller_kind, of.controller, labels))
        kept = None if of.labels is None else tuple((key, labels[key]) for key in self.kept if key in labels)
        return Place(
            node,
            self._owners.number(Owner(workload, kept)),
            self._capacity(of, node),
        )

    def _capacity(self, of: Properties, node: Node | None) -> int:
        """The number of a pod's capacity, which is the same for all pods of a node whose labels tell the same of it."""
        key = of.node, of.provider_id, telling(of.labels or {})
        number = self._told.get(key)
        if number is None:
            provider_id = of.provider_id or (node.provider_id if node else None)
            found = capacity(of.node, provider_id, dict(key[-1]), node.asset if node else None)
            number = self._told[key] = self._capacities.number(found)
        return number


class _Nodes:
    """The nodes of one answer, each once, by provider ID and by name.

    An instance may stand on several assets (a node that came back under its name, clusters federated twice): the one
    that ran longest speaks for it.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        by_key: dict[tuple[str | None, str | None], Node] = {}
        self._by_provider_id: dict[str, Node] = {}
        self._by_name: dict[str, Node] = {}
        self._without_id: dict[str, Node] = {}
        for asset in sorted(assets, key=_longest_first):
            of = asset.properties or NOBODY
            node = Node(of.name or None, capacity(of.name, of.provider_id, {}, asset), asset)
            provider_id = bare_id(of.provider_id)
            node = by_key.setdefault((of.name, provider_id), node)
            if provider_id:
                self._by_provider_id.setdefault(provider_id, node)
            if of.name:
                self._by_name.setdefault(of.name, node)
            if of.name and not provider_id:
                self._without_id.setdefault(of.name, node)
        self.unique = tuple(by_key.values())

    def find(self, of: Properties) -> Node | None:
        """The node that *of* names: by provider ID, by name only where one of the two has no such ID."""
        name = of.node or ""
        if of.provider_id:
            return self._by_provider_id.get(bare_id(of.provider_id) or "") or self._without_id.get(name)
        return self._by_name.get(name)


def _longest_first(asset: Asset) -> tuple[float, str, str]:
    of = asset.properties or NOBODY
    return -(asset.minutes or 0), of.name or "", of.provider_id or ""


def _is_of_same_pod(one: Properties, other: Properties) -> bool:
    """Upstream writes the containers of a pod one after the other; whatever differs makes another pod."""
    return (
        one.pod == other.pod
        and one.namespace == other.namespace
        and one.node == other.node
        and one.provider_id == other.provider_id
        and one.controller == other.controller
        and one.controller_kind == other.controller_kind
        and one.labels == other.labels
    )


def _with_labels(owner: Owner, peers: dict[str, str]) -> Owner:
    """*owner* with the labels that only other pods of its workload carry."""
    if len(peers) == len(owner.labels or ()):
        return owner
    return Owner(owner.workload, tuple(sorted((peers | dict(owner.labels or ())).items())))
