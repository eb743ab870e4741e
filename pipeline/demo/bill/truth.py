"""What the bill truly means for the estate, to compare a ledger with: instance-hours, pods, volumes, and every class.

All costs are USD, not rounded. Effective cost is amortized and net of all discounts. Nothing here reads the bill's
columns: whoever makes a line says what it is for, and the estate knows its pods.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from pipeline.demo.bill.compute import pod_arn
from pipeline.demo.bill.line_items import bill_lines
from pipeline.demo.bill.lines import LineClass, LineItem
from pipeline.demo.bill.sharing import PodHour, Sizes, pod_hours, ratios, resource_parts, size
from pipeline.demo.estate.cluster import Node, Placement
from pipeline.demo.estate.estate import Estate
from pipeline.demo.estate.metering import LoadBalancerShare, VolumeShare
from pipeline.window import Window

_Lines = dict[tuple[LineClass, str | None, datetime], list[LineItem]]


@dataclass(frozen=True)
class Charged:
    """What some lines come to, USD: as charged, after discounts, amortized after discounts, and at list prices.

    The bill knows no list price of Spot, which counts as 0 here.
    """

    unblended_cost: float
    net_unblended_cost: float
    effective_cost: float
    list_cost: float


@dataclass(frozen=True)
class TrueTotal:
    """All lines of one class, in or out of the cluster's scope."""

    line_class: LineClass
    in_scope: bool
    lines: int
    charged: Charged


@dataclass(frozen=True)
class TrueInstanceHour:
    """One instance in one hour: the *hours* that it ran in it, what that cost, and what of that no pod took.

    *idle_reason* is `empty_node` where no pod ran, else `spare`.
    """

    window_start: datetime
    window_end: datetime
    instance_id: str
    node: Node
    hours: float
    charged: Charged
    idle_cost: float
    idle_reason: str


@dataclass(frozen=True)
class TruePodHour:
    """What one pod cost in one hour: its share of an instance, or Fargate; volumes, traffic, load balancers.

    An instance's traffic between zones is shared by all bytes that its pods sent and received: no more is measured.
    """

    window_start: datetime
    window_end: datetime
    placement: Placement
    compute_cost: float
    storage_cost: float
    network_cost: float
    load_balancer_cost: float


@dataclass(frozen=True)
class TrueVolumeHour:
    """A persistent volume in one hour, and the part of its cost in which no pod mounted it."""

    window_start: datetime
    window_end: datetime
    volume_id: str
    effective_cost: float
    unmounted_cost: float


@dataclass(frozen=True)
class TrueBill:
    """Every line that bills something, and how the cost of instances and volumes is divided among pods."""

    charges: tuple[LineItem, ...]
    instance_hours: tuple[TrueInstanceHour, ...]
    pod_hours: tuple[TruePodHour, ...]
    volume_hours: tuple[TrueVolumeHour, ...]

    def totals(self) -> tuple[TrueTotal, ...]:
        """One total for each class and scope that occurs, by name."""
        groups: dict[tuple[LineClass, bool], list[LineItem]] = defaultdict(list)
        for line in self.charges:
            groups[line.line_class, line.in_scope].append(line)
        return tuple(TrueTotal(*key, len(of), _charged(of)) for key, of in sorted(groups.items()))

    def effective_cost(self, line_class: LineClass | None = None, *, in_scope: bool = True) -> float:
        """Effective cost of a class, or of all, in or out of scope."""
        lines = (line for line in self.charges if line.in_scope == in_scope)
        return sum(line.net_amortized_cost for line in lines if line_class in (None, line.line_class))


def true_bill(estate: Estate, spot_sizes: Sizes = "kubernetes") -> TrueBill:
    """Divide the bill of *estate*: an instance by 9 a vCPU, 1 a GiB and 90 a GPU, by the larger of request and usage.

    On Demand lines name vCPU and memory as advertised; Spot lines do not, so that *spot_sizes* says what to take.
    """
    charges = bill_lines(estate)
    by_resource: _Lines = defaultdict(list)
    for line in charges:
        by_resource[line.line_class, line.resource_id, line.span.start].append(line)
    hours = [_Hour(estate, window, by_resource, spot_sizes) for window in estate.windows()]
    return TrueBill(
        charges=charges,
        instance_hours=tuple(instance for hour in hours for instance in hour.instances()),
        pod_hours=tuple(pod for hour in hours for pod in hour.pods()),
        volume_hours=tuple(volume for hour in hours for volume in hour.volumes()),
    )


