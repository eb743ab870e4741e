from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.month import Month


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2026-01", date(2026, 1, 1), date(2026, 2, 1)),
        ("2026-11", date(2026, 11, 1), date(2026, 12, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
        ("2028-02", date(2028, 2, 1), date(2028, 3, 1)),
    ],
)
def test_a_month_ends_where_the_next_one_begins(text: str, first: date, end: date) -> None:
    month = Month.parse(text)
    assert (month.first, month.end) == (first, end)
    assert str(month) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-0",
        "2026-00",
        "2026-13",
        "2026-1",
        "26-01",
        "0000-01",
        "2026-11-01",
        " 2026-11",
        "\u0662026-11",
    ],
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month; write it as 2026-10"):
        Month.parse(text)


def test_months_come_in_the_order_of_time() -> None:
    assert sorted([Month(2027, 1), Month(2026, 12), Month(2026, 2)]) == [
        Month(2026, 2),
        Month(2026, 12),
        Month(2027, 1),
    ]


@settings(deadline=None)
@given(st.dates(date(2000, 1, 1), date(2999, 11, 30)))
def test_every_day_lies_in_its_month_and_in_no_other(day: date) -> None:
    month = Month.of(day)
    assert month.first <= day < month.end
    assert Month.of(month.end) != month == Month.of(month.end - timedelta(days=1))
    assert Month.parse(str(month)) == month
