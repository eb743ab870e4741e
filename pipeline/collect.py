"""Collecting: fetch the planned windows, join them, write them; one that fails never stops the next."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime

from pipeline.answers import OtherClustersError
from pipeline.change import NOTHING, Change, Effect, Loss
from pipeline.day import ROW_GROUP_ROWS
from pipeline.errors import ChargebackError, ConfigurationError, ContractError
from pipeline.footer import WindowRecord, WindowState
from pipeline.kubecost import Kubecost, NoDataError
from pipeline.lake import Lake
from pipeline.metrics import Metric
from pipeline.models import Cluster, WindowAnswer
from pipeline.plan import Plan, PlannedWindow, Schedule, Span, by_hour, history_began, plan, reaching_back, span
from pipeline.rows import WindowRows, window_rows
from pipeline.tables import ALLOCATIONS, LAKE_TABLES, Table
from pipeline.window import HOUR, Window

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds that fetched windows wait for others of their day


@dataclass(frozen=True)
class Outcome:
    """What became of one planned window: its record if the lake now has it, and the error if there was one.

    *lost* counts the hours that were given up with it.
    """

    window: Window
    record: WindowRecord | None = None
    changed: bool = False
    error: ChargebackError | None = None
    lost: int = 0


@dataclass(frozen=True)
class Work:
    """What a run has to do, what the lake had when it began, and when its history began: None while it is empty.

    What is *unreadable* in the lake is left as it is.
    """

    plan: Plan
    records: Mapping[Window, WindowRecord]
    began: datetime | None
    unreadable: tuple[ContractError, ...] = ()

    @property
    def cluster_id(self) -> str | None:
        """The cluster that the newest window with rows is of, by upstream's name; None where that is not known."""
        named = [record for record in self.records.values() if record.cluster_id is not None]
        return max(named, key=lambda record: record.window).cluster_id if named else None


@dataclass(frozen=True)
class _Fetched:
    """A planned window and what came of asking for it: rows or an error."""

    planned: PlannedWindow
    rows: WindowRows | None = None
    error: ChargebackError | None = None


@dataclass(frozen=True)
class _Proposal:
    """What is to be changed in the lake for one window, by table; or why nothing is."""

    window: Window
    changes: Mapping[Table, Change | Loss]
    error: ChargebackError | None = None


