import dataclasses
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import permutations

import pytest
from msgspec.structs import replace

from pipeline.answers import OtherClustersError
from pipeline.collect import Outcome, Work, failures
from pipeline.errors import (
    AccessDeniedError,
    ChargebackError,
    CheckFailedError,
    ConfigurationError,
    ContractError,
    TemporaryError,
    UnavailableError,
    gravest,
)
from pipeline.footer import WindowRecord, WindowState
from pipeline.kubecost import NoDataError
from pipeline.plan import Plan, Span, history_began
from pipeline.window import HOUR, Window


def hour(of_day: int) -> Window:
    return Window.hour(datetime(2026, 11, 19, tzinfo=UTC) + of_day * HOUR)


def record(of_day: int, rows: int = 5) -> WindowRecord:
    return WindowRecord(
        start=hour(of_day).start,
        end=hour(of_day).end,
        state=WindowState.COLLECTED,
        collected_at=hour(of_day).end,
        rows=rows,
        core_hours=1.0,
        estimated_cost=1.0,
        source="opencost",
    )


def collected(of_day: int) -> Outcome:
    return Outcome(hour(of_day), record(of_day), changed=True)


def failed(of_day: int, error: ChargebackError | None = None) -> Outcome:
    return Outcome(hour(of_day), error=error or UnavailableError(f"no answer for {of_day}:00"))


def empty(of_day: int) -> Outcome:
    return Outcome(hour(of_day), error=NoDataError(f"nothing at {of_day}:00"))


SPAN = Span(hour(0).start, hour(24).start, hour(30).start)


def work(records: Sequence[WindowRecord] = (), days: Sequence[date] = ()) -> Work:
    """A lake that has *records* of the day, and objects of *days*, that day's unless given."""
    began = history_began(records, days or ([date(2026, 11, 19)] if records else []), SPAN)
    return Work(Plan((), ()), {record.window: record for record in records}, began)


def said(outcomes: Sequence[Outcome], records: Sequence[WindowRecord] = ()) -> list[str]:
    return [str(error) for error in failures(outcomes, work(records))]


def test_a_run_without_work_has_no_failures() -> None:
    assert failures([], work([])) == []
    assert failures([], work([record(9)])) == []


def test_a_run_in_which_all_went_well_has_no_failures() -> None:
    assert failures([collected(9), collected(10)], work([])) == []


def test_hours_before_the_first_one_with_rows_are_right_to_be_empty() -> None:
    assert failures([empty(7), empty(8), collected(9)], work([])) == []
    assert failures([empty(7), empty(8)], work([record(9)])) == []


def test_an_empty_hour_after_the_first_one_with_rows_is_a_failure() -> None:
    assert said([empty(8), collected(9), empty(10), collected(11), empty(12)]) == [
        "nothing at 10:00",
        "nothing at 12:00",
    ]
    assert said([empty(10)], [record(9)]) == ["nothing at 10:00"]


def test_what_the_lake_holds_without_rows_is_no_beginning_of_history() -> None:
    assert failures([empty(10), collected(11)], work([record(9, rows=0)])) == []


@pytest.mark.parametrize("records", [[], [record(6, rows=0)]])
def test_a_run_that_finds_no_row_in_any_hour_is_one_failure(records: list[WindowRecord]) -> None:
    (error,) = failures([empty(7), empty(8)], work(records))
    assert isinstance(error, ContractError)
    assert str(error) == "No hour from 2026-11-19T07:00Z on has rows. Is Kubecost running?"


def test_history_that_began_before_the_span_makes_every_empty_hour_a_failure() -> None:
    assert [str(error) for error in failures([empty(7)], work(days=[date(2026, 11, 3)]))] == ["nothing at 7:00"]


def test_history_that_begins_after_the_span_makes_no_empty_hour_a_failure() -> None:
    assert failures([empty(7), empty(8)], work(days=[date(2026, 11, 20)])) == []


def silent(of_day: int) -> Outcome:
    """An hour in which only other clusters had rows."""
    return Outcome(hour(of_day), error=OtherClustersError("http://kubecost", hour(of_day), "prod", "sandbox"))


def test_a_cluster_that_is_silent_for_an_hour_is_asked_for_again() -> None:
    named = replace(record(9), cluster_id="prod")
    for outcomes, records in (([silent(10)], [named]), ([Outcome(hour(9), named), silent(10)], [])):
        (error,) = failures(outcomes, work(records))
        assert isinstance(error, ContractError)
        assert "10:00:00Z,2026-11-19T11:00:00Z about sandbox and has no row of 'prod'" in str(error)
    assert failures([silent(7), Outcome(hour(9), named)], work()) == [], "before its history"


@pytest.mark.parametrize("records", [[], [record(9)], [replace(record(9), cluster_id="other")]])
def test_a_cluster_that_no_hour_ever_named_is_a_setting_to_correct_and_no_other_is_advised(
    records: list[WindowRecord],
) -> None:
    (error,) = failures([silent(10), silent(11)], work(records))
    assert isinstance(error, ConfigurationError)
    assert "has rows of sandbox, and in no hour any of 'prod'" in str(error)
    assert not re.search("[Ss]et .*sandbox", str(error))


def test_what_cannot_be_read_of_the_lake_is_told_along_with_the_rest() -> None:
    unreadable = dataclasses.replace(work([record(9)]), unreadable=(ContractError("not Parquet"),))
    assert [str(error) for error in failures([empty(10)], unreadable)] == ["not Parquet", "nothing at 10:00"]


def test_where_nothing_was_read_for_another_reason_only_the_reason_is_said() -> None:
    assert said([empty(7), failed(8), empty(9)]) == ["no answer for 8:00"]


def test_several_failures_are_all_kept() -> None:
    outcomes = [failed(7), collected(8), empty(9), failed(10, ContractError("not JSON"))]
    assert said(outcomes) == ["no answer for 7:00", "not JSON", "nothing at 9:00"]


def test_a_rejected_answer_is_a_failure_of_an_hour_that_has_rows() -> None:
    rejected = Outcome(hour(9), record(9), changed=True, error=ContractError("fewer core-hours"))
    assert said([empty(8), rejected, empty(10)]) == ["fewer core-hours", "nothing at 10:00"]


GRAVEST_FIRST = [
    ConfigurationError("78"),
    AccessDeniedError("77"),
    ContractError("65"),
    UnavailableError("69"),
    TemporaryError("75"),
]


def test_the_gravest_error_stands_for_all_whatever_their_order() -> None:
    for place, expected in enumerate(GRAVEST_FIRST):
        for errors in permutations(GRAVEST_FIRST[place:]):
            assert gravest(errors) is expected


def test_of_equally_grave_errors_the_first_one_stands_for_all() -> None:
    errors = [TemporaryError("75"), CheckFailedError("a check"), ContractError("an answer")]
    assert str(gravest(errors)) == "a check"


def test_nothing_is_not_grave() -> None:
    with pytest.raises(ValueError, match="empty"):
        gravest([])
