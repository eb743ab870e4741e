"""A QuickSight account on loopback: it checks every request by botocore's model, remembers what stands, and says so."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

ARN = "arn:aws:quicksight:us-east-1:111122223333"
Answer = tuple[int, dict[str, Any]]

_KINDS = {"DataSource": "datasource", "DataSet": "dataset", "Dashboard": "dashboard"}


@cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("quicksight")


def mistakes(operation: str, request: dict[str, Any]) -> list[str]:
    """What botocore's model finds wrong with a request: shapes, lengths, and words that are none of an enumeration."""
    shape: Any = model().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    return [*filter(None, [report.generate_report()]), *_unknown_words(request, shape, "request")]


def _unknown_words(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Botocore validates neither enumerations nor patterns."""
    match shape.type_name:
        case "structure":
            for name, inner in value.items():
                if name in shape.members:
                    yield from _unknown_words(inner, shape.members[name], f"{path}.{name}")
        case "list":
            for index, inner in enumerate(value):
                yield from _unknown_words(inner, shape.member, f"{path}[{index}]")
        case "map":
            for name, inner in value.items():
                yield from _unknown_words(name, shape.key, f"{path} key {name}")
                yield from _unknown_words(inner, shape.value, f"{path}[{name!r}]")
        case "string":
            known = shape.enum
            if known and value not in known:
                yield f"{path} is {value!r}, none of {', '.join(known)}"
            pattern = shape.metadata.get("pattern")
            if pattern and not re.fullmatch(pattern, value):
                yield f"{path} is {value!r}, and not {pattern}"
            maximum = shape.metadata.get("max")
            if maximum and len(value) > maximum:
                yield f"{path} is longer than {maximum}"


@dataclass
class QuickSightAccount:
    """What stands in the account, who may do what with it, and which operations were asked for."""

    standing: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Data sources, data sets, dashboards and schedules as they were last said, by kind and ID."""
    granted: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """What each principal may do with each ID."""
    versions: dict[str, int] = field(default_factory=dict)
    published: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuse: Callable[[str, dict[str, Any]], Answer | None] | None = None
    """A test's own answer to an operation; None leaves it to the account."""
    settling: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of each ID, the states to tell before it has settled."""

    def answer(self, operation: str, request: dict[str, Any]) -> Answer:
        self.calls.append(operation)
        if self.refuse and (refused := self.refuse(operation, request)):
            return refused
        if wrong := mistakes(operation, request):
            return error(400, "InvalidParameterValueException", "; ".join(wrong))
        for kind in _KINDS:
            if operation in {f"{verb}{kind}" for verb in ("Create", "Update", "Describe")}:
                return getattr(self, f"_{operation.removesuffix(kind).lower()}")(kind, request)  # type: ignore[no-any-return]
            if operation == f"Update{kind}Permissions":
                self._grant(request[f"{kind}Id"], request["GrantPermissions"])
                return 200, {}
        return getattr(self, f"_{operation}")(request)  # type: ignore[no-any-return]

    def _describe(self, kind: str, request: dict[str, Any]) -> Answer:
        name = request[f"{kind}Id"]
        if (kind, name) not in self.standing:
            return error(404, "ResourceNotFoundException", f"{kind} {name} is not found")
        waiting = self.settling.get(name)
        state = waiting.pop(0) if waiting else {"Status": "CREATION_SUCCESSFUL"}
        described = {f"{kind}Id": name, "Arn": f"{ARN}:{_KINDS[kind]}/{name}"}
        if kind == "DataSource":
            described |= state
        if kind == "Dashboard":
            described["Version"] = {"VersionNumber": self.versions[name], **state}
        return 200, {kind: described}

    def _create(self, kind: str, request: dict[str, Any]) -> Answer:
        name = request[f"{kind}Id"]
        if (kind, name) in self.standing:
            return error(409, "ResourceExistsException", f"{kind} {name} exists")
        self._grant(name, request.get("Permissions", []))
        answer = self._update(kind, request)
        if kind == "Dashboard":
            self.published[name] = 1
        return answer

    def _update(self, kind: str, request: dict[str, Any]) -> Answer:
        name = request[f"{kind}Id"]
        for needed in re.findall(rf"{ARN}:(?:dataset|datasource)/([\w-]+)", json.dumps(request)):
            if not any(standing == needed for _, standing in self.standing):
                return error(404, "ResourceNotFoundException", f"{needed} is not found")
        self.standing[kind, name] = request
        answer = {f"{kind}Id": name, "Arn": f"{ARN}:{_KINDS[kind]}/{name}"}
        if kind == "Dashboard":
            self.versions[name] = self.versions.get(name, 0) + 1
            answer["VersionArn"] = f"{answer['Arn']}/version/{self.versions[name]}"
        return 200, answer

    def _grant(self, name: str, permissions: list[dict[str, Any]]) -> None:
        for permission in permissions:
            self.granted.setdefault(name, {})[permission["Principal"]] = permission["Actions"]

    def _DescribeRefreshSchedule(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        if ("RefreshSchedule", f"{request['DataSetId']}/{request['ScheduleId']}") not in self.standing:
            return error(404, "ResourceNotFoundException", "no such schedule")
        return 200, {}

    def _CreateRefreshSchedule(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        name = f"{request['DataSetId']}/{request['Schedule']['ScheduleId']}"
        self.standing["RefreshSchedule", name] = request["Schedule"]
        return 200, {}

    _UpdateRefreshSchedule = _CreateRefreshSchedule

    def _UpdateDashboardPublishedVersion(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        self.published[request["DashboardId"]] = request["VersionNumber"]
        return 200, {}


def error(status: int, code: str, message: str) -> Answer:
    return status, {"__type": code, "Message": message}


@cache
def _routes() -> list[tuple[str, str, re.Pattern[str]]]:
    """The name, method and path of every operation."""
    asked = [(name, model().operation_model(name).http) for name in model().operation_names]
    paths = [re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", http["requestUri"]) for _, http in asked]
    return [(name, http["method"], re.compile(path)) for (name, http), path in zip(asked, paths, strict=True)]


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """Which operation a request asks for, and what its path says."""
    for name, known, pattern in _routes():
        if method == known and (match := pattern.fullmatch(path)):
            return name, {key: unquote(value) for key, value in match.groupdict().items()}
    raise AssertionError(f"QuickSight has no {method} {path}")


@contextmanager
def serving(account: QuickSightAccount) -> Iterator[str]:
    """Serve *account* on loopback; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            path, _, query = self.path.partition("?")
            operation, named = _operation(self.command, path)
            numbers = dict(re.findall(r"(version)-number=(\d+)", query))
            if "version" in numbers:
                named["VersionNumber"] = numbers["version"]
            if "VersionNumber" in named:
                named["VersionNumber"] = int(named["VersionNumber"])
            status, said = account.answer(operation, body | named)
            told = json.dumps({key: value for key, value in said.items() if key != "__type"}).encode()
            self.send_response(status)
            if "__type" in said:
                self.send_header("x-amzn-errortype", said["__type"])
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is written to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