@dataclass(frozen=True)
class _Hour:
    estate: Estate
    window: Window
    lines: _Lines
    spot_sizes: Sizes

    @cached_property
    def by_node(self) -> Mapping[str, Sequence[PodHour]]:
        """The pods on each node, by its provider ID."""
        pods: dict[str, list[PodHour]] = defaultdict(list)
        for pod in pod_hours(self.estate, self.window):
            pods[pod.placement.node.provider_id].append(pod)
        return pods

    def instances(self) -> Iterator[TrueInstanceHour]:
        """Every instance that ran."""
        for node in self.estate.nodes:
            life = node.life.within(self.window)
            if life and node.pool.instance_type:
                charged = _charged(self._billed("compute", node.provider_id))
                pods = self.by_node.get(node.provider_id, ())
                yield TrueInstanceHour(
                    window_start=self.window.start,
                    window_end=self.window.end,
                    instance_id=node.provider_id,
                    node=node,
                    hours=life.hours,
                    charged=charged,
                    idle_cost=charged.effective_cost * (1 - sum(self._shares(node, pods))),
                    idle_reason="spare" if pods else "empty_node",
                )

    def pods(self) -> Iterator[TruePodHour]:
        """Every pod that ran, by node."""
        for pods in self.by_node.values():
            node = pods[0].placement.node
            on_fargate = node.pool.instance_type is None
            shares = [0.0] * len(pods) if on_fargate else self._shares(node, pods)
            compute = self._cost("compute", node.provider_id)
            network = self._cost("network", node.provider_id)
            traffic = sum(pod.traffic for pod in pods)
            for pod, share in zip(pods, shares, strict=True):
                arn = pod_arn(self.estate, pod.placement.pod)
                yield TruePodHour(
                    window_start=self.window.start,
                    window_end=self.window.end,
                    placement=pod.placement,
                    compute_cost=self._cost("fargate", arn) if on_fargate else compute * share,
                    storage_cost=sum(self._mounted_cost(volume) for volume in pod.volumes),
                    network_cost=network * pod.traffic / traffic if network else 0.0,
                    load_balancer_cost=sum(self._balancer_cost(share) for share in pod.load_balancers),
                )

    def volumes(self) -> Iterator[TrueVolumeHour]:
        """Every persistent volume that there was."""
        shares = [share for pods in self.by_node.values() for pod in pods for share in pod.volumes]
        for volume in self.estate.volumes:
            if volume.life.overlaps(self.window):
                cost = self._cost("storage", volume.volume_id)
                mounted = sum(self._mounted_cost(share) for share in shares if share.volume == volume)
                yield TrueVolumeHour(self.window.start, self.window.end, volume.volume_id, cost, cost - mounted)

    def _mounted_cost(self, share: VolumeShare) -> float:
        """What a pod's part of a volume's GiB-hours cost."""
        life = share.volume.life.within(self.window)
        gib_hours = share.volume.gib * (life.hours if life else 0)
        return self._cost("storage", share.volume.volume_id) * share.gib_hours / gib_hours

    def _balancer_cost(self, share: LoadBalancerShare) -> float:
        """What a pod's part of a load balancer's hours cost, capacity units included."""
        life = share.load_balancer.life.within(self.window)
        return self._cost("load_balancer", share.load_balancer.arn) * share.hours / (life.hours if life else 0)

    def _shares(self, node: Node, pods: Sequence[PodHour]) -> list[float]:
        """The part of the instance's cost that each pod has, as Kubecost measures it: container by container."""
        life = node.life.within(self.window)
        sizes = self.spot_sizes if node.pool.capacity_type == "spot" else "advertised"
        whole = size(node, life.hours if life else 0, sizes)
        by_resource = [
            [part * ratio for ratio in ratios([pod.taken_by_containers[meter] for pod in pods], whole[meter])]
            for meter, part in enumerate(resource_parts(whole))
            if part
        ]
        return [sum(of) for of in zip(*by_resource, strict=True)]

    def _cost(self, line_class: LineClass, resource_id: str) -> float:
        return sum(line.net_amortized_cost for line in self._billed(line_class, resource_id))

    def _billed(self, line_class: LineClass, resource_id: str) -> Sequence[LineItem]:
        return self.lines.get((line_class, resource_id, self.window.start), ())


def _charged(lines: Sequence[LineItem]) -> Charged:
    return Charged(
        unblended_cost=sum(line.unblended_cost for line in lines),
        net_unblended_cost=sum(line.kept * line.unblended_cost for line in lines),
        effective_cost=sum(line.net_amortized_cost for line in lines),
        list_cost=sum(line.list_cost for line in lines),
    )
