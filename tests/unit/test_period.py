from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.period import Period, Periods


@pytest.mark.parametrize(
    ("text", "kind", "first", "end"),
    [
        ("2026-10-13", "day", date(2026, 10, 13), date(2026, 10, 14)),
        ("2026-12-31", "day", date(2026, 12, 31), date(2027, 1, 1)),
        ("2026-W01", "week", date(2025, 12, 29), date(2026, 1, 5)),
        ("2026-W53", "week", date(2026, 12, 28), date(2027, 1, 4)),
        ("2026-02", "month", date(2026, 2, 1), date(2026, 3, 1)),
    ],
)
def test_a_day_a_week_and_a_month_are_told_apart_by_how_they_are_written(
    text: str, kind: str, first: date, end: date
) -> None:
    period = Period.parse(text)
    assert (period.kind, period.first, period.end) == (kind, first, end)
    assert period.days == (end - first).days
    assert str(period) == text


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-02-30", "2027-W53", "2026-W00", "2026-w41", "20261013"])
def test_what_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no day, week or month; write it as"):
        Period.parse(text)


@settings(deadline=None)
@given(st.dates(date(2001, 1, 1), date(2999, 11, 30)))
def test_every_day_lies_in_its_iso_week(day: date) -> None:
    year, number, _ = day.isocalendar()
    week = Period.parse(f"{year}-W{number:02}")
    assert week.first <= day < week.end


def test_two_periods_of_a_kind_are_compared_in_either_order() -> None:
    periods = Periods.parse("2026-W42..2026-W41")
    assert (str(periods.before), str(periods.after), str(periods)) == ("2026-W42", "2026-W41", "2026-W42..2026-W41")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-10", "'2026-10' is not two periods; write them as 2026-09..2026-10"),
        ("2026-10..", "'' is no day, week or month"),
        ("2026-09..2026-10-13", "2026-09 is a month and 2026-10-13 a day; compare two of one kind"),
        ("2026-10..2026-10", "2026-10 is compared with itself"),
        ("2026-10...2026-11", "'.2026-11' is no day, week or month"),
    ],
)
def test_what_cannot_be_compared_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Periods.parse(text)
