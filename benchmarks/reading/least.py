"""The least that a query can read: of every table the column chunks that it needs, of the days that it needs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from pipeline.models import Location
from pipeline.parquet_tail import footer_of

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Scan:
    """One reading of a table: which columns, and of which partitions, as Trino names them; None if it has none.

    Where no condition is about them, Trino names no partition, and means all.
    """

    schema: str
    table: str
    columns: frozenset[str]
    partitions: tuple[str, ...] | None


@dataclass(frozen=True)
class File:
    """A file that a scan may read: its footer, and how many bytes it has."""

    footer: pq.FileMetaData
    size: int


FilesOf = Callable[[Scan], Iterable[File]]

_TAIL = 48 << 10
"""What Trino reads of a file's end for its footer, whether or not that is longer: ParquetDataSource's own guess."""


def scans(inputs: Iterable[Mapping[str, Any]]) -> list[Scan]:
    """What a query reads by Trino's plan: the *inputs* that the server tells of it. A table may be there twice."""
    return [
        Scan(
            schema=str(each["schema"]),
            table=str(each["table"]),
            columns=frozenset(str(column["name"]) for column in each["columns"]),
            partitions=tuple(each["connectorInfo"]["partitionIds"]) if each["connectorInfo"]["partitioned"] else None,
        )
        for each in inputs
    ]


def least_bytes(of: Iterable[Scan], files: FilesOf) -> int:
    """The compressed bytes of the column chunks that the scans need, each once, however often it is read.

    What tells where the chunks are, the files' footers, is not in it.
    """
    return sum(_chunks(scan, [file.footer for file in files(scan)]) for scan in once(of))


def tail_bytes(of: Iterable[Scan], files: FilesOf) -> int:
    """The bytes that Trino reads to find the chunks, each time that it reads a table: the end of every file."""
    return sum(min(file.size, max(_TAIL, file.footer.serialized_size)) for scan in of for file in files(scan))


def once(of: Iterable[Scan]) -> Sequence[Scan]:
    """One scan of each table and partition, with the columns of all scans of it."""
    columns: dict[tuple[str, str, str | None], frozenset[str]] = {}
    for scan in of:
        for partition in _partitions(scan):
            key = (scan.schema, scan.table, partition)
            columns[key] = columns.get(key, frozenset()) | scan.columns
    return [
        Scan(schema, table, needed, None if partition is None else (partition,))
        for (schema, table, partition), needed in columns.items()
    ]


def _partitions(scan: Scan) -> Sequence[str | None]:
    return (None,) if scan.partitions is None else scan.partitions


def _chunks(scan: Scan, footers: Iterable[pq.FileMetaData]) -> int:
    return sum(
        chunk.total_compressed_size
        for footer in footers
        for group in map(footer.row_group, range(footer.num_row_groups))
        for chunk in map(group.column, range(group.num_columns))
        if chunk.path_in_schema.partition(".")[0].lower() in scan.columns  # all of a map: its keys and its values
    )


class Files:
    """The files of tables in a Glue catalog, wherever a partition points to now."""

    def __init__(self, glue: "GlueClient", s3: "S3Client") -> None:
        self._glue = glue
        self._s3 = s3

    def spelt_out(self, scan: Scan) -> Scan:
        """The scan with all partitions of its table where it names none."""
        if scan.partitions != ():
            return scan
        keys = [
            key["Name"]
            for key in self._glue.get_table(DatabaseName=scan.schema, Name=scan.table)["Table"]["PartitionKeys"]
        ]
        pages = self._glue.get_paginator("get_partitions").paginate(DatabaseName=scan.schema, TableName=scan.table)
        values = (partition["Values"] for page in pages for partition in page["Partitions"])
        return replace(scan, partitions=tuple("/".join(map("=".join, zip(keys, of, strict=True))) for of in values))

    def of(self, scan: Scan) -> list[File]:
        """All files that a scan may read."""
        found = []
        for partition in _partitions(scan):
            folder = Location.parse(self._folder(scan.schema, scan.table, partition))
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=f"{folder.prefix}/")
            for listed in (each for page in pages for each in page.get("Contents", [])):
                footer = footer_of(self._s3, folder.bucket, listed["Key"])
                if footer is not None:
                    found.append(File(footer, listed["Size"]))
        return found

    def _folder(self, schema: str, table: str, partition: str | None) -> str:
        described = self._glue.get_table(DatabaseName=schema, Name=table)["Table"]
        if partition is None:
            return described["StorageDescriptor"]["Location"]
        values = dict(part.split("=", 1) for part in partition.split("/"))
        if template := described.get("Parameters", {}).get("storage.location.template"):
            for name, value in values.items():
                template = template.replace(f"${{{name}}}", value)
            return template
        found = self._glue.get_partition(DatabaseName=schema, TableName=table, PartitionValues=[*values.values()])
        return found["Partition"]["StorageDescriptor"]["Location"]
