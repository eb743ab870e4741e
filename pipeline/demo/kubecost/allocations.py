"""A window of the estate as Kubecost's allocations: rounding, sanitised labels, idle and shared rows and all."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from pipeline.demo.estate.cluster import GIB, PEAK_LOAD, Span
from pipeline.demo.estate.estate import UNMOUNTED, Estate, unmounted_pod
from pipeline.demo.estate.metering import (
    ContainerUse,
    Cost,
    Metered,
    UnmountedUse,
    VolumeShare,
    container_uses,
    unmounted_uses,
)
from pipeline.demo.estate.nodes import ROOT_DISK_GIB
from pipeline.demo.estate.prices import EKS_CLUSTER_HOUR, KUBECOST_HOURS_IN_MONTH, KUBECOST_LOCAL_DISK_GIB_MONTH
from pipeline.demo.kubecost.shapes import (
    Allocation,
    LoadBalancerAllocation,
    Number,
    PersistentVolumeShare,
    Properties,
    RawAllocation,
    TimeSpan,
)
from pipeline.window import Window, rfc3339

IDLE = "__idle__"

_INCLUDED_NODE_LABELS = frozenset(
    {
        "eks.amazonaws.com/nodegroup",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
"""What Kubecost merges into a pod's labels unless told otherwise; the capacity type is not among them."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_]", re.ASCII)


@dataclass(frozen=True)
class Options:
    """The parameters that change an unaggregated answer; Kubecost's own defaults."""

    idle: bool = True
    share_tenancy_costs: bool = True


def allocations(estate: Estate, window: Window, options: Options) -> dict[str, Allocation]:
    """Make the allocation set of one *window*; empty where nothing is known of it."""
    answer = _Allocations(estate, window)
    rows = list(answer.rows())
    if options.share_tenancy_costs:
        rows = _with_tenancy_costs(rows, tenancy_cost(estate, window))
    if options.idle and rows:
        rows.append(answer.idle())
    return {row.name: row for row in rows}


def tenancy_cost(estate: Estate, window: Window) -> float:
    """USD of the control plane and the nodes' root disks, which Kubecost shares out by default."""
    history = estate.history.within(window)
    hours = sum(span.hours for node in estate.nodes if (span := node.life.within(window)))
    disks = hours * ROOT_DISK_GIB * KUBECOST_LOCAL_DISK_GIB_MONTH / KUBECOST_HOURS_IN_MONTH
    return disks + (history.hours if history else 0) * EKS_CLUSTER_HOUR


def sanitised(labels: Mapping[str, str]) -> dict[str, str]:
    """Write label keys as Prometheus has them; values stay whole."""
    return {_UNSAFE.sub("_", key): value for key, value in sorted(labels.items())}


def time_span(span: Span | Window) -> TimeSpan:
    """*span* as Kubecost prints it."""
    return TimeSpan(rfc3339(span.start), rfc3339(span.end))


def five(value: float) -> Number:
    """Round to five decimals, as Kubecost prints allocations: whole numbers have no point."""
    rounded = round(value, 5)
    return int(rounded) if rounded == int(rounded) else rounded


