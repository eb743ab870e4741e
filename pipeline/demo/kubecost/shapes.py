"""The shapes of Kubecost's answers: every field of an allocation and of an asset, in Kubecost's own spelling."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

Number = int | float


class _Shape(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an answer."""


class TimeSpan(_Shape, frozen=True):
    """Two instants, RFC 3339 in UTC."""

    start: str
    end: str


class Properties(_Shape, frozen=True, omit_defaults=True):
    """Who an allocation or an asset is; what is empty is left out, as Kubecost does."""

    category: str = ""
    provider: str = ""
    service: str = ""
    cluster: str = ""
    node: str = ""
    container: str = ""
    controller: str = ""
    controller_kind: str = ""
    namespace: str = ""
    pod: str = ""
    services: tuple[str, ...] = ()
    name: str = ""
    provider_id: str = msgspec.field(default="", name="providerID")
    labels: Mapping[str, str] | UnsetType = UNSET
    namespace_labels: Mapping[str, str] | UnsetType = UNSET


class PersistentVolumeShare(_Shape, frozen=True):
    """A container's part of a volume: the one place where Kubecost does not round."""

    byte_hours: Number
    cost: float
    provider_id: str = msgspec.field(name="providerID")
    adjustment: Number = 0


class LoadBalancerAllocation(_Shape, frozen=True):
    """A container's part of a load balancer."""

    service: str
    cost: float
    private: bool
    ip: str
    hours: Number
    adjustment: Number = 0


class RawAllocation(_Shape, frozen=True):
    """The highest usage that was seen: cores and bytes."""

    cpu_core_usage_max: Number
    ram_byte_usage_max: Number


class Allocation(_Shape, frozen=True):
    """One container in one window; hours are core·h, GPU·h and byte·h, money is USD."""

    name: str
    properties: Properties
    window: TimeSpan
    start: str
    end: str
    minutes: Number
    cpu_cores: Number = 0
    cpu_core_request_average: Number = 0
    cpu_core_usage_average: Number = 0
    cpu_core_hours: Number = 0
    cpu_cost: Number = 0
    cpu_cost_adjustment: Number = 0
    cpu_cost_idle: Number = 0
    cpu_efficiency: Number = 0
    gpu_count: Number = 0
    gpu_request_average: Number = 0
    gpu_usage_average: Number = 0
    gpu_hours: Number = 0
    gpu_cost: Number = 0
    gpu_cost_adjustment: Number = 0
    gpu_cost_idle: Number = 0
    gpu_efficiency: Number = 0
    network_transfer_bytes: Number = 0
    network_receive_bytes: Number = 0
    network_cost: Number = 0
    network_cross_zone_cost: Number = 0
    network_cross_region_cost: Number = 0
    network_internet_cost: Number = 0
    network_cost_adjustment: Number = 0
    load_balancer_cost: Number = 0
    load_balancer_cost_adjustment: Number = 0
    pv_bytes: Number = 0
    pv_byte_hours: Number = 0
    pv_cost: Number = 0
    pvs: Mapping[str, PersistentVolumeShare] | None = None
    pv_cost_adjustment: Number = 0
    ram_bytes: Number = 0
    ram_byte_request_average: Number = 0
    ram_byte_usage_average: Number = 0
    ram_byte_hours: Number = 0
    ram_cost: Number = 0
    ram_cost_adjustment: Number = 0
    ram_cost_idle: Number = 0
    ram_efficiency: Number = 0
    external_cost: Number = 0
    shared_cost: Number = 0
    total_cost: Number = 0
    total_efficiency: Number = 0
    raw_allocation_only: RawAllocation | UnsetType = UNSET
    lb_allocations: Mapping[str, LoadBalancerAllocation] | None = None


class Breakdown(_Shape, frozen=True):
    """How a resource was used; Kubecost does not ask by default, and says idle."""

    idle: Number = 1
    other: Number = 0
    system: Number = 0
    user: Number = 0


class _Asset(_Shape, frozen=True, kw_only=True):
    """What all assets have in common."""

    type: str
    properties: Properties
    labels: Mapping[str, str]
    window: TimeSpan
    start: str
    end: str
    minutes: float
    total_cost: float


class Node(_Asset, frozen=True, kw_only=True):
    """A node; on Fargate its type is empty and it has no pool."""

    node_type: str
    pool: str | UnsetType
    cpu_cores: float
    ram_bytes: float
    cpu_core_hours: float
    ram_byte_hours: float
    gpu_hours: float = msgspec.field(name="GPUHours")
    cpu_breakdown: Breakdown = Breakdown()
    ram_breakdown: Breakdown = Breakdown()
    preemptible: float
    discount: float = 0.0
    cpu_cost: float
    gpu_cost: float
    gpu_count: float
    ram_cost: float
    adjustment: float = 0.0


class Disk(_Asset, frozen=True, kw_only=True):
    """A persistent volume, or the root disk of a node, which carries the instance's own ID."""

    byte_hours: float
    bytes: float
    byte_hours_used: float | None = None
    byte_usage_max: float | None = None
    breakdown: Breakdown = Breakdown()
    adjustment: float = 0.0
    storage_class: str
    volume_name: str
    claim_name: str
    claim_namespace: str


class LoadBalancer(_Asset, frozen=True, kw_only=True):
    """A load balancer; its name, and hence its key, holds a `/`."""

    adjustment: float = 0.0
    private: bool
    ip: str


class ClusterManagement(_Asset, frozen=True, kw_only=True):
    """The control plane of the EKS cluster."""


Asset = Node | Disk | LoadBalancer | ClusterManagement
