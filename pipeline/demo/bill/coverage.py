"""Which usage the organisation's commitments pay for, hour by hour, and the lines that this adds to the bill."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from pipeline.demo.bill.commitments import (
    PLAN,
    RESERVATION,
    PlanCover,
    PlanFee,
    PlanNegation,
    ReservationFee,
    ReservedUse,
)
from pipeline.demo.bill.compute import EC2, NORMALIZATION
from pipeline.demo.bill.lines import ANALYTICS, PAYER, LineItem, Product
from pipeline.demo.estate.cluster import Span

_SAVINGS_PLANS = Product(
    "ComputeSavingsPlans", "ComputeSavingsPlans", "ComputeSavingsPlans", "Savings Plans for AWS Compute usage"
)
_RESERVED = Product("AmazonEC2", None, None, EC2)
_FACTOR = NORMALIZATION[RESERVATION.instance_type.partition(".")[2]]
_LEAST = 1e-9
"""What is left of an hour, or of a commitment, below this is a rounding error of its division."""


def with_commitments(lines: Sequence[LineItem], hour: Span) -> Iterator[LineItem]:
    """Let the commitments pay for what they can of one hour's *lines*, the reservation first, as AWS does.

    Source: https://docs.aws.amazon.com/savingsplans/latest/userguide/sp-applying.html
    """
    after_reservation = list(_with_reservation(lines))
    covered = list(_with_plan(after_reservation))
    yield from covered
    yield from _negations(covered)
    yield _plan_fee(covered, hour)


def reservation_fee(lines: Sequence[LineItem], period: Span) -> LineItem:
    """The reservation's fee for *period*, up to where an open month's bill has come; it looks like compute.

    Its last second is the one before the period's end, as AWS has it on this line alone.
    """
    used = sum(line.terms.hours for line in lines if isinstance(line.terms, ReservedUse))
    rate = RESERVATION.rate
    return LineItem(
        span=Span(period.start, period.end - timedelta(seconds=1)),
        product=_RESERVED,
        usage_type=f"HeavyUsage:{RESERVATION.instance_type}",
        operation="RunInstances",
        amount=period.hours,
        rate=rate,
        unit="Hrs",
        description=f"USD {rate} hourly fee per Linux/UNIX (Amazon VPC), {RESERVATION.instance_type} instance",
        line_class="commitment_unused",
        in_scope=False,
        line_type="RIFee",
        normalization_factor=_FACTOR,
        terms=ReservationFee(RESERVATION, period.hours, used, _FACTOR),
    )


def _with_reservation(lines: Sequence[LineItem]) -> Iterator[LineItem]:
    """One instance's hour, used up by the instances of the type in the order of the lines."""
    left = 1.0
    for line in lines:
        fits = line.usage_type == f"BoxUsage:{RESERVATION.instance_type}" and line.account == ANALYTICS
        amount = min(left, line.amount) if fits else 0
        left -= amount
        if amount:
            yield _reserved(line, amount)
        yield from _rest(line, amount)


def _reserved(line: LineItem, amount: float) -> LineItem:
    return replace(
        line,
        amount=amount,
        rate=0.0,
        list_rate=line.rate,
        plan_rate=None,
        line_type="DiscountedUsage",
        description=f"Linux/UNIX (Amazon VPC), {RESERVATION.instance_type} reserved instance applied",
        terms=ReservedUse(RESERVATION, amount),
    )


def _with_plan(lines: Sequence[LineItem]) -> Iterator[LineItem]:
    """Where the plan saves most first, then the lowest rate first, until the hour's commitment is used up."""
    left = PLAN.commitment
    covered: dict[int, float] = {}
    for rank, number in sorted((_rank(line), number) for number, line in enumerate(lines) if line.plan_rate):
        amount = min(lines[number].amount, left / rank[1])
        if left > _LEAST and amount:
            covered[number] = amount
            left -= amount * rank[1]
    for number, line in enumerate(lines):
        amount = covered.get(number, 0)
        if line.plan_rate and amount:
            terms = PlanCover(PLAN, line.plan_rate, amount * line.plan_rate)
            yield replace(line, amount=amount, line_type="SavingsPlanCoveredUsage", terms=terms)
        yield from _rest(line, amount)


def _rank(line: LineItem) -> tuple[float, float, str, str]:
    """By what part of its price a plan leaves of a line, to the last digit that is not noise, then by its rate."""
    rate = line.plan_rate or 0
    return round(rate / line.rate, 6), rate, line.account.id, line.resource_id or ""


def _rest(line: LineItem, taken: float) -> Iterator[LineItem]:
    if not taken:
        yield line
    elif line.amount - taken > _LEAST:
        yield replace(line, amount=line.amount - taken)


def _negations(lines: Sequence[LineItem]) -> Iterator[LineItem]:
    """What covered usage would have cost is taken back by account, usage type, operation and zone, not by resource."""
    groups: dict[tuple[str, str, str, str], list[LineItem]] = defaultdict(list)
    for line in lines:
        if isinstance(line.terms, PlanCover):
            groups[line.account.id, line.usage_type, line.operation, line.zone or ""].append(line)
    for (account, *_), group in sorted(groups.items(), key=lambda item: item[0]):
        yield replace(
            group[0],
            amount=-sum(line.amount for line in group),
            line_type="SavingsPlanNegation",
            line_class="commitment",
            in_scope=False,
            description=f"SavingsPlanNegation used by AccountId : {account} and UsageSku : {group[0].sku}",
            resource_id=None,
            tags={},
            terms=PlanNegation(PLAN),
        )


def _plan_fee(lines: Sequence[LineItem], hour: Span) -> LineItem:
    used = sum(line.terms.effective_cost for line in lines if isinstance(line.terms, PlanCover))
    return LineItem(
        span=hour,
        product=_SAVINGS_PLANS,
        usage_type="ComputeSP:1yrNoUpfront",
        operation="",
        amount=1.0,
        rate=PLAN.commitment,
        unit="",
        description="1 year No Upfront Compute Savings Plan",
        line_class="commitment_unused",
        in_scope=False,
        account=PAYER,
        line_type="SavingsPlanRecurringFee",
        terms=PlanFee(PLAN, min(used, PLAN.commitment)),
    )
