"""The lake on S3: one object per table, cluster and day, replaced whole by one conditional PUT."""

import logging
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from pipeline import footer
from pipeline.aws import code, translated
from pipeline.change import Change, Effect, Loss
from pipeline.day import ROW_GROUP_ROWS, UNREADABLE, Day
from pipeline.errors import ContractError, TemporaryError
from pipeline.footer import WindowRecord
from pipeline.models import Cluster, Location
from pipeline.parquet_tail import footer_of
from pipeline.tables import ALLOCATIONS, PARTITION_KEY, Table
from pipeline.window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_ATTEMPTS = 10
_PAUSE_SECONDS = 0.02
_OVERTAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_IN_MEMORY = 8 << 20

_File = SpooledTemporaryFile[bytes]


@dataclass(frozen=True)
class Stored:
    """The records of some days' windows, and why the other days cannot be read."""

    records: Mapping[Window, WindowRecord]
    unreadable: Mapping[date, ContractError]


class Lake:
    """One cluster's part of the lake at *location*."""

    def __init__(self, s3: "S3Client", location: Location, cluster: Cluster) -> None:
        self._s3 = s3
        self._location = location
        self._object_name = f"{cluster.object_name}.parquet"

    def read(self, days: Iterable[date]) -> Stored:
        """What the footers of `allocations` say of the windows of *days*; one that cannot be read hides no other."""
        records: dict[Window, WindowRecord] = {}
        unreadable: dict[date, ContractError] = {}
        for day in days:
            try:
                records |= {record.window: record for record in self._footer(self._key(ALLOCATIONS, day))}
            except ContractError as error:
                unreadable[day] = error
        return Stored(records, unreadable)

    def days(self) -> tuple[date, ...]:
        """The days of which this cluster has `allocations`, in order."""
        return tuple(_days(self._s3, self._location, f"/{self._object_name}"))

    def replace(self, table: Table, day: date, changes: Sequence[Change | Loss]) -> Mapping[Window, Effect]:
        """Make *changes* to the object of *day*, each of another window; returns what they came to.

        Readers see the day before or after, never half of it; a writer that was overtaken reads again and merges.

        Raises:
            ContractError: the object cannot be read.
            TemporaryError: other writers were faster every time.
        """
        key = self._key(table, day)
        effects: dict[Window, Effect] = {}

        def rewrite(stored: _File | None, rewritten: _File) -> bool:
            effects.update(Day(table, self._uri(key), self._opened(key, stored)).rewrite(changes, rewritten))
            return any(effect.changed for effect in effects.values())

        self._rewritten(key, rewrite)
        return effects

    def whole(self, table: Table, object_name: str | None = None) -> pa.Table:
        """The rows of an unpartitioned *table*; none while the lake has no object of it.

        The object is the cluster's unless *object_name* names one that all clusters share.
        """
        key = self._whole_key(table, object_name)
        with _spool() as stored:
            return _rows(table, self._uri(key), self._opened(key, stored if self._get(key, stored) else None))

    def merge_whole(self, table: Table, merge: Callable[[pa.Table], pa.Table], object_name: str | None = None) -> bool:
        """Put what *merge* makes of an unpartitioned *table*'s rows in their place; returns whether that changed any.

        The object is the cluster's unless *object_name* names one that all clusters share.

        Raises:
            TemporaryError: other writers were faster every time.
        """
        key = self._whole_key(table, object_name)

        def rewrite(stored: _File | None, rewritten: _File) -> bool:
            former = _rows(table, self._uri(key), self._opened(key, stored))
            rows = merge(former)
            if rows.equals(former):
                return False
            pq.write_table(rows.combine_chunks(), rewritten, compression="zstd", row_group_size=ROW_GROUP_ROWS)
            return True

        return self._rewritten(key, rewrite)

    def replace_whole(self, table: Table, rows: pa.Table, object_name: str) -> bool:
        """Put *rows* in the place of whatever the object that all clusters share has; returns whether that changed any.

        Raises:
            TemporaryError: other writers were faster every time.
        """
        return self.merge_whole(table, lambda _: rows, object_name)

    def _rewritten(self, key: str, rewrite: Callable[[_File | None, _File], bool]) -> bool:
        """Replace an object by what *rewrite* makes of it; a *rewrite* that returns False leaves it as it is."""
        for attempt in range(_ATTEMPTS):
            with _spool() as stored, _spool() as rewritten:
                etag = self._get(key, stored)
                if not rewrite(stored if etag else None, rewritten):
                    return False
                if self._put(key, rewritten, etag):
                    return True
            log.info("overtaken by another writer", extra={"object": self._uri(key)})
            time.sleep(random.uniform(0, _PAUSE_SECONDS * 2**attempt))  # noqa: S311  so that they do not meet again
        raise TemporaryError(f"Other writers replaced {self._uri(key)} {_ATTEMPTS} times in a row. Try again later.")

    def _opened(self, key: str, file: _File | None) -> pq.ParquetFile | None:
        try:
            return None if file is None else pq.ParquetFile(file)
        except UNREADABLE as error:
            raise ContractError(f"{self._uri(key)} is not a Parquet file ({error}). Move it away.") from error

    def _whole_key(self, table: Table, object_name: str | None = None) -> str:
        return self._location.key(table.name, object_name or self._object_name)

    def _key(self, table: Table, day: date) -> str:
        return self._location.key(table.name, f"{PARTITION_KEY}={day:%Y-%m-%d}", self._object_name)

    def _uri(self, key: str) -> str:
        return f"s3://{self._location.bucket}/{key}"

    def _get(self, key: str, into: _File) -> str | None:
        """Copy an object to a file; its ETag, or None where there is no such object."""
        with translated(f"Reading {self._uri(key)}"):
            try:
                answer = self._s3.get_object(Bucket=self._location.bucket, Key=key)
            except self._s3.exceptions.NoSuchKey:
                return None
            shutil.copyfileobj(answer["Body"], into)
        into.seek(0)
        return answer["ETag"]

    def _put(self, key: str, body: _File, etag: str | None) -> bool:
        """Put an object if it still is the one with *etag* (None: absent); False if somebody else was faster."""
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body.seek(0)
        with translated(f"Writing {self._uri(key)}"):
            try:
                self._s3.put_object(Bucket=self._location.bucket, Key=key, Body=body, **condition)
            except ClientError as error:
                if code(error) in _OVERTAKEN or (etag and code(error) == "NoSuchKey"):
                    return False
                raise
        return True

    def _footer(self, key: str) -> tuple[WindowRecord, ...]:
        """The records of one object, from its last bytes."""
        found = footer_of(self._s3, self._location.bucket, key)
        return () if found is None else footer.decode(found.metadata, self._uri(key))


