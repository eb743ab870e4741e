"""How Glue writes the types, the partition columns and the place of a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from pipeline.ledger_table import CLOSED_LEDGER_RUNS, CLOSED_MONTH, CLOSING_RUN, COST_LEDGER_RUNS, RUN, SCOPE
from pipeline.tables import PARTITION_KEY, Column, Table

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import ColumnTypeDef, StorageDescriptorTypeDef

USAGE_DATE = Column(PARTITION_KEY, pa.date32(), "UTC day of the window; the partition")


def partition_columns(table: Table) -> tuple[Column, ...]:
    """The columns that stand in the keys of the table's objects, not in the objects."""
    if table is COST_LEDGER_RUNS:
        return (RUN, SCOPE, USAGE_DATE)
    if table is CLOSED_LEDGER_RUNS:
        return (CLOSED_MONTH, CLOSING_RUN)
    return (USAGE_DATE,) if table.partitioned else ()


def glue_column(column: Column) -> "ColumnTypeDef":
    """A column as an entry of the catalog has it."""
    return {"Name": column.name, "Type": glue_type(column.type), "Comment": column.comment}


def parquet_of(table: Table, folder: str) -> "StorageDescriptorTypeDef":
    """The rows of *table* that lie as Parquet in *folder* (`s3://…/`)."""
    return parquet_in(folder, [glue_column(column) for column in table.columns])


def parquet_in(folder: str, columns: "Sequence[ColumnTypeDef]") -> "StorageDescriptorTypeDef":
    """Rows of these *columns* that lie as Parquet in *folder* (`s3://…/`)."""
    return {
        "Columns": columns,
        "Location": folder,
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
    }


def null(name: str, of: str) -> exp.Expr:
    """The expression of a column *name* that is NULL, *of* a type in Glue's words."""
    return exp.alias_(exp.cast(exp.null(), exp.DataType.build(of, dialect="hive")), name, quoted=True)


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
