"""Captured answers, mutated: each is read whole or refused in one sentence, and never ends in a traceback."""

import gzip
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import Retry

from pipeline.errors import ChargebackError
from pipeline.kubecost import Kubecost
from pipeline.models import Cluster, WindowAnswer
from pipeline.rows import WindowRows, window_rows
from pipeline.settings import DEFAULT_LABELS
from pipeline.tables import ALLOCATIONS, DOUBLE, LAKE_TABLES
from pipeline.window import Window, parse_instant
from tests.captures import NOT_FOUND, Answer, Request, capture, serving
from tests.conftest import CLUSTER_ARN
from tests.json_mutations import Node, Object, Raw, encoded, mutations, parsed

TEN = Window.hour(parse_instant("2026-11-19T10:00:00Z"))
NOW = parse_instant("2026-11-21T12:00:00Z")
CLUSTER = Cluster.from_arn(CLUSTER_ARN)
READABLE = 1000  # characters of a sentence that an operator still reads
EVERY = 7  # of the captured rows: one of each sort, and small enough to shrink


def excerpt(document: Object) -> Object:
    """A captured answer with one in so many of its rows."""
    (code, data) = document.members[:2]
    rows = data[1][0] if isinstance(data[1], list) else data[1]
    few = Object(rows.members[::EVERY])
    return Object((code, (data[0], [few] if isinstance(data[1], list) else few)))


CAPTURED = {
    path: excerpt(parsed(capture(f"opencost-2026-05/{path[1:]}-2026-11-19T10.json").answer.body))
    for path in ("/allocation", "/assets")
}
WHOLE = {path: encoded(document).encode() for path, document in CAPTURED.items()}


class Server:
    """A Kubecost at *url* whose *answers* a test sets."""

    def __init__(self, url: str, answers: dict[str, Answer]) -> None:
        self.url = url
        self.answers = answers

    def read(self) -> tuple[WindowAnswer, WindowRows]:
        """What the client makes of its answers."""
        found = Kubecost(self.url, retry=Retry(0, raise_on_status=False)).window(TEN)
        return found, window_rows(found, CLUSTER, DEFAULT_LABELS, NOW)

    def read_or_refuse(self, path: str, body: bytes, content_type: str = "application/json") -> ChargebackError | None:
        """Answer *path* with *body*; the error if that was refused, and None if it was read whole."""
        self.answers.update((other, Answer(200, "application/json", whole)) for other, whole in WHOLE.items())
        self.answers[path] = Answer(200, content_type, body)
        try:
            found, rows = self.read()
        except ChargebackError as error:
            assert_readable(str(error), self.url)
            return error
        assert_whole(found, rows)
        return None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    answers: dict[str, Answer] = {}

    def answering(request: Request) -> Answer:
        return answers.get(request.path, NOT_FOUND)

    with serving(answering) as upstream:
        yield Server(upstream.url, answers)


def assert_readable(sentence: str, server: str) -> None:
    """It says where, in one line that a terminal can show and a person can read."""
    assert server in sentence
    assert sentence.isprintable()
    assert len(sentence) <= READABLE


def assert_whole(found: WindowAnswer, rows: WindowRows) -> None:
    """No row is missing, and no number is one that cannot be added up."""
    assert rows.tables[ALLOCATIONS].num_rows == len(found.allocations)
    for table in LAKE_TABLES:
        of = rows.tables[table]
        of.validate(full=True)
        for column in (c.name for c in of.schema if c.type == DOUBLE):
            assert all(value is None or math.isfinite(value) for value in of[column].to_pylist()), column
    assert math.isfinite(rows.core_hours)
    assert math.isfinite(rows.estimated_cost)


@pytest.mark.parametrize("path", CAPTURED)
def test_what_is_mutated_here_is_read_whole_when_it_is_not_mutated(path: str, server: Server) -> None:
    assert server.read_or_refuse(path, WHOLE[path]) is None


PATHS = st.sampled_from(list(CAPTURED))


def with_value(path: str, name: str, value: Node) -> bytes:
    """A captured answer whose every member of that *name* has another value."""

    def changed(node: Node) -> Node:
        if isinstance(node, Object):
            return Object(tuple((key, value if key == name else changed(old)) for key, old in node.members))
        return [changed(old) for old in node] if isinstance(node, list) else node

    return encoded(changed(CAPTURED[path])).encode()


