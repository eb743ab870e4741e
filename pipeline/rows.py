"""How a joined window becomes the rows of `allocations`, `nodes` and `volumes`, in the lake's order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.attribution import shared_labels
from pipeline.capacity import Capacity
from pipeline.join import Container, Node, join
from pipeline.models import Cluster, VolumeShare, WindowAnswer
from pipeline.tables import ALLOCATIONS, DOUBLE, LABELS, NODES, TEXT, TIMESTAMP, VOLUMES, Table
from pipeline.window import Window

UNMOUNTED = "__unmounted__"

_BYTES_PER_GIB = float(1 << 30)


@dataclass(frozen=True)
class WindowRows:
    """One window's rows by table, and what the footer and the log say of them."""

    window: Window
    tables: Mapping[Table, pa.Table]
    source: str
    grid: timedelta | None
    nodes_unmatched: int
    joined_by_name: int

    @property
    def core_hours(self) -> float:
        """vCPU-hours of all containers together."""
        return _total(self.tables[ALLOCATIONS], "cpu_core_hours")

    @property
    def estimated_cost(self) -> float:
        """Upstream's cost of all rows together, USD."""
        return _total(self.tables[ALLOCATIONS], "total_cost")


def window_rows(answer: WindowAnswer, cluster: Cluster, labels: Iterable[str], collected_at: datetime) -> WindowRows:
    """Make the rows of one window.

    Only the *labels* of the allow-list (sanitised keys) are kept. *collected_at* marks every row.
    """
    joined = join(answer.allocations, answer.nodes)
    rows = _Rows(cluster, answer.window, collected_at)
    lost = {c.properties.node for c in joined.containers if c.properties.node and c.node is None}
    return WindowRows(
        window=answer.window,
        tables={
            ALLOCATIONS: rows.of(ALLOCATIONS, _allocation_columns(joined.containers, sorted(set(labels)))),
            NODES: rows.of(NODES, _node_columns(joined.nodes)),
            VOLUMES: rows.of(VOLUMES, _volume_columns(joined.containers)),
        },
        source=answer.source,
        grid=answer.grid,
        nodes_unmatched=len(lost),
        joined_by_name=sum(container.joined_by_name for container in joined.containers),
    )


@dataclass(frozen=True)
class _Rows:
    """What all rows of a window have in common."""

    cluster: Cluster
    window: Window
    collected_at: datetime

    def of(self, table: Table, columns: Mapping[str, pa.Array]) -> pa.Table:
        """The rows of *table*: its own *columns*, the common ones, sorted."""
        common = {
            "cluster_arn": self.cluster.arn,
            "cluster_name": self.cluster.name,
            "account_id": self.cluster.account_id,
            "region": self.cluster.region,
            "window_start": self.window.start,
            "window_end": self.window.end,
            "collected_at": self.collected_at,
        }
        count = len(next(iter(columns.values())))
        arrays = [
            columns[field.name]
            if field.name in columns
            else pa.repeat(pa.scalar(common[field.name], field.type), count)
            for field in table.schema
        ]
        unordered = pa.Table.from_arrays(arrays, schema=table.schema)
        return unordered.sort_by([(column, "ascending") for column in table.order])


_WORKLOAD = {
    "workload_kind": "kind",
    "workload_id": "id",
    "workload_name": "name",
    "virtual_cluster_id": "virtual_cluster_id",
    "job_run_id": "job_run_id",
    "emr_internal_id": "emr_internal_id",
    "spark_app_id": "spark_app_id",
    "spark_app_name": "spark_app_name",
    "spark_role": "spark_role",
    "workload_reason": "reason",
}
_CAPACITY = ("instance_id", "instance_type", "capacity_type", "availability_zone", "node_pool", "provider_id")
_AS_GIVEN = (
    "minutes",
    "cpu_core_hours",
    "gpu_hours",
    "network_transfer_bytes",
    "network_receive_bytes",
    "network_cross_zone_cost",
    "network_cross_region_cost",
    "network_internet_cost",
    "shared_cost",
    "total_cost",
)
_ADJUSTED = ("cpu_cost", "ram_cost", "gpu_cost", "pv_cost", "network_cost", "load_balancer_cost")


