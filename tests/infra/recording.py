"""An account that remembers who called what: a moto server behind a layer that sees every request and its answer."""

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from moto.athena.models import athena_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request as Received

from pipeline.demo.athena.service import QueryExecution
from tests.infra import requests_as_calls as calls
from tests.infra.policies import Call
from tests.infra.requests_as_calls import ACCOUNT, REGION, Request, credential

Environ = dict[str, Any]


class RecordingAccount:
    """The WSGI application of a moto server, with the calls of every access key; a key is the name of who has it."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.calls: defaultdict[str, set[Call]] = defaultdict(set)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request as moto does, of the demo's account whatever the key is."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = ACCOUNT
        received = Received(environ)
        signed = credential(received.headers.get("Authorization", ""))
        if signed is None:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        key, service = signed
        body = b""
        if service != "s3" or "delete" in received.args:  # an object's body says nothing about rights
            body = received.get_data()
            environ["wsgi.input"] = io.BytesIO(body)
        statuses: list[str] = []

        def start(status: str, headers: Any, *more: Any) -> Any:
            statuses.append(status)
            return start_response(status, headers, *more)

        answer = b"".join(self._moto(environ, start))
        request = Request(
            service=service,
            method=received.method,
            path=received.path,
            arguments=dict(received.args),
            headers={name.lower(): value for name, value in received.headers.items()},
            body=body,
            status=int(statuses[0].split()[0]),
        )
        self.calls[key].update(_of(request, answer))
        return [answer]


def _of(request: Request, answer: bytes) -> Iterator[Call]:
    """The calls that a request is."""
    match request.service:
        case "s3":
            yield from calls.of_s3(request)
        case "glue":
            yield from calls.of_glue(request)
        case "athena":
            yield from _of_athena(request, answer)
        case "emr-containers":
            yield from calls.of_emr_containers(request)
        case "monitoring":
            yield from calls.of_cloudwatch(request)
        case "cloudformation" | "iam" | "sts":
            return  # only the tests' own clients
        case other:
            yield Call(f"{other}:{request.action or request.method}", request.path)  # which nothing allows


def _of_athena(request: Request, answer: bytes) -> Iterator[Call]:
    """An Athena call, and what the service does for it in S3 and Glue."""
    said = request.parameters | (json.loads(answer) if request.action == "StartQueryExecution" else {})
    execution = athena_backends[ACCOUNT][REGION].executions.get(said.get("QueryExecutionId", ""))
    if not isinstance(execution, QueryExecution) or execution.workgroup is None:
        yield from calls.of_athena(request, None)
        return
    yield from calls.of_athena(request, execution.workgroup.name)
    if request.action == "StartQueryExecution":
        for access in list(execution.accesses):
            yield from calls.of_access(access)
    if request.action == "GetQueryResults":
        # Source: https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
        bucket, _, key = execution.config["OutputLocation"].removeprefix("s3://").partition("/")
        yield Call("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")


@contextmanager
def serving(account: RecordingAccount) -> Iterator[str]:
    """Serve *account* on loopback; yields its address."""
    server = make_server("127.0.0.1", 0, account, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
