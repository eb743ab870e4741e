"""A collecting process is killed at random moments of its whole life: the next run ends in the bytes of a calm one."""

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from signal import SIGKILL, SIGTERM, Signals
from time import monotonic
from uuid import uuid4

import pytest

from tests.end_to_end.conftest import Undisturbed
from tests.fault_proxy import Fault, Gate, faults_before
from tests.lake_objects import assert_whole
from tests.served import Installation, finished

# `make soak` kills more. The name is not CHARGEBACK_…: what is called so must be a setting.
KILLS = int(os.environ.get("SOAK_KILLS", "20"))
BY_CLOCK = KILLS // 2
BY_REQUEST = KILLS - BY_CLOCK
SPAN = ("19T09", "19T12")
TERMINATED = 143
GRACE = 30  # seconds that Kubernetes leaves a pod to end


@dataclass(frozen=True)
class Life:
    """How long a run takes when nothing goes wrong, and how many requests it makes of AWS."""

    seconds: float
    requests: int


@pytest.fixture(scope="module")
def life(s3_server: str, opencost_url: str) -> Life:
    measured = Installation.create(opencost_url, s3_server, f"lake-{uuid4().hex}")
    with faults_before(s3_server) as proxy:
        began = monotonic()
        completed = measured.behind(endpoint=proxy.url).collect(*SPAN)
        seconds = monotonic() - began
    assert completed.returncode == 0, completed.stderr
    return Life(seconds, len(proxy.seen))


def moment(number: int, kills: int) -> float:
    """Where in a life the kill of that *number* strikes, from 0 to 1: at random in its own share of the life."""
    return (number + Random(number).random()) / kills


def fatal(number: int) -> Signals:
    """Some runs are asked to end, as Kubernetes does first; most are given no chance."""
    return SIGTERM if number % 3 == 2 else SIGKILL


def killed_at_request(installation: Installation, gate: Gate, request: int, signal: Signals) -> int:
    """Kill a run while it waits for the answer to its so many-th request; its exit code."""
    fault = Fault(gate, method=None, first=request)
    with (
        faults_before(installation.endpoint, fault) as proxy,
        installation.behind(endpoint=proxy.url).collecting(*SPAN) as process,
    ):
        gate.wait()
        process.send_signal(signal)
        killed = finished(process, GRACE)
        gate.let_go()
    assert_quiet(killed)
    return killed.returncode


def assert_quiet(killed: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in killed.stderr
    assert "Exception ignored" not in killed.stderr


def assert_healed(installation: Installation, undisturbed: Undisturbed) -> None:
    """What a killed run left is whole, and the next run makes it what it should be."""
    assert_whole(installation.objects())
    rerun = installation.collect(*SPAN)
    assert rerun.returncode == 0, rerun.stderr
    assert installation.objects() == undisturbed(*SPAN)


@pytest.mark.parametrize("number", range(BY_CLOCK))
def test_a_run_killed_at_any_moment_is_healed_by_the_next(
    number: int, life: Life, installation: Installation, undisturbed: Undisturbed
) -> None:
    process = installation.collecting(*SPAN)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment(number, BY_CLOCK) * life.seconds)
    process.send_signal(fatal(number))
    killed = finished(process, GRACE)
    assert killed.returncode in {0, TERMINATED, -fatal(number)}, "it was faster, or had no time to learn of signals"
    assert_quiet(killed)
    assert_healed(installation, undisturbed)


@pytest.mark.parametrize("number", range(BY_REQUEST))
def test_a_run_killed_while_it_waits_for_aws_is_healed_by_the_next(
    number: int, life: Life, installation: Installation, undisturbed: Undisturbed
) -> None:
    request = 1 + int(moment(number, BY_REQUEST) * life.requests)
    gate = Gate(late=Random(number).random() < 0.5)
    code = killed_at_request(installation, gate, request, fatal(number))
    assert code == (TERMINATED if fatal(number) is SIGTERM else -SIGKILL)
    assert_healed(installation, undisturbed)


def test_a_run_killed_again_and_again_is_healed_in_the_end(
    life: Life, installation: Installation, undisturbed: Undisturbed
) -> None:
    for request in sorted(Random(KILLS).sample(range(1, life.requests // 2), 3)):
        assert killed_at_request(installation, Gate(late=True), request, SIGKILL) == -SIGKILL
    assert_healed(installation, undisturbed)


@pytest.mark.parametrize(
    "places",
    [{"": 1}, {"/assets": 3, "/allocation": 1}],
    ids=["while it looks for Kubecost", "while it awaits two answers"],
)
def test_a_run_that_waits_for_kubecost_ends_when_it_is_asked_to(
    places: dict[str, int], installation: Installation, undisturbed: Undisturbed
) -> None:
    gates = [Gate(late=False) for _ in places]
    faults = [Fault(gate, "GET", part, first) for gate, (part, first) in zip(gates, places.items(), strict=True)]
    with (
        faults_before(installation.kubecost, *faults) as proxy,
        installation.behind(kubecost=proxy.url).collecting(*SPAN) as process,
    ):
        gates[-1].wait()
        process.send_signal(SIGTERM)
        killed = finished(process, GRACE)
        for gate in gates:
            gate.let_go()
    assert killed.returncode == TERMINATED
    assert_quiet(killed)
    assert_healed(installation, undisturbed)
