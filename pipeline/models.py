"""What upstream's answers become at the door: the fields that we keep, typed and frozen."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import overload

import msgspec

from pipeline.window import Window

COARSE_GRID = timedelta(minutes=5)
FINE_GRID = timedelta(minutes=1)

INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", re.ASCII)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_KEY = re.compile(r"[\w!.*'()=/-]*", re.ASCII)

_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_]")

_CLUSTER_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):eks:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):cluster/(?P<name>[0-9A-Za-z][\w-]{0,99})",
    re.ASCII,
)


def sanitised(label: str) -> str:
    """A label's key as Kubecost gives it: every character other than A-Za-z0-9_ is `_`."""
    return _NOT_IN_LABELS.sub("_", label)


@dataclass(frozen=True)
class Cluster:
    """One EKS cluster, known by its ARN."""

    arn: str
    partition: str
    region: str
    account_id: str
    name: str

    @classmethod
    def from_arn(cls, arn: str) -> "Cluster":
        """Read an EKS cluster's ARN.

        Raises:
            ValueError: it is not one.
        """
        match = _CLUSTER_ARN.fullmatch(arn)
        if match is None:
            raise ValueError(f"{arn!r} is not an EKS cluster's ARN (arn:aws:eks:REGION:ACCOUNT:cluster/NAME)")
        return cls(arn, match["partition"], match["region"], match["account"], match["name"])

    @property
    def object_name(self) -> str:
        """The name that sets this cluster's objects apart from every other cluster's."""
        return f"{self.account_id}_{self.region}_{self.name}"


@dataclass(frozen=True)
class Location:
    """A place in S3: `s3://bucket/prefix`, the prefix without slashes at its ends, perhaps empty."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> "Location":
        """Read s3://bucket/prefix.

        Raises:
            ValueError: it is no such thing.
        """
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not text.startswith("s3://") or not _BUCKET.fullmatch(bucket) or not _KEY.fullmatch(prefix):
            raise ValueError(f"{text!r} is not a place in S3; write s3://bucket/prefix")
        return cls(bucket, prefix.strip("/"))

    def key(self, *parts: str) -> str:
        """The key below this place that *parts* lead to."""
        return "/".join(part for part in (self.prefix, *parts) if part)

    def uri(self, *parts: str) -> str:
        """The same as a URI."""
        return f"s3://{self.bucket}/{self.key(*parts)}"


def within(folder: str) -> tuple[str, str]:
    """The bucket of a *folder* (`s3://…`) that Glue names, with whatever characters, and the prefix of its objects."""
    bucket, _, key = folder.removeprefix("s3://").partition("/")
    return bucket, f"{key.rstrip('/')}/" if key else ""


class _Wire(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A part of an answer: unknown fields are passed over, missing and null ones are None."""


class WireWindow(_Wire, frozen=True):
    """A window as upstream prints it."""

    start: datetime
    end: datetime


class VolumeShare(_Wire, frozen=True):
    """What a container had of one persistent volume: bytes times hours, and USD."""

    byte_hours: float | None = None
    cost: float | None = None
    adjustment: float | None = None
    provider_id: str | None = msgspec.field(default=None, name="providerID")


class Properties(_Wire, frozen=True):
    """Who a container, or a node, is. Label keys are sanitised: every other character than A-Za-z0-9_ is `_`."""

    cluster: str | None = None
    node: str | None = None
    namespace: str | None = None
    pod: str | None = None
    container: str | None = None
    controller: str | None = None
    controller_kind: str | None = None
    name: str | None = None
    provider_id: str | None = msgspec.field(default=None, name="providerID")
    labels: dict[str, str] | None = None


NOBODY = Properties()
"""Who a row is that says nothing."""


class Allocation(_Wire, frozen=True):
    """One container on one node in one window. Hours are core·h and byte·h, costs USD without adjustment.

    Source: https://github.com/opencost/opencost core/pkg/opencost/allocation_json.go
    """

    name: str
    window: WireWindow
    properties: Properties | None = None
    start: datetime | None = None
    end: datetime | None = None
    minutes: float | None = None
    cpu_core_hours: float | None = None
    cpu_core_request_average: float | None = None
    cpu_core_usage_average: float | None = None
    ram_byte_hours: float | None = None
    ram_byte_request_average: float | None = None
    ram_byte_usage_average: float | None = None
    gpu_hours: float | None = None
    pv_byte_hours: float | None = None
    network_transfer_bytes: float | None = None
    network_receive_bytes: float | None = None
    cpu_cost: float | None = None
    cpu_cost_adjustment: float | None = None
    ram_cost: float | None = None
    ram_cost_adjustment: float | None = None
    gpu_cost: float | None = None
    gpu_cost_adjustment: float | None = None
    pv_cost: float | None = None
    pv_cost_adjustment: float | None = None
    network_cost: float | None = None
    network_cost_adjustment: float | None = None
    network_cross_zone_cost: float | None = None
    network_cross_region_cost: float | None = None
    network_internet_cost: float | None = None
    load_balancer_cost: float | None = None
    load_balancer_cost_adjustment: float | None = None
    shared_cost: float | None = None
    total_cost: float | None = None
    pvs: dict[str, VolumeShare] | None = None


ALLOCATION = msgspec.json.Decoder(Allocation)


class Allocations(Sequence[Allocation]):
    """Rows that were read once and found good, in the form in which they came; each is decoded when it is looked at.

    Decoded all together they need three times the memory, and more time. *cluster_id* is upstream's name of the
    cluster that they are of, None where none names it; *idle* is how many rows of idle capacity were left out.
    """

    def __init__(self, rows: Iterable[msgspec.Raw], cluster_id: str | None = None, idle: int = 0) -> None:
        self._rows = tuple(rows)
        self.cluster_id = cluster_id
        self.idle = idle

    def __iter__(self) -> Iterator[Allocation]:
        return map(ALLOCATION.decode, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Allocation: ...
    @overload
    def __getitem__(self, index: slice) -> "Allocations": ...
    def __getitem__(self, index: int | slice) -> "Allocation | Allocations":
        if isinstance(index, slice):
            return Allocations(self._rows[index])
        return ALLOCATION.decode(self._rows[index])


class Asset(_Wire, frozen=True):
    """One asset; only those of type `Node` are used. Hours are capacity, `total_cost` includes adjustments.

    Source: https://github.com/opencost/opencost core/pkg/opencost/asset_json.go
    """

    type: str | None = None
    properties: Properties | None = None
    labels: dict[str, str] | None = None
    window: WireWindow | None = None
    node_type: str | None = None
    pool: str | None = None
    preemptible: float | None = None
    minutes: float | None = None
    cpu_core_hours: float | None = None
    ram_byte_hours: float | None = None
    gpu_hours: float | None = msgspec.field(default=None, name="GPUHours")
    total_cost: float | None = None


@dataclass(frozen=True)
class WindowAnswer:
    """All that upstream said about one window: its rows, its nodes, and which *source* said it of which cluster."""

    window: Window
    allocations: Sequence[Allocation]
    nodes: tuple[Asset, ...]
    source: str
    cluster_id: str | None = None


def time_grid(window: Window, minutes: Iterable[float | None]) -> timedelta | None:
    """The time grid that *minutes* lie on: 5 minutes is upstream's default, half of it for a pod met once.

    None where every pod ran through the whole window, which tells nothing.
    """
    whole = window.length / timedelta(minutes=1)
    partial = {number for number in minutes if number is not None and number != whole}
    if not partial:
        return None
    return COARSE_GRID if all(number % 2.5 == 0 for number in partial) else FINE_GRID
