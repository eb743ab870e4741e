"""What an export of the bill has delivered to S3: its months, and the folder of each month's newest execution."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pipeline.aws import translated
from pipeline.errors import ConfigurationError, ContractError, TemporaryError
from pipeline.models import Location
from pipeline.month import Month
from pipeline.parquet_tail import footer_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DATA_EXPORT = ("billing_period",)
_LEGACY = ("year", "month")

_MONTHS_MANIFEST = re.compile(
    r"billing_period=(?P<month>2\d{3}-(?:0[1-9]|1[0-2]))/(?:(?P<execution>[^/]+)/)?[^/]*manifest\.json",
    re.ASCII | re.IGNORECASE,
)
_SPAN = re.compile(r"(?P<year>2\d{3})(?P<month>0[1-9]|1[0-2])\d{2}-\d{8}/", re.ASCII)
_YEAR = re.compile(r"year=(?P<year>2\d{3})/", re.ASCII)
_MONTH = re.compile(r"month=(?P<month>1[0-2]|0?[1-9])/", re.ASCII)


class NotYetDeliveredError(TemporaryError):
    """A month of which nothing can be read yet: what is known of it stays."""


class NotParquetError(ConfigurationError):
    """A month in a format that is not read."""


@dataclass(frozen=True)
class Delivery:
    """What the newest execution of a month delivered: where to, `s3://.../`, with which columns, and whether any row.

    An execution that wrote no file has no folder; one that wrote only empty files has no columns.
    """

    folder: str | None
    schema: pa.Schema | None
    has_rows: bool


@dataclass(frozen=True)
class _Object:
    key: str
    size: int
    changed: datetime


@dataclass(frozen=True)
class _Execution:
    """The files that belong to a month, and when the manifest that lists them was written; None without one."""

    files: Sequence[str]
    listed_at: datetime | None


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest's list of files: URIs in Data Exports, keys in a Cost and Usage Report."""

    data_files: tuple[str, ...] = ()
    report_keys: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the files; the bucket may be a replica of the one that a URI names."""
        files = self.data_files or self.report_keys
        return tuple(file.split("/", 3)[3] if file.startswith("s3://") else file for file in files)


_DECODER = msgspec.json.Decoder(_Manifest)


class CurExport:
    """An export at *location*: by which *keys* its months are partitioned, and what tells of each month's files.

    That is a manifest's key, or, in a legacy folder without manifests, the folder of the month, ending in a slash.
    """

    def __init__(self, s3: "S3Client", location: Location, keys: tuple[str, ...], sources: Mapping[Month, str]) -> None:
        self._s3 = s3
        self._bucket = location.bucket
        self._sources = sources
        self.uri = location.uri()
        self.keys = keys

    @property
    def months(self) -> tuple[Month, ...]:
        """The months that it has, in their order."""
        return tuple(sorted(self._sources))

    def values(self, month: Month) -> tuple[str, ...]:
        """The values of the partition keys for *month*."""
        return (str(month),) if self.keys == _DATA_EXPORT else (str(month.year), str(month.number))

    def delivery(self, month: Month) -> Delivery:
        """What the newest execution delivered of *month*; a file's footer is read, and more only while it has no rows.

        Raises:
            NotYetDeliveredError: the month is being delivered just now.
            NotParquetError: it was delivered as something else.
            ContractError: its folder holds rows that the execution did not write.
        """
        execution = self._execution(month)
        if not execution.files:
            return Delivery(None, None, has_rows=False)
        if other := next((file for file in execution.files if not file.endswith(".parquet")), None):
            raise NotParquetError(
                f"{self._uri(other)} is not Parquet. Choose Parquet as the file format of the export {self.uri}."
            )
        folder = self._folder(month, execution.files)
        found = {item.key: item for item in _objects(self._s3, self._bucket, folder)}
        self._require_complete(month, execution, found)
        self._require_alone(execution, found)
        return self._described(folder, [found[key] for key in execution.files])

    def _execution(self, month: Month) -> _Execution:
        source = self._sources[month]
        if source.endswith("/"):
            return _Execution([i.key for i in _objects(self._s3, self._bucket, source) if _is_read(i, source)], None)
        where = self._uri(source)
        with translated(f"Reading {where} (s3:GetObject)"):
            answer = self._s3.get_object(Bucket=self._bucket, Key=source)
            body = answer["Body"].read()
        try:
            return _Execution(_DECODER.decode(body).keys, answer["LastModified"])
        except (msgspec.DecodeError, IndexError) as error:
            raise ContractError(f"{where} is no manifest of an export ({error}).") from error

    def _folder(self, month: Month, files: Sequence[str]) -> str:
        folders = sorted({file.rpartition("/")[0] + "/" for file in files})
        if len(folders) > 1:
            raise ContractError(
                f"The manifest of {month} in {self.uri} lists files in several folders, {', '.join(folders)}, "
                "and a partition is one folder. Deliver the month again."
            )
        return folders[0]

    def _require_complete(self, month: Month, execution: _Execution, found: Mapping[str, _Object]) -> None:
        missing = [file for file in execution.files if file not in found]
        if missing:
            raise NotYetDeliveredError(
                f"{month} of {self.uri} is being delivered: {len(missing)} of the {len(execution.files)} files of its "
                f"manifest are not there yet, such as {self._uri(missing[0])}."
            )

    def _require_alone(self, execution: _Execution, found: Mapping[str, _Object]) -> None:
        """Athena reads whatever lies in a partition's folder: what the manifest does not list would count twice."""
        folder = execution.files[0].rpartition("/")[0] + "/"
        others = [item for item in found.values() if item.key not in execution.files and _is_read(item, folder)]
        for item in others:
            if not self._holds_rows(item.key):
                continue  # what is left of an execution that wrote more files: AWS empties it
            if execution.listed_at is not None and item.changed > execution.listed_at:
                raise NotYetDeliveredError(
                    f"{self._uri(folder)} is being delivered: {self._uri(item.key)} is newer than its manifest."
                )
            raise ContractError(
                f"{self._uri(folder)} holds rows of another execution, in {self._uri(item.key)}: Athena would count "
                "them twice. Move away what the export's manifest does not list."
            )

    def _holds_rows(self, key: str) -> bool:
        footer = footer_of(self._s3, self._bucket, key)
        return footer is not None and footer.num_rows > 0

    def _described(self, folder: str, files: Sequence[_Object]) -> Delivery:
        schema = None
        for item in files:
            footer = footer_of(self._s3, self._bucket, item.key) if item.size else None
            if footer is not None:
                schema = footer.schema.to_arrow_schema()
                if footer.num_rows:
                    return Delivery(self._uri(folder), schema, has_rows=True)
        return Delivery(self._uri(folder), schema, has_rows=False)

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


