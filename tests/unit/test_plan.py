from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.footer import WindowRecord, WindowState
from pipeline.plan import Plan, PlannedWindow, Schedule, Span, plan, reaching_back, span
from pipeline.window import HOUR, Window, hours

NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)
SCHEDULE = Schedule(collect_after=2 * HOUR, settle_after=24 * HOUR, lookback=timedelta(days=7))
RETENTION = timedelta(days=15)
COLLECTED, SETTLED, REJECTED, LOST = WindowState


def hour(offset: int) -> Window:
    """The hour that begins so many hours after noon."""
    return Window.hour(NOON + offset * HOUR)


def record(window: Window, state: WindowState) -> WindowRecord:
    return WindowRecord(
        start=window.start,
        end=window.end,
        state=state,
        collected_at=window.end,
        rows=1,
        core_hours=1.0,
        estimated_cost=1.0,
        source="opencost",
    )


def stored(states: Mapping[int, WindowState]) -> dict[Window, WindowRecord]:
    return {hour(offset): record(hour(offset), state) for offset, state in states.items()}


def planned(
    now: datetime,
    states: Mapping[int, WindowState],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    retention: timedelta = RETENTION,
    recollect: bool = False,
) -> Plan:
    return plan(SCHEDULE, span(SCHEDULE, now, since, until), stored(states), retention, recollect=recollect)


def fetched(found: Plan) -> list[tuple[int, WindowState]]:
    """The planned windows as offsets from noon."""
    return [((planned.window.start - NOON) // HOUR, planned.state) for planned in found.fetch]


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (NOON + 3 * HOUR, hour(0)),
        (NOON + 3 * HOUR - timedelta(seconds=1), hour(-1)),
        (NOON + 3 * HOUR + timedelta(minutes=59), hour(0)),
        (NOON + 4 * HOUR, hour(1)),
    ],
)
def test_an_hour_is_collected_when_the_delay_after_its_end_has_passed(now: datetime, newest: Window) -> None:
    looked_at = span(SCHEDULE, now, None, None)
    assert looked_at.newest_hour == newest
    assert plan(SCHEDULE, looked_at, {}, RETENTION).fetch[-1].window == newest


def test_the_look_back_begins_at_midnight_so_that_no_day_is_looked_at_in_part() -> None:
    now = NOON + timedelta(minutes=25)
    assert span(SCHEDULE, now, None, None) == Span(datetime(2026, 11, 12, tzinfo=UTC), NOON - 2 * HOUR, now)


def of_november(*days: int) -> list[date]:
    return [date(2026, 11, day) for day in days]


@pytest.mark.parametrize(
    ("days", "since"),
    [
        ([], 12),
        (of_november(12, 15, 19), 12),
        (of_november(10, 11), 12),
        (of_november(9, 10), 10),
        (of_november(1, 2, 19), 2),
        (of_november(1, 4, 5, 6, 7, 8, 9, 10, 11), 1),
        (of_november(1, 3, 5), 1),
    ],
)
def test_the_look_back_reaches_back_to_where_the_lake_first_lacks_a_day(days: list[date], since: int) -> None:
    looked_at = span(SCHEDULE, NOON, None, None)
    assert reaching_back(looked_at, days) == replace(looked_at, since=datetime(2026, 11, since, tzinfo=UTC))


def test_missing_hours_are_fetched_oldest_first() -> None:
    found = planned(NOON, {-4: COLLECTED}, since=NOON - 6 * HOUR)
    assert fetched(found) == [(-6, COLLECTED), (-5, COLLECTED), (-3, COLLECTED)]
    assert found.waiting == ()


