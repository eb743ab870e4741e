"""What a change of cost consists of: price, hours, efficiency, and what is not paid by the hour."""

from dataclasses import astuple, dataclass
from fractions import Fraction

# One vCPU-hour counts as much as 9 GiB-hours, one GPU-hour as 10 vCPU-hours, as in the ledger: docs/method.md.
_GIB_PER_VCPU = 9
_VCPUS_PER_GPU = 10


def vcpu_hours(cores: Fraction, gib: Fraction, gpus: Fraction) -> Fraction:
    """Hours of cores, GiB and GPUs as vCPU-hours of the same price."""
    return cores + gib / _GIB_PER_VCPU + gpus * _VCPUS_PER_GPU


@dataclass(frozen=True)
class Spending:
    """What a period cost: *metered* is paid by the vCPU-hour *held*, of which so many were *used*; the rest is not."""

    metered: Fraction = Fraction()
    other: Fraction = Fraction()
    distributed: Fraction = Fraction()
    held: Fraction = Fraction()
    used: Fraction = Fraction()

    @property
    def cost(self) -> Fraction:
        """All that the period cost."""
        return self.metered + self.other + self.distributed

    @property
    def by_the_hour(self) -> Fraction:
        """The metered cost if hours are known for it: uplift of a run whose pods nobody saw has no price per hour."""
        return self.metered if self.held > 0 else Fraction()

    @property
    def not_by_the_hour(self) -> Fraction:
        """All other cost of the period's own."""
        return self.metered + self.other - self.by_the_hour


@dataclass(frozen=True)
class Parts:
    """Of a change, what is due to what; together they are the change, exactly."""

    price: Fraction
    hours: Fraction
    efficiency: Fraction
    other: Fraction
    distributed: Fraction

    @property
    def amounts(self) -> tuple[Fraction, ...]:
        """Them all, in this order."""
        return astuple(self)


def decomposed(before: Spending, after: Spending) -> Parts:
    """Tell why *after* cost what it did, and not what *before* cost: see "What changed" in docs/method.md.

    What is paid by the hour is the product of its price, the hours used, and the hours held per hour used. Each factor
    has its mean effect over all orders in which the three could have changed (Shapley's value), so nothing is left
    over and no order is favoured.
    Where a period used nothing, or nobody measured it, held hours are taken for used ones, and none of the change is
    efficiency. What has hours in one period only has no price to compare: all of it is hours.
    """
    other = after.not_by_the_hour - before.not_by_the_hour
    distributed = after.distributed - before.distributed
    if before.held <= 0 or after.held <= 0:
        return Parts(Fraction(), after.by_the_hour - before.by_the_hour, Fraction(), other, distributed)
    measured = before.used > 0 and after.used > 0
    old, new = _factors(before, measured=measured), _factors(after, measured=measured)
    price, hours, efficiency = (_effect(old, new, of) for of in range(3))
    return Parts(price, hours, efficiency, other, distributed)


def _factors(spending: Spending, *, measured: bool) -> tuple[Fraction, Fraction, Fraction]:
    """Price of a held hour, hours used, hours held per hour used: their product is what is paid by the hour."""
    used = spending.used if measured else spending.held
    return spending.by_the_hour / spending.held, used, spending.held / used


def _effect(old: tuple[Fraction, ...], new: tuple[Fraction, ...], of: int) -> Fraction:
    """The mean change of the product of three factors when the one at *of* changes, over the orders of all three."""
    first, second = (at for at in range(3) if at != of)
    alike = old[first] * old[second] + new[first] * new[second]
    crossed = old[first] * new[second] + new[first] * old[second]
    return (new[of] - old[of]) * (alike / 3 + crossed / 6)
