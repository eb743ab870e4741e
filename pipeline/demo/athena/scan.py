"""Which S3 objects hold a Glue table's rows, and how Arrow reads them as the table's columns."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.demo.athena.bucket_objects import Buckets, BytesRead, ObjectReader
from pipeline.demo.athena.column_types import arrow_type
from pipeline.demo.athena.dialect import StatementError
from pipeline.demo.athena.glue_catalog import PARQUET_SERDE, Catalog, Column, Name, Table

_Placed = Iterator[tuple[ObjectReader, Mapping[str, str]]]
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_RELATIVE = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?")
_JAVA_TO_C = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "'": ""}


class TableScan:
    """Opens tables for one query at *now*, the moment that a projection's `NOW` means."""

    def __init__(self, catalog: Catalog, buckets: Buckets, now: datetime) -> None:
        self._catalog, self._buckets, self._now = catalog, buckets, now
        self.read = BytesRead()

    def open(self, name: Name, table: Table) -> ds.Dataset:
        """A dataset of the table's columns and partition keys.

        DuckDB hands its filters to Arrow, which opens only the objects whose partition values pass them and
        reads only the columns in use. Columns are matched by name, cast to Glue's types, NULL where absent.
        """
        schema = self.schema(name, table)
        parquet = ds.ParquetFileFormat(coerce_int96_timestamp_unit="us")
        fragments = [
            parquet.make_fragment(reader, partition_expression=_guarantee(table.partition_keys, values))
            for reader, values in self._objects(name, table)
        ]
        return ds.FileSystemDataset(fragments, schema, parquet)

    def schema(self, name: Name, table: Table) -> pa.Schema:
        """The table's columns and partition keys; no object is looked at."""
        serde = table.storage_descriptor.serde_info.serialization_library
        if serde not in (None, PARQUET_SERDE):
            raise StatementError(f"NOT_SUPPORTED: table '{name}' is not Parquet but {serde}")
        columns = (*table.storage_descriptor.columns, *table.partition_keys)
        return pa.schema([(column.name, arrow_type(column.type)) for column in columns])

    def _objects(self, name: Name, table: Table) -> _Placed:
        """Every object of the table with its partition values: projected, registered, or read off its path."""
        location = table.storage_descriptor.location.rstrip("/") + "/"
        hive_style = location + "".join(f"{key.name}=${{{key.name}}}/" for key in table.partition_keys)
        if not table.partition_keys:
            return ((reader, {}) for reader in self._buckets.readers(location, self.read))
        if table.parameters.get("projection.enabled", "").lower() == "true":
            template = table.parameters.get("storage.location.template", hive_style)
            return self._projected(table, template.rstrip("/") + "/")
        keys = [key.name for key in table.partition_keys]
        return (
            (reader, dict(zip(keys, partition.values, strict=False)))
            for partition in self._catalog.partitions(name)  # objects of no registered partition are not there
            for reader in self._buckets.readers(partition.storage_descriptor.location.rstrip("/") + "/", self.read)
        )

    def _by_template(self, template: str) -> _Placed:
        pattern = _pattern(template)
        for reader in self._buckets.readers(template.split("${", 1)[0], self.read):
            if match := pattern.match(reader.url):
                yield reader, {key: unquote(value) for key, value in match.groupdict().items()}

    def _projected(self, table: Table, template: str) -> _Placed:
        """Only the values that the table's projection can produce; Athena never lists others."""
        possible = {key.name: self._projection(key.name, table.parameters) for key in table.partition_keys}
        for reader, values in self._by_template(template):
            if all(possible[key](value) for key, value in values.items()):
                yield reader, values

    def _projection(self, key: str, parameters: Mapping[str, str]) -> Callable[[str], bool]:
        """Whether a value is in the projection's set."""
        setting = {
            name.removeprefix(f"projection.{key}."): value
            for name, value in parameters.items()
            if name.startswith(f"projection.{key}.")
        }
        low, _, high = (part.strip() for part in setting.get("range", "").partition(","))
        match setting.get("type", "").lower():
            case "enum":
                listed = {value.strip() for value in setting.get("values", "").split(",")}
                return lambda value: value in listed
            case "integer" if low.isdigit() and high.isdigit():
                return lambda value: value.isdigit() and int(low) <= int(value) <= int(high)
            case "date":
                return self._dates(key, setting.get("format", "yyyy-MM-dd"), low, high)
            case "injected":
                return lambda _: True
        raise StatementError(f"INVALID_TABLE_PROPERTY: the projection of column '{key}' is incomplete: {setting}")

    def _dates(self, key: str, java_format: str, low: str, high: str) -> Callable[[str], bool]:
        layout = re.sub("|".join(_JAVA_TO_C), lambda match: _JAVA_TO_C[match[0]], java_format)
        first, last = self._bound(low, layout), self._bound(high, layout)
        if first is None or last is None:
            raise StatementError(f"INVALID_TABLE_PROPERTY: projection.{key}.range: {low},{high}")

        def within(value: str) -> bool:
            moment = _moment(value, layout)
            return moment is not None and first <= moment <= last

        return within

    def _bound(self, bound: str, layout: str) -> datetime | None:
        """A date in the column's format, or `NOW`, `NOW+1DAYS`, `NOW-3MONTHS`, cut to that format."""
        relative = _RELATIVE.fullmatch(bound)
        if not relative:
            return _moment(bound, layout)
        sign, count, unit = relative.groups()
        moment = pd.Timestamp(self._now)
        if count:
            offset: dict[str, Any] = {f"{unit.lower()}s": int(sign + count)}
            moment += pd.DateOffset(**offset)
        return _moment(moment.strftime(layout), layout)


def _pattern(template: str) -> re.Pattern[str]:
    """`s3://b/t/${day}/` as an expression: literal parts at even places, partition columns at odd ones."""
    parts = re.split(r"\$\{(\w+)\}", template)
    return re.compile("".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _moment(text: str, layout: str) -> datetime | None:
    try:
        return datetime.strptime(text, layout).replace(tzinfo=UTC)
    except ValueError:
        return None  # not a value that the projection could have made


def _guarantee(keys: tuple[Column, ...], values: Mapping[str, str]) -> ds.Expression | None:
    """What is true of all rows of an object: Arrow fills the partition columns from it, and prunes by it."""
    if not keys:
        return None
    return reduce(and_, (_equals(key, values.get(key.name)) for key in keys))


def _equals(key: Column, value: str | None) -> ds.Expression:
    if value is None:
        raise StatementError(f"HIVE_INVALID_METADATA: no value for partition column '{key.name}'")
    if value == _NULL_PARTITION:
        return ds.field(key.name).is_null()
    try:
        return ds.field(key.name) == pa.scalar(value).cast(arrow_type(key.type))
    except pa.ArrowInvalid as error:
        raise StatementError(
            f"HIVE_INVALID_PARTITION_VALUE: Invalid partition value '{value}' for {key.type} partition key: {key.name}"
        ) from error
