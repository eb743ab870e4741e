"""The invented bill as AWS would have exported it: charges become lines, in files of Parquet."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.reading.bill_charges import Amounts, Charge, charges
from benchmarks.reading.bill_others import others
from benchmarks.reading.estate import START, Month, Numbers
from pipeline.demo.bill.columns import CUR_2

PERIOD = "2026-10"

_LINES_OF_FILE = 1_000_000
_LINES_OF_GROUP = 500_000  # about 128 MB before compression, as AWS's writer cuts them
_PER_UNIT = (
    "discount_total_discount",
    "line_item_blended_cost",
    "line_item_net_unblended_cost",
    "line_item_unblended_cost",
    "line_item_usage_amount",
    "pricing_public_on_demand_cost",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_savings_plan_effective_cost",
)


def bill(months: Iterable[Month], lines: int) -> "Bill":
    """The bill of the clusters of *months*, and as many lines of others as make it about *lines* long."""
    own = [charge for month in months for charge in charges(month)]
    rest = lines - sum(len(charge.hours) for charge in own)
    return Bill(own, list(others(max(0, rest))))


class Bill:
    """Lines in AWS's order: hour by hour, and by usage type in the hour."""

    def __init__(self, own: Sequence[Charge], of_others: Sequence[Charge]) -> None:
        every = sorted([*own, *of_others], key=lambda charge: charge.line.usage_type)
        self.own_lines = sum(len(charge.hours) for charge in own)
        number = np.repeat(np.arange(len(every)), [len(charge.hours) for charge in every])
        hours = np.concatenate([charge.hours for charge in every])
        order = np.argsort(hours, kind="stable")
        self._number: Numbers = number[order]
        self._hours: Numbers = hours[order]
        self._amounts: Amounts = np.concatenate([charge.amounts for charge in every])[order]
        self._of_unit = pa.Table.from_pylist([charge.line.row() for charge in every], schema=CUR_2)

    def __len__(self) -> int:
        return len(self._hours)

    def write(self, directory: Path) -> list[Path]:
        """Write the files of the export into *directory*."""
        return [self._file(directory, first) for first in range(0, len(self), _LINES_OF_FILE)]

    def _file(self, directory: Path, first: int) -> Path:
        path = directory / f"chargeback-{1 + first // _LINES_OF_FILE:05}.snappy.parquet"
        with pq.ParquetWriter(path, CUR_2, compression="snappy") as writer:
            for group in range(first, min(first + _LINES_OF_FILE, len(self)), _LINES_OF_GROUP):
                writer.write_table(self._lines(slice(group, min(group + _LINES_OF_GROUP, first + _LINES_OF_FILE))))
        return path

    def _lines(self, part: slice) -> pa.Table:
        lines = self._of_unit.take(pa.array(self._number[part]))
        amounts, hours = pa.array(self._amounts[part]), self._hours[part]
        start = np.datetime64(START.replace(tzinfo=None), "ms") + hours.astype("timedelta64[h]")
        end = start + np.timedelta64(1, "h")
        written = {
            "identity_time_interval": _intervals(hours),
            "line_item_usage_start_date": pa.array(start),
            "line_item_usage_end_date": pa.array(end),
            "discount": _discounts(lines["discount"].combine_chunks(), self._amounts[part]),
            **{name: pc.multiply(lines[name], amounts) for name in _PER_UNIT},
        }
        for name, values in written.items():
            lines = lines.set_column(lines.schema.get_field_index(name), CUR_2.field(name), values)
        return lines


def _intervals(hours: Numbers) -> pa.Array:
    """The hours in the report's words."""
    first = int(hours[0])
    instants = np.datetime64(START.replace(tzinfo=None), "s") + np.arange(first, int(hours[-1]) + 2).astype(
        "timedelta64[h]"
    )
    words = [f"{instant}Z" for instant in instants.astype(str)]
    return pa.array([f"{a}/{b}" for a, b in pairwise(words)]).take(pa.array(hours - first))


def _discounts(of_unit: pa.MapArray, amounts: Amounts) -> pa.MapArray:
    """The map of each line's discounts, for as many units as it has."""
    entries = np.diff(of_unit.offsets.to_numpy())
    values = pc.multiply(of_unit.items, pa.array(np.repeat(amounts, entries)))
    return pa.MapArray.from_arrays(of_unit.offsets, of_unit.keys, values)
