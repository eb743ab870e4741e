"""How amounts are rounded so that what is shown still adds up."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor


def rounded(amount: Fraction, places: int) -> Decimal:
    """Round *amount* to so many decimal *places*, a half to the even neighbour."""
    return Decimal(round(amount * 10**places)).scaleb(-places)


def apportioned(amounts: Sequence[Fraction], places: int, total: Decimal | None = None) -> tuple[Decimal, ...]:
    """Round *amounts* so that they add up to *total*, which is their own sum, rounded, unless given.

    By largest remainder: all are rounded down, and what is then missing goes, a unit each, to those that lost most, the
    earlier first among equals. An amount that needs no rounding stays as it is, and none moves by a unit or more, if
    *total* is less than a unit away from their sum.
    See https://en.wikipedia.org/wiki/Quota_method#Largest_remainder_method.

    Raises:
        ValueError: there are no amounts, and *total* is not 0.
    """
    total = rounded(sum(amounts, Fraction()), places) if total is None else total
    if not amounts:
        if total:
            raise ValueError(f"{total} cannot be apportioned to nothing")
        return ()
    scaled = [amount * 10**places for amount in amounts]
    units = [floor(amount) for amount in scaled]
    everyone, some = divmod(int(total.scaleb(places)) - sum(units), len(units))
    dearest_loss_first = sorted(range(len(units)), key=lambda at: (units[at] - scaled[at], at))
    for at in range(len(units)):
        units[at] += everyone
    for at in dearest_loss_first[:some]:
        units[at] += 1
    return tuple(Decimal(unit).scaleb(-places) for unit in units)