@pytest.mark.parametrize(
    ("age", "state", "expected"),
    [
        (23 * HOUR, None, COLLECTED),
        (24 * HOUR, None, SETTLED),
        (24 * HOUR - timedelta(seconds=1), None, COLLECTED),
        (23 * HOUR, COLLECTED, None),
        (24 * HOUR, COLLECTED, SETTLED),
        (90 * HOUR, COLLECTED, SETTLED),
        (90 * HOUR, SETTLED, None),
        (90 * HOUR, REJECTED, None),
        (90 * HOUR, LOST, None),
    ],
)
def test_an_hour_is_fetched_once_more_when_upstream_has_settled_and_then_never(
    age: timedelta, state: WindowState | None, expected: WindowState | None
) -> None:
    found = planned(hour(0).end + age, {} if state is None else {0: state}, since=NOON, until=NOON + HOUR)
    assert fetched(found) == ([] if expected is None else [(0, expected)])


@pytest.mark.parametrize("state", WindowState)
def test_recollect_fetches_what_is_final_too(state: WindowState) -> None:
    found = planned(NOON + 90 * HOUR, {0: state}, since=NOON, until=NOON + 2 * HOUR, recollect=True)
    assert fetched(found) == [(0, SETTLED), (1, SETTLED)]


MIDNIGHT = -12  # as an offset from noon
THE_19TH = range(MIDNIGHT, MIDNIGHT + 24)
DAY_SET = Window(hour(MIDNIGHT).start, hour(MIDNIGHT + 23).end)


WEEK_LATER = NOON + timedelta(days=6)


def a_week_later(
    states: Mapping[int, WindowState],
    *,
    recollect: bool = False,
    day_set: bool = False,
    asked: Window = DAY_SET,
    began: datetime | None = None,
) -> Plan:
    """What is planned for the 19th, or the part of it that is *asked* for, when upstream no longer has its hours."""
    records = {DAY_SET: record(DAY_SET, SETTLED)} if day_set else stored(states)
    looked_at = span(SCHEDULE, WEEK_LATER, asked.start, asked.end)
    return plan(SCHEDULE, looked_at, records, 49 * HOUR, began, recollect=recollect)


def test_hours_past_retention_come_from_their_days_set() -> None:
    there = {offset: SETTLED for offset in THE_19TH if offset not in (-3, 7)}
    assert a_week_later(there).fetch == (PlannedWindow(DAY_SET, SETTLED, (hour(-3), hour(7))),)
    assert a_week_later({}).fetch == (PlannedWindow(DAY_SET, SETTLED, tuple(map(hour, THE_19TH))),)


def test_part_of_a_day_past_retention_comes_from_the_whole_days_set() -> None:
    part = Window(hour(-7).start, hour(-2).start)
    there = {offset: SETTLED for offset in THE_19TH if offset not in (-3, 7)}
    assert a_week_later(there, asked=part).fetch == (PlannedWindow(DAY_SET, SETTLED, (hour(-3), hour(7))),)
    assert a_week_later({**there, -3: SETTLED}, asked=part) == Plan((), ()), "what was asked for is there"
    assert a_week_later(there, asked=part, began=hour(0).start) == Plan((), ()), "what was asked for is no gap"


def test_a_day_without_gaps_needs_no_set_even_where_hours_never_settled() -> None:
    assert a_week_later(dict.fromkeys(THE_19TH, COLLECTED)) == Plan((), ())


def test_recollect_takes_the_set_of_a_day_of_which_upstream_no_longer_has_the_hours() -> None:
    whole = PlannedWindow(DAY_SET, SETTLED, ())
    for states in (dict.fromkeys(THE_19TH, SETTLED), dict.fromkeys(THE_19TH, REJECTED)):
        assert a_week_later(states, recollect=True).fetch == (whole,)
        assert a_week_later(states, recollect=True, asked=hour(3)).fetch == (whole,)


def test_recollect_says_which_hours_wait_until_their_day_is_complete() -> None:
    found = planned(NOON + 50 * HOUR, {0: SETTLED}, since=NOON, until=NOON + HOUR, retention=49 * HOUR, recollect=True)
    assert found == Plan((), (hour(0),))


def test_what_is_lost_is_not_asked_for_again_unless_recollected() -> None:
    lost = dict.fromkeys(THE_19TH, SETTLED) | {3: LOST, 4: LOST}
    assert a_week_later(lost) == Plan((), ())
    assert a_week_later(lost, recollect=True).fetch == (PlannedWindow(DAY_SET, SETTLED, (hour(3), hour(4))),)


