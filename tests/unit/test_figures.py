"""What a run says that it came to."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from pipeline.collect import Outcome, Work, figures
from pipeline.errors import ChargebackError, ContractError
from pipeline.footer import WindowRecord, WindowState
from pipeline.metrics import Metric
from pipeline.plan import Plan, PlannedWindow, Schedule, newest_whole_day
from pipeline.relations import checks
from pipeline.verify import Verdict
from pipeline.verify import figures as figures_of_checks
from pipeline.warehouse import Answer
from pipeline.window import DAY, HOUR, Window, hours, parse_duration, parse_instant
from tests.unit.test_collect_failures import collected, empty, failed, hour, record

NOW = hour(24).start
DAY_SET = Window(hour(0).start, hour(0).start + DAY)


def work(
    fetch: Sequence[Window | PlannedWindow], records: Sequence[WindowRecord] = (), waiting: Sequence[Window] = ()
) -> Work:
    planned = [w if isinstance(w, PlannedWindow) else PlannedWindow(w, WindowState.COLLECTED) for w in fetch]
    began = min((of.start for of in records if of.rows), default=None)
    return Work(Plan(tuple(planned), tuple(waiting)), {of.window: of for of in records}, began)


def missing(outcomes: Sequence[Outcome], of: Work) -> float | None:
    return figures(outcomes, of, NOW)[Metric.WINDOWS_MISSING]


def test_a_run_without_work_tells_how_old_the_newest_window_is_and_nothing_else() -> None:
    told = figures([], work([], [record(9), record(10)]), NOW)
    assert told[Metric.NEWEST_WINDOW_AGE] == 13
    assert {value for name, value in told.items() if name is not Metric.NEWEST_WINDOW_AGE} == {0}


def test_what_was_collected_is_counted_with_its_rows_and_its_cost() -> None:
    told = figures([collected(9), collected(10)], work([hour(9), hour(10)]), NOW)
    assert told[Metric.WINDOWS_COLLECTED] == 2
    assert told[Metric.ROWS] == 10
    assert told[Metric.ESTIMATED_COST] == 2.0
    assert told[Metric.NEWEST_WINDOW_AGE] == 13


def test_an_empty_lake_has_no_newest_window() -> None:
    assert figures([empty(9)], work([hour(9)]), NOW)[Metric.NEWEST_WINDOW_AGE] is None


def test_a_run_that_was_kept_from_the_newest_hours_does_not_say_how_old_they_are() -> None:
    assert figures([collected(9)], work([hour(9)]), None)[Metric.NEWEST_WINDOW_AGE] is None


def test_a_lost_hour_makes_the_newest_window_no_younger() -> None:
    lost = replace(record(12, rows=0), state=WindowState.LOST)
    assert figures([], work([], [record(10), lost]), NOW)[Metric.NEWEST_WINDOW_AGE] == 13


def test_a_rejected_answer_is_no_collected_window() -> None:
    kept = replace(record(9), state=WindowState.REJECTED)
    told = figures([Outcome(hour(9), kept, error=ContractError("worse"))], work([hour(9)], [record(9)]), NOW)
    assert (told[Metric.WINDOWS_REJECTED], told[Metric.WINDOWS_COLLECTED], told[Metric.ROWS]) == (1, 0, 0)
    assert told[Metric.WINDOWS_MISSING] == 0


@pytest.mark.parametrize("error", [None, ContractError("not JSON")])
def test_an_hour_that_failed_is_missing(error: ChargebackError | None) -> None:
    assert missing([collected(9), failed(10, error)], work([hour(9), hour(10)])) == 1
    assert missing([failed(10, error)], work([hour(10)])) == 1


def test_an_hour_that_is_there_and_failed_to_settle_is_not_missing() -> None:
    assert missing([failed(9), failed(10)], work([hour(9), hour(10)], [record(9)])) == 1


def test_an_hour_without_rows_is_missing_after_the_first_that_has_some_and_not_before() -> None:
    assert missing([empty(8), collected(9), empty(10)], work([hour(8), hour(9), hour(10)])) == 1
    assert missing([empty(8), empty(10)], work([hour(8), hour(10)], [record(9)])) == 1
    assert missing([empty(8)], work([hour(8)])) == 0


def test_an_hour_that_another_run_wrote_meanwhile_is_not_missing() -> None:
    assert missing([Outcome(hour(10))], work([hour(10)], [record(9)])) == 0


def test_hours_that_wait_for_their_days_set_are_missing_once_history_has_begun() -> None:
    waiting = [hour(7), hour(8), hour(10), hour(11)]
    assert missing([], work([], [record(9)], waiting)) == 2
    assert missing([], work([], [], waiting)) == 0


def test_the_gaps_of_a_day_are_missing_if_its_set_did_not_come_and_lost_if_they_were_given_up() -> None:
    gaps = tuple(hours(hour(10).start, hour(13).start))
    of = work([PlannedWindow(DAY_SET, WindowState.SETTLED, gaps)], [record(9)])
    told = figures([Outcome(DAY_SET, error=ContractError("not JSON"))], of, NOW)
    assert (told[Metric.WINDOWS_MISSING], told[Metric.WINDOWS_LOST]) == (3, 0)
    told = figures([Outcome(DAY_SET, error=ContractError("3 hours are lost"), lost=3)], of, NOW)
    assert (told[Metric.WINDOWS_MISSING], told[Metric.WINDOWS_LOST]) == (0, 3)


def test_checks_that_fail_are_counted_apart_from_those_that_warn() -> None:
    rows = Answer(("pod",), (("a",), ("b",)))
    verdicts = [Verdict(check, rows) for check in checks()] + [Verdict(check) for check in checks()]
    errors = sum(check.severity == "error" for check in checks())
    assert 0 < errors < len(checks())
    assert figures_of_checks(verdicts) == {
        Metric.CHECKS_FAILED: errors,
        Metric.CHECKS_WARNED: len(checks()) - errors,
    }


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-21T01:59Z", "2026-11-19"),
        ("2026-11-21T02:00Z", "2026-11-20"),
        ("2026-11-21T23:59Z", "2026-11-20"),
    ],
)
def test_a_day_is_whole_once_its_last_hour_may_be_fetched(now: str, day: str) -> None:
    schedule = Schedule(2 * HOUR, DAY, parse_duration("7d"))
    assert newest_whole_day(schedule, parse_instant(now)).isoformat() == day
