from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.comparison import difference
from pipeline.decomposition import Parts, Spending, decomposed, vcpu_hours

COSTS = st.floats(-1e4, 1e6).map(Fraction)
HOURS = st.just(Fraction()) | st.floats(1e-6, 1e6).map(Fraction)
SPENDINGS = st.builds(Spending, COSTS, COSTS, COSTS, HOURS, HOURS)
F = Fraction
NOTHING = Spending()


def job(price: str, used: int, held: int) -> Spending:
    return Spending(F(price) * held, held=F(held), used=F(used))


@given(SPENDINGS, SPENDINGS)
def test_the_parts_are_the_change_exactly(before: Spending, after: Spending) -> None:
    assert sum(decomposed(before, after).amounts) == after.cost - before.cost


@given(SPENDINGS, SPENDINGS)
def test_the_way_back_is_the_way_there_with_other_signs(before: Spending, after: Spending) -> None:
    there, back = decomposed(before, after), decomposed(after, before)
    assert there.amounts == tuple(-amount for amount in back.amounts)


@given(SPENDINGS, SPENDINGS)
def test_rounded_they_still_are_the_change_to_the_last_digit(before: Spending, after: Spending) -> None:
    row = difference((), before, after)
    assert row.price + row.hours + row.efficiency + row.other + row.distributed == row.change
    assert row.change == row.after - row.before
    assert abs(F(row.after) - after.cost) <= F(1, 2 * 10**6)


def test_only_what_changed_has_a_part() -> None:
    before = job("0.05", 10, 20)
    assert decomposed(before, job("0.06", 10, 20)) == Parts(F("0.2"), F(), F(), F(), F())
    assert decomposed(before, job("0.05", 20, 40)) == Parts(F(), F(1), F(), F(), F())
    assert decomposed(before, job("0.05", 10, 40)) == Parts(F(), F(), F(1), F(), F())
    assert decomposed(before, job("0.05", 5, 20)) == Parts(F(), F("-0.75"), F("0.75"), F(), F())


def test_the_example_of_the_page_is_right() -> None:
    parts = decomposed(job("0.05", 10, 20), job("0.04", 15, 40))
    assert [round(float(amount), 3) for amount in parts.amounts] == [-0.294, 0.522, 0.372, 0.0, 0.0]


def test_what_began_or_ended_is_hours() -> None:
    ran = job("0.05", 10, 20)
    assert decomposed(NOTHING, ran) == Parts(F(), F(1), F(), F(), F())
    assert decomposed(ran, NOTHING) == Parts(F(), F(-1), F(), F(), F())


def test_where_use_is_not_known_held_hours_count() -> None:
    assert decomposed(job("0.05", 0, 20), job("0.05", 15, 40)) == Parts(F(), F(1), F(), F(), F())


def test_uplift_without_pods_has_no_price_by_the_hour() -> None:
    assert decomposed(Spending(metered=F(2)), job("0.05", 10, 20)) == Parts(F(), F(1), F(), F(-2), F())


def test_what_is_distributed_and_what_has_no_hours_stand_apart() -> None:
    after = Spending(other=F(3), distributed=F(-4))
    assert decomposed(NOTHING, after) == Parts(F(), F(), F(), F(3), F(-4))


@pytest.mark.parametrize(
    ("given_hours", "counted"), [((2, 0, 0), 2), ((0, 18, 0), 2), ((0, 0, 1), 10), ((1, 9, 1), 12)]
)
def test_memory_and_gpus_count_as_they_do_in_the_ledger(given_hours: tuple[int, int, int], counted: int) -> None:
    assert vcpu_hours(*map(F, given_hours)) == counted
