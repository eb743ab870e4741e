"""The days, ISO weeks and months that can be set against each other."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.month import Month

_DAY = re.compile(r"2\d{3}-\d{2}-\d{2}", re.ASCII)
_WEEK = re.compile(r"(?P<year>2\d{3})-W(?P<week>\d{2})", re.ASCII)
_BETWEEN = ".."


@dataclass(frozen=True)
class Period:
    """The days from *first* up to, not including, *end*: one day, week or month, as *kind* says, written as *text*."""

    kind: str
    text: str
    first: date
    end: date

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Read 2026-10-13, 2026-W41 (ISO 8601, from Monday) or 2026-10.

        Raises:
            ValueError: it is none of them.
        """
        try:
            if _DAY.fullmatch(text):
                first = date.fromisoformat(text)
                return cls("day", text, first, first + timedelta(days=1))
            if week := _WEEK.fullmatch(text):
                first = date.fromisocalendar(int(week["year"]), int(week["week"]), 1)
                return cls("week", text, first, first + timedelta(days=7))
            month = Month.parse(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is no day, week or month; write it as 2026-10-13, 2026-W41 or 2026-10"
            ) from None
        return cls("month", text, month.first, month.end)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.first).days

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Periods:
    """Two different periods of one kind: what was *before*, and what *after* is set against it."""

    before: Period
    after: Period

    @classmethod
    def parse(cls, text: str) -> "Periods":
        """Read A..B, both days, both weeks or both months.

        Raises:
            ValueError: it is no such thing.
        """
        first, between, second = text.partition(_BETWEEN)
        if not between:
            raise ValueError(f"{text!r} is not two periods; write them as 2026-09..2026-10")
        before, after = Period.parse(first), Period.parse(second)
        if before.kind != after.kind:
            raise ValueError(f"{before} is a {before.kind} and {after} a {after.kind}; compare two of one kind")
        if before == after:
            raise ValueError(f"{before} is compared with itself")
        return cls(before, after)

    def __str__(self) -> str:
        return f"{self.before}{_BETWEEN}{self.after}"
