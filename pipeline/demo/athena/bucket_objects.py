"""The objects of the moto server's S3: listed by prefix, written, and read only where a query asks."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.s3.exceptions import MissingBucket
from moto.s3.models import S3Backend

from pipeline.demo.athena.accesses import Access, Accesses
from pipeline.demo.athena.dialect import StatementError


@dataclass
class BytesRead:
    """What one query read of S3, and the first object that turned out not to be Parquet."""

    sizes: list[int] = field(default_factory=list)
    broken: str | None = None

    @property
    def total(self) -> int:
        """Bytes; Athena's DataScannedInBytes."""
        return sum(self.sizes)


class ObjectReader(io.RawIOBase):
    """One object as a seekable file: nothing is copied from the server before the first read."""

    def __init__(self, key: Any, read: BytesRead, accesses: Accesses) -> None:  # noqa: ANN401  moto's FakeKey
        self._key = key
        self._read = read
        self._accesses = accesses
        self._position = 0
        self._content: bytes | None = None

    @property
    def url(self) -> str:
        """Where the object lies, `s3://…`."""
        return f"s3://{self._key.bucket_name}/{self._key.name}"

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to *offset*; the object's size is known without reading it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._key.size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read *size* bytes, or all that is left, and count them."""
        end = None if size < 0 else self._position + size
        data = self._bytes()[self._position : end]
        self._position += len(data)
        self._read.sizes.append(len(data))
        return data

    def _bytes(self) -> bytes:
        if self._content is None:
            self._accesses.append(Access("s3:GetObject", self.url))
            self._content = bytes(self._key.value)
            if not self._content.endswith(b"PAR1"):
                self._read.broken = self._read.broken or self.url
        return self._content


class Buckets:
    """The buckets that Athena reads tables from and writes results to; what it does there is added to *accesses*."""

    def __init__(self, s3: S3Backend, accesses: Accesses) -> None:
        self._s3 = s3
        self._accesses = accesses

    def readers(self, prefix: str, read: BytesRead) -> Iterator[ObjectReader]:
        """The objects below `s3://bucket/key/` in the order of their keys, without hidden and empty ones."""
        bucket, key = _split(prefix)
        self._accesses.append(Access("s3:ListBucket", prefix))
        try:
            found = self._s3.list_objects(self._s3.get_bucket(bucket), key, None, None, None)[0]
        except MissingBucket as error:
            raise StatementError(f"HIVE_FILESYSTEM_ERROR: The specified bucket does not exist: {bucket}") from error
        for item in sorted(found, key=lambda item: str(item.name)):
            if item.size and not item.name.rsplit("/", 1)[-1].startswith(("_", ".")):
                yield ObjectReader(item, read, self._accesses)

    def is_empty(self, prefix: str) -> bool:
        """Whether nothing lies below *prefix*."""
        return next(self.readers(prefix, BytesRead()), None) is None

    def put(self, url: str, content: bytes) -> None:
        """Write one object; `StatementError` if its bucket does not exist."""
        bucket, key = _split(url)
        self._accesses.append(Access("s3:PutObject", url))
        try:
            self._s3.put_object(bucket, key, content)
        except MissingBucket as error:
            raise StatementError(f"Unable to verify/create output bucket {bucket}") from error

    def require_bucket(self, url: str) -> None:
        """Raise `StatementError` if the bucket of *url* does not exist."""
        bucket, _ = _split(url)
        self._accesses.append(Access("s3:GetBucketLocation", f"s3://{bucket}/"))
        try:
            self._s3.get_bucket(bucket)
        except MissingBucket as error:
            raise StatementError(f"Unable to verify/create output bucket {bucket}") from error


def _split(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise StatementError(f"INVALID_LOCATION: not an S3 location: {url}")
    return bucket, key
