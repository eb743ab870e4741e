"""An AWS account for Trino, in a process of its own: moto's Glue and S3, and the bytes that S3 has served."""

import re
from collections.abc import Iterable
from threading import Lock
from typing import Any

import click
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from tests.trino import column_statistics

SERVED = "/served"
"""Asked for, it tells how many bytes of objects were read by now."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class Account:
    """moto, but for reads of a part of an object: moto takes all of it into memory to cut the part out."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._served = 0
        self._counting = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        """Answer one request."""
        path, asked = environ["PATH_INFO"], _RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
        if path == SERVED:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(self._served).encode()]
        if environ["REQUEST_METHOD"] != "GET" or asked is None or environ["QUERY_STRING"]:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        bucket, _, key = path.lstrip("/").partition("/")
        found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
        if found is None:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        size = found.contentsize
        first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        last = min(size - 1, int(asked[2])) if asked[1] and asked[2] else size - 1
        with found.lock:
            found._value_buffer.seek(first)
            body = found._value_buffer.read(last - first + 1)
        with self._counting:
            self._served += len(body)
        headers = {
            "Content-Length": str(len(body)),
            "Content-Range": f"bytes {first}-{last}/{size}",
            "Content-Type": "binary/octet-stream",
            "ETag": found.etag,
            "Last-Modified": found.last_modified_RFC1123,
        }
        start_response("206 Partial Content", list(headers.items()))
        return [body]


@click.command()
def main() -> None:
    """Serve until stopped; the address is printed first."""
    column_statistics.install()
    server = make_server("127.0.0.1", 0, Account(), threaded=True, request_handler=_Quiet)
    click.echo(f"http://127.0.0.1:{server.port}")
    server.serve_forever()


class _Quiet(MotoRequestHandler):
    def log(self, *_: object) -> None:
        """Keep quiet."""


if __name__ == "__main__":
    main()
