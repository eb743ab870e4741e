"""What a Parquet object on S3 says of itself in its last bytes, its footer."""

from io import BytesIO
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipeline.aws import translated
from pipeline.day import UNREADABLE
from pipeline.errors import ContractError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TAIL = 64 << 10
_END = 8  # four bytes of length, four of magic


def footer_of(s3: "S3Client", bucket: str, key: str) -> pq.FileMetaData | None:
    """The footer of an object, from its last bytes; None where there is no such object.

    Raises:
        ContractError: the object is no Parquet file.
    """
    where = f"s3://{bucket}/{key}"
    with translated(f"Reading {where} (s3:GetObject)"):
        tail = _last(s3, bucket, key, _TAIL)
        if tail is None:
            return None
        needed = int.from_bytes(tail[-_END:-4], "little") + _END
        if needed > len(tail):
            tail = _last(s3, bucket, key, needed) or tail
    try:
        return pq.read_metadata(BytesIO(tail))
    except UNREADABLE as error:
        raise ContractError(f"{where} is not a Parquet file ({error}). Move it away.") from error


def _last(s3: "S3Client", bucket: str, key: str, length: int) -> bytes | None:
    try:
        return s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{length}")["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
