"""The invented clusters: which containers ran on which instances, for which jobs, in every hour of thirty days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.demo.bill.lines import ANALYTICS
from pipeline.demo.estate.cluster import GIB, Capacity, InstanceType
from pipeline.models import Cluster

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 30
HOURS = DAYS * 24
REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
NAMESPACES = tuple(f"emr-team-{number}" for number in range(9))
SEATS = 40
"""Containers of an instance that is full, and of a job: its driver, that one's sidecar, and executors."""
DRIVER, SIDECAR = 0, 1

_DAEMONS = 2
_ON_DEMAND_LIFE, _SPOT_LIFE = 240, 24  # hours
_GRID = 5  # minutes, as upstream looks
_SEED = 20261001

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]

MACHINES = (
    InstanceType("m6i.16xlarge", Capacity(64, 256 * GIB), 3.072, 1.1059, gib=256),
    InstanceType("r6i.16xlarge", Capacity(64, 512 * GIB), 4.032, 1.4515, gib=512),
    InstanceType("m5.16xlarge", Capacity(64, 256 * GIB), 3.072, 1.1674, gib=256),
)


@dataclass(frozen=True)
class Workload:
    """How the jobs of a lane are submitted, and what their containers ask for: cores, GiB, a volume for the driver."""

    kind: str
    cores: float
    gib: float
    volume: bool = False

    @property
    def is_emr(self) -> bool:
        """Whether EMR on EKS charges its uplift for it."""
        return self.kind in {"job_run", "spark_operator"}


WORKLOADS = (
    Workload("job_run", 1.0, 4.0),
    Workload("job_run", 1.5, 5.0, volume=True),
    Workload("spark_operator", 1.0, 5.5),
    Workload("job_run", 1.25, 4.5),
    Workload("job_run", 1.0, 6.0, volume=True),
    Workload("spark", 1.5, 4.0),
    Workload("job_run", 1.0, 4.0, volume=True),
    Workload("other", 0.5, 2.0),
    Workload("job_run", 1.5, 6.0),
    Workload("spark_operator", 1.25, 4.0, volume=True),
)
"""Of the lanes, one after the other. A lane is a place for one job after the other, without a gap."""


