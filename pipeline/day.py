"""How one day's Parquet file is rewritten with some windows replaced, a row group at a time."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import IO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import footer
from pipeline.change import NOTHING, Change, Effect, Loss
from pipeline.errors import ContractError
from pipeline.footer import WindowRecord
from pipeline.tables import ALLOCATIONS, DOUBLE, TIMESTAMP, Table
from pipeline.window import Window

ROW_GROUP_ROWS = 131_072
"""What a rewrite holds in memory, whatever the day's size: about 340 MB; and enough for Athena to read in one go."""


UNREADABLE = (pa.ArrowException, OSError)
"""What pyarrow raises on bytes that are no Parquet, or no longer."""


@dataclass(frozen=True)
class Day:
    """One day's file of *table*: None where there is none yet. *where* names it in errors."""

    table: Table
    where: str
    file: pq.ParquetFile | None

    @property
    def records(self) -> tuple[WindowRecord, ...]:
        """The windows that the file holds."""
        return () if self.file is None else footer.decode(self.file.metadata.metadata, self.where)

    def rewrite(self, changes: Sequence[Change | Loss], sink: IO[bytes]) -> dict[Window, Effect]:
        """Write the day anew to *sink*, with what *changes*, each of another window, come to; returns that.

        Rows that are equal to the stored ones but for `collected_at` stay as they are. If nothing changed, *sink*
        stays empty.
        """
        records = self.records  # read first: a file that is none of ours is refused before its columns are touched
        taken, effects = [], {}
        for change in changes:
            effect = self._reduced(change.window, change.effect(records), records)
            for record in effect.records:
                records = (*footer.without(records, record.window), record)
            if effect.rows is not None:
                taken.append((change.window, effect.rows))
            effects[change.window] = replace(effect, rows=None)
        if any(effect.changed for effect in effects.values()):
            self._write(self._merged(sorted(taken, key=itemgetter(0))), records, sink)
        return effects

    def _reduced(self, window: Window, effect: Effect, stored: Sequence[WindowRecord]) -> Effect:
        """*effect* without the rows that the file already has; only `allocations` tells what was rejected or lost."""
        if effect.rows is None:
            if self.table is not ALLOCATIONS:
                return NOTHING
            return replace(effect, changed=any(record not in stored for record in effect.records))
        same = next((record for record in stored if record.window == window), None)
        if same is None or not _same(self._stored(window), effect.rows):
            return replace(effect, changed=True)
        records = tuple(msgspec.structs.replace(r, collected_at=same.collected_at) for r in effect.records)
        return Effect(records, changed=records != (same,))

    def _write(self, rows: Iterable[pa.Table], records: Iterable[WindowRecord], sink: IO[bytes]) -> None:
        schema = self.table.schema
        with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=_dictionary_columns(schema)) as writer:
            for group in _row_groups(rows):
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            writer.add_key_value_metadata({footer.KEY.decode(): footer.encode(records).decode()})

    def _merged(self, taken: Iterable[tuple[Window, pa.Table]]) -> Iterator[pa.Table]:
        """The day's rows with those *taken* for some windows, which come in the order of time as the file's do."""
        pending = deque(taken)
        for group in self._groups():
            rest = group
            while pending and rest.num_rows:
                window, rows = pending[0]
                yield rest.slice(0, _rows_before(rest, window.start))
                rest = rest.slice(_rows_before(rest, window.end))
                if rest.num_rows:
                    pending.popleft()
                    yield rows
            yield rest
        for _, rows in pending:
            yield rows

    def _stored(self, window: Window) -> pa.Table:
        start, end = _instant(window.start), _instant(window.end)
        found = [
            group.filter(pc.and_(pc.equal(group["window_start"], start), pc.equal(group["window_end"], end)))
            for group in self._groups()
        ]
        return pa.concat_tables(found) if found else self.table.schema.empty_table()

    def _groups(self) -> Iterator[pa.Table]:
        if self.file is not None:
            for number in range(self.file.num_row_groups):
                yield _conformed(self._group(self.file, number), self.table.schema)

    def _group(self, file: pq.ParquetFile, number: int) -> pa.Table:
        try:
            return file.read_row_group(number)
        except UNREADABLE as error:
            raise ContractError(f"{self.where} cannot be read ({error}). Move it away.") from error


def _same(stored: pa.Table, rows: pa.Table) -> bool:
    """Whether two tables hold the same rows, whenever they were collected."""
    return bool(stored.drop_columns("collected_at").equals(rows.drop_columns("collected_at")))


def _rows_before(rows: pa.Table, instant: datetime) -> int:
    """How many of *rows*, which are in the order of time, begin before *instant*: to cut them copies none."""
    return int(pc.sum(pc.less(rows["window_start"], _instant(instant))).as_py() or 0)


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cut *tables* into row groups by row number: the same rows give the same groups, whatever way they came."""
    held: list[pa.Table] = []
    room = ROW_GROUP_ROWS
    for table in tables:
        offset = 0
        while offset < table.num_rows:
            part = table.slice(offset, room)
            held.append(part)
            offset += part.num_rows
            room -= part.num_rows
            if not room:
                yield pa.concat_tables(held).combine_chunks()
                held, room = [], ROW_GROUP_ROWS
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """*rows* of an earlier version of the table in today's *schema*: a column that was not there yet is NULL."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    """Every column but the doubles, whose dictionaries would only make the file larger."""
    columns = []
    for field in schema:
        if pa.types.is_map(field.type):
            columns += [f"{field.name}.key_value.key", f"{field.name}.key_value.value"]
        elif field.type != DOUBLE:
            columns.append(field.name)
    return columns


def _instant(instant: datetime) -> pa.Scalar:
    """As the columns hold it: naive, UTC."""
    return pa.scalar(instant.astimezone(UTC).replace(tzinfo=None), TIMESTAMP)
