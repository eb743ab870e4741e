"""An HTTP proxy that does to chosen requests what networks and servers do on bad days."""

import json
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from time import sleep
from urllib.parse import unquote, urlsplit

_PATIENCE = 60  # seconds that a test waits for what must come
_OF_ONE_HOP = frozenset({"connection", "content-length", "expect", "transfer-encoding"})
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Seen:
    """One request, and the status that the server behind the proxy gave it; None where it was never asked."""

    method: str
    path: str
    status: int | None


class Exchange(BaseHTTPRequestHandler):
    """One request on its way: it can be passed on, answered, or cut off."""

    protocol_version = "HTTP/1.1"
    server: "_Proxy"
    body: bytes
    _upstream_status: int | None

    def forward(self) -> Reply:
        """Ask the server behind; one write at a time, since S3 decides a condition and writes in one step."""
        with self.server.writing if self.command == "PUT" else nullcontext():
            connection = HTTPConnection(self.server.upstream, timeout=_PATIENCE)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
            connection.request(self.command, self.path, self.body, headers)
            response = connection.getresponse()
            kept = tuple((name, value) for name, value in response.getheaders() if name.lower() not in _OF_ONE_HOP)
            reply = Reply(response.status, kept, response.read())
            connection.close()
        self._upstream_status = reply.status
        return reply

    def reply(self, reply: Reply, length: int | None = None) -> None:
        """Answer; with a *length*, break off after so many bytes of the body."""
        self._note()
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[:length])
        if length is not None:
            self.close_connection = True

    def reset(self) -> None:
        """End the connection without a word, as a router that lost its table does."""
        self._note()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.connection.close()
        self.close_connection = True

    def do_GET(self) -> None:
        if "Transfer-Encoding" in self.headers:
            raise NotImplementedError(f"{self.command} {self.path} has a body of unknown length")
        length = int(self.headers.get("Content-Length") or 0)
        self._upstream_status = None
        self.body = self.rfile.read(length)
        if len(self.body) < length:  # the client is gone; S3 writes nothing of half a body
            self.close_connection = True
            return
        self.server.act_for(self.command, unquote(self.path))(self)

    def _note(self) -> None:
        """Note the request, before the client learns what became of it: who has the answer finds it in `seen`."""
        self.server.seen.append(Seen(self.command, unquote(self.path), self._upstream_status))

    do_DELETE = do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815  the names are those of http.server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


Act = Callable[[Exchange], None]


@dataclass(frozen=True)
class Fault:
    """What happens to the requests of a *method* whose path holds *part*: to the *first* and more, *times* in all.

    A *method* of None is any; with *times* None it never ends.
    """

    act: Act
    method: str | None = "PUT"
    part: str = ""
    first: int = 1
    times: int | None = 1

    def is_about(self, method: str, path: str) -> bool:
        """Whether it counts this request."""
        return self.method in (None, method) and self.part in path

    def holds(self, number: int) -> bool:
        """Whether the *number*-th of its requests suffers it."""
        return number >= self.first and (self.times is None or number < self.first + self.times)


@dataclass(frozen=True)
class Gate:
    """An act that keeps the client waiting for its answer, until a test lets go; *late*: once the server has acted."""

    late: bool
    _reached: Event = field(default_factory=Event)
    _open: Event = field(default_factory=Event)

    def __call__(self, exchange: Exchange) -> None:
        reply = exchange.forward() if self.late else None
        self._reached.set()
        self._open.wait(_PATIENCE)
        if reply is not None:
            exchange.reply(reply)
        else:
            exchange.reset()

    def wait(self) -> None:
        """Wait until a request stands before the gate."""
        assert self._reached.wait(_PATIENCE), "no request came to the gate"

    def let_go(self) -> None:
        """Open the gate for good."""
        self._open.set()


def passed_on(exchange: Exchange) -> None:
    exchange.reply(exchange.forward())


def reset_before(exchange: Exchange) -> None:
    """The request is lost."""
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    """The request arrives, and its answer is lost."""
    exchange.forward()
    exchange.reset()


def truncated(exchange: Exchange) -> None:
    """The connection ends in the middle of the body."""
    reply = exchange.forward()
    exchange.reply(reply, len(reply.body) // 2)


def replied(status: int, body: bytes = b"", **headers: str) -> Act:
    """Answer in the server's place; a header's `_` stands for `-`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda exchange: exchange.reply(Reply(status, named, body))


def refused(status: int, code: str) -> Act:
    """Refuse as S3 does."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as scripted</Message></Error>"
    return replied(status, body.encode(), Content_Type="application/xml")


def only_glue(action: str, act: Act) -> Act:
    """Do *act* to one *action* of Glue, which tells it in a header, and pass everything else on."""

    def chosen(exchange: Exchange) -> None:
        (act if exchange.headers.get("X-Amz-Target") == f"AWSGlue.{action}" else passed_on)(exchange)

    return chosen


def glue_denies(action: str) -> Act:
    """Refuse one *action* of Glue."""
    body = json.dumps({"__type": "AccessDeniedException", "message": f"not authorized to perform glue:{action}"})
    return only_glue(action, replied(400, body.encode(), Content_Type="application/x-amz-json-1.1"))


def athena_refuses(part: str) -> Act:
    """Refuse to start statements that have *part* in them, and pass everything else on."""
    message = "not authorized to perform athena:StartQueryExecution"
    body = json.dumps({"__type": "AccessDeniedException", "message": message}).encode()
    denied = replied(400, body, Content_Type="application/x-amz-json-1.1")

    def act(exchange: Exchange) -> None:
        starts = exchange.headers.get("X-Amz-Target") == "AmazonAthena.StartQueryExecution"
        (denied if starts and part in json.loads(exchange.body)["QueryString"] else passed_on)(exchange)

    return act


def delayed(seconds: float) -> Act:
    """Pass on after a while."""

    def act(exchange: Exchange) -> None:
        sleep(seconds)
        passed_on(exchange)

    return act


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str, faults: Sequence[Fault]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.upstream = urlsplit(upstream).netloc
        self.seen: list[Seen] = []
        self.mistakes: list[str] = []
        self.writing = Lock()
        self._faults = faults
        self._counts = [0] * len(faults)
        self._counting = Lock()

    def act_for(self, method: str, path: str) -> Act:
        """The act of the first fault that this request suffers; each fault counts all requests that it is about."""
        with self._counting:
            about = [n for n, fault in enumerate(self._faults) if fault.is_about(method, path)]
            for n in about:
                self._counts[n] += 1
            return next((self._faults[n].act for n in about if self._faults[n].holds(self._counts[n])), passed_on)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Clients are killed, and hang up: that is no mistake; whatever else happens here is."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.mistakes.append(repr(error))


@dataclass(frozen=True)
class Proxy:
    """A running proxy: its address, and what it has seen so far."""

    url: str
    seen: list[Seen]


@contextmanager
def faults_before(upstream: str, *faults: Fault) -> Iterator[Proxy]:
    """Run a proxy before the server at *upstream*."""
    with _Proxy(upstream, faults) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Proxy(f"http://127.0.0.1:{server.server_address[1]}", server.seen)
        finally:
            server.shutdown()
            thread.join()
    assert server.mistakes == []
