"""What the ledger's days were computed from, and which of them have to be computed again."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from pipeline.month import Month

PATIENCE = timedelta(hours=6)
"""How long pods that came after the bill of their day wait: their month's bill is read again for them."""


def fingerprint(parts: Iterable[str]) -> str:
    """Sixteen hexadecimal digits that are others as soon as any of *parts* is."""
    return hashlib.sha256("\0".join(sorted(parts)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Inputs:
    """Fingerprints of what a day's rows follow from.

    *lake* is of the objects of that day, *bill* of each billing period (`YYYY-MM`) that has lines of it, and
    *definition* of the SQL and of all else that it reads.
    """

    lake: str
    bill: Mapping[str, str]
    definition: str

    @property
    def periods(self) -> tuple[str, ...]:
        """The billing periods, in order."""
        return tuple(sorted(self.bill))


@dataclass(frozen=True)
class LedgerDay:
    """A day of the ledger as it stands: the *run* that wrote its rows, the run's *folder*, what the rows follow from.

    *digest* is the same for the same rows, in whatever order. *refreshed_at* is when the rows were last computed,
    whether or not that changed any.
    """

    run: str
    folder: str
    digest: str
    inputs: Inputs
    refreshed_at: datetime


@dataclass(frozen=True)
class Unit:
    """*days* of one month, in order, that one statement computes, and the billing *periods* that it reads for them."""

    days: tuple[date, ...]
    periods: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.days[0]) if len(self.days) == 1 else f"{Month.of(self.days[0])} ({len(self.days)} days)"


class LedgerState(StrEnum):
    """How a day's rows stand to what they follow from."""

    CURRENT = "current"
    STALE = "stale"  # its inputs are newer than its rows
    MISSING = "missing"  # it has inputs, and no rows yet


def states(stored: Mapping[date, LedgerDay], wanted: Mapping[date, Inputs]) -> dict[date, LedgerState]:
    """The state of each day that has inputs, and of each that no longer has."""
    found = dict.fromkeys(stored.keys() - wanted.keys(), LedgerState.STALE)
    for day, inputs in wanted.items():
        if day not in stored:
            found[day] = LedgerState.MISSING
        else:
            found[day] = LedgerState.CURRENT if stored[day].inputs == inputs else LedgerState.STALE
    return found


def wanted_inputs(
    lake: Mapping[date, str],
    billed: Mapping[str, Collection[date]],
    bill: Mapping[str, str],
    definition: str,
) -> dict[date, Inputs]:
    """What each day's rows should follow from: days of the *lake* and days that a period has *billed*."""
    periods: dict[date, dict[str, str]] = {day: {} for day in lake}
    for period, days in billed.items():
        for day in days:
            periods.setdefault(day, {})[period] = bill[period]
    nothing = fingerprint(())
    return {day: Inputs(lake.get(day, nothing), of, definition) for day, of in periods.items()}


def units(
    stored: Mapping[date, LedgerDay], wanted: Mapping[date, Inputs], now: datetime, patience: timedelta
) -> tuple[Unit, ...]:
    """What has to be computed again at *now*, newest month first.

    A day without a bill is computed with the others of its month that have none, and at once. One whose bill has come
    costs its month's bill to be read again: if only its pods changed, it waits until *patience* has passed since the
    month was last computed.
    """
    due = sorted(_due(stored, wanted, now, patience), reverse=True)
    found: list[Unit] = []
    for _, of_month in groupby(due, Month.of):
        days = sorted(of_month)
        for group in ([day for day in days if wanted[day].bill], [day for day in days if not wanted[day].bill]):
            if group:
                periods = {period for day in group for period in wanted[day].bill}
                found.append(Unit(tuple(group), tuple(sorted(periods))))
    return tuple(found)


def _due(
    stored: Mapping[date, LedgerDay], wanted: Mapping[date, Inputs], now: datetime, patience: timedelta
) -> Iterable[date]:
    last: dict[Month, datetime] = {}
    for day, rows in stored.items():
        if rows.inputs.bill:
            month = Month.of(day)
            last[month] = max(rows.refreshed_at, last.get(month, rows.refreshed_at))
    for day, inputs in wanted.items():
        rows_of = stored.get(day)
        if rows_of is None:
            yield day
        elif rows_of.inputs != inputs:
            only_pods = (rows_of.inputs.bill, rows_of.inputs.definition) == (inputs.bill, inputs.definition)
            if not (inputs.bill and only_pods) or now - last[Month.of(day)] >= patience:
                yield day
