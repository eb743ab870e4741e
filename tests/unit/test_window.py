from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.window import HOUR, Window, ceil_hour, floor_hour, hours, parse_duration, parse_instant, rfc3339

TEN = datetime(2026, 11, 19, 10, tzinfo=UTC)

instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  UTC is drawn


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ("20261119", datetime(2026, 11, 19, tzinfo=UTC)),
        ("2026-11-19T10:00:00Z", TEN),
        ("2026-11-19T10:00Z", TEN),
        ("2026-11-19T10Z", TEN),
        ("2026-11-19 10:00+00:00", TEN),
        ("2026-11-19T12:00:00+02:00", TEN),
        ("2026-11-18T23:30:00-10:30", TEN),
        ("2026-11-19T10:00:00.250Z", TEN + timedelta(milliseconds=250)),
    ],
)
def test_an_instant_is_read_as_utc(text: str, instant: datetime) -> None:
    read = parse_instant(text)
    assert read == instant
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["2026-11-19T10:00", "2026-11-19 10:00", "2026-11-19t10:00", "2026-11-19_10:00", "20261119T10"],
)
def test_a_time_of_day_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text}' names no time zone; write it as {text}Z"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-31", "2026-11-19T25:00Z", "now"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat string|must be in|is out of range"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("49h", timedelta(hours=49)),
        ("7d", timedelta(days=7)),
        (" 15d ", timedelta(days=15)),
        ("0h", timedelta()),
    ],
)
def test_a_duration_is_minutes_hours_or_days(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "1w", "-1h", "+1h", "1.5h", "1H", "1h30m", "٣h", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write minutes, hours or days"):
        parse_duration(text)


@pytest.mark.parametrize(
    "instant",
    [TEN, TEN.replace(microsecond=999_999), datetime(2026, 11, 19, 15, 30, tzinfo=timezone(timedelta(hours=5.5)))],
)
def test_kubecost_gets_whole_seconds_and_a_literal_z(instant: datetime) -> None:
    assert rfc3339(instant) == "2026-11-19T10:00:00Z"


def test_a_window_prints_as_kubecost_reads_it() -> None:
    assert str(Window.hour(TEN)) == "2026-11-19T10:00:00Z,2026-11-19T11:00:00Z"


def test_the_last_hour_of_a_day_belongs_to_that_day() -> None:
    last = Window.hour(datetime(2026, 11, 19, 23, tzinfo=UTC))
    assert last.usage_date == date(2026, 11, 19)
    assert last.end.date() == date(2026, 11, 20)
    assert last.length == HOUR


def test_windows_come_in_the_order_of_time() -> None:
    day = Window(TEN, TEN + timedelta(days=1))
    assert sorted([Window.hour(TEN + HOUR), day, Window.hour(TEN)]) == [Window.hour(TEN), day, Window.hour(TEN + HOUR)]


@pytest.mark.parametrize("end", [TEN, TEN - HOUR])
def test_a_window_without_length_is_refused(end: datetime) -> None:
    with pytest.raises(UsageError, match="must end after it starts: 2026-11-19T10:00:00Z"):
        Window(TEN, end)


@pytest.mark.parametrize(
    ("since", "until", "starts"),
    [
        (TEN, TEN + 3 * HOUR, [TEN, TEN + HOUR, TEN + 2 * HOUR]),
        (TEN, TEN + HOUR, [TEN]),
        (TEN + timedelta(seconds=1), TEN + 2 * HOUR, [TEN + HOUR]),
        (TEN, TEN + 2 * HOUR - timedelta(microseconds=1), [TEN]),
        (TEN, TEN, []),
        (TEN + HOUR, TEN, []),
        (TEN + timedelta(minutes=10), TEN + timedelta(minutes=50), []),
    ],
)
def test_only_whole_hours_inside_a_span_count(since: datetime, until: datetime, starts: list[datetime]) -> None:
    assert list(hours(since, until)) == [Window.hour(start) for start in starts]


@settings(deadline=None)
@given(instants, st.timedeltas(timedelta(), timedelta(days=5)))
def test_hours_cover_a_span_without_gap_or_overlap(since: datetime, length: timedelta) -> None:
    found = list(hours(since, since + length))
    first, end = ceil_hour(since), floor_hour(since + length)
    if not found:
        assert first >= end
        return
    assert (found[0].start, found[-1].end) == (first, end)
    assert all(one.end == following.start for one, following in pairwise(found))
    assert all(window.length == HOUR for window in found)


@settings(deadline=None)
@given(instants)
def test_an_instant_lies_between_the_full_hours_around_it(instant: datetime) -> None:
    before, after = floor_hour(instant), ceil_hour(instant)
    assert before <= instant <= after
    assert after - before == (timedelta() if instant == before else HOUR)
    assert floor_hour(before) == ceil_hour(before) == before
