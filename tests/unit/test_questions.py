"""What the page asks the warehouse."""

from datetime import UTC, date, datetime
from functools import cache

import pytest

from pipeline.month import Month
from pipeline.questions import Asked, is_ranked, question
from pipeline.story import Story, read_story

OCTOBER = Month(2026, 10)
VISUALS = {(name, visual.id): visual for name, sheet in read_story().sheets.items() for visual in sheet.visuals}


@cache
def shipped() -> Story:
    return read_story()


def asked(sheet: str, visual: str, now: datetime = datetime(2026, 10, 15, 4, tzinfo=UTC), limit: int = 0) -> str:
    return question(shipped(), VISUALS[sheet, visual], Asked.at(OCTOBER, now), limit)


@pytest.mark.parametrize(("sheet", "visual"), VISUALS)
def test_no_question_reads_more_than_the_month_the_one_before_and_the_day_after(sheet: str, visual: str) -> None:
    text = asked(sheet, visual, datetime(2027, 3, 3, tzinfo=UTC))
    assert "current_date" not in text
    if VISUALS[sheet, visual].data_set == "pods":
        assert "usage_date BETWEEN date_add('day', -35, DATE '2026-11-01') AND DATE '2026-11-01'" in text
    elif VISUALS[sheet, visual].data_set == "reconciliation":
        assert "BETWEEN date_format(DATE '2026-09-01', '%Y-%m') AND date_format(DATE '2026-11-01', '%Y-%m')" in text
    else:
        assert "usage_date BETWEEN DATE '2026-09-01' AND DATE '2026-11-01'" in text


def test_a_month_that_runs_is_asked_about_as_it_stands() -> None:
    assert "usage_date BETWEEN DATE '2026-09-01' AND DATE '2026-10-15'" in asked("overview", "days")
    assert "WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'" in asked("overview", "days")
    assert "WHERE usage_date >= DATE '2026-09-01' AND usage_date < DATE '2026-11-01'" in asked("jobs", "trend")
    assert "WHERE month >= DATE '2026-10-01' AND month < DATE '2026-11-01'" in asked("overview", "cost")


def test_what_is_divided_by_nothing_is_not_known() -> None:
    assert "CAST(SUM(effective_cost) AS double) / NULLIF(COUNT(DISTINCT workload_id), 0)" in asked("jobs", "names")


def test_the_largest_rows_alone_are_asked_for_with_the_count_and_totals_of_all() -> None:
    lines = asked("jobs", "names", limit=25).splitlines()
    assert lines[-2:] == ["ORDER BY cost DESC NULLS LAST, workload_name, virtual_cluster", "LIMIT 25"]
    assert (
        "COUNT(*) OVER () AS row_count, SUM(cost) OVER () AS total_cost, SUM(uplift) OVER () AS total_uplift"
        in lines[0]
    )
    assert "total_runs" not in lines[0]
    assert "LIMIT" not in asked("jobs", "names")


def test_days_and_parts_are_asked_for_all() -> None:
    unlimited = {place for place, visual in VISUALS.items() if visual.rows and not is_ranked(visual)}
    assert {("overview", "days"), ("jobs", "releases"), ("virtual-clusters", "owners")} <= unlimited
    assert all("LIMIT" not in asked(*place, limit=25) for place in unlimited)


def test_a_month_to_come_is_asked_about_as_of_today() -> None:
    assert Asked.at(Month(2026, 12), datetime(2026, 10, 15, 4, tzinfo=UTC)).today == date(2026, 10, 15)
