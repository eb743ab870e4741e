"""How the first hour of a day becomes a day that lacks only its last hour, without collecting it."""

import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import footer
from pipeline.change import Change
from pipeline.day import Day
from pipeline.tables import LAKE_TABLES, TIMESTAMP
from pipeline.window import HOUR

_HOURS = 23
_NOT_MOVED = "collected_at"


def main(lake: str) -> None:
    """Fill the days below *lake*, a directory of objects."""
    for table in LAKE_TABLES:
        for path in Path(lake, table.name).rglob("*.parquet"):
            rows = pq.read_table(path, schema=table.schema)
            (record,) = footer.decode(pq.read_metadata(path).metadata, str(path))
            hours = [number * HOUR for number in range(_HOURS)]
            changes = [Change(_later_record(record, by), _later(rows, by)) for by in hours]
            with path.open("wb") as sink:
                Day(table, str(path), None).rewrite(changes, sink)


def _later_record(record: footer.WindowRecord, by: timedelta) -> footer.WindowRecord:
    return msgspec.structs.replace(record, start=record.start + by, end=record.end + by)


def _later(rows: pa.Table, by: timedelta) -> pa.Table:
    for number, field in enumerate(rows.schema):
        if field.type == TIMESTAMP and field.name != _NOT_MOVED:
            moved = pc.add(rows[field.name], pa.scalar(by, pa.duration("ms")))
            rows = rows.set_column(number, field, moved)
    return rows


if __name__ == "__main__":
    main(*sys.argv[1:])
