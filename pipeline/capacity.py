"""What kind of capacity a node is: On-Demand, Spot or Fargate, its pool, its type, its zone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.models import INSTANCE_ID, Asset


class CapacityType(StrEnum):
    """How AWS sells the capacity; `unknown` where nothing says, which drops no row."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    FARGATE = "fargate"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Capacity:
    """The node that a container ran on, as far as labels and the node's asset tell."""

    instance_id: str | None
    instance_type: str | None
    capacity_type: CapacityType
    availability_zone: str | None
    node_pool: str | None
    provider_id: str | None


# Keys as `_fold` leaves them: managed node groups, Karpenter (v1alpha5 to v1) and EKS Auto Mode, eksctl, self-managed.
_CAPACITY_TYPE = (
    "eks_amazonaws_com_capacitytype",
    "eks_amazonaws_com_capacity_type",
    "karpenter_sh_capacity_type",
    "alpha_eksctl_io_instance_lifecycle",
    "node_kubernetes_io_lifecycle",
    "lifecycle",
)
_MEANING = {
    "on_demand": CapacityType.ON_DEMAND,
    "ondemand": CapacityType.ON_DEMAND,
    "normal": CapacityType.ON_DEMAND,
    "reserved": CapacityType.ON_DEMAND,  # Karpenter's word for On-Demand Capacity Reservations
    "capacity_block": CapacityType.ON_DEMAND,
    "spot": CapacityType.SPOT,
    "ec2spot": CapacityType.SPOT,
}
_COMPUTE_TYPE = ("eks_amazonaws_com_compute_type",)
_FARGATE_PROFILE = ("eks_amazonaws_com_fargate_profile",)
_FARGATE_NODE = "fargate-"
_NODE_POOL = (
    "eks_amazonaws_com_nodegroup",
    "karpenter_sh_nodepool",
    "karpenter_sh_provisioner_name",
    "alpha_eksctl_io_nodegroup_name",
)
_INSTANCE_TYPE = ("node_kubernetes_io_instance_type", "beta_kubernetes_io_instance_type")
_ZONE = ("topology_kubernetes_io_zone", "failure_domain_beta_kubernetes_io_zone")

_WORD_BREAK = re.compile(r"[^a-z0-9]+")


def capacity(node: str | None, provider_id: str | None, pod_labels: Mapping[str, str], asset: Asset | None) -> Capacity:
    """Say what *node* is, from its *asset* where there is one, else from the labels that the pod's row carries."""
    labels = _fold(pod_labels)
    if asset is not None:
        labels |= _fold(asset.labels or {})
    return Capacity(
        instance_id=provider_id if provider_id and INSTANCE_ID.fullmatch(provider_id) else None,
        instance_type=(asset and asset.node_type) or _first(labels, _INSTANCE_TYPE),
        capacity_type=_capacity_type(node, labels, asset),
        availability_zone=_first(labels, _ZONE),
        node_pool=_first(labels, _NODE_POOL) or (asset and asset.pool) or None,
        provider_id=provider_id or None,
    )


def _capacity_type(node: str | None, labels: Mapping[str, str], asset: Asset | None) -> CapacityType:
    if (
        (node or "").startswith(_FARGATE_NODE)
        or _first(labels, _COMPUTE_TYPE) == "fargate"
        or _first(labels, _FARGATE_PROFILE)
    ):
        return CapacityType.FARGATE
    stated = _WORD_BREAK.sub("_", (_first(labels, _CAPACITY_TYPE) or "").lower())
    if stated in _MEANING:
        return _MEANING[stated]
    if asset is not None and (asset.preemptible or 0) > 0:
        return CapacityType.SPOT
    return CapacityType.UNKNOWN  # `preemptible` 0 only says that no label spoke of Spot


def _fold(labels: Mapping[str, str]) -> dict[str, str]:
    """Bring label keys of every upstream version to one spelling: no `label_` prefix, lower case."""
    return {key.removeprefix("label_").lower(): value for key, value in labels.items()}


def _first(labels: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((labels[key] for key in keys if labels.get(key)), None)
