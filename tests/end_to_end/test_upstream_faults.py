"""What goes wrong with Kubecost in the middle of a run: nothing half-read is written, and the next run heals."""

import gzip
from collections.abc import Mapping
from dataclasses import replace
from time import sleep

import pytest

from tests.end_to_end.conftest import Undisturbed
from tests.fault_proxy import (
    Act,
    Exchange,
    Fault,
    Reply,
    delayed,
    faults_before,
    replied,
    reset_after,
    reset_before,
    truncated,
)
from tests.lake_objects import assert_whole, rows_of, windows
from tests.served import Installation

SPAN = ("19T09", "19T12")
TEN = "window=2026-11-19T10:00:00Z"
CALLS = ("/allocation?", "/assets?")
PIECE = 8192
JSON = {"Content_Type": "application/json"}
BOUNDARY = b'{"code":500,"message":"boundary error: requested [2026-11-19T10:00:00+0000, 2026-11-19T11:00:00+0000)"}'


def packed(exchange: Exchange) -> None:
    """Compress, as Kubecost's own proxy does for those who ask."""
    assert "gzip" in exchange.headers["Accept-Encoding"]
    reply = exchange.forward()
    exchange.reply(Reply(reply.status, (*reply.headers, ("Content-Encoding", "gzip")), gzip.compress(reply.body)))


def half_packed(exchange: Exchange) -> None:
    """A whole HTTP answer whose compressed body stops in the middle."""
    reply = exchange.forward()
    body = gzip.compress(reply.body)
    exchange.reply(Reply(reply.status, (*reply.headers, ("Content-Encoding", "gzip")), body[: len(body) // 2]))


def edited(changes: Mapping[bytes, bytes]) -> Act:
    """The server's own answer, with some of its text changed."""

    def act(exchange: Exchange) -> None:
        reply = exchange.forward()
        body = reply.body
        for old, new in changes.items():
            assert old in body
            body = body.replace(old, new)
        exchange.reply(replace(reply, body=body))

    return act


def in_pieces(exchange: Exchange) -> None:
    """Answer with a pause after each part, as a server under load."""
    reply = exchange.forward()
    exchange.reply(reply, 0)
    for start in range(0, len(reply.body), PIECE):
        sleep(0.02)
        exchange.wfile.write(reply.body[start : start + PIECE])


HARMLESS: dict[str, tuple[Act, int | None]] = {
    "429 with Retry-After, then good": (replied(429, b"slow down", Retry_After="1"), 1),
    "503 with Retry-After, then good": (replied(503, b"starting", Retry_After="1"), 1),
    "504 of a proxy, a web page, then good": (replied(504, b"<html>gateway</html>", Content_Type="text/html"), 1),
    "a reset before the question arrived": (reset_before, 1),
    "an answer that was lost": (reset_after, 2),
    "slow answers": (delayed(0.5), None),
    "answers in pieces": (in_pieces, None),
    "compressed answers": (packed, None),
}


@pytest.mark.parametrize(("act", "times"), HARMLESS.values(), ids=HARMLESS)
def test_what_passes_costs_nothing_but_time(
    act: Act, times: int | None, installation: Installation, undisturbed: Undisturbed
) -> None:
    faults = [Fault(act, "GET", call, times=times) for call in CALLS]
    with faults_before(installation.kubecost, *faults) as proxy:
        completed = installation.behind(kubecost=proxy.url).collect(*SPAN)
    assert completed.returncode == 0, completed.stderr
    assert installation.objects() == undisturbed(*SPAN)


ALLOCATION, ASSETS = CALLS
LASTING: dict[str, tuple[str, Act, int]] = {
    "no allocations, ever": (ALLOCATION, reset_before, 69),
    "no assets, ever": (ASSETS, reset_before, 69),
    "allocations broken off in the middle of the body": (ALLOCATION, truncated, 69),
    "assets broken off in the middle of the body": (ASSETS, truncated, 69),
    "a compressed body that stops in the middle": (ALLOCATION, half_packed, 65),
    "half the JSON in a whole answer": (ASSETS, replied(200, b'{"code":200,"data":{"a":{"na', **JSON), 65),
    "an empty answer": (ALLOCATION, replied(200, b"", **JSON), 65),
    "a number that is none": (ALLOCATION, edited({b'"minutes":': b'"minutes":NaN,"x":'}), 65),
    "text that is no text": (ASSETS, edited({b'"cluster":"': b'"cluster":"\xff'}), 65),
    "deeper than any answer": (
        ALLOCATION,
        edited({b'"minutes":': b'"x":' + b"[" * 10**5 + b"]" * 10**5 + b',"minutes":'}),
        65,
    ),
    "another hour than asked for": (
        ASSETS,
        edited({b'"window":{"start":"2026-11-19T10': b'"window":{"start":"2026-11-19T09'}),
        65,
    ),
    "a redirect to a login page": (ALLOCATION, replied(302, b"", Location="/login"), 65),
    "a login page": (ASSETS, replied(200, b"<html>Log in</html>", Content_Type="text/html"), 65),
    "a boundary error": (ALLOCATION, replied(500, BOUNDARY, **JSON), 65),
    "a key that is no longer good": (ASSETS, replied(401, b"{}", **JSON), 77),
}


@pytest.mark.parametrize(("call", "act", "code"), LASTING.values(), ids=LASTING)
def test_an_hour_of_which_one_call_fails_is_left_out_whole_and_healed_by_the_next_run(
    call: str, act: Act, code: int, installation: Installation, undisturbed: Undisturbed
) -> None:
    with faults_before(installation.kubecost, Fault(act, "GET", f"{call}{TEN}", times=None)) as proxy:
        completed = installation.behind(kubecost=proxy.url).collect(*SPAN)
    assert completed.returncode == code, completed.stderr
    assert "Traceback" not in completed.stderr
    expected = windows(undisturbed(*SPAN), "allocations")
    for table in ("allocations", "nodes", "volumes"):
        left_out = expected - windows(installation.objects(), table)
        assert [str(window) for window in left_out] == ["2026-11-19T10:00:00Z,2026-11-19T11:00:00Z"]
    assert_whole(installation.objects())
    healed = installation.collect(*SPAN)
    assert healed.returncode == 0, healed.stderr
    assert installation.objects() == undisturbed(*SPAN)


NAMESPACE, CONTAINER, TEAM = "../../../x", "'; DROP TABLE allocations; -- \U0001f4b8", "x" * 10_000


def test_hostile_names_are_data_and_nothing_else(installation: Installation, undisturbed: Undisturbed) -> None:
    changes = {
        "namespace": ("emr-ml", NAMESPACE),
        "container": ("spark-kubernetes-driver", CONTAINER),
        "team": ("ml", TEAM),
    }
    act = edited({f'"{key}":"{old}"'.encode(): f'"{key}":"{new}"'.encode() for key, (old, new) in changes.items()})
    with faults_before(installation.kubecost, Fault(act, "GET", f"/allocation?{TEN}", times=None)) as proxy:
        completed = installation.behind(kubecost=proxy.url).collect(*SPAN)
    assert completed.returncode == 0, completed.stderr
    objects = installation.objects()
    assert objects.keys() == undisturbed(*SPAN).keys()
    rows = rows_of(objects, "allocations")
    assert rows.num_rows == rows_of(undisturbed(*SPAN), "allocations").num_rows
    assert NAMESPACE in rows["namespace"].to_pylist()
    assert CONTAINER in rows["container"].to_pylist()
    assert ("team", TEAM) in [label for labels in rows["labels"].to_pylist() for label in labels or ()]
