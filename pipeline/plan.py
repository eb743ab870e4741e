"""Which windows to fetch: those that are missing or not yet settled, as long as upstream still has them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pipeline.errors import UsageError
from pipeline.footer import WindowRecord, WindowState
from pipeline.window import DAY, HOUR, Window, floor_hour, hours

_HOURS_OF_A_DAY = DAY // HOUR


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
    """A window to fetch, and the state that a good answer brings it to.

    A whole day's set is fetched for the hours that are missing from it, its *gaps*; an hour has none.
    """

    window: Window
    state: WindowState
    gaps: tuple[Window, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The windows to fetch, oldest first, and the missing hours that wait until their day's set is complete."""

    fetch: tuple[PlannedWindow, ...]
    waiting: tuple[Window, ...]


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
    began: datetime | None = None,
    *,
    recollect: bool = False,
) -> Plan:
    """Say which windows of *span* to fetch, given what the lake has and how long upstream keeps hours.

    Hours past the retention come from their day's set, once the whole day is past it; on the day on which history
    *began* (None: it has not), the hours before that are no gaps. With *recollect* the windows
    that are settled, rejected or lost are fetched, too.
    """
    known = by_hour(records.values())
    fetch: list[PlannedWindow] = []
    expired: dict[date, list[Window]] = {}
    for window in hours(span.since, span.until):
        if span.now - window.start > hourly_retention:
            expired.setdefault(window.usage_date, []).append(window)
        elif _is_due(schedule, window, known.get(window), span.now, recollect=recollect):
            settled = span.now >= window.end + schedule.settle_after
            fetch.append(PlannedWindow(window, WindowState.SETTLED if settled else WindowState.COLLECTED))
    whole = [of for of in expired.values() if len(of) == _HOURS_OF_A_DAY]
    days = [planned for of in whole if (planned := _day_set(of, known, began, recollect=recollect))]
    begun = [window for of in expired.values() if len(of) < _HOURS_OF_A_DAY for window in of]
    return Plan((*days, *fetch), tuple(window for window in begun if window not in known))


def _day_set(
    of: list[Window], known: Mapping[Window, WindowRecord], began: datetime | None, *, recollect: bool
) -> PlannedWindow | None:
    """The set of the whole day that the hours *of* are, if some of them are missing."""
    day = Window(of[0].start, of[-1].end)
    if began is not None and day.start < began < day.end:
        of = [hour for hour in of if hour.end > began]
    gaps = tuple(hour for hour in of if hour not in known or known[hour].state is WindowState.LOST)
    wanted = any(hour not in known for hour in gaps) or (recollect and (gaps or known[of[0]].window == day))
    return PlannedWindow(day, WindowState.SETTLED, gaps) if wanted else None


def by_hour(records: Iterable[WindowRecord]) -> dict[Window, WindowRecord]:
    """The record of each hour: a day's set stands for all of its hours."""
    return {hour: record for record in records for hour in hours(record.start, record.end)}


def _is_due(schedule: Schedule, window: Window, record: WindowRecord | None, now: datetime, *, recollect: bool) -> bool:
    if record is None:
        return True
    if record.window != window:
        return False  # a day's set: hours never stand beside it
    return recollect or (record.state is WindowState.COLLECTED and now >= window.end + schedule.settle_after)


def history_began(records: Iterable[WindowRecord], first_day: date | None, since: datetime) -> datetime | None:
    """When the lake's history began: at its first row, which may lie before the records that were read."""
    if first_day is not None and first_day < since.date():
        return datetime.combine(first_day, time.min, UTC)
    return min((record.start for record in records if record.rows), default=None)
