"""Answers captured from real OpenCost servers, and an HTTP server that gives them again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).parent / "data" / "opencost"

HOURS = {
    "opencost-2026-05": ("18T23", "19T00", "19T03", "19T09", "19T10", "19T11", "19T20"),
    "opencost-2024-10": ("19T00", "19T10"),
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; *status* None closes the connection without any."""

    status: int | None
    content_type: str | None
    body: bytes
    location: str | None = None


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    path: str
    parameters: dict[str, list[str]]
    headers: dict[str, str]


Answering = Callable[[Request], Answer]

NOT_FOUND = Answer(404, "text/plain; charset=utf-8", b"404 page not found\n")


@dataclass(frozen=True)
class Capture:
    """One captured answer and the request that it answered."""

    file: str
    server: str
    path: str
    window: str | None
    only_window: bool
    answer: Answer


@cache
def captures() -> tuple[Capture, ...]:
    index = json.loads((DATA / "index.json").read_text(encoding="utf-8"))
    return tuple(_capture(entry) for entry in index)


@cache
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "truth.json").read_text(encoding="utf-8"))
    return found


def capture(file: str) -> Capture:
    return next(c for c in captures() if c.file == file)


def json_answer(document: object, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(document).encode())


def opencost(server: str) -> Answering:
    """All hours of one captured server, by path and window; whatever else is asked along is ignored, as there."""
    hours = {
        (c.path, c.window): c.answer
        for c in captures()
        if c.file.startswith((f"{server}/allocation-", f"{server}/assets-")) and c.window and c.only_window
    }

    def answer(request: Request) -> Answer:
        if request.path not in ("/allocation", "/assets"):
            return NOT_FOUND
        window = request.parameters.get("window", [""])[0]
        nothing = json_answer({"code": 200, "data": [{}] if request.path == "/allocation" else {}})
        return hours.get((request.path, window), nothing)

    return answer


def instead(path: str, answer: Answer, others: Answering) -> Answering:
    """As *others* answer, but for *path*."""
    return lambda request: answer if request.path == path else others(request)


@dataclass(frozen=True)
class Upstream:
    """A running server: its address, and all that it was asked."""

    url: str
    requests: list[Request]


@contextmanager
def serving(answering: Answering) -> Iterator[Upstream]:
    asked: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            request = Request(parts.path, parse_qs(parts.query), dict(self.headers))
            asked.append(request)
            answer = answering(request)
            if answer.status is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            if answer.content_type:
                self.send_header("Content-Type", answer.content_type)
            if answer.location:
                self.send_header("Location", answer.location)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Upstream(f"http://127.0.0.1:{server.server_address[1]}", asked)
        finally:
            server.shutdown()
            thread.join()


def _capture(entry: dict[str, Any]) -> Capture:
    answer = Answer(entry["status"], entry["content_type"], (DATA / entry["file"]).read_bytes())
    window = entry["parameters"].get("window")
    if entry.get("location"):
        answer = replace(answer, status=404)  # the redirect itself; its target is another capture
    return Capture(
        entry["file"], entry["server"], entry["path"], window, entry["parameters"].keys() == {"window"}, answer
    )
