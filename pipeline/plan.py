"""Which windows to fetch: those that are missing or not yet settled, as long as upstream still has them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.errors import UsageError
from pipeline.footer import WindowRecord, WindowState
from pipeline.window import DAY, HOUR, Window, floor_hour, hours


@dataclass(frozen=True)
class Schedule:
    """When an hour is fetched after its end, when once more, how far back, and how long upstream keeps hours.

    A *hourly_retention* of None is the one that upstream has by default.
    """

    collect_after: timedelta
    settle_after: timedelta
    lookback: timedelta
    hourly_retention: timedelta | None = None


@dataclass(frozen=True)
class Span:
    """The time that a run looks at: whole hours from *since* up to *until*, at the time *now*."""

    since: datetime
    until: datetime
    now: datetime

    @property
    def newest_hour(self) -> Window | None:
        """The newest hour of the span; None where it holds no hour."""
        return Window.hour(self.until - HOUR) if self.since < self.until else None

    @property
    def days(self) -> Iterator[date]:
        """The UTC days that the span touches."""
        day = self.since.date()
        while day <= (self.until - HOUR).date():
            yield day
            day += DAY


@dataclass(frozen=True)
class PlannedWindow:
    """A window to fetch, and the state that a good answer brings it to."""

    window: Window
    state: WindowState


@dataclass(frozen=True)
class Plan:
    """The windows to fetch, oldest first, and the gaps in the lake that upstream no longer has by the hour."""

    fetch: tuple[PlannedWindow, ...]
    expired: tuple[Window, ...]


def span(schedule: Schedule, now: datetime, since: datetime | None, until: datetime | None) -> Span:
    """The time to look at: the look-back, or from *since* to *until*, up to the newest hour that may be fetched.

    Raises:
        UsageError: *since* or *until* is no whole hour, or they are the wrong way round.
    """
    for name, instant in (("--since", since), ("--until", until)):
        if instant is not None and instant != floor_hour(instant):
            raise UsageError(f"{name} must be a whole hour, such as 2026-10-13T04:00Z, not {instant:%H:%M:%S}.")
    if since is not None and until is not None and since >= until:
        raise UsageError("--since must be earlier than --until.")
    newest = floor_hour(now - schedule.collect_after)
    oldest = since if since is not None else floor_hour(now - schedule.lookback)
    return Span(oldest, min(newest, until) if until is not None else newest, now)


def plan(
    schedule: Schedule,
    span: Span,
    records: Mapping[Window, WindowRecord],
    hourly_retention: timedelta,
    *,
    recollect: bool = False,
) -> Plan:
    """Say which windows of *span* to fetch, given what the lake has and how long upstream keeps hours.

    With *recollect* those that are settled are fetched too.
    """
    fetch, expired = [], []
    for window in hours(span.since, span.until):
        if span.now - window.start > hourly_retention:
            expired.append(window)
        elif _is_due(schedule, window, records.get(window), span.now) or recollect:
            settled = span.now >= window.end + schedule.settle_after
            fetch.append(PlannedWindow(window, WindowState.SETTLED if settled else WindowState.COLLECTED))
    began = min(records, default=None)
    gaps = tuple(window for window in expired if window not in records and began is not None and window > began)
    return Plan(tuple(fetch), gaps)


def _is_due(schedule: Schedule, window: Window, record: WindowRecord | None, now: datetime) -> bool:
    if record is None:
        return True
    return record.state is WindowState.COLLECTED and now >= window.end + schedule.settle_after
