"""How Glue writes the types and partition columns of a table."""

import pyarrow as pa

from pipeline.ledger_table import COST_LEDGER_RUNS, RUN, SCOPE
from pipeline.tables import PARTITION_KEY, Column, Table

USAGE_DATE = Column(PARTITION_KEY, pa.date32(), "UTC day of the window; the partition")


def partition_columns(table: Table) -> tuple[Column, ...]:
    """The columns that stand in the keys of the table's objects, not in the objects."""
    if table is COST_LEDGER_RUNS:
        return (RUN, SCOPE, USAGE_DATE)
    return (USAGE_DATE,) if table.partitioned else ()


def glue_type(kind: pa.DataType) -> str:
    """How Glue writes an Arrow type; KeyError for one that no table of ours or of the bill has."""
    if pa.types.is_map(kind):
        return f"map<{glue_type(kind.key_type)},{glue_type(kind.item_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _GLUE_TYPES[kind]


_GLUE_TYPES = {
    pa.string(): "string",
    pa.float64(): "double",
    pa.float32(): "float",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.bool_(): "boolean",
    pa.date32(): "date",
}
