"""Which windows to fetch: those that are missing or not yet settled, as long as upstream still has them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from operator import attrgetter

from pipeline.errors import UsageError
from pipeline.footer import WindowRecord, WindowState
from pipeline.window import DAY, HOUR, Window, floor_day, floor_hour, hours, midnight


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
    """The time to look at: the look-back's days, or from *since* to *until*, up to the newest hour that may be fetched.

    Raises:
        UsageError: *since* or *until* is no whole hour, or they are the wrong way round.
    """
    check_hours(since, until)
    newest = floor_hour(now - schedule.collect_after)
    oldest = since if since is not None else floor_day(now - schedule.lookback)
    return Span(oldest, min(newest, until) if until is not None else newest, now)


def newest_whole_day(schedule: Schedule, now: datetime) -> date:
    """The newest UTC day of which every hour may have been fetched."""
    return floor_day(now - schedule.collect_after).date() - DAY


def check_hours(since: datetime | None, until: datetime | None) -> None:
    """Refuse what is no span of whole hours.

    Raises:
        UsageError: *since* or *until* is no whole hour, or they are the wrong way round.
    """
    for name, instant in (("--since", since), ("--until", until)):
        if instant is not None and instant != floor_hour(instant):
            raise UsageError(f"{name} must be a whole hour, such as 2026-10-13T04:00Z, not {instant:%H:%M:%S}.")
    if since is not None and until is not None and since >= until:
        raise UsageError("--since must be earlier than --until.")


def reaching_back(span: Span, days: Sequence[date]) -> Span:
    """*span*, from the last of the lake's *days* before it lacks one: a downtime may be longer than the look-back."""
    older = [day for day in days if day < span.since.date()]
    for day, following in pairwise([*older, span.since.date()]):
        if following - day > DAY:
            return replace(span, since=midnight(day))
    return span


def plan(
    schedule: Schedule,
    span: Span,
    records: Mapping[Window, WindowRecord],
    hourly_retention: timedelta,
    began: datetime | None = None,
    *,
    unreadable: Collection[date] = (),
    recollect: bool = False,
) -> Plan:
    """Say which windows of *span* to fetch, given what the lake has and how long upstream keeps hours.

    Hours past the retention come from their day's set, once the whole day is past it; on the day on which history
    *began* (None: it has not), the hours before that are no gaps. With *recollect* the windows that are settled,
    rejected or lost are fetched, too. Of days that are *unreadable* nothing is.
    """
    known = by_hour(records.values())
    fetch: list[PlannedWindow] = []
    expired: dict[date, list[Window]] = {}
    for window in hours(span.since, span.until):
        record = known.get(window)
        if window.usage_date in unreadable:
            continue
        if span.now - window.start > hourly_retention or (recollect and _is_of_a_longer(record, window)):
            expired.setdefault(window.usage_date, []).append(window)
        elif _is_due(schedule, window, record, span.now, recollect=recollect):
            settled = span.now >= window.end + schedule.settle_after
            fetch.append(PlannedWindow(window, WindowState.SETTLED if settled else WindowState.COLLECTED))
    waiting: list[Window] = []
    for asked in expired.values():
        day = Window.whole_day(asked[0].usage_date)
        missing = [hour for hour in asked if recollect or hour not in known]
        if _is_complete(day, schedule, span.now, hourly_retention) or _is_of_a_longer(known.get(asked[0]), asked[0]):
            fetch += _day_set(day, missing, known, began)
        else:
            waiting += missing
    return Plan(tuple(sorted(fetch, key=attrgetter("window"))), tuple(waiting))


def _is_of_a_longer(record: WindowRecord | None, hour: Window) -> bool:
    """Whether a day's set stands for *hour*."""
    return record is not None and record.window != hour


def _is_complete(day: Window, schedule: Schedule, now: datetime, hourly_retention: timedelta) -> bool:
    """Whether all of *day* may be fetched, and none of it by the hour any more."""
    return now - (day.end - HOUR) > hourly_retention and day.end <= floor_hour(now - schedule.collect_after)


def _day_set(
    day: Window, missing: Iterable[Window], known: Mapping[Window, WindowRecord], began: datetime | None
) -> Iterator[PlannedWindow]:
    """The set of the whole *day*, if some of its hours are *missing*: none is that lies before history began on it."""
    begun = began if began is not None and day.start < began < day.end else day.start
    if any(hour.end > begun for hour in missing):
        of_day = [hour for hour in hours(day.start, day.end) if hour.end > begun]
        gaps = (hour for hour in of_day if hour not in known or known[hour].state is WindowState.LOST)
        yield PlannedWindow(day, WindowState.SETTLED, tuple(gaps))


def by_hour(records: Iterable[WindowRecord]) -> dict[Window, WindowRecord]:
    """The record of each hour: a day's set stands for all of its hours."""
    return {hour: record for record in records for hour in hours(record.start, record.end)}


def _is_due(schedule: Schedule, window: Window, record: WindowRecord | None, now: datetime, *, recollect: bool) -> bool:
    if record is None:
        return True
    if record.window != window:
        return False  # a day's set: hours never stand beside it
    return recollect or (record.state is WindowState.COLLECTED and now >= window.end + schedule.settle_after)


def history_began(records: Iterable[WindowRecord], days: Sequence[date], span: Span) -> datetime | None:
    """When the lake's history began: at its first row, which may lie outside of *span*, whose *records* were read.

    *days* are those that the lake has; None where it has no row.
    """
    if days and not span.since.date() <= days[0] <= (span.until - HOUR).date():
        return midnight(days[0])
    return min((record.start for record in records if record.rows), default=None)
