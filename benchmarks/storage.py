"""An S3 for benchmarks: a process that keeps objects as files, and honours conditions, ranges and little else.

A simulated AWS account spends more on a request than the program that is measured; this one answers at once.
"""

import itertools
import re
import shutil
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import click

_LAST_BYTES = re.compile(r"bytes=-(\d+)", re.ASCII)


class Objects:
    """The objects below *directory*; an ETag is the number of the PUT."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self._etags: dict[Path, str] = {}
        self._lock = Lock()

    def path(self, key: str) -> Path:
        """Where the object at */bucket/key* is kept."""
        return self._directory / unquote(key).lstrip("/")

    def etag(self, path: Path) -> str | None:
        """The object's ETag; None where there is none. A file that was put there by hand gets one."""
        with self._lock:
            return self._known(path)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys of *bucket* that begin with *prefix*, in order."""
        root = self.path(bucket)
        found = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        return sorted(key for key in found if key.startswith(prefix))

    def put(self, path: Path, body: bytes, *, only_new: bool, only_over: str | None) -> str | None:
        """Keep *body* unless its condition fails; returns the new ETag, or None."""
        with self._lock:
            stored = self._known(path)
            if (only_new and stored) or (only_over and only_over != stored):
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            self._etags[path] = self._fresh()
            return self._etags[path]

    def _known(self, path: Path) -> str | None:
        return self._etags.setdefault(path, self._fresh()) if path.is_file() else None

    def _fresh(self) -> str:
        return f'"{next(self._numbers):032x}"'


def _listing(keys: Iterable[str]) -> str:
    contents = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in keys)
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"


def _handler(objects: Objects) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # as servers do: else every answer of two writes waits 40 ms for the client

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = parse_qs(parts.query)
            if "list-type" in asked:
                self._answer(HTTPStatus.OK, _listing(objects.keys(parts.path, asked.get("prefix", [""])[0])))
                return
            path = objects.path(parts.path)
            etag = objects.etag(path)
            if etag is None:
                self._error(HTTPStatus.NOT_FOUND, "NoSuchKey")
                return
            size = path.stat().st_size
            last = _LAST_BYTES.fullmatch(self.headers.get("Range", ""))
            skipped = max(0, size - int(last[1])) if last else 0
            self.send_response(HTTPStatus.PARTIAL_CONTENT if last else HTTPStatus.OK)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(size - skipped))
            self.end_headers()
            with path.open("rb") as stored:
                stored.seek(skipped)
                shutil.copyfileobj(stored, self.wfile, 1 << 20)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            etag = objects.put(
                objects.path(urlsplit(self.path).path),
                body,
                only_new=self.headers.get("If-None-Match") == "*",
                only_over=self.headers.get("If-Match"),
            )
            if etag is None:
                self._error(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _error(self, status: HTTPStatus, code: str) -> None:
            self._answer(status, f"<Error><Code>{code}</Code><Message>{status.phrase}</Message></Error>")

        def _answer(self, status: HTTPStatus, document: str) -> None:
            body = document.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def main(directory: Path) -> None:
    """Serve the objects below DIRECTORY until stopped; the address is printed first."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(Objects(directory))) as server:
        click.echo(f"http://127.0.0.1:{server.server_address[1]}")
        server.serve_forever()


if __name__ == "__main__":
    main()
