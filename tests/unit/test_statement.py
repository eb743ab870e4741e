from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.month import Month
from pipeline.report import CATEGORIES, Reconciliation
from pipeline.statement import Center, Ledger, footer
from pipeline.statement import stated as stated_for

CENTERS = ("risk", "<script>", "unassigned")
PARTS = ("direct", "distributed", "markup", "savings")
COSTS = st.floats(-1e3, 1e5)
NOTHING = Decimal("0.00")
MONTH, CLOSED = "2026-11", "2026-10"


def record(**given: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "cost_center": "risk", "billing_period": MONTH, "cost_category": "compute", "cost_state": "final",
        "direct": 1.0, "distributed": 0.0, "savings": None, "factor": 1.0,
    } | given  # fmt: skip
    return row | {"charged": (row["direct"] + row["distributed"]) * row["factor"]}


def stated(month: list[dict[str, Any]]) -> tuple[Center, ...]:
    return stated_for(month, Month.parse(MONTH))


@st.composite
def months(draw: Any) -> list[dict[str, Any]]:
    """Costs of a month; what is distributed comes to nothing, but for the last digits of doubles."""
    factors = {name: draw(st.sampled_from((1.0, 0.9, 1.05))) for name in CENTERS}
    found = []
    for _ in range(draw(st.integers(0, 12))):
        name, given_to = draw(st.sampled_from(CENTERS)), draw(st.sampled_from(CENTERS))
        of = {"cost_category": draw(st.sampled_from(CATEGORIES)),
              "billing_period": draw(st.sampled_from((MONTH, MONTH, CLOSED))),
              "cost_state": draw(st.sampled_from(("estimated", "provisional", "final")))}  # fmt: skip
        moved = draw(st.just(0.0) | COSTS)
        found += [
            record(**of, cost_center=name, factor=factors[name], direct=draw(COSTS), distributed=-moved,
                   savings=draw(st.none() | COSTS)),
            record(**of, cost_center=given_to, factor=factors[given_to], direct=0.0, distributed=moved),
        ]  # fmt: skip
    return found


def total(centers: tuple[Center, ...], amount: str) -> Decimal:
    return sum((center.total(amount) for center in centers), NOTHING)


def exact(month: list[dict[str, Any]], name: str, **where: str) -> Fraction:
    rows = [row for row in month if all(row[key] == value for key, value in where.items())]
    amounts = {key: sum((Fraction(row[key] or 0.0) for row in rows), Fraction()) for key in
               ("direct", "distributed", "charged", "savings")}  # fmt: skip
    return amounts["charged"] - amounts["direct"] - amounts["distributed"] if name == "markup" else amounts[name]


@given(months())
def test_every_part_is_the_months_rounded_once_and_what_is_distributed_comes_to_nothing(month: Any) -> None:
    centers = stated(month)
    assert total(centers, "distributed") == 0
    for part in PARTS:
        assert abs(Fraction(total(centers, part)) - exact(month, part)) <= Fraction(1, 200)
    assert total(centers, "charged") == sum((total(centers, part) for part in PARTS[:3]), NOTHING)


@given(months())
def test_no_part_is_a_cent_away_from_what_was_computed(month: Any) -> None:
    for center in stated(month):
        for part in PARTS:
            assert abs(Fraction(center.total(part)) - exact(month, part, cost_center=center.name)) < Fraction(1, 100)
            for line in center.lines:
                of = {"cost_category": line.category, "billing_period": line.adjusts or MONTH}
                computed = exact(month, part, cost_center=center.name, **of)
                assert abs(Fraction(getattr(line, part)) - computed) < Fraction(1, 100)


@given(months())
def test_the_states_of_a_center_are_its_direct_cost_of_the_month(month: Any) -> None:
    for center in stated(month):
        computed = exact(month, "direct", cost_center=center.name, billing_period=MONTH)
        assert abs(Fraction(sum(center.states.values(), NOTHING)) - computed) < Fraction(4, 100)
        if not any(row["billing_period"] == CLOSED for row in month):
            assert sum(center.states.values(), NOTHING) == center.total("direct") == center.direct_of_month


def test_three_teams_that_share_a_dollar_pay_a_dollar() -> None:
    centers = stated([record(cost_center=name, direct=1 / 3) for name in CENTERS])
    assert sorted(center.total("charged") for center in centers) == [Decimal(c) for c in ("0.33", "0.33", "0.34")]


def test_a_markup_is_told_apart_from_cost() -> None:
    [center] = stated([record(direct=10.0, distributed=2.0, factor=1.05)])
    [line] = center.lines
    assert (line.direct, line.distributed, line.markup, line.charged) == tuple(
        map(Decimal, ("10.00", "2.00", "0.60", "12.60"))
    )
    assert center.factor == 1.05


def test_categories_come_in_their_order_and_less_than_a_cent_of_one_is_no_line() -> None:
    [center] = stated([
        record(cost_category="novelty", direct=2.0),
        record(cost_category="idle", direct=1.0),
        record(cost_category="tax", direct=0.001),
        record(cost_category="compute", direct=3.0),
    ])  # fmt: skip
    assert [line.category for line in center.lines] == ["compute", "idle", "novelty"]


def test_an_adjustment_stands_below_the_months_own_cost_and_keeps_the_factor_of_its_own_month() -> None:
    [center] = stated([
        record(direct=10.0, factor=1.1),
        record(direct=-2.0, billing_period=CLOSED, factor=1.5),
        record(cost_category="tax", direct=1.0, factor=1.1),
    ])  # fmt: skip
    told = [(line.category, line.adjusts, line.charged) for line in center.lines]
    assert told == [
        ("compute", None, Decimal("11.00")),
        ("tax", None, Decimal("1.10")),
        ("compute", CLOSED, Decimal("-3.00")),
    ]
    assert (center.factor, center.adjusted, center.direct_of_month) == (1.1, Decimal("-3.00"), Decimal("11.00"))
    assert center.states == {"final": Decimal("11.00")}


def test_a_month_without_cost_has_no_center() -> None:
    assert stated([]) == ()


def test_the_footer_adds_up_to_the_bill_and_says_what_it_cannot_explain() -> None:
    centers = stated([record(direct=30.3052 + 47.5265 + 10.0010 + 1.0, cost_state="provisional")])
    bill = Reconciliation(30.3052, 47.5265, 10.0010, 0.0, 18.88, 106.7127, 0.0)
    found = footer(bill, centers, Ledger(Decimal("1.00")))
    assert found.bill == Decimal("106.71")
    assert found.direct == Decimal("88.83")
    assert found.unexplained == 0
    assert footer(bill, centers, Ledger(NOTHING)).unexplained == Decimal("1.00")


def test_what_changed_after_closing_leads_from_the_closed_month_to_its_bill() -> None:
    centers = stated([record(direct=100.0), record(direct=7.0, billing_period=CLOSED)])
    bill = Reconciliation(90.0, 0.0, 0.0, 0.0, 0.0, 90.0, 0.0)
    assert footer(bill, centers, Ledger(NOTHING, Decimal("-10.00"))).unexplained == 0
