"""How a joined window becomes the rows of `allocations`, `nodes` and `volumes`, in the lake's order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.capacity import Capacity
from pipeline.join import Join, Node, Owner, Place
from pipeline.models import NOBODY, Allocation, Asset, Cluster, Properties, VolumeShare, WindowAnswer, time_grid
from pipeline.tables import ALLOCATIONS, DOUBLE, LABELS, NODES, TEXT, TIMESTAMP, VOLUMES, Table
from pipeline.window import Window

UNMOUNTED = "__unmounted__"

_BATCH = 256

_BYTES_PER_GIB = float(1 << 30)


@dataclass(frozen=True)
class WindowRows:
    """One window's rows by table, and what the footer and the log say of them."""

    window: Window
    tables: Mapping[Table, pa.Table]
    source: str
    cluster_id: str | None
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
    joined = Join(answer.nodes, labels)
    mounts = _Mounts()
    parts = list(_parts(_values(joined.places(answer.allocations), mounts)))
    rows = _Rows(cluster, answer.window, collected_at)
    allocations = rows.of(ALLOCATIONS, _allocation_columns(parts, joined))
    return WindowRows(
        window=answer.window,
        tables={
            ALLOCATIONS: allocations,
            NODES: rows.of(NODES, _in_order(NODES, _node_columns(joined.nodes, joined.kept))),
            VOLUMES: rows.of(VOLUMES, _in_order(VOLUMES, mounts.columns())),
        },
        source=answer.source,
        cluster_id=answer.cluster_id,
        grid=time_grid(answer.window, pc.unique(allocations["minutes"]).to_pylist()),
        nodes_unmatched=joined.nodes_unmatched,
        joined_by_name=joined.joined_by_name,
    )


_Columns = Mapping[str, pa.ChunkedArray]


@dataclass(frozen=True)
class _Rows:
    """What all rows of a window have in common."""

    cluster: Cluster
    window: Window
    collected_at: datetime

    def of(self, table: Table, columns: _Columns) -> pa.Table:
        """The rows of *table*: its own *columns*, and the common ones."""
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
        return pa.Table.from_arrays(arrays, schema=table.schema)


def _in_order(table: Table, columns: _Columns) -> _Columns:
    """The rows of *columns* in the order of *table*, as far as it is theirs: all rows have the same window."""
    order = [(column, "ascending") for column in table.order if column in columns]
    return _columns_of(pa.table(dict(columns)).sort_by(order))


def _columns_of(rows: pa.Table) -> _Columns:
    return dict(zip(rows.column_names, rows.columns, strict=True))


_PROPERTIES = {
    "namespace": "namespace",
    "pod": "pod",
    "container": "container",
    "controller_kind": "controller_kind",
    "controller_name": "controller",
    "node": "node",
}
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
_CAPACITY_FIELDS = ("instance_id", "instance_type", "capacity_type", "availability_zone", "node_pool", "provider_id")
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


_AVERAGES = (
    "cpu_core_request_average",
    "cpu_core_usage_average",
    "ram_byte_request_average",
    "ram_byte_usage_average",
)
_BYTE_HOURS = ("ram_byte_hours", "pv_byte_hours")
_TIMES = {"started_at": "start", "ended_at": "end"}
_FIGURES = (*_AS_GIVEN, *_ADJUSTED, *(f"{cost}_adjustment" for cost in _ADJUSTED), *_AVERAGES, *_BYTE_HOURS)
_OWNER, _CAPACITY = "owner", "capacity"
_of_properties = attrgetter(*_PROPERTIES.values())
_of_allocation = attrgetter(*_TIMES.values(), *_FIGURES)
_PART = pa.schema(
    {
        _OWNER: pa.int32(),
        _CAPACITY: pa.int32(),
        **dict.fromkeys(_PROPERTIES, TEXT),
        **dict.fromkeys(_TIMES, TIMESTAMP),
        **dict.fromkeys(_FIGURES, DOUBLE),
    }
)
"""What is kept of each container; its owner and its capacity, which it has in common with others, as numbers."""


def _values(containers: Iterable[tuple[Allocation, Place]], mounts: "_Mounts") -> Iterator[tuple[Any, ...]]:
    """What `_PART` names of each container, so that its labels, most of what it is, can go."""
    for allocation, place in containers:
        of = allocation.properties or NOBODY
        if allocation.pvs:
            mounts.add(of, allocation.pvs)
        yield (place.owner, place.capacity, *_of_properties(of), *_of_allocation(allocation))