class Month:
    """Thirty days of one cluster that has so many *containers* in every hour.

    Seats are filled in order: on each instance two daemons, then jobs, lane by lane. Arrays over seats say for each
    container of any hour where it is and what it is; those over hours have 720 columns.
    """

    def __init__(self, number: int, containers: int) -> None:
        self.cluster = Cluster.from_arn(f"arn:aws:eks:{REGION}:{ANALYTICS.id}:cluster/benchmark-{number:03}")
        self.number = number
        self.containers = containers
        self.random = np.random.default_rng((_SEED, number, containers))
        self.machine: Numbers = np.arange(containers) // SEATS
        self.place: Numbers = np.arange(containers) % SEATS
        self.is_daemon: Truths = self.place < _DAEMONS
        job_seat = np.cumsum(~self.is_daemon) - 1
        self.lane: Numbers = np.where(self.is_daemon, -1, job_seat // SEATS)
        self.member: Numbers = np.where(self.is_daemon, -1, job_seat % SEATS)

    @property
    def machines(self) -> int:
        """Instances that run at any time."""
        return int(self.machine.max()) + 1

    @property
    def lanes(self) -> int:
        """Jobs that run at any time; the last may have less than all of its executors."""
        return int(self.lane.max()) + 1

    @cached_property
    def instances(self) -> "Instances":
        """Every instance that ever ran."""
        return Instances(self.number, self.machines)

    @cached_property
    def runs(self) -> "Runs":
        """Every job that ever ran."""
        return Runs(self.number, self.lanes, self.random)

    @property
    def has_volume(self) -> Truths:
        """Of every seat, whether it is that of a driver that mounts a volume."""
        mounts = np.array([workload.volume for workload in WORKLOADS])
        of_driver: Truths = (self.member == DRIVER) & mounts[self.lane % len(WORKLOADS)]
        return of_driver

    @cached_property
    def volume_ids(self) -> list[str]:
        """The ID of the volume that each job's driver would mount."""
        return identifiers("vol-0", 16, len(self.runs), "volume", self.number)


class Instances:
    """Every instance of a cluster: which of them a machine was in which hour, and what each is."""

    def __init__(self, cluster: int, machines: int) -> None:
        machine = np.arange(machines)
        life = np.where(machine % 3 == 0, _ON_DEMAND_LIFE, _SPOT_LIFE)[:, None]
        generation = (np.arange(HOURS)[None, :] + 7 * machine[:, None] % life) // life
        known, of_hour = np.unique(machine[:, None] * HOURS + generation, return_inverse=True)
        self.of_hour: Numbers = of_hour.reshape(machines, HOURS)
        self.machine: Numbers = known // HOURS
        self._cluster = cluster

    def __len__(self) -> int:
        return len(self.machine)

    @property
    def is_spot(self) -> Truths:
        """Whether each is a Spot instance; a third of the machines are not."""
        return self.machine % 3 > 0

    @cached_property
    def kinds(self) -> list[InstanceType]:
        """The type of each."""
        return [MACHINES[number % len(MACHINES)] for number in self.machine.tolist()]

    @cached_property
    def zones(self) -> list[str]:
        """The Availability Zone of each."""
        return [ZONES[number % len(ZONES)] for number in self.machine.tolist()]

    @cached_property
    def ids(self) -> list[str]:
        """The ID of each."""
        return identifiers("i-0", 16, len(self), "instance", self._cluster)

    @cached_property
    def names(self) -> list[str]:
        """The name of each as a node."""
        return [f"ip-10-{self._cluster}-{number >> 8}-{number & 255}.ec2.internal" for number in range(len(self))]


class Runs:
    """Every job of a cluster: which one ran in a lane's hour, and from which minute to which."""

    def __init__(self, cluster: int, lanes: int, random: np.random.Generator) -> None:
        ends = np.cumsum(random.geometric(0.3, (lanes, HOURS)), axis=1)
        lane, end = np.nonzero(ends < HOURS)
        begins: Truths = np.zeros((lanes, HOURS + 1), dtype=np.bool_)
        begins[:, 0] = begins[:, HOURS] = True
        begins[lane, ends[lane, end]] = True
        self.is_first: Truths = begins[:, :HOURS]
        self.is_last: Truths = begins[:, 1:]
        self.of_hour: Numbers = (np.cumsum(self.is_first) - 1).reshape(lanes, HOURS)
        self.lane, self.first_hour = np.nonzero(self.is_first)
        self.last_hour: Numbers = np.nonzero(self.is_last)[1]
        self.start_minute: Numbers = _GRID * random.integers(0, 6, len(self))
        self.end_minute: Numbers = _GRID * random.integers(7, 13, len(self))
        self._cluster = cluster

    def __len__(self) -> int:
        return len(self.lane)

    def hours(self, number: int) -> Numbers:
        """The hours in which a job ran."""
        return np.arange(self.first_hour[number], self.last_hour[number] + 1)

    @cached_property
    def minutes(self) -> tuple[Numbers, Numbers]:
        """In which minute a lane's job began and ended in each hour; lanes by hours."""
        start = np.where(self.is_first, self.start_minute[self.of_hour], 0)
        return start, np.where(self.is_last, self.end_minute[self.of_hour], 60)

    @cached_property
    def workloads(self) -> list[Workload]:
        """How each was submitted."""
        return [WORKLOADS[lane % len(WORKLOADS)] for lane in self.lane.tolist()]

    @cached_property
    def namespaces(self) -> list[str]:
        """The namespace of each."""
        return [NAMESPACES[lane % len(NAMESPACES)] for lane in self.lane.tolist()]

    @cached_property
    def names(self) -> list[str]:
        """What people call each: the jobs of a lane are the runs of one pipeline."""
        return [f"features-v{lane % 7}-lane-{lane}" for lane in self.lane.tolist()]

    @cached_property
    def ids(self) -> list[str]:
        """The ID of each, as EMR writes the IDs of job runs."""
        return identifiers("00000003", 11, len(self), "run", self._cluster)

    @cached_property
    def application_ids(self) -> list[str]:
        """The ID of each as a Spark application."""
        return identifiers("spark-", 32, len(self), "application", self._cluster)


@cache
def virtual_cluster_id(cluster: int, namespace: str) -> str:
    """The ID of the virtual cluster of a namespace."""
    (name,) = identifiers("", 25, 1, namespace, cluster)
    return name


def months(clusters: int, pod_hours: int) -> Sequence[Month]:
    """So many clusters, which have about so many *pod_hours* among them, in equal parts."""
    containers = max(_DAEMONS + 2, round(pod_hours / HOURS / clusters))
    return [Month(number, containers) for number in range(clusters)]


def identifiers(prefix: str, digits: int, count: int, what: str, number: int) -> list[str]:
    """Hexadecimal digits behind a *prefix*: the same for the same things of the same *number*."""
    drawn = np.random.default_rng((_SEED, *what.encode(), number)).bytes(count * digits).hex()
    return [prefix + drawn[at : at + digits] for at in range(0, count * digits, digits)]
