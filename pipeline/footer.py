"""What a day's object says of the windows in it: the only state that collecting keeps."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from pipeline.errors import ContractError
from pipeline.window import Window

KEY = b"chargeback.windows"


class WindowState(StrEnum):
    """How far a window has come."""

    COLLECTED = "collected"  # fetched, and to be fetched once more when upstream has settled
    SETTLED = "settled"  # fetched after that: final
    REJECTED = "rejected"  # the second answer was worse than the first, which stays: final
    LOST = "lost"  # out of upstream's retention before it was fetched: final


class WindowRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One window of a day's object. Hours are vCPU-hours, cost is upstream's in USD, the grid is in seconds.

    *cluster_id* is upstream's name of the cluster, None where it gave none.
    """

    start: datetime
    end: datetime
    state: WindowState
    collected_at: datetime
    rows: int
    core_hours: float
    estimated_cost: float
    source: str
    cluster_id: str | None = None
    grid: int | None = None

    @property
    def window(self) -> Window:
        """The window that the record is about."""
        return Window(self.start, self.end)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[WindowRecord, ...])


def encode(records: Iterable[WindowRecord]) -> bytes:
    """Write *records*, in the order of time."""
    return _ENCODER.encode(sorted(records, key=lambda record: record.window))


def decode(metadata: Mapping[bytes, bytes] | None, where: str) -> tuple[WindowRecord, ...]:
    """Read the records from the key-value *metadata* of the Parquet object *where*.

    Raises:
        ContractError: the object is none of ours.
    """
    if not metadata or KEY not in metadata:
        raise ContractError(f"{where} was not written by chargeback: its footer lists no windows. Move it away.")
    try:
        return _DECODER.decode(metadata[KEY])
    except msgspec.DecodeError as error:
        raise ContractError(f"{where} has a footer that cannot be read ({error}). Move it away.") from error


def without(records: Iterable[WindowRecord], window: Window) -> tuple[WindowRecord, ...]:
    """The *records* of the time outside of *window*."""
    return tuple(record for record in records if not record.window.overlaps(window))


def within(records: Iterable[WindowRecord], window: Window) -> tuple[WindowRecord, ...]:
    """The *records* that *window* has time in common with."""
    return tuple(record for record in records if record.window.overlaps(window))
