"""What EMR lists of an EKS cluster, merged into what the lake remembers: the latest of each, and nothing forgotten."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emr import EmrContainers, JobRun, ManagedEndpoint, VirtualCluster
from pipeline.errors import ChargebackError, TemporaryError, UnavailableError
from pipeline.lake import Lake
from pipeline.models import Cluster
from pipeline.tables import INVENTORY_TABLES, JOB_RUNS, MANAGED_ENDPOINTS, VIRTUAL_CLUSTERS, Table

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TERMINATED_WITH_ERRORS"})
"""The states that nothing leaves, of job runs, virtual clusters and endpoints."""

_FINAL = pa.array(sorted(FINAL))
_MARGIN = timedelta(hours=1)  # a job run may be listed a little after it was created
_REACH = timedelta(days=1)  # job runs that last longer are few: each is asked for alone
_KEY = "arn"

_Listed = VirtualCluster | JobRun | ManagedEndpoint
_Row = dict[str, Any]


@dataclass(frozen=True)
class Refreshed:
    """What EMR listed, as row counts by table, the names of the tables that changed in the lake, and what failed."""

    listed: Mapping[str, int]
    changed: tuple[str, ...]
    errors: tuple[ChargebackError, ...] = ()


@dataclass(frozen=True)
class Question:
    """What to ask about the job runs of one virtual cluster: a list (since None: of all), and some by their ids."""

    listed: bool
    since: datetime | None
    ids: tuple[str, ...]


def refresh(emr: EmrContainers, lake: Lake, cluster: Cluster, now: datetime) -> Refreshed:
    """Bring the lake's virtual clusters, job runs and managed endpoints up to date with EMR.

    Virtual clusters that the lake knows to have ended are asked about no more, but for runs that had not. What fails
    for one of them stops no other.
    """
    survey = _Survey(emr, lake.whole(JOB_RUNS), _ended(lake.whole(VIRTUAL_CLUSTERS)))
    for of in emr.virtual_clusters():
        survey.ask_about(of)
    changed = []
    for table in INVENTORY_TABLES:  # virtual clusters last: what ended is asked about no more
        rows = table_of(table, survey.listed[table], cluster, now)
        try:
            if lake.merge_whole(table, partial(merged, table, listed=rows)):
                changed.append(table.name)
        except ChargebackError as error:
            survey.errors.append(error)
            break
    counts = {table.name: len(records) for table, records in survey.listed.items()}
    return Refreshed(counts, tuple(changed), tuple(survey.errors))


class _Survey:
    """What EMR lists of one virtual cluster after another, the lake having these *runs* and knowing which *ended*."""

    def __init__(self, emr: EmrContainers, runs: pa.Table, ended: frozenset[str]) -> None:
        self._emr = emr
        self._runs = runs
        self._ended = ended
        self.listed: dict[Table, list[_Listed]] = {VIRTUAL_CLUSTERS: [], JOB_RUNS: [], MANAGED_ENDPOINTS: []}
        self.errors: list[ChargebackError] = []

    def ask_about(self, of: VirtualCluster) -> None:
        """Ask about one virtual cluster; one whose end cannot be told whole is left to the next run."""
        ended = of.arn in self._ended
        whole = self._take(JOB_RUNS, lambda: _job_runs(self._emr, of, self._runs, ended=ended))
        if not ended:
            whole &= self._take(MANAGED_ENDPOINTS, lambda: self._emr.managed_endpoints(of))
        if whole or of.state not in FINAL:  # written as ended, it would not be asked about again
            self.listed[VIRTUAL_CLUSTERS].append(of)

    def _take(self, table: Table, ask: Callable[[], Sequence[_Listed]]) -> bool:
        """Add what *ask* lists to *table*; an API that does not answer is not asked again. Returns whether it did."""
        if any(isinstance(error, UnavailableError | TemporaryError) for error in self.errors):
            return False
        try:
            self.listed[table] += ask()
        except ChargebackError as error:
            self.errors.append(error)
            return False
        return True


def question(runs: pa.Table, *, ended: bool) -> Question:
    """What to ask about a virtual cluster of which the lake has *runs*; one that *ended* starts no others."""
    unfinished = runs.filter(pc.invert(pc.is_in(runs["state"], _FINAL)))
    if ended:
        return Question(listed=False, since=None, ids=_ids(unfinished))
    if not runs.num_rows:
        return Question(listed=True, since=None, ids=())
    newest = pc.max(runs["created_at"]).as_py()
    recent = (created for created in unfinished["created_at"].to_pylist() if created >= newest - _REACH)
    since = min([newest, *recent]) - _MARGIN
    older = unfinished.filter(pc.less(unfinished["created_at"], pa.scalar(since, runs["created_at"].type)))
    return Question(listed=True, since=since.replace(tzinfo=UTC), ids=_ids(older))


def table_of(table: Table, records: Iterable[_Listed], cluster: Cluster, now: datetime) -> pa.Table:
    """The rows of *table* that *records*, listed at *now*, make; in any order."""
    common = {"cluster_arn": cluster.arn, "collected_at": now}
    names = [name for name in table.schema.names if name not in common]
    rows = [common | {name: _value(getattr(record, name)) for name in names} for record in records]
    return pa.Table.from_pylist(rows, schema=table.schema)


def merged(table: Table, stored: pa.Table, listed: pa.Table) -> pa.Table:
    """The *stored* rows of *table* and the *listed* ones, the newest of each ARN, ordered.

    What is not listed stays; a row that says nothing new keeps the time at which it was first collected.
    """
    again = pc.is_in(stored[_KEY], listed[_KEY])
    latest: dict[str, _Row] = {}
    for row in [*stored.filter(again).to_pylist(), *listed.to_pylist()]:
        former = latest.get(row[_KEY])
        latest[row[_KEY]] = row if former is None else _newer(former, row)
    rows = pa.Table.from_pylist([*latest.values()], schema=stored.schema)
    unordered = pa.concat_tables([stored.filter(pc.invert(again)), rows])
    return unordered.sort_by([(column, "ascending") for column in table.order])


def _job_runs(emr: EmrContainers, of: VirtualCluster, runs: pa.Table, *, ended: bool) -> list[JobRun]:
    asked = question(runs.filter(pc.equal(runs["virtual_cluster_id"], of.virtual_cluster_id)), ended=ended)
    alone = [emr.job_run(of, job_run_id) for job_run_id in asked.ids]
    together = emr.job_runs(of, asked.since) if asked.listed else []
    return [*(run for run in alone if run is not None), *together]


def _ended(virtual_clusters: pa.Table) -> frozenset[str]:
    return frozenset(virtual_clusters.filter(pc.is_in(virtual_clusters["state"], _FINAL))[_KEY].to_pylist())


def _ids(runs: pa.Table) -> tuple[str, ...]:
    return tuple(runs["job_run_id"].to_pylist())


def _value(value: object) -> object:
    """As Arrow takes it: a map as its entries, in an order of their own."""
    return sorted(value.items()) if isinstance(value, dict) else value


def _newer(former: _Row, row: _Row) -> _Row:
    """Which of two rows of one ARN stays, whichever of them came first."""
    if _said(former) == _said(row):
        return min(former, row, key=_collected_at)
    return max(former, row, key=_age)


def _said(row: _Row) -> _Row:
    return {name: value for name, value in row.items() if name != "collected_at"}


def _collected_at(row: _Row) -> datetime:
    collected_at: datetime = row["collected_at"]
    return collected_at


def _age(row: _Row) -> tuple[bool, datetime]:
    """A final state is later than any other, even if a slow or stale answer came after it."""
    return row["state"] in FINAL, _collected_at(row)
