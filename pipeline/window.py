"""Half-open windows of UTC time, and how hours, days and durations are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pipeline.errors import UsageError

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}", re.ASCII)
_DURATION = re.compile(r"(?P<count>\d{1,5})(?P<unit>[mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": HOUR, "d": DAY}


@dataclass(frozen=True, order=True)
class Window:
    """The time from *start* up to, not including, *end*; both aware, UTC, whole hours of one day."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise UsageError(f"A window must end after it starts: {self}.")

    @classmethod
    def hour(cls, start: datetime) -> "Window":
        """The hour that begins at *start*."""
        return cls(start, start + HOUR)

    @classmethod
    def whole_day(cls, day: date) -> "Window":
        """The UTC day *day*."""
        return cls(midnight(day), midnight(day) + DAY)

    @property
    def usage_date(self) -> date:
        """The UTC day that the window lies in, hence its partition."""
        return self.start.date()

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start

    def overlaps(self, other: "Window") -> bool:
        """Whether some time lies in both."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{rfc3339(self.start)},{rfc3339(self.end)}"


def hours(since: datetime, until: datetime) -> Iterator[Window]:
    """Yield every whole hour that lies inside [*since*, *until*)."""
    start = ceil_hour(since)
    while start + HOUR <= until:
        yield Window.hour(start)
        start += HOUR


def floor_hour(instant: datetime) -> datetime:
    """The last full hour at or before *instant*."""
    return instant.replace(minute=0, second=0, microsecond=0)


def floor_day(instant: datetime) -> datetime:
    """The last midnight at or before *instant*."""
    return floor_hour(instant).replace(hour=0)


def midnight(day: date) -> datetime:
    """The instant at which the UTC day *day* begins."""
    return datetime.combine(day, time.min, UTC)


def ceil_hour(instant: datetime) -> datetime:
    """The first full hour at or after *instant*."""
    floor = floor_hour(instant)
    return floor if floor == instant else floor + HOUR


def rfc3339(instant: datetime) -> str:
    """*instant* as Kubecost reads it: whole seconds and a literal `Z`; it refuses `+00:00` and fractions."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 date or time as UTC.

    Raises:
        ValueError: it is no such thing, or names no zone although it names a time of day.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        if not _DATE.fullmatch(text):
            raise ValueError(f"{text!r} names no time zone; write it as {text}Z")
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `90m`, `49h` or `7d`.

    Raises:
        ValueError: it is no such thing.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write minutes, hours or days, such as 90m, 49h or 7d")
    return int(match["count"]) * _UNITS[match["unit"]]
