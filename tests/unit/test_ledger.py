from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import (
    PATIENCE,
    Inputs,
    LedgerDay,
    LedgerState,
    fingerprint,
    states,
    units,
    wanted_inputs,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = [date(2026, 10, 30) + timedelta(days=number) for number in range(5)]  # two months


def rows(inputs: Inputs, refreshed_at: datetime = NOW) -> LedgerDay:
    return LedgerDay("run", "s3://lake/cost_ledger/run/", "1:a", inputs, refreshed_at)


def days_of(due: Collection[object]) -> list[str]:
    return [str(unit) for unit in due]


POD_DAY = Inputs("pods", {}, "sql")
BILLED = Inputs("pods", {"2026-10": "first"}, "sql")


def test_a_fingerprint_tells_parts_apart_whatever_their_order() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"])
    assert len({fingerprint(parts) for parts in ([], ["a"], ["ab"], ["a", "b"], ["a", "a"])}) == 5


def test_a_day_has_the_pods_and_the_periods_that_speak_of_it() -> None:
    october, november = DAYS[0], DAYS[3]
    wanted = wanted_inputs(
        {november: "pods"},
        {"2026-10": [october], "2026-11": [october, november]},
        {"2026-10": "a", "2026-11": "b"},
        "sql",
    )
    assert wanted == {
        october: Inputs(fingerprint(()), {"2026-10": "a", "2026-11": "b"}, "sql"),
        november: Inputs("pods", {"2026-11": "b"}, "sql"),
    }


def test_a_state_says_how_rows_stand_to_their_inputs() -> None:
    stored = {DAYS[0]: rows(POD_DAY), DAYS[1]: rows(POD_DAY), DAYS[2]: rows(POD_DAY)}
    wanted = {DAYS[0]: POD_DAY, DAYS[1]: replace(POD_DAY, lake="more pods"), DAYS[3]: POD_DAY}
    assert states(stored, wanted) == {
        DAYS[0]: LedgerState.CURRENT,
        DAYS[1]: LedgerState.STALE,
        DAYS[2]: LedgerState.STALE,
        DAYS[3]: LedgerState.MISSING,
    }


def test_nothing_is_computed_that_is_current() -> None:
    assert units({DAYS[0]: rows(BILLED)}, {DAYS[0]: BILLED}, NOW, timedelta(0)) == ()


def test_a_new_bill_is_read_once_for_each_month_newest_first() -> None:
    wanted = dict.fromkeys(DAYS, BILLED)
    due = units({}, wanted, NOW, PATIENCE)
    assert [(unit.days, unit.periods) for unit in due] == [
        (tuple(DAYS[2:]), ("2026-10",)),
        (tuple(DAYS[:2]), ("2026-10",)),
    ]


def test_days_that_the_bill_does_not_have_yet_read_none_of_it() -> None:
    due = units({}, {DAYS[2]: BILLED, DAYS[3]: POD_DAY, DAYS[4]: POD_DAY}, NOW, PATIENCE)
    assert [(unit.days, unit.periods) for unit in due] == [((DAYS[2],), ("2026-10",)), (tuple(DAYS[3:]), ())]


def test_pods_that_come_before_the_bill_are_computed_at_once_and_their_day_alone() -> None:
    stored = {day: rows(POD_DAY) for day in DAYS}
    wanted = {**dict.fromkeys(DAYS, POD_DAY), DAYS[4]: replace(POD_DAY, lake="more pods")}
    assert days_of(units(stored, wanted, NOW, PATIENCE)) == ["2026-11-03"]


def test_pods_that_come_after_the_bill_wait_until_their_month_was_not_computed_for_a_while() -> None:
    stored = {DAYS[0]: rows(BILLED), DAYS[1]: rows(BILLED, NOW - timedelta(days=3))}
    wanted = {DAYS[0]: BILLED, DAYS[1]: replace(BILLED, lake="more pods")}
    assert units(stored, wanted, NOW + PATIENCE - timedelta(seconds=1), PATIENCE) == ()
    assert days_of(units(stored, wanted, NOW + PATIENCE, PATIENCE)) == ["2026-10-31"]
    assert days_of(units(stored, wanted, NOW, timedelta(0))) == ["2026-10-31"]


def test_what_changed_in_the_bill_or_in_the_sql_never_waits() -> None:
    stored = {DAYS[0]: rows(BILLED)}
    for changed in (replace(BILLED, bill={"2026-10": "second"}), replace(BILLED, definition="other sql")):
        assert days_of(units(stored, {DAYS[0]: changed}, NOW, PATIENCE)) == ["2026-10-30"]


_INPUTS = st.builds(
    Inputs,
    st.sampled_from("ab"),
    st.dictionaries(st.sampled_from(["2026-10", "2026-11"]), st.sampled_from("ab"), max_size=2),
    st.sampled_from("ab"),
)


@given(
    stored=st.dictionaries(st.sampled_from(DAYS), _INPUTS.map(rows)),
    wanted=st.dictionaries(st.sampled_from(DAYS), _INPUTS),
)
def test_without_patience_every_day_that_is_not_current_is_in_one_unit_with_its_periods(
    stored: dict[date, LedgerDay], wanted: dict[date, Inputs]
) -> None:
    due = units(stored, wanted, NOW, timedelta(0))
    computed = [day for unit in due for day in unit.days]
    found = states(stored, wanted)
    assert sorted(computed) == sorted(day for day in wanted if found[day] is not LedgerState.CURRENT)
    assert all(set(wanted[day].bill) <= set(unit.periods) for unit in due for day in unit.days)