def first_day(s3: "S3Client", location: Location) -> date | None:
    """The first day of which `allocations` has an object, of any cluster; None while the lake is empty."""
    return next(_days(s3, location, ""), None)


def bucket_region(s3: "S3Client", bucket: str) -> str | None:
    """The Region of a bucket, which S3 tells even those who may not list it; None where it does not.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    """
    with translated(f"Asking for the Region of s3://{bucket}"):
        try:
            answer: Any = s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            answer = error.response
    region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    return None if region is None else str(region)


def _days(s3: "S3Client", location: Location, object_name: str) -> Iterator[date]:
    prefix = location.key(ALLOCATIONS.name, f"{PARTITION_KEY}=")
    with translated(f"Listing {location.uri(ALLOCATIONS.name)}"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix):
            for found in page.get("Contents", []):  # in the order of the keys, hence of the days
                if found["Key"].endswith(object_name):
                    yield date.fromisoformat(found["Key"].removeprefix(prefix).partition("/")[0])


def _rows(table: Table, where: str, file: pq.ParquetFile | None) -> pa.Table:
    """The rows of a whole object in today's schema: a column that an earlier version did not have yet is NULL."""
    empty = table.schema.empty_table()
    if file is None:
        return empty
    try:
        stored = pa.concat_tables([empty, file.read()], promote_options="default")
        return stored.select(table.schema.names).cast(table.schema)
    except (pa.ArrowException, ValueError) as error:
        raise ContractError(f"{where} was not written by chargeback ({error}). Move it away.") from error


def _spool() -> _File:
    return SpooledTemporaryFile(max_size=_IN_MEMORY)
