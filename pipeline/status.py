"""The calendar of what is collected: the state of every hour, day by day."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from pipeline.errors import ContractError
from pipeline.footer import WindowRecord
from pipeline.lake import Lake
from pipeline.plan import Schedule, Span, by_hour, check_hours, history_began
from pipeline.window import DAY, HOUR, Window, floor_day, hours

_EARLIER_DAYS = timedelta(days=13)


class HourState(StrEnum):
    """How an hour stands; the first four are what the lake says of it."""

    SETTLED = "settled"
    COLLECTED = "collected"
    REJECTED = "rejected"
    LOST = "lost"
    MISSING = "missing"  # it should be there and is not: the next run asks for it
    NOT_DUE = "not_due"
    BEFORE_HISTORY = "before_history"
    UNREADABLE = "unreadable"  # the lake's object of the day cannot be read


@dataclass(frozen=True)
class DayStatus:
    """One UTC day: its hours' states in order, whether it is one day's set, its rows and upstream's cost, USD.

    The state of an hour that was not asked for is None.
    """

    usage_date: date
    hours: tuple[HourState | None, ...]
    day_set: bool
    rows: int
    estimated_cost: float

    @property
    def counts(self) -> Counter[HourState]:
        """How many hours are in each state."""
        return Counter(state for state in self.hours if state is not None)


@dataclass(frozen=True)
class Calendar:
    """The days, and why some of them cannot be read."""

    days: tuple[DayStatus, ...]
    errors: tuple[ContractError, ...]


def calendar(lake: Lake, schedule: Schedule, now: datetime, since: datetime | None, until: datetime | None) -> Calendar:
    """The status of each day from *since* up to *until*; of two weeks up to the day of *now* unless given.

    Raises:
        UsageError: *since* or *until* is no whole hour, or they are the wrong way round.
    """
    check_hours(since, until)
    until = until or floor_day(now) + DAY
    shown = Span(since or floor_day(until - HOUR) - _EARLIER_DAYS, until, now)
    check_hours(shown.since, until)
    stored = lake.read(shown.days)
    known = by_hour(stored.records.values())
    began = history_began(stored.records.values(), lake.days(), shown)
    states = _States(known, stored.unreadable, now - schedule.collect_after, began)
    days = (_day_status(Window.whole_day(day), shown, known, states) for day in shown.days)
    return Calendar(tuple(days), tuple(stored.unreadable.values()))


def _day_status(day: Window, shown: Span, known: Mapping[Window, WindowRecord], states: "_States") -> DayStatus:
    of_day = {hour: shown.since <= hour.start and hour.end <= shown.until for hour in hours(day.start, day.end)}
    records = {known[hour] for hour, is_shown in of_day.items() if is_shown and hour in known}
    return DayStatus(
        usage_date=day.usage_date,
        hours=tuple(states.of(hour) if is_shown else None for hour, is_shown in of_day.items()),
        day_set=any(record.window == day for record in records),
        rows=sum(record.rows for record in records),
        estimated_cost=math.fsum(record.estimated_cost for record in records),
    )


@dataclass(frozen=True)
class _States:
    """What the state of an hour follows from."""

    known: Mapping[Window, WindowRecord]
    unreadable: Collection[date]
    due_before: datetime
    began: datetime | None

    def of(self, hour: Window) -> HourState:
        """The state of *hour*."""
        if hour.usage_date in self.unreadable:
            return HourState.UNREADABLE
        if hour in self.known:
            return HourState(self.known[hour].state)
        if hour.end > self.due_before:
            return HourState.NOT_DUE
        return HourState.MISSING if self.began is not None and hour.end > self.began else HourState.BEFORE_HISTORY
