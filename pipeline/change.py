"""What a fetched window comes to, given what its day has by then: no worse answer, no hours beside a day's set."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec
import pyarrow as pa

from pipeline import footer
from pipeline.errors import ContractError
from pipeline.footer import WindowRecord, WindowState
from pipeline.window import Window

_TOLERANCE = 0.01  # upstream recomputes an hour from samples; more than this much fewer core-hours is a worse answer


@dataclass(frozen=True)
class Effect:
    """What a change comes to: records for the footer, rows that take the place of the stored ones, what is to be told.

    *changed* says whether the day was another one before.
    """

    records: tuple[WindowRecord, ...] = ()
    rows: pa.Table | None = None
    error: ContractError | None = None
    changed: bool = False

    @property
    def taken(self) -> bool:
        """Whether the answer is what the day has now, be it new or what was there already."""
        return bool(self.records) and self.error is None


NOTHING = Effect()


@dataclass(frozen=True)
class Change:
    """A window's new record, and its new rows of one table.

    A day's set is fetched for the hours that were missing, its *gaps*. An answer with fewer core-hours than are stored
    is only taken *even_if_worse*.
    """

    record: WindowRecord
    rows: pa.Table
    gaps: tuple[Window, ...] = ()
    even_if_worse: bool = False

    @property
    def window(self) -> Window:
        """The window that is to be replaced."""
        return self.record.window

    def effect(self, stored: Iterable[WindowRecord]) -> Effect:
        """What it comes to in a day that has the windows *stored*, whatever was there when it was planned."""
        met = footer.within(stored, self.window)
        if any(record.window.length > self.window.length for record in met):
            return NOTHING
        if self.even_if_worse:
            return Effect((self.record,), self.rows)
        same = next((record for record in met if record.window == self.window), None)
        if same is not None and self.record.state is WindowState.COLLECTED and _is_final(same):
            return NOTHING
        gaps = _missing(self.gaps, met)
        if same is None and self.gaps and not gaps:
            return NOTHING  # another run has filled them meanwhile
        before = sum(record.core_hours for record in met)
        if self.record.core_hours >= before * (1 - (0.0 if same is None else _TOLERANCE)):
            return Effect((self.record,), self.rows)
        if same is not None:
            return _rejected(self.record, same)
        return self._lost(gaps, before, met) if gaps else NOTHING

    def _lost(self, gaps: tuple[Window, ...], before: float, met: Iterable[WindowRecord]) -> Effect:
        said = f"the day's set has {self.record.core_hours:.3f} core-hours, the hours that are stored {before:.3f}"
        return _lost(gaps, said, self.record.collected_at, met)


@dataclass(frozen=True)
class Loss:
    """The missing hours of a day, its *gaps*, which upstream has no more."""

    window: Window
    gaps: tuple[Window, ...]
    collected_at: datetime

    def effect(self, stored: Iterable[WindowRecord]) -> Effect:
        """What it comes to in a day that has the windows *stored*: nothing of them is ever given up."""
        met = footer.within(stored, self.window)
        gaps = _missing(self.gaps, met)
        said = f"upstream has nothing of {self.window.usage_date} any more"
        return _lost(gaps, said, self.collected_at, met) if gaps else NOTHING


def _is_final(record: WindowRecord) -> bool:
    return record.state in (WindowState.SETTLED, WindowState.REJECTED)


def _missing(gaps: Iterable[Window], met: Iterable[WindowRecord]) -> tuple[Window, ...]:
    """Those of *gaps* of which there is still nothing."""
    there = [record.window for record in met if record.state is not WindowState.LOST]
    return tuple(gap for gap in gaps if not any(gap.overlaps(window) for window in there))


def _rejected(record: WindowRecord, former: WindowRecord) -> Effect:
    """Keep the stored rows, remember that the newer answer was worse, and say so once."""
    kept = msgspec.structs.replace(former, state=WindowState.REJECTED)
    error = ContractError(
        f"{record.window}: the newer answer has {record.core_hours:.3f} core-hours, the stored one "
        f"{former.core_hours:.3f}. The stored rows stay. To take the newer ones, by the day once upstream has the hour "
        f"no more: collect --recollect --since {former.start:%Y-%m-%dT%H:%MZ} --until {former.end:%Y-%m-%dT%H:%MZ}"
    )
    return Effect((kept,), error=error)


def _lost(gaps: tuple[Window, ...], why: str, collected_at: datetime, met: Iterable[WindowRecord]) -> Effect:
    """Remember hours as lost, so that it is said once."""
    known = {record.window for record in met}
    error = ContractError(
        f"{len(gaps)} hours of {gaps[0].usage_date} are lost: {why}. What is stored of the day stays. "
        "Run collect more often than upstream's hourly retention."
    )
    return Effect(tuple(_lost_record(gap, collected_at) for gap in gaps if gap not in known), error=error)


def _lost_record(hour: Window, collected_at: datetime) -> WindowRecord:
    return WindowRecord(
        start=hour.start,
        end=hour.end,
        state=WindowState.LOST,
        collected_at=collected_at,
        rows=0,
        core_hours=0.0,
        estimated_cost=0.0,
        source="",
    )