def _parts(values: Iterator[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    """Turn *values* into columns, some rows at a time: as Python's objects, all of them fill much memory."""
    while batch := list(islice(values, _BATCH)):
        columns = zip(*batch, strict=True)
        yield pa.RecordBatch.from_arrays(
            [_array(column, field.type) for column, field in zip(columns, _PART, strict=True)], schema=_PART
        )


def _array(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    """One column; an empty text is no text."""
    return pa.array([value or None for value in values] if kind == TEXT else values, kind)


def _allocation_columns(parts: Iterable[pa.RecordBatch], joined: Join) -> dict[str, pa.ChunkedArray]:
    """All columns but the common ones. What is given is put in order first: then the rest is made but once."""
    owners = _owner_columns(joined.owners())
    rows = pa.Table.from_batches(parts, _PART).combine_chunks()
    given = _in_order(ALLOCATIONS, {**_columns_of(rows), "workload_id": owners["workload_id"].take(rows[_OWNER])})
    run_hours = pc.divide(given["minutes"], 60.0)
    return {
        **{column: given[column] for column in (*_PROPERTIES, *_TIMES, *_AS_GIVEN)},
        **{column: values.take(given[_OWNER]) for column, values in owners.items()},
        **{column: values.take(given[_CAPACITY]) for column, values in _capacity_columns(joined.capacities).items()},
        **{cost: _plus_adjustment(given[cost], given[f"{cost}_adjustment"]) for cost in _ADJUSTED},
        "cpu_core_request_hours": pc.multiply(given["cpu_core_request_average"], run_hours),
        "cpu_core_usage_hours": pc.multiply(given["cpu_core_usage_average"], run_hours),
        "ram_gib_hours": _gib(given["ram_byte_hours"]),
        "ram_gib_request_hours": pc.multiply(_gib(given["ram_byte_request_average"]), run_hours),
        "ram_gib_usage_hours": pc.multiply(_gib(given["ram_byte_usage_average"]), run_hours),
        "pv_gib_hours": _gib(given["pv_byte_hours"]),
    }


def _owner_columns(owners: Sequence[Owner]) -> dict[str, pa.Array]:
    workloads = [owner.workload for owner in owners]
    columns = {column: _column(workloads, field, TEXT) for column, field in _WORKLOAD.items()}
    return {**columns, "labels": pa.array([owner.labels for owner in owners], LABELS)}


def _node_columns(nodes: Sequence[Node], kept: Sequence[str]) -> dict[str, pa.Array]:
    assets = [node.asset for node in nodes]
    return {
        "node": _column(nodes, "name", TEXT),
        **_capacity_columns([node.capacity for node in nodes]),
        "minutes": _column(assets, "minutes"),
        "cpu_core_hours": _column(assets, "cpu_core_hours"),
        "ram_gib_hours": _gib(_column(assets, "ram_byte_hours")),
        "gpu_hours": _column(assets, "gpu_hours"),
        "total_cost": _column(assets, "total_cost"),
        "labels": pa.array([_kept_labels(asset, kept) for asset in assets], LABELS),
    }


def _kept_labels(asset: Asset, kept: Sequence[str]) -> list[tuple[str, str]] | None:
    """The labels of a node that are *kept*, which some servers call `label_…`; None where upstream gives none."""
    if asset.labels is None:
        return None
    plain = {key.removeprefix("label_"): value for key, value in asset.labels.items()} | asset.labels
    return [(key, plain[key]) for key in kept if key in plain]


@dataclass(frozen=True)
class _Mount:
    volume_name: str
    namespace: str | None
    pod: str | None


class _Mounts:
    """Which pods had which volumes: upstream gives every container of a pod its part of the volume."""

    def __init__(self) -> None:
        self._shares: dict[_Mount, list[VolumeShare]] = {}

    def add(self, of: Properties, volumes: Mapping[str, VolumeShare]) -> None:
        """Remember the *volumes* of one container."""
        for key, share in volumes.items():
            self._shares.setdefault(_mount(of, key), []).append(share)

    def columns(self) -> dict[str, pa.Array]:
        """One row per volume and pod."""
        mounts = list(self._shares)
        gib = [_sum(share.byte_hours for share in of) for of in self._shares.values()]
        cost = [_sum(_adjusted(share) for share in of) for of in self._shares.values()]
        return {
            "volume_id": pa.array([_volume_id(of) for of in self._shares.values()], TEXT),
            "volume_name": _column(mounts, "volume_name", TEXT),
            "namespace": _column(mounts, "namespace", TEXT),
            "pod": _column(mounts, "pod", TEXT),
            "gib_hours": _gib(pa.array(gib, DOUBLE)),
            "cost": pa.array(cost, DOUBLE),
        }


def _mount(of: Properties, key: str) -> _Mount:
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
    return {field: _column(capacities, field, TEXT) for field in _CAPACITY_FIELDS}


def _column(things: Sequence[Any], field: str, kind: pa.DataType = DOUBLE) -> pa.Array:
    """One field of all *things*."""
    return _array([getattr(thing, field) for thing in things], kind)


def _plus_adjustment(cost: pa.Array, adjustment: pa.Array) -> pa.Array:
    return pc.add(cost, pc.coalesce(adjustment, 0.0))


def _gib(values: pa.Array) -> pa.Array:
    return pc.divide(values, _BYTES_PER_GIB)


def _total(rows: pa.Table, column: str) -> float:
    return float(pc.sum(rows[column]).as_py() or 0.0)
