"""Collecting: fetch the planned windows, join them, write them; one that fails never stops the next."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from pipeline.day import ROW_GROUP_ROWS, Change
from pipeline.errors import ChargebackError, ContractError
from pipeline.footer import WindowRecord, WindowState
from pipeline.kubecost import Kubecost, NoDataError
from pipeline.lake import Lake
from pipeline.models import Cluster, WindowAnswer
from pipeline.plan import Plan, PlannedWindow, Schedule, history_began, plan, span
from pipeline.rows import WindowRows, window_rows
from pipeline.tables import ALLOCATIONS, LAKE_TABLES, Table
from pipeline.window import Window

log = logging.getLogger(__name__)

_TOLERANCE = 0.01  # upstream recomputes an hour from samples; more than this much fewer core-hours is a worse answer


@dataclass(frozen=True)
class Outcome:
    """What became of one planned window: its record if the lake now has it, and the error if there was one."""

    window: Window
    record: WindowRecord | None = None
    changed: bool = False
    error: ChargebackError | None = None


@dataclass(frozen=True)
class Work:
    """What a run has to do, what the lake had when it began, and when its history began: None while it is empty."""

    plan: Plan
    records: Mapping[Window, WindowRecord]
    began: datetime | None

    def within(self, window: Window) -> tuple[WindowRecord, ...]:
        """The records of *window*, or of the hours in it."""
        return tuple(r for r in self.records.values() if window.start <= r.start and r.end <= window.end)


@dataclass(frozen=True)
class _Fetched:
    """A planned window and what came of asking for it: rows or an error."""

    planned: PlannedWindow
    rows: WindowRows | None = None
    error: ChargebackError | None = None


@dataclass(frozen=True)
class _Decision:
    """What is to be changed in the lake for one window, and what is told of it."""

    outcome: Outcome
    changes: Mapping[Table, tuple[Change, ...]]


@dataclass(frozen=True)
class Collector:
    """Where windows come from and go to, and what is kept of them; *recollect* takes an answer that is worse, too."""

    upstream: Kubecost
    lake: Lake
    cluster: Cluster
    labels: tuple[str, ...]
    now: datetime
    recollect: bool = False

    def work(self, schedule: Schedule, since: datetime | None = None, until: datetime | None = None) -> Work:
        """Find the windows that are missing or not yet settled, in the look-back or from *since* to *until*."""
        looked_at = span(schedule, self.now, since, until)
        if looked_at.newest_hour is None:
            return Work(Plan((), ()), {}, None)
        dialect = self.upstream.detect(looked_at.newest_hour)
        records = self.lake.records(looked_at.days)
        began = history_began(records.values(), self.lake.first_day(), looked_at.since)
        retention = schedule.hourly_retention or dialect.hourly_retention
        found = plan(schedule, looked_at, records, retention, began, recollect=self.recollect)
        if found.waiting:
            log.info("missing hours wait until their day's set is complete", extra={"hours": len(found.waiting)})
        return Work(found, records, began)

    def collect(self, work: Work) -> Iterator[Outcome]:
        """Fetch and write each window of *work*, oldest first; one that fails never stops the next.

        The windows of a day are written together, unless they are more rows than memory should hold.
        """
        for batch in _batches(self._fetched(work.plan)):
            yield from self._written([self._decided(fetched, work) for fetched in batch])

    def _fetched(self, planned: Plan) -> Iterator[_Fetched]:
        """Ask for each window; while one is awaited, joined and written, the next is already asked for."""
        ahead = ThreadPoolExecutor(max_workers=2)
        try:
            asked = deque[tuple[PlannedWindow, Future[WindowAnswer]]]()
            for window in planned.fetch:
                asked.append((window, ahead.submit(self.upstream.window, window.window)))
                if len(asked) > 1:
                    yield self._joined(*asked.popleft())
            while asked:
                yield self._joined(*asked.popleft())
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)  # whoever interrupts a run does not wait for upstream

    def _joined(self, planned: PlannedWindow, answer: "Future[WindowAnswer]") -> _Fetched:
        try:
            rows = window_rows(answer.result(), self.cluster, self.labels, self.now)
        except ChargebackError as error:
            return _Fetched(planned, error=error)
        _warn_of_unmatched(rows)
        return _Fetched(planned, rows)

    def _decided(self, fetched: _Fetched, work: Work) -> _Decision:
        """Take the answer, keep what is stored, or give the missing hours of a day up for lost."""
        planned = fetched.planned
        if fetched.rows is not None:
            return self._compared(planned, fetched.rows, work.within(planned.window))
        if planned.gaps and isinstance(fetched.error, NoDataError) and _is_after(planned.window, work.began):
            return self._lost(planned, f"upstream has nothing of {planned.window.usage_date} any more")
        return _Decision(Outcome(planned.window, error=fetched.error), {})

    def _compared(self, planned: PlannedWindow, rows: WindowRows, stored: Sequence[WindowRecord]) -> _Decision:
        record = _record(rows, planned.state, self.now)
        before = sum(former.core_hours for former in stored)
        tolerance = 0.0 if planned.gaps else _TOLERANCE
        if self.recollect or record.core_hours >= before * (1 - tolerance):
            changes = {table: (Change(record, rows.tables[table]),) for table in LAKE_TABLES}
            return _Decision(Outcome(planned.window, record), changes)
        if planned.gaps:
            said = f"the day's set has {record.core_hours:.3f} core-hours, the hours that are stored {before:.3f}"
            return self._lost(planned, said)
        return _rejected(record, stored[0])

    def _lost(self, planned: PlannedWindow, why: str) -> _Decision:
        """Remember the missing hours of a day as lost, so that it is said once."""
        lost = tuple(Change(_lost_record(hour, self.now)) for hour in planned.gaps)
        error = ContractError(
            f"{len(lost)} hours of {planned.window.usage_date} are lost: {why}. What is stored of the day stays. "
            "Run collect more often than upstream's hourly retention."
        )
        return _Decision(Outcome(planned.window, error=error), {ALLOCATIONS: lost})

    def _written(self, decisions: Sequence[_Decision]) -> Iterator[Outcome]:
        """Write a batch; `allocations` comes last, and with it the windows count as collected."""
        day = decisions[0].outcome.window.usage_date
        try:
            changed = [
                self.lake.replace(table, day, changes)
                for table in LAKE_TABLES
                if (changes := [change for decision in decisions for change in decision.changes.get(table, ())])
            ]
        except ChargebackError as error:
            yield from (Outcome(d.outcome.window, error=error if d.changes else d.outcome.error) for d in decisions)
            return
        yield from (replace(d.outcome, changed=any(changed) and bool(d.changes)) for d in decisions)


def failures(outcomes: Iterable[Outcome], began: datetime | None) -> list[ChargebackError]:
    """What went wrong in a run over a lake whose history had begun at *began*, or not at all.

    Hours without rows are right before the first hour that has rows; after it they are refused, and asked for again.
    """
    outcomes = tuple(outcomes)
    errors = [o.error for o in outcomes if o.error is not None and not isinstance(o.error, NoDataError)]
    empty = [o for o in outcomes if isinstance(o.error, NoDataError)]
    began = min([o.record.start for o in outcomes if o.record] + ([began] if began else []), default=None)
    if empty and began is None and not errors:
        return [
            ContractError(f"No hour from {empty[0].window.start:%Y-%m-%dT%H:%MZ} on has rows. Is Kubecost running?")
        ]
    return [*errors, *(o.error for o in empty if o.error is not None and _is_after(o.window, began))]


def _is_after(window: Window, began: datetime | None) -> bool:
    return began is not None and window.end > began


def _batches(fetched: Iterable[_Fetched]) -> Iterator[list[_Fetched]]:
    """Put the windows of a day together, up to the rows of one row group."""
    batch: list[_Fetched] = []
    rows = 0
    for one in fetched:
        if batch and (one.planned.window.usage_date != batch[0].planned.window.usage_date or rows > ROW_GROUP_ROWS):
            yield batch
            batch, rows = [], 0
        batch.append(one)
        rows += one.rows.tables[ALLOCATIONS].num_rows if one.rows else 0
    if batch:
        yield batch


def _rejected(record: WindowRecord, former: WindowRecord) -> _Decision:
    """Keep the stored rows, remember that the newer answer was worse, and say so once."""
    kept = msgspec.structs.replace(former, state=WindowState.REJECTED)
    error = ContractError(
        f"{record.window}: the newer answer has {record.core_hours:.3f} core-hours, the stored one "
        f"{former.core_hours:.3f}. The stored rows stay. To take the newer ones: collect --recollect "
        f"--since {former.start:%Y-%m-%dT%H:%MZ} --until {former.end:%Y-%m-%dT%H:%MZ}"
    )
    return _Decision(Outcome(record.window, kept, error=error), {ALLOCATIONS: (Change(kept),)})


def _lost_record(hour: Window, now: datetime) -> WindowRecord:
    return WindowRecord(
        start=hour.start,
        end=hour.end,
        state=WindowState.LOST,
        collected_at=now,
        rows=0,
        core_hours=0.0,
        estimated_cost=0.0,
        source="",
    )


def _record(rows: WindowRows, state: WindowState, now: datetime) -> WindowRecord:
    return WindowRecord(
        start=rows.window.start,
        end=rows.window.end,
        state=state,
        collected_at=now,
        rows=rows.tables[ALLOCATIONS].num_rows,
        core_hours=rows.core_hours,
        estimated_cost=rows.estimated_cost,
        source=rows.source,
        grid=None if rows.grid is None else int(rows.grid.total_seconds()),
    )


def _warn_of_unmatched(rows: WindowRows) -> None:
    if rows.nodes_unmatched:
        log.warning("nodes without an asset", extra={"window": rows.window, "nodes": rows.nodes_unmatched})
    if rows.joined_by_name:
        log.warning(
            "rows without a provider ID, joined by node name",
            extra={"window": rows.window, "rows": rows.joined_by_name},
        )