@dataclass(frozen=True)
class Collector:
    """Where windows come from and go to, and what is kept of them; *recollect* takes an answer that is worse, too.

    *clock* gives seconds that only ever grow.
    """

    upstream: Kubecost
    lake: Lake
    cluster: Cluster
    labels: tuple[str, ...]
    now: datetime
    clock: Callable[[], float]
    recollect: bool = False

    def work(self, schedule: Schedule, since: datetime | None = None, until: datetime | None = None) -> Work:
        """Find the windows that are missing or not yet settled, in the look-back or from *since* to *until*.

        The look-back reaches as far back as the lake lacks days.
        """
        looked_at = span(schedule, self.now, since, until)
        newest = looked_at.newest_hour
        if newest is None:
            return Work(Plan((), ()), {}, None)
        days = self.lake.days()
        if since is None:
            looked_at = reaching_back(looked_at, days)
        dialect = self.upstream.detect(newest)
        stored = self.lake.read(looked_at.days)
        began = history_began(stored.records.values(), days, looked_at)
        found = plan(
            schedule,
            looked_at,
            stored.records,
            schedule.hourly_retention or dialect.hourly_retention,
            began,
            unreadable=stored.unreadable,
            recollect=self.recollect,
        )
        _tell(found, looked_at)
        return Work(found, stored.records, began, tuple(stored.unreadable.values()))

    def collect(self, work: Work) -> Iterator[Outcome]:
        """Fetch and write each window of *work*, oldest first; one that fails never stops the next.

        The windows of a day are written together, unless they are more rows than memory should hold, or slow to come.
        """
        for batch in _batches(self._of_one_cluster(self._fetched(work.plan), work), self.clock):
            yield from self._written([self._proposed(fetched, work) for fetched in batch])

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

    def _of_one_cluster(self, fetched: Iterable[_Fetched], work: Work) -> Iterator[_Fetched]:
        """Refuse what is of another cluster than the hours before, unless we asked for it by its name."""
        known = self.upstream.cluster_id or work.cluster_id
        for one in fetched:
            named = one.rows.cluster_id if one.rows else None
            known = known or named
            if self.upstream.cluster_id is None and named is not None and named != known:
                yield _Fetched(one.planned, error=_of_another_cluster(one.planned.window, named, known))
            else:
                yield one

    def _proposed(self, fetched: _Fetched, work: Work) -> _Proposal:
        """Put the answer before the lake, or give the missing hours of a day up for lost."""
        planned = fetched.planned
        if fetched.rows is not None:
            record = _record(fetched.rows, planned.state, self.now)
            tables = fetched.rows.tables
            changes = {table: Change(record, tables[table], planned.gaps, self.recollect) for table in LAKE_TABLES}
            return _Proposal(planned.window, changes)
        if planned.gaps and _is_after(planned.window, work.began) and _is_gone(fetched.error, work.records.values()):
            return _Proposal(planned.window, {ALLOCATIONS: Loss(planned.window, planned.gaps, self.now)})
        return _Proposal(planned.window, {}, fetched.error)

    def _written(self, proposals: Sequence[_Proposal]) -> Iterator[Outcome]:
        """Write a batch; `allocations` comes last, and with it the windows count as collected."""
        day = proposals[0].window.usage_date
        proposed = [proposal for proposal in proposals if proposal.changes]
        try:
            effects = {table: self._replaced(table, day, proposed) for table in LAKE_TABLES}
            self._follow(effects, day, proposed)
        except ChargebackError as error:
            yield from (Outcome(p.window, error=error if p.changes else p.error) for p in proposals)
            return
        yield from (_outcome(proposal, effects) for proposal in proposals)

    def _replaced(self, table: Table, day: date, proposed: Iterable[_Proposal]) -> Mapping[Window, Effect]:
        changes = [proposal.changes[table] for proposal in proposed if table in proposal.changes]
        return self.lake.replace(table, day, changes) if changes else {}

    def _follow(
        self, effects: Mapping[Table, Mapping[Window, Effect]], day: date, proposed: Iterable[_Proposal]
    ) -> None:
        """Let the other tables have what `allocations` took: a killed run may have left a better answer in them."""
        taken = {window for window, effect in effects[ALLOCATIONS].items() if effect.taken}
        for table in LAKE_TABLES:
            changes = [proposal.changes.get(table) for proposal in proposed if proposal.window in taken]
            behind = [c for c in changes if isinstance(c, Change) and not effects[table][c.window].taken]
            if behind:
                self.lake.replace(table, day, [replace(change, even_if_worse=True) for change in behind])


def failures(outcomes: Iterable[Outcome], work: Work) -> list[ChargebackError]:
    """What went wrong in a run that had to do *work*.

    Hours without rows are right before the first hour that has rows; after it they are refused, and asked for again.
    """
    outcomes = tuple(outcomes)
    errors = [o.error for o in outcomes if o.error is not None and not isinstance(o.error, NoDataError)]
    errors = [*work.unreadable, *errors]
    empty = [o for o in outcomes if isinstance(o.error, NoDataError)]
    written = [o.record for o in outcomes if o.record is not None]
    for error in (o.error for o in empty):
        if isinstance(error, OtherClustersError) and not _has_named(error.wanted, (*work.records.values(), *written)):
            return [*errors, error.of_a_name_never_seen()]
    began = _began(written, work)
    if empty and began is None and not errors:
        return [
            ContractError(f"No hour from {empty[0].window.start:%Y-%m-%dT%H:%MZ} on has rows. Is Kubecost running?")
        ]
    return [*errors, *(o.error for o in empty if o.error is not None and _is_after(o.window, began))]


def figures(outcomes: Iterable[Outcome], work: Work, now: datetime | None) -> dict[Metric, float | None]:
    """What a run that had to do *work* came to.

    How old the newest window is at *now*, in hours, is not told of a run that was kept from looking at it: None.
    """
    outcomes = tuple(outcomes)
    written = [outcome.record for outcome in outcomes if outcome.record is not None]
    taken = [record for record in written if record.state is not WindowState.REJECTED]
    held = [record.end for record in (*work.records.values(), *written) if record.state is not WindowState.LOST]
    return {
        Metric.NEWEST_WINDOW_AGE: (now - max(held)) / HOUR if now and held else None,
        Metric.WINDOWS_COLLECTED: len(taken),
        Metric.WINDOWS_MISSING: len(_still_missing(outcomes, work)),
        Metric.WINDOWS_LOST: sum(outcome.lost for outcome in outcomes),
        Metric.WINDOWS_REJECTED: len(written) - len(taken),
        Metric.ROWS: sum(record.rows for record in taken),
        Metric.ESTIMATED_COST: sum(record.estimated_cost for record in taken),
    }


