"""Which node each pod ran on, and when nodes came and went to make room."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.demo.estate.cluster import GIB, MINUTE, Capacity, Node, Placement, Pod, Pool, Span
from pipeline.demo.estate.nodes import fargate_node, instance

_BOOT = 2 * MINUTE
_RESERVED = Capacity(0.6, 1.5 * GIB)
"""Room on every instance for daemon sets, the kubelet and the operating system."""


@dataclass
class _Host:
    """An instance to be: what it must hold decides how long it lives."""

    pool: Pool
    number: int
    pods: list[Pod] = field(default_factory=list)

    def alive_until(self) -> datetime:
        return max(pod.life.end for pod in self.pods) + self.pool.linger

    def reachable(self, pod: Pod) -> bool:
        return self.number < self.pool.always_on or pod.life.start <= self.alive_until()

    def taken_during(self, pod: Pod) -> Capacity:
        """What is taken while *pod* runs, counting every pod that meets it, wherever they lie in that time."""
        met = (other.peak for other in self.pods if other.life.overlaps(pod.life))
        return sum(met, _RESERVED)

    def holds(self, pod: Pod) -> bool:
        kind = self.pool.instance_type
        return kind is not None and kind.capacity.holds(self.taken_during(pod) + pod.peak)

    def launch(self, history: Span) -> Node:
        if self.number < self.pool.always_on:
            return instance(self.pool, self.number, history)
        start = max(history.start, min(pod.life.start for pod in self.pods) - _BOOT)
        return instance(self.pool, self.number, Span(start, min(history.end, self.alive_until())))


@dataclass(frozen=True)
class Schedule:
    """Every node that was ever there, and where every pod ran."""

    nodes: tuple[Node, ...]
    placements: tuple[Placement, ...]


def schedule(pods: Iterable[Pod], pools: Iterable[Pool], history: Span) -> Schedule:
    """Place every pod, the emptiest node first, and launch a node of its pool where none has room.

    Raises:
        ValueError: a pod is larger than the instances of its pool.
    """
    fleets = {pool: [_Host(pool, number) for number in range(pool.always_on)] for pool in pools}
    on_fargate = []
    for pod in sorted(pods, key=lambda pod: (pod.life, pod.namespace, pod.name)):
        if pod.pool.provisioner == "fargate":
            on_fargate.append(Placement(pod, fargate_node(pod)))
        else:
            _host_for(pod, fleets[pod.pool]).pods.append(pod)
    hosts = [(host.launch(history), host.pods) for fleet in fleets.values() for host in fleet]
    on_instances = [Placement(pod, node) for node, pods_on_it in hosts for pod in pods_on_it]
    nodes = [node for node, _ in hosts] + [placement.node for placement in on_fargate]
    return Schedule(tuple(nodes), tuple(on_instances + on_fargate))


def _host_for(pod: Pod, fleet: list[_Host]) -> _Host:
    fits = [host for host in fleet if host.reachable(pod) and host.holds(pod)]
    if fits:
        return min(fits, key=lambda host: host.taken_during(pod).cpu)
    fresh = _Host(pod.pool, len(fleet))
    if not fresh.holds(pod):
        raise ValueError(f"the pod {pod.name} is larger than the instances of {pod.pool.name}")
    fleet.append(fresh)
    return fresh
