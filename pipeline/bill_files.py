"""How far the bill reaches, as the footers of its files tell."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipeline.aws import translated
from pipeline.errors import ContractError
from pipeline.parquet_tail import footer_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_STARTS = "line_item_usage_start_date"
_FOOTERS = 20
"""Files whose footers are read, newest first: a month's lines are spread over all of its files."""


@dataclass(frozen=True)
class Reach:
    """How far the lines in some folders reach.

    *newest_hour* is the start of the newest hour that has a line, None where no footer tells; *delivered_at* is when
    the newest of the *files* was written.
    """

    files: int
    delivered_at: datetime | None = None
    newest_hour: datetime | None = None


def reach(s3: "S3Client", folders: Collection[str]) -> Reach:
    """Look into the newest files of *folders* (`s3://…`)."""
    found = sorted((file for folder in folders for file in _files(s3, folder)), reverse=True)
    if not found:
        return Reach(0)
    starts = [start for _, bucket, key in found[:_FOOTERS] for start in _newest_starts(s3, bucket, key)]
    return Reach(len(found), found[0][0], max(starts, default=None))


def _files(s3: "S3Client", folder: str) -> Iterator[tuple[datetime, str, str]]:
    """When each file of a *folder* was written, its bucket and its key."""
    bucket, _, key = folder.removeprefix("s3://").partition("/")
    prefix = f"{key.rstrip('/')}/" if key else ""
    with translated(f"Listing {folder} (s3:ListBucket)"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                if found["Size"] and not found["Key"].rpartition("/")[2].startswith(("_", ".")):
                    yield found["LastModified"], bucket, found["Key"]


def _newest_starts(s3: "S3Client", bucket: str, key: str) -> Iterator[datetime]:
    """The newest start of usage in each row group of a file; nothing where its footer does not tell."""
    try:
        footer = footer_of(s3, bucket, key)
    except ContractError:  # compressed CSV, which a crawler's table may be over
        return
    if footer is None or _STARTS not in footer.schema.names:
        return
    column = footer.schema.names.index(_STARTS)
    for number in range(footer.num_row_groups):
        newest = _maximum(footer.row_group(number).column(column))
        if newest is not None:
            yield newest


def _maximum(column: pq.ColumnChunkMetaData) -> datetime | None:
    statistics = column.statistics
    newest = statistics.max if statistics is not None and statistics.has_min_max else None
    return newest.replace(tzinfo=UTC) if isinstance(newest, datetime) else None
