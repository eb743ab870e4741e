"""What each container had of its node, its volumes and the network in a window, and what that cost: the truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.demo.estate.cluster import (
    GIB,
    PEAK_LOAD,
    Cluster,
    Container,
    Demand,
    LoadBalancer,
    Placement,
    Pod,
    Span,
    Volume,
)
from pipeline.demo.estate.identifiers import between
from pipeline.demo.estate.prices import (
    GP3_GB_MONTH,
    KUBECOST_CROSS_REGION_GIB,
    KUBECOST_CROSS_ZONE_GIB,
    KUBECOST_HOURS_IN_MONTH,
    KUBECOST_INTERNET_GIB,
    LOAD_BALANCER_HOUR,
)
from pipeline.window import Window, ceil_hour, floor_hour, hours

_VOLUME_GIB_HOUR = GP3_GB_MONTH / KUBECOST_HOURS_IN_MONTH


@dataclass(frozen=True)
class Cost:
    """USD by component."""

    cpu: float = 0
    ram: float = 0
    gpu: float = 0
    storage: float = 0
    cross_zone: float = 0
    cross_region: float = 0
    internet: float = 0
    load_balancer: float = 0

    @property
    def network(self) -> float:
        """USD for all traffic."""
        return self.cross_zone + self.cross_region + self.internet

    @property
    def total(self) -> float:
        """USD for everything."""
        return self.cpu + self.ram + self.gpu + self.storage + self.network + self.load_balancer


@dataclass(frozen=True)
class VolumeShare:
    """A part of a volume: GiB times hours, and USD."""

    volume: Volume
    gib_hours: float

    @property
    def cost(self) -> float:
        """USD at gp3's price."""
        return self.gib_hours * _VOLUME_GIB_HOUR


@dataclass(frozen=True)
class LoadBalancerShare:
    """A part of a load balancer's hours."""

    load_balancer: LoadBalancer
    hours: float

    @property
    def cost(self) -> float:
        """USD without the capacity units, which Kubecost does not know."""
        return self.hours * LOAD_BALANCER_HOUR


@dataclass(frozen=True)
class Metered:
    """What a container used and what it is charged with, over time: core-hours, or byte-hours."""

    used: float
    allocated: float


@dataclass(frozen=True)
class ContainerUse:
    """What one container had in a window, and the part of the window (*span*) in which it ran."""

    placement: Placement
    container: Container
    span: Span
    cpu: Metered
    ram: Metered
    sent: float
    received: float
    volumes: tuple[VolumeShare, ...]
    load_balancers: tuple[LoadBalancerShare, ...]
    cost: Cost

    @property
    def gpu_hours(self) -> float:
        """GPU-hours."""
        return self.container.gpu * self.span.hours


@dataclass(frozen=True)
class UnmountedUse:
    """The volumes of one namespace (None: those without a claim) in the time that no pod mounted them."""

    namespace: str | None
    volumes: tuple[VolumeShare, ...]

    @property
    def cost(self) -> Cost:
        """Storage only."""
        return Cost(storage=sum(share.cost for share in self.volumes))


def container_uses(cluster: Cluster, window: Window) -> Iterator[ContainerUse]:
    """Meter every container that ran in *window*."""
    volumes = {(volume.namespace, volume.claim): volume for volume in cluster.volumes}
    balancers = _balancer_hours_per_pod_hour(cluster, window)
    for placement in cluster.placements:
        span = placement.pod.life.within(window)
        if span is not None:
            mounted = [volumes[placement.pod.namespace, claim] for claim in placement.pod.claims]
            yield from _pod_uses(placement, span, mounted, balancers)


def unmounted_uses(cluster: Cluster, window: Window) -> Iterator[UnmountedUse]:
    """Meter what is left of the volumes in *window* after their pods had their part."""
    left: dict[str | None, list[VolumeShare]] = {}
    mounted = _mounted_hours(cluster, window)
    for volume in cluster.volumes:
        life = volume.life.within(window)
        free = (life.hours if life else 0) - mounted.get(volume.name, 0)
        if free > 0:
            left.setdefault(volume.namespace, []).append(VolumeShare(volume, volume.gib * free))
    for namespace, shares in left.items():
        yield UnmountedUse(namespace, tuple(shares))


