"""Several runs at once, and runs in several time zones, leave the lake of one calm run."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.end_to_end.conftest import Undisturbed
from tests.fault_proxy import Exchange, Fault, Proxy, faults_before, passed_on
from tests.served import Installation

Span = tuple[str, str]

SAME_HOURS: Span = ("19T09", "19T12")
HOURS: tuple[Span, ...] = (
    ("19T00", "19T01"),
    ("19T03", "19T04"),
    ("19T09", "19T10"),
    ("19T10", "19T11"),
    ("19T11", "19T12"),
)
OVERTAKEN = 412


def meeting(number: int, part: str) -> Fault:
    """The first read of each run waits for that of the others: all have seen the same day before one writes it."""
    barrier = Barrier(number, timeout=60)

    def act(exchange: Exchange) -> None:
        barrier.wait()
        passed_on(exchange)

    return Fault(act, "GET", part, times=number)


def collect_at_once(installation: Installation, spans: tuple[Span, ...]) -> Proxy:
    """Collect all *spans* at once, each in a process of its own; what S3 saw of it."""
    with faults_before(installation.endpoint, meeting(len(spans), "/volumes/")) as proxy:
        reached = installation.behind(endpoint=proxy.url)
        with ThreadPoolExecutor(len(spans)) as runs:
            for completed in runs.map(lambda span: reached.collect(*span), spans):
                assert completed.returncode == 0, completed.stderr
    return proxy


def overtaken(proxy: Proxy) -> int:
    """How many writes came too late."""
    return sum(seen.method == "PUT" and seen.status == OVERTAKEN for seen in proxy.seen)


@pytest.mark.parametrize("number", [2, 5])
def test_runs_at_once_over_the_same_hours_leave_the_lake_of_one(
    number: int, installation: Installation, undisturbed: Undisturbed
) -> None:
    proxy = collect_at_once(installation, (SAME_HOURS,) * number)
    assert overtaken(proxy) >= number - 1
    assert installation.objects() == undisturbed(*SAME_HOURS)


@pytest.mark.parametrize("spans", [HOURS[2:4], HOURS], ids=["two", "five"])
def test_runs_at_once_over_different_hours_of_a_day_lose_none(
    spans: tuple[Span, ...], installation: Installation, s3_server: str
) -> None:
    proxy = collect_at_once(installation, spans)
    assert overtaken(proxy) >= len(spans) - 1
    one_after_the_other = Installation.create(installation.kubecost, s3_server, f"{installation.bucket}-calm")
    for span in spans:
        assert one_after_the_other.collect(*span).returncode == 0
    assert installation.objects() == one_after_the_other.objects()


def test_runs_at_once_over_hours_that_overlap_leave_the_lake_of_one(
    installation: Installation, undisturbed: Undisturbed
) -> None:
    proxy = collect_at_once(installation, (("19T09", "19T11"), ("19T10", "19T12"), SAME_HOURS))
    assert overtaken(proxy) >= 2
    assert installation.objects() == undisturbed(*SAME_HOURS)


@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Kiritimati", "UTC"])
@pytest.mark.parametrize("span", [("18T23", "19T01"), SAME_HOURS], ids=["over midnight", "within a day"])
def test_the_time_zone_of_the_machine_changes_no_byte(
    span: Span, zone: str, installation: Installation, undisturbed: Undisturbed
) -> None:
    completed = installation.collect(*span, TZ=zone)
    assert completed.returncode == 0, completed.stderr
    assert installation.objects() == undisturbed(*span)
