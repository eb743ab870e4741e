"""A calendar month, which is what AWS bills."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

_MONTH = re.compile(r"(?P<year>2\d{3})-(?P<month>0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, order=True)
class Month:
    """The month of *year* and *number* (1 to 12), written YYYY-MM."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read YYYY-MM.

        Raises:
            ValueError: it is no such thing.
        """
        match = _MONTH.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a month; write it as 2026-10")
        return cls(int(match["year"]), int(match["month"]))

    @classmethod
    def of(cls, day: date) -> "Month":
        """The month that *day* lies in."""
        return cls(day.year, day.month)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def end(self) -> date:
        """The first day of the month after it."""
        return date(self.year + self.number // 12, self.number % 12 + 1, 1)

    @property
    def days(self) -> tuple[date, ...]:
        """All its days."""
        return tuple(self.first + timedelta(days=number) for number in range((self.end - self.first).days))

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
