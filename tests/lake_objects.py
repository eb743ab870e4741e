"""What must hold of the lake's objects at any moment, also of what a run left that was cut off."""

from collections.abc import Mapping
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import footer
from pipeline.tables import ALLOCATIONS, LAKE_TABLES
from pipeline.window import Window


def rows_of(objects: Mapping[str, bytes], table: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(BytesIO(body)) for key, body in objects.items() if f"/{table}/" in key)


def windows(objects: Mapping[str, bytes], table: str) -> set[Window]:
    """The windows that the footers of *table* list."""
    found = {key: pq.read_metadata(BytesIO(body)) for key, body in objects.items() if f"/{table}/" in key}
    return {record.window for key, metadata in found.items() for record in footer.decode(metadata.metadata, key)}


def assert_whole(objects: Mapping[str, bytes]) -> None:
    """Every object can be read to its end, and a window that counts as collected is in every table."""
    for body in objects.values():
        pq.read_table(BytesIO(body))
    for table in LAKE_TABLES:
        assert windows(objects, ALLOCATIONS.name) <= windows(objects, table.name), table.name
