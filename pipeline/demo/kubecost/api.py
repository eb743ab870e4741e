"""A Kubecost 2.x over HTTP: the estate's allocations and assets, and the errors that a real one answers with."""

import gzip
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from pipeline.demo.estate.estate import Estate
from pipeline.demo.kubecost.allocations import Options, allocations
from pipeline.demo.kubecost.assets import assets
from pipeline.window import DAY, Window, ceil_hour, hours

_INSTANT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"
_WINDOW = re.compile(f"({_INSTANT}),({_INSTANT})", re.ASCII)
_FALSE = frozenset({"0", "f", "F", "false", "False", "FALSE"})
_OFF = _FALSE | {""}
_UNSUPPORTED = (
    "accumulate",
    "accumulateBy",
    "aggregate",
    "external",
    "filter",
    "shareIdle",
    "shareLabels",
    "shareNamespaces",
    "splitIdle",
)
"""What would change the shape of an answer: refused, since an answer of another shape than asked for misleads."""

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_WORTH_COMPRESSING = 1024
_CACHED_ANSWERS = 256

Endpoint = Literal["allocation", "assets"]


@contextmanager
def serving(estate: Estate) -> Iterator[str]:
    """Serve *estate* on a free port of loopback, and yield the base URL, which has no `/model`."""
    server = _Server(estate)
    thread = Thread(target=server.serve_forever, name="kubecost", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Reply:
    """What goes back over HTTP."""

    body: bytes
    content_type: str | None = _JSON
    status: HTTPStatus = HTTPStatus.OK
    content_encoding: str | None = None


class Kubecost:
    """Answers requests as Kubecost's frontend, aggregator and cost model do together."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._cached = lru_cache(_CACHED_ANSWERS)(self._encoded)

    def answer(self, target: str) -> Reply:
        """Answer a GET of *target*, a path with its query."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        match url.path:
            case "/model/allocation":
                return self._allocation(query)
            case "/model/assets":
                return self._assets(query)
            case "/model/healthz":
                return Reply(b"", content_type=None)
            case path if path.startswith("/model/"):
                return Reply(b"404 page not found\n", _TEXT, HTTPStatus.NOT_FOUND)
            case _:
                return Reply(_USER_INTERFACE, "text/html")

    def _allocation(self, query: Mapping[str, str]) -> Reply:
        unsupported = [name for name in _UNSUPPORTED if query.get(name, "") not in _OFF]
        if unsupported:
            return _error(HTTPStatus.BAD_REQUEST, f"bad request: only plain sets are served: {unsupported}")
        asked = _window(query)
        if isinstance(asked, Reply):
            appended = _error(HTTPStatus.INTERNAL_SERVER_ERROR, "illegal window: [nil, nil)")
            return replace(asked, body=asked.body + appended.body)
        options = Options(
            idle=query.get("idle", "true") not in _FALSE,
            share_tenancy_costs=query.get("shareTenancyCosts", "true") not in _FALSE,
        )
        return self._sets("allocation", asked, options)

    def _assets(self, query: Mapping[str, str]) -> Reply:
        asked = _window(query)
        return asked if isinstance(asked, Reply) else self._sets("assets", asked, Options())

    def _sets(self, endpoint: Endpoint, asked: "_Asked", options: Options) -> Reply:
        if asked.start > asked.end:
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"illegal window: {asked}")
        if not asked.is_whole_hours():
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, self._boundary_error(asked))
        return Reply(self._cached(endpoint, asked, options))

    def _encoded(self, endpoint: Endpoint, asked: "_Asked", options: Options) -> bytes:
        if endpoint == "assets":
            data: list[Mapping[str, object]] = [assets(self._estate, window) for window in asked.windows()]
        else:
            data = [allocations(self._estate, window, options) for window in asked.windows()]
        return msgspec.json.encode({"code": HTTPStatus.OK.value, "data": data})

    def _boundary_error(self, asked: "_Asked") -> str:
        store = _Asked(self._estate.history.start, self._estate.history.end)
        return (
            f"boundary error: requested {asked}; supported {store}: Store[1h]: "
            "store does not have coverage to perform query"
        )


@dataclass(frozen=True)
class _Asked:
    """The window of a request, before anybody said that it makes sense."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%dT%H:%M:%S%z}, {self.end:%Y-%m-%dT%H:%M:%S%z})"

    def is_whole_hours(self) -> bool:
        return all(instant == ceil_hour(instant) for instant in (self.start, self.end))

    def windows(self) -> list[Window]:
        """One set per day from the daily store for whole days, else one per hour from the hourly store."""
        if {self.start.time(), self.end.time()} == {time()}:
            return [Window(self.start + DAY * day, self.start + DAY * (day + 1)) for day in range(self._days())]
        return list(hours(self.start, self.end))

    def _days(self) -> int:
        return (self.end - self.start).days


def _window(query: Mapping[str, str]) -> _Asked | Reply:
    """Read the window; Kubecost knows other forms, all of which ask what time it is."""
    text = query.get("window", "")
    match = _WINDOW.fullmatch(text)
    try:
        start, end = map(datetime.fromisoformat, match.groups() if match else ())
    except ValueError:  # not two instants, or digits in the right places that are no date
        body = f"Invalid 'window' parameter: illegal window: {text}\n".encode()
        return Reply(body, _TEXT, HTTPStatus.BAD_REQUEST)
    return _Asked(start.astimezone(UTC), end.astimezone(UTC))


def _error(status: HTTPStatus, message: str) -> Reply:
    body = {"code": status.value, "status": "", "data": None, "message": f"Error: {message}"}
    return Reply(msgspec.json.encode(body), status=status)


_USER_INTERFACE = (
    b'<!DOCTYPE html><html lang="en"><head><title>Kubecost</title></head><body><div id="root"></div></body></html>\n'
)


class _Server(ThreadingHTTPServer):
    """Listens on a free port of loopback."""

    def __init__(self, estate: Estate) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kubecost = Kubecost(estate)


class _Handler(BaseHTTPRequestHandler):
    """Carries requests to `Kubecost` and replies back, compressed for those who ask."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer one GET."""
        reply = self.server.kubecost.answer(self.path)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(reply.body) > _WORTH_COMPRESSING:
            reply = replace(reply, body=gzip.compress(reply.body, mtime=0), content_encoding="gzip")
        self.send_response(reply.status)
        headers = {"Content-Type": reply.content_type, "Content-Encoding": reply.content_encoding}
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's parameter
        """Say nothing: the demo's own log tells what was collected."""
