"""The invented clusters as rows of the lake's tables, as the collector would have made them of Kubecost's answers."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.reading.estate import HOURS, NAMESPACES, REGION, SEATS, START, Month, Numbers, virtual_cluster_id
from benchmarks.reading.lake_words import DAEMONS, Words
from benchmarks.reading.pod_figures import VOLUME_GIB_HOUR, PodFigures
from pipeline.change import Change
from pipeline.footer import WindowRecord, WindowState
from pipeline.tables import ALLOCATIONS, JOB_RUNS, LABELS, NODES, TIMESTAMP, VIRTUAL_CLUSTERS, VOLUMES, Table
from pipeline.window import HOUR, Window

VOLUME_GIB = 100.0

_SETTLED_AFTER = timedelta(hours=25)
_HOURS_OF_DAY = 24
_BROKEN = 0.15  # of the executors' hours, that many are not whole

Columns = Mapping[str, pa.Array]


class LakeRows:
    """One cluster's rows."""

    def __init__(self, month: Month) -> None:
        self._month = month
        self._words = Words(month)
        self._figures = PodFigures(month.random)

    def day(self, number: int) -> Iterator[tuple[Table, list[Change]]]:
        """What collecting the 24 hours of the *number*th day writes, table by table, in the lake's order."""
        hours = number * _HOURS_OF_DAY + np.arange(_HOURS_OF_DAY)
        allocations = pa.concat_tables([self._rows(ALLOCATIONS, of(hours)) for of in (self._jobs, self._daemons)])
        for table, rows in (
            (VOLUMES, self._rows(VOLUMES, self._mounts(hours))),
            (NODES, self._rows(NODES, self._nodes(hours))),
            (ALLOCATIONS, allocations),
        ):
            yield table, list(_changes(table, _in_order(table, rows), hours))

    def inventory(self) -> dict[Table, pa.Table]:
        """What EMR lists of the cluster: its job runs and virtual clusters."""
        account = self._month.cluster.account_id
        prefix = f"arn:aws:emr-containers:{REGION}:{account}:/virtualclusters/"
        runs = self._month.runs
        (listed,) = np.nonzero([workload.kind == "job_run" for workload in runs.workloads])
        words = _columns(self._words.runs.take(pa.array(listed)))
        none = np.zeros(len(listed), dtype=np.int64)
        job_runs = {
            **{name: words[name] for name in ("virtual_cluster_id", "job_run_id", "namespace")},
            "arn": pc.binary_join_element_wise(
                prefix, words["virtual_cluster_id"], "/jobruns/", words["job_run_id"], ""
            ),
            "name": words["workload_name"],
            "state": pa.repeat("COMPLETED", len(listed)),
            "created_at": _instants(runs.first_hour[listed], runs.start_minute[listed]),
            "finished_at": _instants(runs.last_hour[listed], runs.end_minute[listed]),
            "release_label": pa.repeat("emr-7.5.0-latest", len(listed)),
            "execution_role_arn": pa.repeat(f"arn:aws:iam::{account}:role/spark-jobs", len(listed)),
            "tags": pa.repeat(pa.scalar([("team", "data")], LABELS), len(listed)),
            "collected_at": _instants(runs.last_hour[listed] + 2, none),
        }
        ids = [virtual_cluster_id(self._month.number, name) for name in NAMESPACES]
        long_ago = _instants(np.full(len(ids), -HOURS), np.zeros(len(ids), dtype=np.int64))
        virtual_clusters = {
            "virtual_cluster_id": pa.array(ids),
            "arn": pa.array([prefix + id_ for id_ in ids]),
            "name": pa.array(NAMESPACES),
            "namespace": pa.array(NAMESPACES),
            "state": pa.repeat("RUNNING", len(ids)),
            "created_at": long_ago,
            "tags": pa.repeat(pa.scalar([], LABELS), len(ids)),
            "collected_at": long_ago,
        }
        return {
            table: _in_order(table, self._rows(table, columns))
            for table, columns in ((JOB_RUNS, job_runs), (VIRTUAL_CLUSTERS, virtual_clusters))
        }

    def _jobs(self, hours: Numbers) -> Columns:
        """The containers of jobs: drivers with their sidecars, and executors, some of which end early."""
        month, runs = self._month, self._month.runs
        (seats,) = np.nonzero(~month.is_daemon)
        lane, member = month.lane[seats], np.tile(month.member[seats], len(hours))
        run = _by_hour(runs.of_hour, lane, hours)
        start, end = (_by_hour(minute, lane, hours) for minute in runs.minutes)
        early = (member > 1) & (end - start > 10) & (month.random.random(len(run)) < _BROKEN)
        volume_gib = np.where(np.tile(month.has_volume[seats], len(hours)), VOLUME_GIB, 0.0)
        end = np.where(early, start + 5 * (1 + month.random.integers(0, np.maximum(1, (end - start) // 5 - 1))), end)
        return {
            **_columns(self._words.runs.take(pa.array(run))),
            **self._on(month.machine[seats], hours),
            **self._in(hours, len(seats), start, end),
            **self._words.members(run, member),
            **self._figures.of_jobs((end - start) / 60, runs.lane[run], member, volume_gib),
        }

    def _daemons(self, hours: Numbers) -> Columns:
        """What runs on every node."""
        (seats,) = np.nonzero(self._month.is_daemon)
        kind = pa.array(np.tile(self._month.place[seats], len(hours)))
        names = pa.array(DAEMONS).take(kind)
        on = self._on(self._month.machine[seats], hours)
        begin = np.zeros(len(kind), dtype=np.int64)
        return {
            **on,
            **self._in(hours, len(seats), begin, begin + 60),
            "namespace": pa.repeat("kube-system", len(kind)),
            "pod": pc.binary_join_element_wise(names, pc.utf8_slice_codeunits(on["instance_id"], -5), "-"),
            "container": names,
            "controller_kind": pa.repeat("daemonset", len(kind)),
            "controller_name": names,
            "workload_kind": pa.repeat("platform", len(kind)),
            "workload_name": names,
            "labels": pa.array([[("app_kubernetes_io_name", name)] for name in DAEMONS], LABELS).take(kind),
            **self._figures.of_daemons(len(kind)),
        }

    def _nodes(self, hours: Numbers) -> Columns:
        of = self._month.instances
        machines = np.arange(self._month.machines)
        number = _by_hour(of.of_hour, machines, hours)
        cores = np.array([kind.capacity.cpu for kind in of.kinds], dtype=np.float64)
        gib = np.array([kind.gib for kind in of.kinds], dtype=np.float64)
        price = np.where(of.is_spot, [k.spot_price for k in of.kinds], [k.on_demand_price for k in of.kinds])
        return {
            **self._on(machines, hours),
            **self._windows(hours, len(machines)),
            "minutes": pa.repeat(60.0, len(number)),
            "cpu_core_hours": pa.array(cores[number]),
            "ram_gib_hours": pa.array(gib[number]),
            "gpu_hours": pa.repeat(0.0, len(number)),
            "total_cost": pa.array(price[number]),
            "labels": pa.repeat(pa.scalar([], LABELS), len(number)),
        }

    def _mounts(self, hours: Numbers) -> Columns:
        month = self._month
        lane = month.lane[month.has_volume]
        run = _by_hour(month.runs.of_hour, lane, hours)
        start, end = (_by_hour(minute, lane, hours) for minute in month.runs.minutes)
        gib_hours: NDArray[np.float64] = VOLUME_GIB * (end - start) / 60
        ids = pa.array(month.volume_ids).take(pa.array(run))
        return {
            **self._windows(hours, len(lane)),
            "volume_id": ids,
            "volume_name": pc.replace_substring(ids, "vol-0", "pvc-"),
            "namespace": self._words.runs["namespace"].combine_chunks().take(pa.array(run)),
            "pod": self._words.pods.take(pa.array(run * SEATS)),
            "gib_hours": pa.array(gib_hours),
            "cost": pa.array(np.round(gib_hours * VOLUME_GIB_HOUR, 5)),
        }

    def _on(self, machines: Numbers, hours: Numbers) -> dict[str, pa.Array]:
        """The instances that *machines* were in *hours*."""
        numbers = _by_hour(self._month.instances.of_hour, machines, hours)
        return _columns(self._words.instances.take(pa.array(numbers)))

    def _in(self, hours: Numbers, count: int, start: Numbers, end: Numbers) -> dict[str, pa.Array]:
        """The windows of *hours*, each *count* times, and from which minute to which a container ran in them."""
        of_row = np.repeat(hours, count)
        return {
            **self._windows(hours, count),
            "started_at": _instants(of_row, start),
            "ended_at": _instants(of_row, end),
            "minutes": pa.array((end - start).astype(np.float64)),
        }

    def _windows(self, hours: Numbers, count: int) -> dict[str, pa.Array]:
        of_row = np.repeat(hours, count)
        zero = np.zeros(len(of_row), dtype=np.int64)
        return {
            "window_start": _instants(of_row, zero),
            "window_end": _instants(of_row + 1, zero),
            "collected_at": _instants(of_row + _SETTLED_AFTER // HOUR, zero),
        }

    def _rows(self, table: Table, columns: Columns) -> pa.Table:
        """Rows of *table*: its own *columns* and the cluster's; others are NULL."""
        cluster = self._month.cluster
        of_cluster = {
            "cluster_arn": cluster.arn,
            "cluster_name": cluster.name,
            "account_id": cluster.account_id,
            "region": cluster.region,
        }
        count = len(next(iter(columns.values())))
        arrays = [
            columns[field.name].cast(field.type)
            if field.name in columns
            else pa.repeat(pa.scalar(of_cluster.get(field.name), field.type), count)
            for field in table.schema
        ]
        return pa.Table.from_arrays(arrays, schema=table.schema)


def _changes(table: Table, rows: pa.Table, hours: Numbers) -> Iterator[Change]:
    """Each hour's part of *rows*, which are in the order of time and as many in every hour."""
    count = rows.num_rows // len(hours)
    for at, hour in enumerate(hours.tolist()):
        part = rows.slice(at * count, count)
        window = Window(START + hour * HOUR, START + (hour + 1) * HOUR)
        of_pods = table is ALLOCATIONS
        record = WindowRecord(
            start=window.start,
            end=window.end,
            state=WindowState.SETTLED,
            collected_at=window.start + _SETTLED_AFTER,
            rows=part.num_rows,
            core_hours=pc.sum(part["cpu_core_hours"]).as_py() if of_pods else 0.0,
            estimated_cost=pc.sum(part["total_cost"]).as_py() if of_pods else 0.0,
            source="kubecost",
            grid=300,
        )
        yield Change(record, part)


def _by_hour(grid: Numbers, rows: Numbers, hours: Numbers) -> Numbers:
    """What *grid* has for *rows* in *hours*, hour by hour."""
    return grid[rows][:, hours].T.ravel()


def _in_order(table: Table, rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in table.order]).combine_chunks()


def _columns(table: pa.Table) -> dict[str, pa.Array]:
    return dict(zip(table.column_names, (column.combine_chunks() for column in table.columns), strict=True))


def _instants(hours: Numbers, minutes: Numbers) -> pa.Array:
    """Instants as the lake has them, so many *hours* and *minutes* after the start."""
    since = np.datetime64(START.replace(tzinfo=None), "ms")
    return pa.array(since + (hours * 60 + minutes).astype("timedelta64[m]"), TIMESTAMP)