@dataclass(frozen=True)
class _Allocations:
    estate: Estate
    window: Window

    def rows(self) -> Iterator[Allocation]:
        """The unmounted volumes first, then the containers by node."""
        for unmounted in unmounted_uses(self.estate, self.window):
            yield self._unmounted(unmounted)
        uses = container_uses(self.estate, self.window)
        yield from sorted(map(self._container, uses), key=lambda row: row.name)

    def idle(self) -> Allocation:
        """What the nodes cost beyond their pods: costs, and no hours."""
        uses = [use.cost for use in container_uses(self.estate, self.window)]
        nodes = [(n, span.hours) for n in self.estate.nodes if (span := n.life.within(self.window))]
        cpu = sum(n.capacity.cpu * n.prices.cpu * h for n, h in nodes) - sum(cost.cpu for cost in uses)
        ram = sum(n.capacity.ram / GIB * n.prices.ram_gib * h for n, h in nodes) - sum(c.ram for c in uses)
        gpu = sum(n.capacity.gpu * n.prices.gpu * h for n, h in nodes) - sum(cost.gpu for cost in uses)
        return self._row(
            IDLE,
            Properties(cluster=self.estate.name),
            Span(self.window.start, self.window.end),
            Cost(cpu=cpu, ram=ram, gpu=gpu),
        )

    def _row(self, name: str, properties: Properties, span: Span, cost: Cost) -> Allocation:
        times = time_span(span)
        return Allocation(
            name=name,
            properties=properties,
            window=time_span(self.window),
            start=times.start,
            end=times.end,
            minutes=five(span.minutes),
            cpu_cost=five(cost.cpu),
            ram_cost=five(cost.ram),
            gpu_cost=five(cost.gpu),
            pv_cost=five(cost.storage),
            network_cost=five(cost.network),
            network_cross_zone_cost=five(cost.cross_zone),
            network_cross_region_cost=five(cost.cross_region),
            network_internet_cost=five(cost.internet),
            load_balancer_cost=five(cost.load_balancer),
            total_cost=five(cost.total),
        )

    def _unmounted(self, use: UnmountedUse) -> Allocation:
        namespace, pod = use.namespace or UNMOUNTED, unmounted_pod(use.namespace)
        known = self.estate.history.within(self.window) or self.estate.history
        row = self._row(
            f"{self.estate.name}//{namespace}/{pod}/{UNMOUNTED}",
            Properties(cluster=self.estate.name, namespace=namespace, pod=pod, container=UNMOUNTED),
            known,
            use.cost,
        )
        return self._with_volumes(row, use.volumes, known.hours, mounted=False)

    def _container(self, use: ContainerUse) -> Allocation:
        properties = self._properties(use)
        name = "/".join((properties.cluster, properties.node, properties.namespace, properties.pod))
        row = self._row(f"{name}/{properties.container}", properties, use.span, use.cost)
        row = self._with_volumes(_with_resources(row, use), use.volumes, use.span.hours, mounted=True)
        return msgspec.structs.replace(row, lb_allocations=self._load_balancers(use))

    def _properties(self, use: ContainerUse) -> Properties:
        pod, node = use.placement.pod, use.placement.node
        of_namespace = self.estate.namespaces[pod.namespace]
        of_node = {key: value for key, value in node.labels.items() if key in _INCLUDED_NODE_LABELS}
        return Properties(
            cluster=self.estate.name,
            node=node.name,
            container=use.container.name,
            controller=pod.controller.name if pod.controller else "",
            controller_kind=pod.controller.kind if pod.controller else "",
            namespace=pod.namespace,
            pod=pod.name,
            services=pod.services,
            provider_id=node.provider_id,
            labels=sanitised({**of_node, **of_namespace, **pod.labels}),
            namespace_labels=sanitised(of_namespace),
        )

    def _with_volumes(
        self, row: Allocation, shares: Iterable[VolumeShare], hours: float, *, mounted: bool
    ) -> Allocation:
        """Volumes have no provider ID where no pod mounted them."""
        pvs = {
            f"cluster={self.estate.name}:name={share.volume.name}": PersistentVolumeShare(
                byte_hours=share.gib_hours * GIB,
                cost=share.cost,
                provider_id=share.volume.volume_id if mounted else "",
            )
            for share in shares
        }
        byte_hours = sum(share.byte_hours for share in pvs.values())
        return msgspec.structs.replace(
            row,
            pvs=pvs or None,
            pv_bytes=five(byte_hours / hours),
            pv_byte_hours=five(byte_hours),
        )

    def _load_balancers(self, use: ContainerUse) -> dict[str, LoadBalancerAllocation] | None:
        allocated = {
            f"{self.estate.name}/{of.namespace}/{of.service}": LoadBalancerAllocation(
                service=f"{of.namespace}/{of.service}",
                cost=share.cost,
                private=False,
                ip=of.dns_name,
                hours=use.span.hours,
            )
            for share in use.load_balancers
            for of in (share.load_balancer,)
        }
        return allocated or None


def _with_resources(row: Allocation, use: ContainerUse) -> Allocation:
    cpu, ram, hours = use.container.cpu, use.container.ram, use.span.hours
    return msgspec.structs.replace(
        row,
        cpu_cores=five(use.cpu.allocated / hours),
        cpu_core_request_average=five(cpu.request),
        cpu_core_usage_average=five(use.cpu.used / hours),
        cpu_core_hours=five(use.cpu.allocated),
        cpu_efficiency=five(_efficiency(use.cpu, cpu.request * hours)),
        gpu_count=use.container.gpu,
        gpu_request_average=use.container.gpu,
        gpu_hours=five(use.gpu_hours),
        network_transfer_bytes=five(use.sent),
        network_receive_bytes=five(use.received),
        ram_bytes=five(use.ram.allocated / hours),
        ram_byte_request_average=five(ram.request),
        ram_byte_usage_average=five(use.ram.used / hours),
        ram_byte_hours=five(use.ram.allocated),
        ram_efficiency=five(_efficiency(use.ram, ram.request * hours)),
        total_efficiency=five(_total_efficiency(use)),
        raw_allocation_only=RawAllocation(cpu.usage * PEAK_LOAD, round(ram.usage * PEAK_LOAD)),
    )


def _efficiency(metered: Metered, requested: float) -> float:
    """Usage over request; what runs without a request is wholly efficient."""
    if requested:
        return metered.used / requested
    return 1 if metered.used else 0


def _total_efficiency(use: ContainerUse) -> float:
    """Both efficiencies, weighted by cost; GPUs do not count."""
    hours, cost = use.span.hours, use.cost
    cpu = _efficiency(use.cpu, use.container.cpu.request * hours)
    ram = _efficiency(use.ram, use.container.ram.request * hours)
    return (cpu * cost.cpu + ram * cost.ram) / (cost.cpu + cost.ram)


def _with_tenancy_costs(rows: list[Allocation], pool: float) -> list[Allocation]:
    """Add to each row its part of *pool* by cost."""
    whole = sum(row.total_cost for row in rows)
    parts = [pool * row.total_cost / whole for row in rows]
    return [
        msgspec.structs.replace(row, shared_cost=five(part), total_cost=five(row.total_cost + part))
        for row, part in zip(rows, parts, strict=True)
    ]