def test_a_days_set_stands_for_its_hours_and_is_itself_recollected() -> None:
    assert a_week_later({}, day_set=True) == Plan((), ())
    assert a_week_later({}, day_set=True, recollect=True).fetch == (PlannedWindow(DAY_SET, SETTLED, ()),)


def test_hours_never_come_beside_a_days_set_even_when_upstream_still_has_them() -> None:
    looked_at = span(SCHEDULE, WEEK_LATER, DAY_SET.start, DAY_SET.end)
    records = {DAY_SET: record(DAY_SET, SETTLED)}
    assert plan(SCHEDULE, looked_at, records, RETENTION).fetch == ()
    again = plan(SCHEDULE, looked_at, records, RETENTION, recollect=True)
    assert again.fetch == (PlannedWindow(DAY_SET, SETTLED, ()),)


def test_of_a_day_that_cannot_be_read_nothing_is_fetched_and_of_the_others_all() -> None:
    looked_at = span(SCHEDULE, WEEK_LATER, DAY_SET.start, DAY_SET.end + HOUR)
    found = plan(SCHEDULE, looked_at, {}, RETENTION, unreadable={DAY_SET.usage_date})
    assert [planned.window.start for planned in found.fetch] == [DAY_SET.end]


def test_missing_hours_of_a_day_that_is_only_partly_past_retention_wait() -> None:
    found = planned(NOON + 49 * HOUR, {-11: SETTLED}, since=DAY_SET.start, until=DAY_SET.end, retention=49 * HOUR)
    assert fetched(found) == [(offset, SETTLED) for offset in range(12)], "an hour of exactly that age is still there"
    assert found.waiting == tuple(hour(offset) for offset in range(MIDNIGHT, 0) if offset != -11)
    part = planned(NOON + 49 * HOUR, {}, since=DAY_SET.start, until=hour(-10).start, retention=49 * HOUR)
    assert part == Plan((), (hour(-12), hour(-11))), "a part of it, too"
    last = hour(11).start + 49 * HOUR
    for now, days in ((last, 0), (last + timedelta(seconds=1), 1)):
        found = planned(now, {}, since=DAY_SET.start, until=hour(-10).start, retention=49 * HOUR)
        assert len(found.fetch) == days, "until its last hour is past it"


def test_the_span_is_cut_to_what_may_be_collected_already() -> None:
    assert fetched(planned(NOON, {}, since=NOON - 4 * HOUR, until=NOON + 48 * HOUR)) == [
        (-4, COLLECTED),
        (-3, COLLECTED),
    ]


def test_until_alone_cuts_the_look_back() -> None:
    found = planned(NOON, {}, until=NOON - timedelta(days=7) + 2 * HOUR)
    assert fetched(found) == [(offset, SETTLED) for offset in range(-180, -166)]


@pytest.mark.parametrize("since", [NOON - 2 * HOUR, NOON, NOON + 5 * HOUR])
def test_a_span_that_lies_too_late_holds_no_hour(since: datetime) -> None:
    assert span(SCHEDULE, NOON, since, None).newest_hour is None
    assert planned(NOON, {}, since=since) == Plan((), ())


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        (NOON + timedelta(minutes=30), None, "--since must be a whole hour, such as .*, not 12:30:00"),
        (None, NOON + timedelta(seconds=1), "--until must be a whole hour, such as .*, not 12:00:01"),
        (NOON, NOON, "--since must be earlier than --until"),
        (NOON + HOUR, NOON, "--since must be earlier than --until"),
    ],
)
def test_a_span_that_makes_no_sense_is_a_usage_error(since: datetime | None, until: datetime | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        span(SCHEDULE, NOON + 48 * HOUR, since, until)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (NOON, NOON + HOUR, [19]),
        (NOON, datetime(2026, 11, 20, tzinfo=UTC), [19]),
        (NOON, datetime(2026, 11, 20, 1, tzinfo=UTC), [19, 20]),
        (datetime(2026, 11, 18, 23, tzinfo=UTC), NOON, [18, 19]),
    ],
)
def test_a_span_touches_the_days_of_its_hours(since: datetime, until: datetime, days: list[int]) -> None:
    assert list(Span(since, until, NOON).days) == [date(2026, 11, day) for day in days]


