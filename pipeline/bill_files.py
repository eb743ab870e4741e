"""How far the bill reaches, as the footers of its files tell."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipeline.aws import translated
from pipeline.errors import ContractError
from pipeline.models import within
from pipeline.parquet_tail import footer_of
from pipeline.window import parse_instant

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_STARTS = "line_item_usage_start_date"
_INTERVAL = "identity_time_interval"
_FOOTERS = 20
"""Files whose footers are read, newest first: a month's lines are spread over all of its files."""


@dataclass(frozen=True)
class Reach:
    """How far the lines in some folders reach, as far as footers tell.

    *newest_hour* is the start of the newest hour that has a line; *shortest* is the shortest time that is known of a
    line; *delivered_at* is when the newest of the *files* was written.
    """

    files: int
    delivered_at: datetime | None = None
    newest_hour: datetime | None = None
    shortest: timedelta | None = None


def reach(s3: "S3Client", folders: Collection[str]) -> Reach:
    """Look into the newest files of *folders* (`s3://…`)."""
    found = sorted((file for folder in folders for file in _files(s3, folder)), reverse=True)
    if not found:
        return Reach(0)
    footers = [footer for _, bucket, key in found[:_FOOTERS] if (footer := _footer(s3, bucket, key)) is not None]
    starts = [newest for footer in footers for _, newest in _extremes(footer, _STARTS) if isinstance(newest, datetime)]
    times = [length for footer in footers for ends in _extremes(footer, _INTERVAL) for length in _lengths(ends)]
    newest_hour = max(starts, default=None)
    return Reach(
        files=len(found),
        delivered_at=found[0][0],
        newest_hour=newest_hour.replace(tzinfo=UTC) if newest_hour else None,
        shortest=min(times, default=None),
    )


def _files(s3: "S3Client", folder: str) -> Iterator[tuple[datetime, str, str]]:
    """When each file of a *folder* was written, its bucket and its key."""
    bucket, prefix = within(folder)
    with translated(f"Listing {folder} (s3:ListBucket)"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                if found["Size"] and not found["Key"].rpartition("/")[2].startswith(("_", ".")):
                    yield found["LastModified"], bucket, found["Key"]


def _footer(s3: "S3Client", bucket: str, key: str) -> pq.FileMetaData | None:
    try:
        return footer_of(s3, bucket, key)
    except ContractError:  # compressed CSV, which a crawler's table may be over
        return None


def _extremes(footer: pq.FileMetaData, name: str) -> Iterator[tuple[object, object]]:
    """The least and the greatest value of a column in each row group; nothing where the footer does not tell."""
    if name not in footer.schema.names:
        return
    column = footer.schema.names.index(name)
    for number in range(footer.num_row_groups):
        statistics = footer.row_group(number).column(column).statistics
        if statistics is not None and statistics.has_min_max:
            yield statistics.min, statistics.max


def _lengths(intervals: Iterable[object]) -> Iterator[timedelta]:
    """How long each interval is, written `2026-11-19T10:00:00Z/2026-11-19T11:00:00Z`."""
    for interval in intervals:
        start, _, end = str(interval).partition("/")
        try:
            yield parse_instant(end) - parse_instant(start)
        except ValueError:
            continue