def _still_missing(outcomes: Iterable[Outcome], work: Work) -> list[Window]:
    """The hours that the lake should have and has not, now that *work* is done: the next run asks for them."""
    outcomes = tuple(outcomes)
    began = _began((outcome.record for outcome in outcomes if outcome.record is not None), work)
    known = by_hour(work.records.values())
    hours_of = {planned.window: planned.gaps or (planned.window,) for planned in work.plan.fetch}
    failed = [o for o in outcomes if o.error is not None and o.record is None and not o.lost]
    wanted = [hour for o in failed for hour in hours_of[o.window] if _is_wanted(hour, o.error, began)]
    return [hour for hour in wanted if hour not in known] + [h for h in work.plan.waiting if _is_after(h, began)]


def _is_wanted(hour: Window, error: ChargebackError | None, began: datetime | None) -> bool:
    """Whether it is a gap: an hour without rows before the first that has some is none."""
    return not isinstance(error, NoDataError) or _is_after(hour, began)


def _began(written: Iterable[WindowRecord], work: Work) -> datetime | None:
    """When history began, now that the windows of *written* are part of it."""
    return min([record.start for record in written] + ([work.began] if work.began else []), default=None)


def _is_after(window: Window, began: datetime | None) -> bool:
    return began is not None and window.end > began


def _is_gone(error: ChargebackError | None, records: Iterable[WindowRecord]) -> bool:
    """Whether upstream has no more of our cluster; one that it never named may only be misspelt."""
    if isinstance(error, OtherClustersError):
        return _has_named(error.wanted, records)
    return isinstance(error, NoDataError)


def _has_named(cluster_id: str, records: Iterable[WindowRecord]) -> bool:
    return any(record.cluster_id == cluster_id for record in records)


def _of_another_cluster(window: Window, named: str, known: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"Upstream answered for {window} about the cluster {named!r}, and about {known!r} before. Set "
        "CHARGEBACK_KUBECOST_CLUSTER_ID to the one that CHARGEBACK_CLUSTER_ARN names, and collect --recollect what is "
        "stored of another."
    )


def _tell(found: Plan, looked_at: Span) -> None:
    """Say which hours are not fetched as they were asked for."""
    if found.waiting:
        log.info("missing hours wait until their day's set is complete", extra={"hours": len(found.waiting)})
    for window in (planned.window for planned in found.fetch):
        if window.start < looked_at.since or looked_at.until < window.end:
            log.info("hours that upstream no longer keeps are fetched as their whole day", extra={"window": window})


def _outcome(proposal: _Proposal, effects: Mapping[Table, Mapping[Window, Effect]]) -> Outcome:
    window = proposal.window
    effect = effects[ALLOCATIONS].get(window, NOTHING)
    if proposal.changes and effect == NOTHING:
        log.info("another run was faster", extra={"window": window})
    record = next((record for record in effect.records if record.window == window), None)
    changed = any(of.get(window, NOTHING).changed for of in effects.values())
    lost = sum(record.state is WindowState.LOST for record in effect.records)
    return Outcome(window, record, changed, effect.error or proposal.error, lost)


def _batches(fetched: Iterable[_Fetched], clock: Callable[[], float]) -> Iterator[list[_Fetched]]:
    """Put the windows of a day together, up to the rows of one row group, and as long as they come quickly."""
    batch: list[_Fetched] = []
    rows, begun = 0, clock()
    for one in fetched:
        if batch and (one.planned.window.usage_date != batch[0].planned.window.usage_date or rows > ROW_GROUP_ROWS):
            yield batch
            batch, rows, begun = [], 0, clock()
        batch.append(one)
        rows += one.rows.tables[ALLOCATIONS].num_rows if one.rows else 0
        if clock() - begun >= _PATIENCE:
            yield batch
            batch, rows, begun = [], 0, clock()
    if batch:
        yield batch


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
        cluster_id=rows.cluster_id,
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
