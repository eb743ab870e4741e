"""How buckets of a running S3 are kept in a directory: one file per object, under the object's own key."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def load(s3: "S3Client", directory: Path, bucket: str) -> int:
    """Create *bucket* and put the files of *directory* into it; returns how many there were."""
    s3.create_bucket(Bucket=bucket)
    files = _files(directory, bucket)
    for key, file in files.items():
        s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    return len(files)


def save(s3: "S3Client", directory: Path, bucket: str, without: str) -> int:
    """Bring *directory* to what *bucket* holds, *without* keys that begin so; returns how many files that changed."""
    former = _files(directory, bucket)
    changed = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for listed in page.get("Contents", []):
            if listed["Key"].startswith(without):
                continue
            file = former.pop(listed["Key"], None)
            body = s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read()
            if file is None or file.read_bytes() != body:
                _write(directory / bucket / listed["Key"], body)
                changed += 1
    for file in former.values():
        file.unlink()
    return changed + len(former)


def _files(directory: Path, bucket: str) -> dict[str, Path]:
    root = directory / bucket
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path for path in files}


def _write(path: Path, body: bytes) -> None:
    """Whole or not at all: a demo that is killed leaves no half of a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(body)
    part.replace(path)