def _allocation_columns(containers: Sequence[Container], labels: Sequence[str]) -> dict[str, pa.Array]:
    properties = [container.properties for container in containers]
    allocations = [container.allocation for container in containers]
    workloads = [container.workload for container in containers]

    def given(field: str) -> pa.Array:
        return _column(allocations, field)

    run_hours = pc.divide(given("minutes"), 60.0)
    return {
        "namespace": _column(properties, "namespace", TEXT),
        "pod": _column(properties, "pod", TEXT),
        "container": _column(properties, "container", TEXT),
        "controller_kind": _column(properties, "controller_kind", TEXT),
        "controller_name": _column(properties, "controller", TEXT),
        "node": _column(properties, "node", TEXT),
        **_capacity_columns([container.capacity for container in containers]),
        **{column: _column(workloads, field, TEXT) for column, field in _WORKLOAD.items()},
        "labels": pa.array(_labels(containers, labels), LABELS),
        "started_at": _column(allocations, "start", TIMESTAMP),
        "ended_at": _column(allocations, "end", TIMESTAMP),
        **{column: given(column) for column in _AS_GIVEN},
        **{cost: _plus_adjustment(given(cost), given(f"{cost}_adjustment")) for cost in _ADJUSTED},
        "cpu_core_request_hours": pc.multiply(given("cpu_core_request_average"), run_hours),
        "cpu_core_usage_hours": pc.multiply(given("cpu_core_usage_average"), run_hours),
        "ram_gib_hours": _gib(given("ram_byte_hours")),
        "ram_gib_request_hours": pc.multiply(_gib(given("ram_byte_request_average")), run_hours),
        "ram_gib_usage_hours": pc.multiply(_gib(given("ram_byte_usage_average")), run_hours),
        "pv_gib_hours": _gib(given("pv_byte_hours")),
    }


def _node_columns(nodes: Sequence[Node]) -> dict[str, pa.Array]:
    assets = [node.asset for node in nodes]
    return {
        "node": _column(nodes, "name", TEXT),
        **_capacity_columns([node.capacity for node in nodes]),
        "minutes": _column(assets, "minutes"),
        "cpu_core_hours": _column(assets, "cpu_core_hours"),
        "ram_gib_hours": _gib(_column(assets, "ram_byte_hours")),
        "gpu_hours": _column(assets, "gpu_hours"),
        "total_cost": _column(assets, "total_cost"),
    }


@dataclass(frozen=True)
class _Mount:
    volume_name: str
    namespace: str | None
    pod: str | None


def _volume_columns(containers: Iterable[Container]) -> dict[str, pa.Array]:
    """One row per volume and pod: upstream gives every container of a pod its part of the volume."""
    shares: dict[_Mount, list[VolumeShare]] = {}
    for container in containers:
        for key, share in (container.allocation.pvs or {}).items():
            shares.setdefault(_mount(container, key), []).append(share)
    mounts = list(shares)
    gib = [_sum(share.byte_hours for share in of) for of in shares.values()]
    cost = [_sum(_adjusted(share) for share in of) for of in shares.values()]
    return {
        "volume_id": pa.array([_volume_id(of) for of in shares.values()], TEXT),
        "volume_name": _column(mounts, "volume_name", TEXT),
        "namespace": _column(mounts, "namespace", TEXT),
        "pod": _column(mounts, "pod", TEXT),
        "gib_hours": _gib(pa.array(gib, DOUBLE)),
        "cost": pa.array(cost, DOUBLE),
    }


def _mount(container: Container, key: str) -> _Mount:
    of = container.properties
    return _Mount(
        volume_name=key.rpartition("name=")[2],  # the key is `cluster=analytics:name=pvc-1a2b`
        namespace=None if of.namespace == UNMOUNTED else of.namespace,
        pod=None if of.container == UNMOUNTED else of.pod,
    )


def _volume_id(shares: Iterable[VolumeShare]) -> str | None:
    return next((share.provider_id for share in shares if share.provider_id), None)


def _adjusted(share: VolumeShare) -> float | None:
    return None if share.cost is None else share.cost + (share.adjustment or 0.0)


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _capacity_columns(capacities: Sequence[Capacity]) -> dict[str, pa.Array]:
    return {field: _column(capacities, field, TEXT) for field in _CAPACITY}


def _column(things: Sequence[Any], field: str, kind: pa.DataType = DOUBLE) -> pa.Array:
    """One field of all *things*; an empty text is no text."""
    values = [getattr(thing, field) for thing in things]
    return pa.array([value or None for value in values] if kind is TEXT else values, kind)


def _labels(containers: Sequence[Container], allowed: Sequence[str]) -> list[list[tuple[str, str]] | None]:
    """Each container's labels that are *allowed*, and those that only other pods of its workload carry."""
    known = shared_labels(((c.workload, c.properties.labels) for c in containers), allowed)
    return [_kept(c.properties.labels, known.get((c.workload.kind, c.workload.id or "")), allowed) for c in containers]


def _kept(
    own: Mapping[str, str] | None, peers: Mapping[str, str] | None, allowed: Sequence[str]
) -> list[tuple[str, str]] | None:
    if own is None and not peers:
        return None
    own, peers = own or {}, peers or {}
    return [(key, own[key] if key in own else peers[key]) for key in allowed if key in own or key in peers]


def _plus_adjustment(cost: pa.Array, adjustment: pa.Array) -> pa.Array:
    return pc.add(cost, pc.coalesce(adjustment, 0.0))


def _gib(values: pa.Array) -> pa.Array:
    return pc.divide(values, _BYTES_PER_GIB)


def _total(rows: pa.Table, column: str) -> float:
    return float(pc.sum(rows[column]).as_py() or 0.0)
