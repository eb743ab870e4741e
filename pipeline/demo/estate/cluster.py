"""What the demo's EKS cluster is made of: nodes, pods, volumes, load balancers, and how long each of them lived."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pipeline.demo.estate.prices import UnitPrices
from pipeline.window import Window

GIB = float(1 << 30)
MINUTE = timedelta(minutes=1)
PEAK_LOAD = 1.15
"""The busiest hour of a container, as a multiple of its average usage; the quietest lies as far below."""

CapacityType = Literal["on_demand", "spot", "fargate"]
Provisioner = Literal["managed_node_group", "karpenter", "auto_mode", "fargate"]
WorkloadKind = Literal[
    "job_run", "interactive_endpoint", "spark_operator", "spark_submit", "spark", "flink", "platform", "other"
]


@dataclass(frozen=True, order=True)
class Span:
    """The time from *start* up to, not including, *end*; whole minutes, UTC."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> float:
        """How long it is, in minutes."""
        return (self.end - self.start) / MINUTE

    @property
    def hours(self) -> float:
        """How long it is, in hours."""
        return self.minutes / 60

    def overlaps(self, other: "Span | Window") -> bool:
        """Say whether the two have a moment in common."""
        return self.start < other.end and other.start < self.end

    def within(self, window: "Span | Window") -> "Span | None":
        """The part of it that lies in *window*."""
        if not self.overlaps(window):
            return None
        return Span(max(self.start, window.start), min(self.end, window.end))


@dataclass(frozen=True)
class Capacity:
    """Cores, bytes of memory and GPUs."""

    cpu: float
    ram: float
    gpu: float = 0

    def __add__(self, other: "Capacity") -> "Capacity":
        return Capacity(self.cpu + other.cpu, self.ram + other.ram, self.gpu + other.gpu)

    def holds(self, other: "Capacity") -> bool:
        """Say whether *other* fits into it."""
        return other.cpu <= self.cpu and other.ram <= self.ram and other.gpu <= self.gpu


@dataclass(frozen=True)
class InstanceType:
    """An EC2 instance type with what Kubernetes sees of its capacity, and its prices in USD per hour."""

    name: str
    capacity: Capacity
    on_demand_price: float
    spot_price: float
    architecture: Literal["amd64", "arm64"] = "amd64"
    gib: int = 16  # memory as AWS advertises it; the kernel keeps a part of it to itself

    @property
    def family(self) -> str:
        """The part of the name before the size, such as `m5`."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Pool:
    """A source of nodes of one kind; *always_on* of them never stop, the others *linger* after their last pod."""

    name: str
    provisioner: Provisioner
    capacity_type: CapacityType
    instance_type: InstanceType | None
    zones: tuple[str, ...]
    always_on: int = 0
    linger: timedelta = field(default=4 * MINUTE)


@dataclass(frozen=True)
class Node:
    """One Kubernetes node: an EC2 instance, or the virtual machine behind one Fargate pod."""

    name: str
    provider_id: str
    pool: Pool
    zone: str
    capacity: Capacity
    hourly_cost: float
    prices: UnitPrices
    labels: Mapping[str, str]
    life: Span


@dataclass(frozen=True)
class Demand:
    """What a container asks for and what it uses on average: cores, or bytes."""

    request: float
    usage: float

    def allocated(self, load: float) -> float:
        """What it is charged with under *load*: Kubecost takes the larger of request and usage."""
        return max(self.request, self.usage * load)


@dataclass(frozen=True)
class Container:
    """One container; *gpu* is the number of GPUs it has to itself."""

    name: str
    cpu: Demand
    ram: Demand
    gpu: int = 0

    @property
    def peak(self) -> Capacity:
        """The most that it ever takes from its node."""
        return Capacity(self.cpu.allocated(PEAK_LOAD), self.ram.allocated(PEAK_LOAD), self.gpu)


@dataclass(frozen=True)
class Traffic:
    """Bytes a minute that a pod sends and receives, and the parts of the sent ones that cost money."""

    sent: float = 0
    received: float = 0
    cross_zone: float = 0
    cross_region: float = 0
    internet: float = 0


@dataclass(frozen=True)
class Controller:
    """The controller of a pod as Kubecost names it: kind in lower case."""

    kind: str
    name: str


@dataclass(frozen=True)
class Workload:
    """What attribution should find for a pod.

    *emr_resource* ends the ARN of the uplift's lines; it is None for what does not run on the EMR runtime.
    """

    kind: WorkloadKind
    id: str | None = None
    name: str | None = None
    virtual_cluster_id: str | None = None
    job_run_id: str | None = None
    emr_resource: str | None = None


@dataclass(frozen=True)
class Pod:
    """One pod, and the *pool* that its node selector asks for."""

    namespace: str
    name: str
    uid: str
    life: Span
    pool: Pool
    labels: Mapping[str, str]
    containers: tuple[Container, ...]
    workload: Workload
    role: str | None = None
    controller: Controller | None = None
    services: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    traffic: Traffic = Traffic()

    @property
    def peak(self) -> Capacity:
        """The most that all its containers ever take together."""
        return sum((container.peak for container in self.containers), Capacity(0, 0))

    @property
    def requested(self) -> Capacity:
        """What all its containers ask for together: the base of the EMR uplift."""
        asked = (Capacity(c.cpu.request, c.ram.request, c.gpu) for c in self.containers)
        return sum(asked, Capacity(0, 0))


@dataclass(frozen=True)
class Placement:
    """A pod and the node that it ran on."""

    pod: Pod
    node: Node


@dataclass(frozen=True)
class Volume:
    """An EBS volume behind a PersistentVolume; *claim* is None after its claim was deleted."""

    name: str
    volume_id: str
    gib: int
    namespace: str | None
    claim: str | None
    life: Span


@dataclass(frozen=True)
class LoadBalancer:
    """A Network Load Balancer in front of a Service."""

    namespace: str
    service: str
    dns_name: str
    arn: str
    life: Span


@dataclass(frozen=True)
class Cluster:
    """Everything that stood and ran in one EKS cluster; *namespaces* holds the labels of each."""

    arn: str
    account_id: str
    region: str
    name: str
    namespaces: Mapping[str, Mapping[str, str]]
    nodes: tuple[Node, ...]
    placements: tuple[Placement, ...]
    volumes: tuple[Volume, ...]
    load_balancers: tuple[LoadBalancer, ...]
