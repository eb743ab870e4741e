"""Where a policy's CSV files come from: the package's examples, a directory, or a prefix in S3."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.aws import translated
from pipeline.errors import ConfigurationError
from pipeline.models import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def examples() -> dict[str, bytes]:
    """The files that ship with the product: their columns, and no rules."""
    shipped = (files("sql") / "policy").iterdir()
    return {file.name: file.read_bytes() for file in shipped if _is_csv(file.name)}


def in_directory(directory: Path) -> dict[str, bytes]:
    """The CSV files of a *directory* by their names.

    Raises:
        ConfigurationError: it cannot be read, or holds none.
    """
    try:
        found = {path.name: path.read_bytes() for path in directory.iterdir() if _is_csv(path.name)}
    except OSError as error:
        raise ConfigurationError(f"The policy in {directory} cannot be read: {error}.") from error
    return _some(found, str(directory))


def in_s3(s3: "S3Client", location: Location) -> dict[str, bytes]:
    """The CSV objects right below *location*, by what their keys end in.

    Raises:
        ConfigurationError: there are none.
    """
    prefix, uri = f"{location.prefix}/" if location.prefix else "", location.uri()
    found = {}
    with translated(f"Reading the policy in {uri}"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix, Delimiter="/")
        for key in (listed["Key"] for page in pages for listed in page.get("Contents", [])):
            if _is_csv(key):
                found[key.removeprefix(prefix)] = s3.get_object(Bucket=location.bucket, Key=key)["Body"].read()
    return _some(found, uri)


def _is_csv(name: str) -> bool:
    return name.lower().endswith(".csv")  # a name in capitals is a mistake to be told, not a file to be passed over


def _some(found: dict[str, bytes], where: str) -> dict[str, bytes]:
    if not found:
        raise ConfigurationError(f"There is no CSV file in {where}, where CHARGEBACK_POLICY says that the policy is.")
    return found