def _mounted_hours(cluster: Cluster, window: Window) -> dict[str, float]:
    names = {(volume.namespace, volume.claim): volume.name for volume in cluster.volumes}
    mounted: dict[str, float] = {}
    for pod in (placement.pod for placement in cluster.placements):
        span = pod.life.within(window)
        if span is not None:
            for claim in pod.claims:
                name = names[pod.namespace, claim]
                mounted[name] = mounted.get(name, 0) + span.hours
    return mounted


@dataclass(frozen=True)
class _Balancer:
    load_balancer: LoadBalancer
    hours_per_pod_hour: float


def _balancer_hours_per_pod_hour(cluster: Cluster, window: Window) -> Mapping[tuple[str, str], _Balancer]:
    """How much of each load balancer an hour of one of its pods stands for, by namespace and Service."""
    shares = {}
    for balancer in cluster.load_balancers:
        life = balancer.life.within(window)
        spans = (p.pod.life.within(window) for p in cluster.placements if _serves(p.pod, balancer))
        pod_hours = sum(span.hours for span in spans if span)
        if life is not None:  # without a pod to charge, the division fails loudly: no money is dropped
            key = (balancer.namespace, balancer.service)
            shares[key] = _Balancer(balancer, life.hours / pod_hours)
    return shares


def _serves(pod: Pod, balancer: LoadBalancer) -> bool:
    return pod.namespace == balancer.namespace and balancer.service in pod.services


def _pod_uses(
    placement: Placement, span: Span, mounted: Sequence[Volume], balancers: Mapping[tuple[str, str], _Balancer]
) -> Iterator[ContainerUse]:
    """What a pod had as a whole is divided equally among its containers."""
    pod = placement.pod
    part = 1 / len(pod.containers)
    volumes = tuple(VolumeShare(volume, volume.gib * span.hours * part) for volume in mounted)
    served = [balancers[pod.namespace, s] for s in pod.services if (pod.namespace, s) in balancers]
    loads = tuple(LoadBalancerShare(b.load_balancer, b.hours_per_pod_hour * span.hours * part) for b in served)
    minutes = span.minutes * part
    for container in pod.containers:
        cpu = _metered(container.cpu, span, f"{pod.uid}/{container.name}/cpu")
        ram = _metered(container.ram, span, f"{pod.uid}/{container.name}/ram")
        yield ContainerUse(
            placement=placement,
            container=container,
            span=span,
            cpu=cpu,
            ram=ram,
            sent=pod.traffic.sent * minutes,
            received=pod.traffic.received * minutes,
            volumes=volumes,
            load_balancers=loads,
            cost=_cost(placement, container, span, cpu, ram, volumes, loads),
        )


def _metered(demand: Demand, span: Span, key: str) -> Metered:
    """Meter hour by hour: load changes with the hour, so that a day is the sum of its hours."""
    parts = [(_load(key, hour), part.hours) for hour in _hours_of(span) if (part := span.within(hour))]
    return Metered(
        used=sum(demand.usage * load * run for load, run in parts),
        allocated=sum(demand.allocated(load) * run for load, run in parts),
    )


def _hours_of(span: Span) -> Iterator[Window]:
    return hours(floor_hour(span.start), ceil_hour(span.end))


def _load(key: str, hour: Window) -> float:
    return between(2 - PEAK_LOAD, PEAK_LOAD, key, hour.start.isoformat())


def _cost(
    placement: Placement,
    container: Container,
    span: Span,
    cpu: Metered,
    ram: Metered,
    volumes: Sequence[VolumeShare],
    loads: Sequence[LoadBalancerShare],
) -> Cost:
    prices, traffic = placement.node.prices, placement.pod.traffic
    gib_per_byte = span.minutes / len(placement.pod.containers) / GIB
    return Cost(
        cpu=cpu.allocated * prices.cpu,
        ram=ram.allocated / GIB * prices.ram_gib,
        gpu=container.gpu * span.hours * prices.gpu,
        storage=sum(share.cost for share in volumes),
        cross_zone=traffic.cross_zone * gib_per_byte * KUBECOST_CROSS_ZONE_GIB,
        cross_region=traffic.cross_region * gib_per_byte * KUBECOST_CROSS_REGION_GIB,
        internet=traffic.internet * gib_per_byte * KUBECOST_INTERNET_GIB,
        load_balancer=sum(share.cost for share in loads),
    )
