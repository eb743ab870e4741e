"""A Trino under measurement: what each query read of S3, by its own count, and what it cost."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3

from benchmarks.reading.least import Scan, scans

if TYPE_CHECKING:
    from trino.dbapi import Connection

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([\d.]+)([a-z]+)")


@dataclass(frozen=True)
class Reading:
    """What queries read: bytes of S3, what they scanned, seconds until the answer, and of all processors together."""

    read: int
    scans: tuple[Scan, ...]
    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Engine:
    """The server behind *url*, SQLAlchemy's of a database in it."""

    url: str

    def ask(self, sql: str) -> Reading:
        """Run *sql*, fetch its rows and drop them."""
        with self._connected() as connection:
            cursor = connection.cursor()
            began = perf_counter()
            cursor.execute(sql)
            for _ in cursor:
                pass
            return self._told([str(cursor.query_id)], perf_counter() - began)

    def columns(self, relation: str) -> list[str]:
        """The names of a relation's columns."""
        with self._connected() as connection:
            return [str(row[0]) for row in connection.cursor().execute(f"DESCRIBE {relation}")]

    def seen(self) -> set[str]:
        """The IDs of the queries that the server remembers."""
        return {str(query["queryId"]) for query in self._json("/v1/query")}

    def others(self, seen: Iterable[str], seconds: float) -> Reading:
        """What was read by the queries that came after those *seen*, which took so many *seconds* together."""
        return self._told(sorted(self.seen() - set(seen)), seconds)

    @contextmanager
    def _connected(self) -> Iterator["Connection"]:
        from trino.dbapi import connect  # whether it is installed is told, with what to do, when the server is started

        at = urlsplit(self.url)
        catalog, _, schema = at.path.lstrip("/").partition("/")
        with connect(host=at.hostname, port=at.port, user=at.username, catalog=catalog, schema=schema) as connection:
            yield connection

    def _told(self, queries: Sequence[str], seconds: float) -> Reading:
        told = [self._json(f"/v1/query/{query}") for query in queries]
        stats = [query["queryStats"] for query in told]
        return Reading(
            read=sum(_bytes(each["physicalInputDataSize"]) for each in stats),
            scans=tuple(_scans(told)),
            seconds=seconds,
            cpu_seconds=sum(_seconds(each["totalCpuTime"]) for each in stats),
            peak_bytes=max(_bytes(each["peakUserMemoryReservation"]) for each in stats),
        )

    def _json(self, path: str) -> Any:  # noqa: ANN401
        at = urlsplit(self.url)
        headers = {"X-Trino-User": at.username or ""}
        return urllib3.request("GET", f"http://{at.hostname}:{at.port}{path}", headers=headers).json()


def _scans(told: Iterable[dict[str, Any]]) -> Iterator[Scan]:
    for query in told:
        yield from scans(query.get("inputs", []))


def _bytes(text: str) -> int:
    return int(text.removesuffix("B"))


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration of Trino's")
    return float(match[1]) * _SECONDS[match[2]]