offsets = st.integers(-100, 20)


@settings(deadline=None)
@given(
    now=st.timedeltas(timedelta(hours=-30), timedelta(hours=30)).map(lambda later: NOON + later),
    states=st.dictionaries(offsets, st.sampled_from(WindowState), max_size=60),
    ends=st.none() | st.tuples(offsets, st.integers(1, 120)),
    retention=st.integers(1, 150).map(lambda count: count * HOUR),
    recollect=st.booleans(),
)
def test_every_hour_of_the_span_is_there_or_planned_once_or_waits(
    now: datetime,
    states: dict[int, WindowState],
    ends: tuple[int, int] | None,
    retention: timedelta,
    recollect: bool,
) -> None:
    since = None if ends is None else NOON + ends[0] * HOUR
    until = None if ends is None else NOON + sum(ends) * HOUR
    found = planned(now, states, since=since, until=until, retention=retention, recollect=recollect)
    windows = [planned.window for planned in found.fetch]
    looked_at, records = span(SCHEDULE, now, since, until), stored(states)
    assert windows == sorted(windows), "oldest first"
    covered = [covered for window in windows for covered in hours(window.start, window.end)]
    assert len(covered) == len(set(covered)), "each hour once"
    for planned_window in found.fetch:
        window = planned_window.window
        assert window.end <= now - SCHEDULE.collect_after
        if window.length == HOUR:
            assert looked_at.since <= window.start
            assert window.end <= (until or now)
            assert now - window.start <= retention
            assert recollect or window not in records or records[window].state is COLLECTED
        else:
            assert all(now - gone.start > retention for gone in hours(window.start, window.end))
            assert window.overlaps(Window(looked_at.since, looked_at.until))
            assert planned_window.gaps or recollect
    for missing in hours(looked_at.since, looked_at.until):
        assert missing in covered or missing in records or missing in found.waiting


def lived(every: timedelta, retention: timedelta, days: int) -> dict[Window, WindowRecord]:
    """What the lake holds after *days* of a job that runs *every* so often, all answers being good."""
    records: dict[Window, WindowRecord] = {}
    now = NOON
    while now < NOON + timedelta(days=days):
        found = plan(SCHEDULE, span(SCHEDULE, now, None, None), records, retention)
        for planned_window in found.fetch:
            if planned_window.window.start >= NOON:  # upstream's history begins then
                records[planned_window.window] = record(planned_window.window, planned_window.state)
        now += every
    return records


@pytest.mark.parametrize("every", [HOUR, 6 * HOUR, 24 * HOUR], ids=["hourly", "six-hourly", "daily"])
def test_no_schedule_loses_an_hour_and_each_settles(every: timedelta) -> None:
    records = lived(every, 49 * HOUR, days=6)
    newest = NOON + timedelta(days=6) - every - 2 * HOUR
    for window in hours(NOON, newest):
        assert window in records, "fetched by the hour, never from a day's set"
    settled = {window for window, of in records.items() if of.state is SETTLED}
    assert settled >= set(hours(NOON, NOON + timedelta(days=4)))


@settings(deadline=None)
@given(st.integers(0, 60))
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(count: int) -> None:
    now = NOON + count * HOUR
    first = planned(now, {}, since=NOON - 24 * HOUR)
    done = {planned.window: record(planned.window, planned.state) for planned in first.fetch}
    looked_at = span(SCHEDULE, now, NOON - 24 * HOUR, None)
    assert plan(SCHEDULE, looked_at, done, RETENTION).fetch == ()
    later = plan(SCHEDULE, Span(looked_at.since, looked_at.until, now + 48 * HOUR), done, RETENTION)
    assert later.fetch == tuple(PlannedWindow(window, SETTLED) for window in done if done[window].state is COLLECTED), (
        "once more, when upstream has settled"
    )
