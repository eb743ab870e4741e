"""The estate of the demo: one cluster's two days, and what each workload truly cost in each hour."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from pipeline.demo.estate import timetable
from pipeline.demo.estate.cluster import GIB, Cluster, Placement, Span
from pipeline.demo.estate.metering import ContainerUse, UnmountedUse, container_uses, unmounted_uses
from pipeline.demo.estate.nodes import (
    CORE,
    DRIVERS,
    EXECUTORS,
    GENERAL_PURPOSE,
    GPU,
    RECLAIMED,
    REGION,
    SPARK_SPOT,
    instance,
)
from pipeline.demo.estate.prices import UPLIFT_GB_HOUR, UPLIFT_VCPU_HOUR
from pipeline.demo.estate.scheduler import schedule
from pipeline.demo.estate.services import daemon_pods
from pipeline.window import Window, hours

ACCOUNT = "111122223333"
CLUSTER = "analytics"
UNMOUNTED = "__unmounted__"

_POOLS = (CORE, SPARK_SPOT, DRIVERS, EXECUTORS, RECLAIMED, GPU, GENERAL_PURPOSE)


@dataclass(frozen=True)
class TrueCost:
    """What one container, or the unmounted volumes of a namespace, truly cost in one hour, in USD, not rounded."""

    window_start: datetime
    window_end: datetime
    namespace: str
    pod: str
    container: str
    node: str | None
    instance_id: str | None
    capacity_type: str
    workload_kind: str
    workload_id: str | None
    workload_name: str | None
    virtual_cluster_id: str | None
    job_run_id: str | None
    spark_role: str | None
    cpu_cost: float
    ram_cost: float
    gpu_cost: float
    storage_cost: float
    network_cost: float
    load_balancer_cost: float

    @property
    def compute_cost(self) -> float:
        """CPU, memory and GPU, USD."""
        return self.cpu_cost + self.ram_cost + self.gpu_cost

    @property
    def total_cost(self) -> float:
        """All components, USD."""
        return self.compute_cost + self.storage_cost + self.network_cost + self.load_balancer_cost


@dataclass(frozen=True)
class TrueUplift:
    """The EMR uplift of one resource in one hour: what its pods requested, in vCPU-hours and GB-hours."""

    window_start: datetime
    window_end: datetime
    resource_arn: str
    on_fargate: bool
    workload_kind: str
    workload_id: str
    virtual_cluster_id: str | None
    job_run_id: str | None
    vcpu_hours: float
    gb_hours: float

    @property
    def vcpu_cost(self) -> float:
        """USD for the vCPU-hours."""
        return self.vcpu_hours * UPLIFT_VCPU_HOUR

    @property
    def gb_cost(self) -> float:
        """USD for the GB-hours."""
        return self.gb_hours * UPLIFT_GB_HOUR

    @property
    def cost(self) -> float:
        """USD for both."""
        return self.vcpu_cost + self.gb_cost


@dataclass(frozen=True)
class Estate(Cluster):
    """A cluster, the *history* that is known of it, and the truth about its cost."""

    history: Span

    def windows(self) -> tuple[Window, ...]:
        """The hours of the history."""
        return tuple(hours(self.history.start, self.history.end))

    def true_costs(self) -> tuple[TrueCost, ...]:
        """What every container and every unmounted volume cost, hour by hour."""
        return tuple(cost for window in self.windows() for cost in self._costs_in(window))

    def true_uplift(self) -> tuple[TrueUplift, ...]:
        """What EMR charges for every resource that ran on its runtime, hour by hour."""
        return tuple(uplift for window in self.windows() for uplift in self._uplift_in(window))

    def _costs_in(self, window: Window) -> list[TrueCost]:
        pods = [_true_cost(use, window) for use in container_uses(self, window)]
        return pods + [_true_unmounted_cost(use, window) for use in unmounted_uses(self, window)]

    def _uplift_in(self, window: Window) -> list[TrueUplift]:
        pods: dict[tuple[str, bool], list[Placement]] = defaultdict(list)
        for placement in self.placements:
            resource = placement.pod.workload.emr_resource
            if resource is not None and placement.pod.life.overlaps(window):
                pods[resource, placement.node.pool.provisioner == "fargate"].append(placement)
        return [self._uplift_of(key, of, window) for key, of in sorted(pods.items(), key=lambda item: item[0])]

    def _uplift_of(self, key: tuple[str, bool], placements: list[Placement], window: Window) -> TrueUplift:
        resource, on_fargate = key
        workload = placements[0].pod.workload
        met = [(p.pod.requested, span.hours) for p in placements if (span := p.pod.life.within(window))]
        return TrueUplift(
            window_start=window.start,
            window_end=window.end,
            resource_arn=f"arn:aws:emr-containers:{self.region}:{self.account_id}:{resource}",
            on_fargate=on_fargate,
            workload_kind=workload.kind,
            workload_id=str(workload.id),
            virtual_cluster_id=workload.virtual_cluster_id,
            job_run_id=workload.job_run_id,
            vcpu_hours=sum(requested.cpu * hours_run for requested, hours_run in met),
            gb_hours=sum(requested.ram / GIB * hours_run for requested, hours_run in met),
        )


def build_estate() -> Estate:
    """Build the estate; two calls build the same."""
    plan = schedule(timetable.pods(), _POOLS, timetable.HISTORY)
    daemons = [Placement(pod, node) for node in plan.nodes for pod in daemon_pods(node)]
    empty = instance(CORE, sum(node.pool == CORE for node in plan.nodes), timetable.EMPTY_NODE)
    return Estate(
        arn=f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
        account_id=ACCOUNT,
        region=REGION,
        name=CLUSTER,
        namespaces=timetable.NAMESPACES,
        nodes=(*plan.nodes, empty),
        placements=(*plan.placements, *daemons),
        volumes=timetable.volumes(),
        load_balancers=timetable.load_balancers(ACCOUNT),
        history=timetable.HISTORY,
    )


def unmounted_pod(namespace: str | None) -> str:
    """What Kubecost calls the pod that unmounted volumes would have."""
    return UNMOUNTED if namespace is None else f"{namespace}-unmounted-pvcs"


def _true_cost(use: ContainerUse, window: Window) -> TrueCost:
    pod, node = use.placement.pod, use.placement.node
    on_fargate = node.pool.provisioner == "fargate"
    return TrueCost(
        window_start=window.start,
        window_end=window.end,
        namespace=pod.namespace,
        pod=pod.name,
        container=use.container.name,
        node=node.name,
        instance_id=None if on_fargate else node.provider_id,
        capacity_type=node.pool.capacity_type,
        workload_kind=pod.workload.kind,
        workload_id=pod.workload.id,
        workload_name=pod.workload.name,
        virtual_cluster_id=pod.workload.virtual_cluster_id,
        job_run_id=pod.workload.job_run_id,
        spark_role=pod.role,
        cpu_cost=use.cost.cpu,
        ram_cost=use.cost.ram,
        gpu_cost=use.cost.gpu,
        storage_cost=use.cost.storage,
        network_cost=use.cost.network,
        load_balancer_cost=use.cost.load_balancer,
    )


def _true_unmounted_cost(use: UnmountedUse, window: Window) -> TrueCost:
    """No node and no workload: the row is `other`, but its money is real."""
    return TrueCost(
        window_start=window.start,
        window_end=window.end,
        namespace=use.namespace or UNMOUNTED,
        pod=unmounted_pod(use.namespace),
        container=UNMOUNTED,
        node=None,
        instance_id=None,
        capacity_type="unknown",
        workload_kind="other",
        workload_id=None,
        workload_name=None,
        virtual_cluster_id=None,
        job_run_id=None,
        spark_role=None,
        cpu_cost=0,
        ram_cost=0,
        gpu_cost=0,
        storage_cost=use.cost.storage,
        network_cost=0,
        load_balancer_cost=0,
    )
