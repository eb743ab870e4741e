from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rounding import apportioned, rounded

AMOUNTS = st.lists(st.floats(-1e6, 1e6).map(Fraction) | st.fractions(-10, 10), max_size=20)
PLACES = st.sampled_from((0, 2, 6))


def test_three_thirds_of_a_dollar_are_a_dollar() -> None:
    assert apportioned([Fraction(1, 3)] * 3, 2) == (Decimal("0.34"), Decimal("0.33"), Decimal("0.33"))


def test_what_lost_most_is_made_up_for_first() -> None:
    amounts = [Fraction("1.001"), Fraction("1.009"), Fraction("-1.004"), Fraction("0.994")]
    assert apportioned(amounts, 2) == (Decimal("1.00"), Decimal("1.01"), Decimal("-1.00"), Decimal("0.99"))


@given(AMOUNTS, PLACES)
def test_rounded_amounts_add_up_to_their_rounded_sum(amounts: list[Fraction], places: int) -> None:
    found = apportioned(amounts, places)
    assert sum(found, Decimal()) == rounded(sum(amounts, Fraction()), places)


@given(AMOUNTS, PLACES)
def test_no_amount_moves_by_a_unit_and_what_needs_no_rounding_stays(amounts: list[Fraction], places: int) -> None:
    unit = Fraction(1, 10**places)
    for amount, found in zip(amounts, apportioned(amounts, places), strict=True):
        assert abs(Fraction(found) - amount) < unit
        if amount % unit == 0:
            assert Fraction(found) == amount
        assert found.as_tuple().exponent == -places


@given(AMOUNTS.filter(bool), st.integers(-(10**9), 10**9))
def test_whatever_they_are_to_add_up_to_they_do(amounts: list[Fraction], cents: int) -> None:
    total = Decimal(cents).scaleb(-2)
    assert sum(apportioned(amounts, 2, total), Decimal()) == total


def test_nothing_is_apportioned_to_nobody() -> None:
    assert apportioned([], 2) == ()
    with pytest.raises(ValueError, match=r"0\.01 cannot be apportioned to nothing"):
        apportioned([], 2, Decimal("0.01"))
