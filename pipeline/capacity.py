"""What kind of capacity a node is: On-Demand, Spot or Fargate, its pool, its type, its zone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

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
_ONLY_OF_A_NODE = frozenset({"lifecycle"})  # a plain word, which may mean anything on a pod
_READ = frozenset(_CAPACITY_TYPE + _COMPUTE_TYPE + _FARGATE_PROFILE + _NODE_POOL + _INSTANCE_TYPE + _ZONE)

_WORD_BREAK = re.compile(r"[^a-z0-9]+")
_CONFLICT = re.compile(r"_conflict[0-9]+$", re.ASCII)
_AWS_PROVIDER_ID = re.compile(r"aws://[^/]*/[^/]*/([^/]+).*")


def capacity(node: str | None, provider_id: str | None, pod_labels: Mapping[str, str], asset: Asset | None) -> Capacity:
    """Say what *node* is, from its *asset* where there is one, else from the labels that the pod's row carries."""
    labels = {key: value for key, value in _fold(pod_labels).items() if key not in _ONLY_OF_A_NODE}
    if asset is not None:
        labels |= _fold(asset.labels or {})
    provider_id = bare_id(provider_id)
    instance_id = provider_id if provider_id and INSTANCE_ID.fullmatch(provider_id) else None
    is_fargate = instance_id is None and _is_fargate(node, labels)
    return Capacity(
        instance_id=instance_id,
        instance_type=(asset and asset.node_type) or _first(labels, _INSTANCE_TYPE),
        capacity_type=CapacityType.FARGATE if is_fargate else _capacity_type(labels, asset),
        availability_zone=_first(labels, _ZONE),
        node_pool=_first(labels, _NODE_POOL) or (asset and asset.pool) or None,
        provider_id=provider_id or None,
    )


def telling(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Those of a pod's *labels* that say something about its node."""
    return tuple((key, value) for key, value in labels.items() if _folded(key) is not None)


def bare_id(provider_id: str | None) -> str | None:
    """A provider ID as most servers give it: `i-…` of `aws:///us-east-1a/i-…`, on Fargate the part that is the ID.

    Source: https://github.com/kubernetes/cloud-provider-aws (spec.providerID of a node)
    """
    whole = _AWS_PROVIDER_ID.fullmatch(provider_id) if provider_id else None
    return whole[1] if whole else provider_id


def _is_fargate(node: str | None, labels: Mapping[str, str]) -> bool:
    """Whether a node that is no EC2 instance is Fargate; a pod may carry a profile's label wherever it runs."""
    return (
        (node or "").startswith(_FARGATE_NODE)
        or _first(labels, _COMPUTE_TYPE) == "fargate"
        or bool(_first(labels, _FARGATE_PROFILE))
    )


def _capacity_type(labels: Mapping[str, str], asset: Asset | None) -> CapacityType:
    stated = next(_stated(labels), None)
    if stated is not None:
        return stated
    # A fraction is the share of the time in which the label was seen: an instance is Spot for life, or never. And 0
    # only says that no label spoke of Spot.
    if asset is not None and (asset.preemptible or 0) > 0:
        return CapacityType.SPOT
    return CapacityType.UNKNOWN


def _stated(labels: Mapping[str, str]) -> Iterator[CapacityType]:
    """What labels say; a word that nobody knows says nothing, and `lifecycle` may mean anything."""
    for key in _CAPACITY_TYPE:
        word = _WORD_BREAK.sub("_", labels.get(key, "").lower())
        if word in _MEANING:
            yield _MEANING[word]


def _fold(labels: Mapping[str, str]) -> dict[str, str]:
    """Bring the keys that are read here to one spelling; where several mean one, the plainest that is not empty."""
    spelt = [(key, folded) for key, value in labels.items() if value and (folded := _folded(key)) is not None]
    return {folded: labels[key] for key, folded in sorted(spelt, key=_plainest_last)}


@lru_cache(maxsize=8192)
def _folded(key: str) -> str | None:
    """One spelling of a key that is read here: small letters, without `label_`, without `_conflictN`; else None.

    kube-state-metrics numbers labels whose names became equal. Source:
    https://github.com/kubernetes/kube-state-metrics/blob/main/internal/store/utils.go
    """
    folded = _CONFLICT.sub("", key.removeprefix("label_").lower())
    return folded if folded in _READ else None


def _plainest_last(spelling: tuple[str, str]) -> tuple[int, str]:
    return -len(spelling[0]), spelling[0]


def _first(labels: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((labels[key] for key in keys if labels.get(key)), None)
