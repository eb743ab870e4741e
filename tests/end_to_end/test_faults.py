"""What goes wrong with S3 in the middle of a run: it heals in the same run or in the next, to the byte."""

import pytest

from tests.end_to_end.conftest import Undisturbed
from tests.fault_proxy import (
    Act,
    Fault,
    Proxy,
    delayed,
    faults_before,
    refused,
    reset_after,
    reset_before,
    truncated,
)
from tests.lake_objects import assert_whole, windows
from tests.served import Installation

TABLES = ("volumes", "nodes", "allocations")
SLOW_DOWN = refused(503, "SlowDown")
ON_WRITES = {
    "409 ConditionalRequestConflict": refused(409, "ConditionalRequestConflict"),
    "412 PreconditionFailed": refused(412, "PreconditionFailed"),
    "a reset before the write arrived": reset_before,
    "a write whose answer was lost": reset_after,
}
PASSING = {
    "503 SlowDown on a write, twice": Fault(SLOW_DOWN, "PUT", "/allocations/", times=2),
    "503 SlowDown on a read": Fault(SLOW_DOWN, "GET", "/nodes/"),
    "500 InternalError on a write": Fault(refused(500, "InternalError"), "PUT", "/volumes/"),
    "500 InternalError on the first read": Fault(refused(500, "InternalError"), "GET", "/allocations/"),
    "a slow write": Fault(delayed(0.5), "PUT", "/nodes/"),
    "a slow read": Fault(delayed(0.5), "GET", "/allocations/"),
    "a reset before a read arrived": Fault(reset_before, "GET", "/volumes/"),
    "a reset after a read arrived": Fault(reset_after, "GET", "/allocations/"),
}


def suffered(proxy: Proxy, fault: Fault) -> bool:
    return any(seen.method == fault.method and fault.part in seen.path for seen in proxy.seen)


@pytest.mark.parametrize("act", ON_WRITES.values(), ids=ON_WRITES)
@pytest.mark.parametrize("earlier", [(), ("19T09", "19T10")], ids=["empty lake", "lake with an hour of the day"])
def test_a_write_that_fails_once_in_every_table_leaves_the_same_bytes_and_exit_0(
    act: Act, earlier: tuple[str, ...], installation: Installation, undisturbed: Undisturbed
) -> None:
    if earlier:
        installation.put(undisturbed(*earlier))
    faults = [Fault(act, "PUT", f"/{table}/") for table in TABLES]
    with faults_before(installation.endpoint, *faults) as proxy:
        completed = installation.behind(endpoint=proxy.url).collect("19T09", "19T12")
    assert completed.returncode == 0, completed.stderr
    assert all(suffered(proxy, fault) for fault in faults)
    assert installation.objects() == undisturbed("19T09", "19T12")


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_leaves_the_same_bytes_and_exit_0(
    fault: Fault, installation: Installation, undisturbed: Undisturbed
) -> None:
    installation.put(undisturbed("19T09", "19T10"))
    with faults_before(installation.endpoint, fault) as proxy:
        completed = installation.behind(endpoint=proxy.url).collect("19T09", "19T12")
    assert completed.returncode == 0, completed.stderr
    assert suffered(proxy, fault)
    assert installation.objects() == undisturbed("19T09", "19T12")


LASTING = {
    "503 SlowDown on every write": (75, Fault(SLOW_DOWN, "PUT", times=None)),
    "409 on every write of a table": (
        75,
        Fault(refused(409, "ConditionalRequestConflict"), "PUT", "/allocations/", times=None),
    ),
    "500 on every write of a table": (69, Fault(refused(500, "InternalError"), "PUT", "/allocations/", times=None)),
    "every read of a table cut short": (69, Fault(truncated, "GET", "/volumes/", times=None)),
    "every footer cut short": (69, Fault(truncated, "GET", "/allocations/", times=None)),
    "writes denied": (77, Fault(refused(403, "AccessDenied"), "PUT", times=None)),
    "writes of the last table denied": (77, Fault(refused(403, "AccessDenied"), "PUT", "/allocations/", times=None)),
    "reads denied": (77, Fault(refused(403, "AccessDenied"), "GET", times=None)),
    "credentials that expired": (77, Fault(refused(400, "ExpiredToken"), "PUT", "/nodes/", times=None)),
    "no such bucket any more": (78, Fault(refused(404, "NoSuchBucket"), "PUT", times=None)),
}


@pytest.mark.parametrize(("code", "fault"), LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts_ends_in_its_exit_code_and_the_next_run_heals(
    code: int, fault: Fault, installation: Installation, undisturbed: Undisturbed
) -> None:
    installation.put(undisturbed("19T09", "19T10"))
    with faults_before(installation.endpoint, fault) as proxy:
        completed = installation.behind(endpoint=proxy.url).collect("19T09", "19T11")
    assert completed.returncode == code, completed.stderr
    assert "Traceback" not in completed.stderr
    assert f"s3://{installation.bucket}/chargeback/" in completed.stderr
    assert_whole(installation.objects())
    assert windows(installation.objects(), "allocations") == windows(undisturbed("19T09", "19T10"), "allocations")
    healed = installation.collect("19T09", "19T11")
    assert healed.returncode == 0, healed.stderr
    assert installation.objects() == undisturbed("19T09", "19T11")


def test_a_write_whose_answer_is_lost_every_time_is_still_one_write(
    installation: Installation, undisturbed: Undisturbed
) -> None:
    with faults_before(installation.endpoint, Fault(reset_after, "PUT", times=None)) as proxy:
        completed = installation.behind(endpoint=proxy.url).collect("19T10", "19T11")
    assert completed.returncode == 69, completed.stderr
    assert [seen.status for seen in proxy.seen if seen.method == "PUT"].count(200) >= 1
    healed = installation.collect("19T10", "19T11")
    assert healed.returncode == 0, healed.stderr
    assert installation.objects() == undisturbed("19T10", "19T11")


def test_a_day_that_cannot_be_written_does_not_stop_the_next(
    installation: Installation, undisturbed: Undisturbed
) -> None:
    denied = Fault(refused(403, "AccessDenied"), "PUT", "usage_date=2026-11-18", times=None)
    with faults_before(installation.endpoint, denied) as proxy:
        completed = installation.behind(endpoint=proxy.url).collect("18T23", "19T01")
    assert completed.returncode == 77, completed.stderr
    expected = undisturbed("18T23", "19T01")
    assert installation.objects() == {key: body for key, body in expected.items() if "2026-11-19" in key}
    assert installation.collect("18T23", "19T01").returncode == 0
    assert installation.objects() == expected


def test_of_two_causes_the_graver_is_the_exit_code_and_both_are_told(installation: Installation) -> None:
    faults = (
        Fault(refused(403, "AccessDenied"), "PUT", "usage_date=2026-11-18", times=None),
        Fault(refused(404, "NoSuchBucket"), "PUT", "usage_date=2026-11-19", times=None),
    )
    with faults_before(installation.endpoint, *faults) as proxy:
        completed = installation.behind(endpoint=proxy.url).collect("18T23", "19T01")
    assert completed.returncode == 78, completed.stderr
    assert installation.objects() == {}
    for day in ("2026-11-18", "2026-11-19"):
        assert f"usage_date={day}" in completed.stderr
