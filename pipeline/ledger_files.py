"""The objects in S3 that the ledger follows from, and those that it consists of."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.aws import translated
from pipeline.errors import ContractError
from pipeline.ledger import LedgerDay, fingerprint
from pipeline.ledger_table import COST_LEDGER
from pipeline.models import Location, within
from pipeline.policy import OBJECT_NAME
from pipeline.tables import KEPT_POLICY_TABLES, LAKE_TABLES, PARTITION_KEY, VIRTUAL_CLUSTERS, Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GRACE = timedelta(hours=24)
"""How long rows that were replaced stay, for queries that had begun to read them."""

_RUN = "%Y%m%dT%H%M%SZ"
_AT_ONCE = 4
_DELETED_AT_ONCE = 1000  # objects in a call, which is S3's limit


def run_name(now: datetime, chance: str) -> str:
    """The name of a run that begins *now*: no other has it, and it says when it was."""
    return f"{now.astimezone(UTC):{_RUN}}-{chance}"


@dataclass(frozen=True)
class _Object:
    key: str
    etag: str


class LedgerFiles:
    """What lies in S3, as far as it concerns a ledger of the lake at *lake*; its own files lie at a *place* there."""

    def __init__(self, s3: "S3Client", lake: Location) -> None:
        self._s3 = s3
        self._lake = lake

    def folder(self, place: str, run: str) -> str:
        """The URI of a run's folder, ending in a slash; in it each scope has a folder of each of its days."""
        return f"{self._lake.uri(COST_LEDGER.name, place, run)}/"

    def days(self) -> dict[date, str]:
        """A fingerprint of each day that has objects in the lake, of any cluster."""
        found = defaultdict[date, list[str]](list)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for listed in pool.map(self._of_days, LAKE_TABLES):
                for day, objects in listed.items():
                    found[day] += objects
        return {day: fingerprint(objects) for day, objects in found.items()}

    def whole(self, tables: Collection[Table]) -> Iterator[str]:
        """What tells whether an unpartitioned table changed, as far as the ledger reads it."""
        for table in tables:
            for found in self._objects(self._lake.bucket, f"{self._lake.key(table.name)}/"):
                if table in KEPT_POLICY_TABLES and not found.key.endswith(f"/{OBJECT_NAME}"):
                    continue  # what a closed month keeps is what its days were computed with
                # Of the virtual clusters it reads whose they are, which is each object's name.
                yield found.key if table is VIRTUAL_CLUSTERS else f"{found.key} {found.etag}"

    def bill(self, folders: Mapping[str, Collection[str]]) -> dict[str, str]:
        """A fingerprint of each billing period, of the objects in its *folders* (`s3://…`)."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(folders, pool.map(self._of_folders, folders.values()), strict=True))

    def sweep(self, place: str, days: Mapping[date, LedgerDay], now: datetime) -> int:
        """Delete what no day of the ledger consists of any more, and has not since the grace time; returns how much."""
        prefix = f"{self._lake.key(COST_LEDGER.name, place)}/"
        old = [
            found.key
            for found in self._objects(self._lake.bucket, prefix)
            if _is_over(found.key.removeprefix(prefix), days, now)
        ]
        for start in range(0, len(old), _DELETED_AT_ONCE):
            some = old[start : start + _DELETED_AT_ONCE]
            with translated(f"Deleting former rows in {self._lake.uri(COST_LEDGER.name)} (s3:DeleteObject)"):
                answer = self._s3.delete_objects(
                    Bucket=self._lake.bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
                )
            if errors := answer.get("Errors", []):
                raise ContractError(f"{len(errors)} former objects of the ledger were not deleted: {errors[0]}.")
        return len(old)

    def _of_days(self, table: Table) -> dict[date, list[str]]:
        prefix = self._lake.key(table.name, f"{PARTITION_KEY}=")
        found = defaultdict[date, list[str]](list)
        for listed in self._objects(self._lake.bucket, prefix):
            found[date.fromisoformat(listed.key.removeprefix(prefix)[:10])].append(f"{listed.key} {listed.etag}")
        return found

    def _of_folders(self, folders: Collection[str]) -> str:
        listed = (found for folder in folders for found in self._objects(*within(folder)))
        return fingerprint(f"{found.key} {found.etag}" for found in listed)

    def _objects(self, bucket: str, prefix: str) -> Iterator[_Object]:
        with translated(f"Listing s3://{bucket}/{prefix} (s3:ListBucket)"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    yield _Object(found["Key"], found.get("ETag", ""))


def _is_over(path: str, days: Mapping[date, LedgerDay], now: datetime) -> bool:
    """Whether nobody needs the object at *path*, `<run>/scope=<scope>/usage_date=<day>/<file>`, any more."""
    run, _, rest = path.partition("/")
    written = _written_at(run)
    if written is None:
        return False  # not ours
    day = date.fromisoformat(rest.rpartition(f"{PARTITION_KEY}=")[2][:10])
    rows = days.get(day)
    if rows is not None and f"/{run}/" in rows.folder:
        return False
    replaced = _written_at(rows.run) if rows else None
    return now - max(written, replaced or written) > GRACE


def _written_at(run: str) -> datetime | None:
    try:
        return datetime.strptime(run.partition("-")[0], _RUN).replace(tzinfo=UTC)
    except ValueError:
        return None