def find_export(s3: "S3Client", location: Location) -> CurExport:
    """The export in the folder *location*, which is called like it: Data Exports', or a legacy report for Athena.

    Of a legacy report it may also be the folder of the years; a delivery that is under way is not seen there.

    Raises:
        ConfigurationError: nothing of the kind lies there.
    """
    root = f"{location.prefix}/" if location.prefix else ""
    folders = _folders(s3, location.bucket, root)
    for keys, months in (
        (_DATA_EXPORT, _by_period(s3, location.bucket, root) if "metadata/" in folders else {}),
        (_LEGACY, _by_span(s3, location.bucket, root, folders)),
        (_LEGACY, _by_year(s3, location.bucket, root, folders)),
    ):
        if months:
            return CurExport(s3, location, keys, months)
    raise ConfigurationError(
        f"{location.uri()} holds no export of the bill: no manifest in metadata/BILLING_PERIOD=YYYY-MM/, as Data "
        "Exports writes it, nor year=YYYY/month=M/ of a Cost and Usage Report for Athena. Give the folder that is "
        "called like the export; the first delivery of a new one takes up to a day."
    )


def _by_period(s3: "S3Client", bucket: str, root: str) -> dict[Month, str]:
    """The manifest of each month of a Data Export.

    The one beside the executions' own is the newest execution's; without it that is the last by its folder's name,
    which begins with the time. Source: https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
    """
    found: dict[Month, tuple[bool, str, str]] = {}
    prefix = f"{root}metadata/"
    for item in _objects(s3, bucket, prefix):
        match = _MONTHS_MANIFEST.fullmatch(item.key.removeprefix(prefix))
        if match is not None:
            execution = match["execution"] or ""
            month = Month.parse(match["month"])
            found[month] = max((not execution, execution, item.key), found.get(month, (False, "", "")))
    return {month: key for month, (_, _, key) in found.items()}


def _by_span(s3: "S3Client", bucket: str, root: str, folders: Sequence[str]) -> dict[Month, str]:
    """The manifest of each month of a Cost and Usage Report, in `yyyymmdd-yyyymmdd/`."""
    found = {}
    for match in filter(None, map(_SPAN.fullmatch, folders)):
        folder = root + match[0]
        for item in _objects(s3, bucket, folder):
            if item.key.endswith("-Manifest.json") and "/" not in item.key.removeprefix(folder):
                found[Month(int(match["year"]), int(match["month"]))] = item.key
    return found


def _by_year(s3: "S3Client", bucket: str, root: str, folders: Sequence[str]) -> dict[Month, str]:
    """The folder of each month, in `year=YYYY/month=M/`."""
    found = {}
    for year in filter(None, map(_YEAR.fullmatch, folders)):
        for match in filter(None, map(_MONTH.fullmatch, _folders(s3, bucket, root + year[0]))):
            found[Month(int(year["year"]), int(match["month"]))] = root + year[0] + match[0]
    return found


def _is_read(item: _Object, folder: str) -> bool:
    """Whether Athena reads an object of a partition's *folder*."""
    parts = item.key.removeprefix(folder).split("/")
    return item.size > 0 and not any(part.startswith(("_", ".")) for part in parts)


def _objects(s3: "S3Client", bucket: str, prefix: str) -> Iterator[_Object]:
    for page in _pages(s3, bucket, prefix, ""):
        for found in page.get("Contents", []):
            yield _Object(found["Key"], found["Size"], found["LastModified"])


def _folders(s3: "S3Client", bucket: str, prefix: str) -> list[str]:
    """The names of the folders right below *prefix*, each with its slash."""
    pages = _pages(s3, bucket, prefix, "/")
    return [found["Prefix"].removeprefix(prefix) for page in pages for found in page.get("CommonPrefixes", [])]


def _pages(s3: "S3Client", bucket: str, prefix: str, delimiter: str) -> Iterator[Any]:
    with translated(f"Listing s3://{bucket}/{prefix} (s3:ListBucket)"):
        yield from s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter=delimiter)
