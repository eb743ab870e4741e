"""Collecting: fetch the planned windows, join them, write them; one that fails never stops the next."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pipeline.errors import ChargebackError, ContractError
from pipeline.footer import WindowRecord, WindowState
from pipeline.kubecost import Kubecost, NoDataError
from pipeline.lake import Lake
from pipeline.models import Cluster
from pipeline.plan import Plan, PlannedWindow, Schedule, plan, span
from pipeline.rows import WindowRows, window_rows
from pipeline.tables import ALLOCATIONS, LAKE_TABLES
from pipeline.window import Window

log = logging.getLogger(__name__)

_TOLERANCE = 0.01  # upstream recomputes an hour from samples; more than this much fewer core-hours is a worse answer


@dataclass(frozen=True)
class Outcome:
    """What became of one planned window: its record if the lake now has it, else the error."""

    window: Window
    record: WindowRecord | None = None
    changed: bool = False
    error: ChargebackError | None = None


@dataclass(frozen=True)
class Work:
    """What a run has to do, and what the lake had when it began."""

    plan: Plan
    records: Mapping[Window, WindowRecord]


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
            return Work(Plan((), ()), {})
        dialect = self.upstream.detect(looked_at.newest_hour)
        records = self.lake.records(looked_at.days)
        retention = schedule.hourly_retention or dialect.hourly_retention
        found = plan(schedule, looked_at, records, retention, recollect=self.recollect)
        if found.expired:
            log.warning(
                "hours were never collected and are past upstream's hourly retention",
                extra={"hours": len(found.expired), "first": found.expired[0], "retention": retention},
            )
        return Work(found, records)

    def collect(self, work: Work) -> Iterator[Outcome]:
        """Fetch and write each window of *work*, oldest first; one that fails never stops the next."""
        for planned in work.plan.fetch:
            try:
                yield self._collected(planned, work.records.get(planned.window))
            except ChargebackError as error:
                yield Outcome(planned.window, error=error)

    def _collected(self, planned: PlannedWindow, former: WindowRecord | None) -> Outcome:
        answer = self.upstream.window(planned.window)
        rows = window_rows(answer, self.cluster, self.labels, self.now)
        _warn_of_unmatched(rows)
        record = _record(rows, planned.state, self.now)
        if former is not None and not self.recollect and _is_worse(record, former):
            return self._rejected(record, former)
        changed = [self.lake.replace(table, record, rows.tables[table]) for table in LAKE_TABLES]
        return Outcome(planned.window, record, changed=any(changed))

    def _rejected(self, record: WindowRecord, former: WindowRecord) -> Outcome:
        """Keep the stored rows, remember that the newer answer was worse, and say so once."""
        kept = msgspec.structs.replace(former, state=WindowState.REJECTED)
        self.lake.replace(ALLOCATIONS, kept, None)
        error = ContractError(
            f"{record.window}: the newer answer has {record.core_hours:.3f} core-hours, the stored one "
            f"{former.core_hours:.3f}. The stored rows stay. To take the newer ones: collect --recollect "
            f"--since {former.start:%Y-%m-%dT%H:%MZ} --until {former.end:%Y-%m-%dT%H:%MZ}"
        )
        return Outcome(record.window, kept, changed=True, error=error)


def failures(outcomes: Iterable[Outcome], records: Iterable[WindowRecord]) -> list[ChargebackError]:
    """What went wrong in a run.

    Hours without rows are right before the first hour that has rows; after it they are refused, and asked for again.
    """
    outcomes = tuple(outcomes)
    with_rows = [o.record.window for o in outcomes if o.record] + [r.window for r in records if r.rows]
    errors = [o.error for o in outcomes if o.error is not None and not isinstance(o.error, NoDataError)]
    empty = [o for o in outcomes if isinstance(o.error, NoDataError)]
    if empty and not with_rows and not errors:
        return [
            ContractError(f"No hour from {empty[0].window.start:%Y-%m-%dT%H:%MZ} on has rows. Is Kubecost running?")
        ]
    first = min(with_rows, default=None)
    late = [o.error for o in empty if o.error is not None and first is not None and o.window > first]
    return [*errors, *late]


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


def _is_worse(record: WindowRecord, former: WindowRecord) -> bool:
    return record.core_hours < former.core_hours * (1 - _TOLERANCE)


def _warn_of_unmatched(rows: WindowRows) -> None:
    if rows.nodes_unmatched:
        log.warning("nodes without an asset", extra={"window": rows.window, "nodes": rows.nodes_unmatched})
    if rows.joined_by_name:
        log.warning(
            "rows without a provider ID, joined by node name",
            extra={"window": rows.window, "rows": rows.joined_by_name},
        )
