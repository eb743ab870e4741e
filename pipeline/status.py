"""The calendar of what is collected: the state of every hour, day by day."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from pipeline.errors import UsageError
from pipeline.footer import WindowRecord
from pipeline.lake import Lake
from pipeline.plan import Schedule, by_hour, history_began
from pipeline.window import DAY, Window, ceil_hour, floor_day, hours

_SHOWN_DAYS = timedelta(days=13)


class HourState(StrEnum):
    """How an hour stands; the first four are what the lake says of it."""

    SETTLED = "settled"
    COLLECTED = "collected"
    REJECTED = "rejected"
    LOST = "lost"
    MISSING = "missing"  # it should be there and is not: the next run asks for it
    NOT_DUE = "not_due"
    BEFORE_HISTORY = "before_history"


@dataclass(frozen=True)
class DayStatus:
    """One UTC day: its hours' states in order, whether it is one day's set, its rows and upstream's cost, USD."""

    usage_date: date
    hours: tuple[HourState, ...]
    day_set: bool
    rows: int
    estimated_cost: float

    @property
    def counts(self) -> Counter[HourState]:
        """How many hours are in each state."""
        return Counter(self.hours)


def calendar(
    lake: Lake, schedule: Schedule, now: datetime, since: datetime | None, until: datetime | None
) -> tuple[DayStatus, ...]:
    """The status of each day from *since* up to *until*; of the last two weeks unless given.

    Raises:
        UsageError: *since* is not earlier than *until*.
    """
    until = until or ceil_hour(now)
    since = floor_day(since or until - _SHOWN_DAYS)
    if since >= until:
        raise UsageError("--since must be earlier than --until.")
    days = tuple(_days(since, until))
    records = lake.records(day.usage_date for day in days)
    began = history_began(records.values(), lake.first_day(), since)
    known = by_hour(records.values())
    due_before = now - schedule.collect_after
    return tuple(_day_status(day, known, due_before, began) for day in days)


def _days(since: datetime, until: datetime) -> Iterator[Window]:
    start = since
    while start < until:
        yield Window(start, start + DAY)
        start += DAY


def _day_status(
    day: Window, known: Mapping[Window, WindowRecord], due_before: datetime, began: datetime | None
) -> DayStatus:
    of_day = tuple(hours(day.start, day.end))
    records = {record for hour in of_day if (record := known.get(hour)) is not None}
    return DayStatus(
        usage_date=day.usage_date,
        hours=tuple(_state(hour, known.get(hour), due_before, began) for hour in of_day),
        day_set=any(record.window == day for record in records),
        rows=sum(record.rows for record in records),
        estimated_cost=math.fsum(record.estimated_cost for record in records),
    )


def _state(hour: Window, record: WindowRecord | None, due_before: datetime, began: datetime | None) -> HourState:
    if record is not None:
        return HourState(record.state)
    if hour.end > due_before:
        return HourState.NOT_DUE
    return HourState.MISSING if began is not None and hour.end > began else HourState.BEFORE_HISTORY