DEEP = Raw("[" * 100_000 + "]" * 100_000)
BEFORE_TIME = "0001-01-01T00:00:00+23:59"
REFUSED: dict[str, tuple[str, bytes]] = {
    "a byte that is no text": ("/allocation", WHOLE["/allocation"].replace(b'"pod":"', b'"pod":"\xff', 1)),
    "half a surrogate": ("/allocation", with_value("/allocation", "pod", Raw('"\\ud800"'))),
    "deeper than any answer": ("/assets", with_value("/assets", "breakdown", DEEP)),
    "deeper than any row": ("/allocation", with_value("/allocation", "lbAllocations", DEEP)),
    "a window before time began": ("/allocation", with_value("/allocation", "start", BEFORE_TIME)),
    "a window without a zone": ("/allocation", with_value("/allocation", "end", "2026-11-19T11:00:00")),
    "a window as long as asked for, a day later": (
        "/allocation",
        WHOLE["/allocation"].replace(b"2026-11-19T1", b"2026-11-20T1"),
    ),
    "a control character in a cluster's name": ("/assets", WHOLE["/assets"].replace(b'-prod"', b'-prod\\u001b[2J"', 1)),
    "a very long cluster's name": ("/assets", WHOLE["/assets"].replace(b'-prod"', b"-prod" + b"x" * 10_000 + b'"', 1)),
    "a very long message": ("/assets", json.dumps({"code": 400, "message": "\x1b[31m query " * 5_000}).encode()),
    "NaN": ("/allocation", with_value("/allocation", "totalCost", Raw("NaN"))),
    "a text for a number": ("/allocation", with_value("/allocation", "cpuCoreHours", "1.5")),
    "a number beyond all numbers": ("/allocation", with_value("/allocation", "ramCost", Raw("1e999"))),
    "costs whose sum is beyond all numbers": ("/allocation", with_value("/allocation", "totalCost", 1e308)),
    "hours whose sum is beyond all numbers": ("/allocation", with_value("/allocation", "cpuCoreHours", -1e308)),
    "UTF-16": ("/allocation", WHOLE["/allocation"].decode().encode("utf-16")),
    "UTF-8 with a mark": ("/assets", WHOLE["/assets"].decode().encode("utf-8-sig")),
    "compressed, which no header says": ("/assets", gzip.compress(WHOLE["/assets"])),
    "twice the same answer": ("/allocation", WHOLE["/allocation"] * 2),
}


@pytest.mark.parametrize(("path", "body"), REFUSED.values(), ids=REFUSED)
def test_what_was_found_to_break_a_reader_is_refused(path: str, body: bytes, server: Server) -> None:
    assert server.read_or_refuse(path, body) is not None


READ: dict[str, tuple[str, bytes]] = {
    "a path that leads out": ("/allocation", with_value("/allocation", "namespace", "../../x")),
    "SQL": ("/allocation", with_value("/allocation", "pod", "'; DROP TABLE allocations; --")),
    "a label of 10 kB": ("/allocation", with_value("/allocation", "team", "x" * 10_000)),
    "other scripts, and a NUL": ("/allocation", with_value("/allocation", "container", "\u202e\U0001f4b8 ẞ \x00")),
    "a credit": ("/allocation", with_value("/allocation", "totalCost", -1e6)),
    "times of another zone": ("/assets", with_value("/assets", "start", "2026-11-19T12:00:00+02:00")),
    "no labels": ("/allocation", with_value("/allocation", "labels", None)),
    "no volumes": ("/allocation", with_value("/allocation", "pvs", Object(()))),
    "nodes without a name": ("/assets", with_value("/assets", "name", None)),
    "nodes without a provider ID": ("/assets", with_value("/assets", "providerID", "")),
    "a pod that ran before time began": (
        "/allocation",
        WHOLE["/allocation"].replace(b'},"start":"2026-11-19T10', b'},"start":"0001-01-01T00'),
    ),
}


@pytest.mark.parametrize(("path", "body"), READ.values(), ids=READ)
def test_what_is_odd_but_whole_is_read(path: str, body: bytes, server: Server) -> None:
    assert body != WHOLE[path]
    assert server.read_or_refuse(path, body) is None


@pytest.mark.parametrize("kind", ["application/json; charset=no-such", "application/json;charset=utf-16", "text/json"])
def test_the_charset_that_a_header_claims_changes_nothing(kind: str, server: Server) -> None:
    refused = server.read_or_refuse("/allocation", WHOLE["/allocation"], kind)
    assert (refused is None) == kind.startswith("application/json")


@pytest.mark.parametrize("path", CAPTURED)
@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_any_mutation_is_read_whole_or_refused(path: str, server: Server, data: st.DataObject) -> None:
    mutation = data.draw(mutations(CAPTURED[path]))
    server.read_or_refuse(path, mutation.text.encode())


@given(path=PATHS, place=st.integers(0, 2**16))
@settings(deadline=None)
def test_an_answer_cut_at_any_byte_is_refused(server: Server, path: str, place: int) -> None:
    assert server.read_or_refuse(path, WHOLE[path][: place % len(WHOLE[path])]) is not None


@given(path=PATHS, changes=st.dictionaries(st.integers(0, 2**16), st.integers(0, 255), min_size=1, max_size=3))
@settings(deadline=None)
def test_an_answer_with_bytes_that_changed_is_read_whole_or_refused(
    server: Server, path: str, changes: dict[int, int]
) -> None:
    body = bytearray(WHOLE[path])
    for place, byte in changes.items():
        body[place % len(body)] = byte
    server.read_or_refuse(path, bytes(body))
