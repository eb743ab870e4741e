"""How the cost of an instance's hour is shared by its pods, and what each pod brings to that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from pipeline.demo.estate.cluster import GIB, Node, Placement
from pipeline.demo.estate.estate import Estate
from pipeline.demo.estate.metering import ContainerUse, LoadBalancerShare, VolumeShare, container_uses
from pipeline.window import Window

Sizes = Literal["advertised", "kubernetes"]


class Amounts(NamedTuple):
    """Core-hours, GiB-hours and GPU-hours; or something of each of the three, such as USD."""

    cpu: float
    ram: float
    gpu: float


WEIGHTS = Amounts(cpu=9, ram=1, gpu=90)
"""What a vCPU, a GiB and a GPU count for; only their ratio matters.

Source: https://docs.aws.amazon.com/cur/latest/userguide/example-split-cost-allocation-data.html, and
https://docs.aws.amazon.com/cur/latest/userguide/example-accelerated-instances.html for the GPU: 9 to .9 to .1
"""


@dataclass(frozen=True)
class PodHour:
    """A pod in an hour: what it requested and used, and what its containers, each by the larger of the two, took.

    *traffic* is the bytes that it sent and received.
    """

    placement: Placement
    volumes: tuple[VolumeShare, ...]
    load_balancers: tuple[LoadBalancerShare, ...]
    traffic: float
    requested: Amounts
    used: Amounts
    taken_by_containers: Amounts

    @property
    def taken(self) -> Amounts:
        """The larger of request and usage of the pod as a whole."""
        return Amounts(*map(max, self.requested, self.used))


def pod_hours(estate: Estate, window: Window) -> Iterator[PodHour]:
    """Every pod that ran in *window*."""
    for _, uses in groupby(container_uses(estate, window), key=lambda use: use.placement.pod.uid):
        yield _pod_hour(list(uses))


def size(node: Node, hours: float, sizes: Sizes) -> Amounts:
    """What an instance has in *hours*: as EC2 advertises its type, or what the kernel leaves to Kubernetes of that.

    Raises:
        ValueError: Fargate provides the node.
    """
    kind = node.pool.instance_type
    if kind is None:
        raise ValueError(f"{node.name} is no instance")
    gib = kind.gib if sizes == "advertised" else kind.capacity.ram / GIB
    return Amounts(kind.capacity.cpu * hours, gib * hours, kind.capacity.gpu * hours)


def resource_parts(whole: Amounts) -> Amounts:
    """The parts of an instance's cost that its cores, memory and GPUs make, by weight; together 1."""
    weighed = [weight * amount for weight, amount in zip(WEIGHTS, whole, strict=True)]
    return Amounts(*(part / sum(weighed) for part in weighed))


def ratios(taken: Sequence[float], whole: float) -> list[float]:
    """The part that each pod has of *whole*; where pods took more than there is, the part of what they took."""
    most = max(whole, sum(taken))
    return [amount / most for amount in taken]


def _pod_hour(uses: Sequence[ContainerUse]) -> PodHour:
    hours = uses[0].span.hours
    asked = uses[0].placement.pod.requested
    gpu = asked.gpu * hours
    return PodHour(
        placement=uses[0].placement,
        volumes=tuple(share for use in uses for share in use.volumes),
        load_balancers=tuple(share for use in uses for share in use.load_balancers),
        traffic=sum(use.sent + use.received for use in uses),
        requested=Amounts(asked.cpu * hours, asked.ram / GIB * hours, gpu),
        used=Amounts(sum(use.cpu.used for use in uses), sum(use.ram.used for use in uses) / GIB, gpu),
        taken_by_containers=Amounts(
            sum(use.cpu.allocated for use in uses), sum(use.ram.allocated for use in uses) / GIB, gpu
        ),
    )
