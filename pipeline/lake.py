"""The lake on S3: one object per table, cluster and day, replaced whole by one conditional PUT."""

import logging
import shutil
from collections.abc import Iterable
from datetime import date
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from pipeline import footer
from pipeline.aws import code, translated
from pipeline.day import Day
from pipeline.errors import ContractError, TemporaryError
from pipeline.footer import WindowRecord
from pipeline.models import Cluster, Location
from pipeline.tables import ALLOCATIONS, PARTITION_KEY, Table
from pipeline.window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_ATTEMPTS = 8
_OVERTAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_IN_MEMORY = 8 << 20
_TAIL = 64 << 10
_FOOTER_END = 8  # four bytes of length, four of magic


class Lake:
    """One cluster's part of the lake at *location*."""

    def __init__(self, s3: "S3Client", location: Location, cluster: Cluster) -> None:
        self._s3 = s3
        self._location = location
        self._object_name = f"{cluster.object_name}.parquet"

    def records(self, days: Iterable[date]) -> dict[Window, WindowRecord]:
        """What the footers of `allocations` say of the windows of *days*."""
        found = (self._footer(self._key(ALLOCATIONS, day)) for day in days)
        return {record.window: record for records in found for record in records}

    def replace(self, table: Table, record: WindowRecord, rows: pa.Table | None) -> bool:
        """Put *rows* in the place of *record*'s window (None: only the record changes).

        Readers see the day before or after, never half of it; a writer that was overtaken reads again and merges.
        Returns whether the object changed.

        Raises:
            TemporaryError: other writers were faster every time.
        """
        key = self._key(table, record.window.usage_date)
        for _ in range(_ATTEMPTS):
            with _spool() as stored, _spool() as rewritten:
                etag = self._get(key, stored)
                day = Day(table, self._uri(key), pq.ParquetFile(stored) if etag else None)
                if not day.rewrite(record, rows, rewritten):
                    return False
                if self._put(key, rewritten, etag):
                    return True
            log.info("overtaken by another writer", extra={"object": self._uri(key)})
        raise TemporaryError(f"Other writers replaced {self._uri(key)} {_ATTEMPTS} times in a row. Try again later.")

    def _key(self, table: Table, day: date) -> str:
        return self._location.key(table.name, f"{PARTITION_KEY}={day:%Y-%m-%d}", self._object_name)

    def _uri(self, key: str) -> str:
        return f"s3://{self._location.bucket}/{key}"

    def _get(self, key: str, into: "SpooledTemporaryFile[bytes]") -> str | None:
        """Copy an object to a file; its ETag, or None where there is no such object."""
        with translated(f"Reading {self._uri(key)}"):
            try:
                answer = self._s3.get_object(Bucket=self._location.bucket, Key=key)
            except self._s3.exceptions.NoSuchKey:
                return None
            shutil.copyfileobj(answer["Body"], into)
        into.seek(0)
        return answer["ETag"]

    def _put(self, key: str, body: "SpooledTemporaryFile[bytes]", etag: str | None) -> bool:
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
        tail = self._tail(key, _TAIL)
        if tail is None:
            return ()
        needed = int.from_bytes(tail[-_FOOTER_END:-4], "little") + _FOOTER_END
        if needed > len(tail):
            tail = self._tail(key, needed) or tail
        try:
            metadata = pq.read_metadata(BytesIO(tail))
        except pa.ArrowInvalid as error:
            raise ContractError(f"{self._uri(key)} is not a Parquet file ({error}). Move it away.") from error
        return footer.decode(metadata.metadata, self._uri(key))

    def _tail(self, key: str, length: int) -> bytes | None:
        with translated(f"Reading {self._uri(key)}"):
            try:
                answer = self._s3.get_object(Bucket=self._location.bucket, Key=key, Range=f"bytes=-{length}")
            except self._s3.exceptions.NoSuchKey:
                return None
            return answer["Body"].read()


def first_day(s3: "S3Client", location: Location) -> date | None:
    """The first day of which `allocations` has an object, of any cluster; None while the lake is empty."""
    prefix = location.key(ALLOCATIONS.name, f"{PARTITION_KEY}=")
    with translated(f"Listing {location.uri(ALLOCATIONS.name)}"):
        answer = s3.list_objects_v2(Bucket=location.bucket, Prefix=prefix, MaxKeys=1)
    found = answer.get("Contents", [])
    return date.fromisoformat(found[0]["Key"].removeprefix(prefix)[: len("2026-10-13")]) if found else None


def _spool() -> "SpooledTemporaryFile[bytes]":
    return SpooledTemporaryFile(max_size=_IN_MEMORY)
