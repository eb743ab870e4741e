"""Statements: what each cost center is charged for a month, to the cent."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Double, Select, String, column, func, literal_column, select, table

from pipeline.errors import UsageError
from pipeline.month import Month
from pipeline.report import CATEGORIES, STATES, Reconciliation, exact, only_currency, reconciliation
from pipeline.rounding import apportioned, rounded
from pipeline.warehouse import Warehouse

CENTS = 2
"""Decimal places of a statement's amounts."""

_NOTHING = Decimal().scaleb(-CENTS)


@dataclass(frozen=True)
class Line:
    """What a cost center is charged of one *category*; *savings* are told beside it, and are no part of it.

    *adjusts* is the closed month whose bill has changed since, None where it is cost of the statement's own month.
    """

    category: str
    direct: Decimal
    distributed: Decimal
    markup: Decimal
    savings: Decimal
    adjusts: str | None = None

    @property
    def charged(self) -> Decimal:
        """Direct and distributed cost with the markup."""
        return self.direct + self.distributed + self.markup


@dataclass(frozen=True)
class Center:
    """A cost center's *lines*, by category, adjustments last.

    *states* say how much of its direct cost, adjustments left out, is in which state.
    """

    name: str
    factor: float
    lines: tuple[Line, ...]
    states: Mapping[str, Decimal]

    def total(self, amount: str) -> Decimal:
        """The sum of the column called *amount*."""
        return sum((getattr(line, amount) for line in self.lines), _NOTHING)

    def of_category(self, category: str) -> Decimal:
        """What is direct of one category."""
        return sum((line.direct for line in self.lines if line.category == category), _NOTHING)

    @property
    def adjusted(self) -> Decimal:
        """What it is charged of closed months."""
        return sum((line.charged for line in self.lines if line.adjusts), _NOTHING)

    @property
    def direct_of_month(self) -> Decimal:
        """Its direct cost, adjustments left out."""
        return sum((line.direct for line in self.lines if not line.adjusts), _NOTHING)


@dataclass(frozen=True)
class Footer:
    """How the direct cost of all cost centers, *direct*, and the month's *bill* come to each other.

    *changed* is what a closed month would cost more by now, which later statements have. *estimated* is not in the bill
    yet. *unexplained* is what rounding leaves, a few cents; more means that ledger and bill disagree, as *difference*
    does.
    """

    direct: Decimal
    changed: Decimal
    estimated: Decimal
    allocated: Decimal
    idle: Decimal
    shared: Decimal
    unattributed: Decimal
    out_of_scope: Decimal
    difference: Decimal

    @property
    def bill(self) -> Decimal:
        """The whole bill, amortized."""
        return self._of_clusters + self.out_of_scope + self.difference

    @property
    def unexplained(self) -> Decimal:
        """What the parts in the bill and the estimated cost lack of the direct cost."""
        return self.direct + self.changed - self.estimated - self._of_clusters

    @property
    def _of_clusters(self) -> Decimal:
        return self.allocated + self.idle + self.shared + self.unattributed


@dataclass(frozen=True)
class Ledger:
    """What the ledger has of a month by now: what is *estimated* of it, and, once it is closed, what has *changed*."""

    estimated: Decimal
    changed: Decimal = _NOTHING
    closed_at: datetime | None = None


@dataclass(frozen=True)
class Statement:
    """What *centers* are charged for the billing period *month* in *currency*, as it was known at *told_at*.

    *centers* are all, dearest first, or the one that was asked for. *footer* is about all of them, and None while the
    month has no bill. *closed_at* is None while the month is open.
    """

    month: Month
    currency: str
    told_at: datetime
    closed_at: datetime | None
    is_of_one: bool
    centers: tuple[Center, ...]
    states: Mapping[str, Decimal]
    footer: Footer | None

    @property
    def state(self) -> str | None:
        """The state of what is least settled; None while there is no cost."""
        return next((state for state in STATES if state in self.states), None)

    @property
    def has_ended(self) -> bool:
        """Whether the month was over when this was told."""
        return self.told_at.date() >= self.month.end

    def total(self, amount: str) -> Decimal:
        """The sum of the column called *amount* over the centers that it shows."""
        return sum((center.total(amount) for center in self.centers), _NOTHING)


def statement(warehouse: Warehouse, month: Month, cost_center: str | None, now: datetime) -> Statement:
    """Ask *warehouse* what was charged for *month*, to *cost_center* or to all.

    Raises:
        UsageError: the month has cost, and none of it is that cost center's.
        ContractError: the month's costs are in several currencies.
    """
    costs = warehouse.frame(_question(month), f"The statement of {month}")
    currency = only_currency(costs["currency"], str(month))
    centers = stated(costs.to_dict("records"), month)
    states = _states(centers)
    is_closed = bool(costs["is_closed"].any())
    ledger = _since_closing(warehouse, month) if is_closed else Ledger(states.get("estimated", _NOTHING))
    bill = reconciliation(warehouse, month)
    shown = _chosen(centers, cost_center, month)
    return Statement(
        month,
        currency,
        now,
        ledger.closed_at,
        cost_center is not None,
        shown,
        states,
        None if bill is None else footer(bill, centers, ledger),
    )


def stated(records: Sequence[Mapping[Any, Any]], month: Month) -> tuple[Center, ...]:
    """What each cost center is charged for *month*, rounded so that everything adds up, dearest center first.

    *records* have a center's `cost_center`, `billing_period`, `cost_category`, `cost_state` and `factor`, and the sums
    `direct`, `distributed`, `charged` and `savings`. Each part is rounded over all centers first, and then within each
    of them: so distributed cost still comes to nothing, direct cost is the ledger's, and every line is within a cent.
    """
    cells = {part: _in_cents(_summed(records, month, "cost_category", part)) for part in _AMOUNTS}
    states = _in_cents(_summed(records, month, "cost_state", "direct"))
    adjustments_first = sorted(records, key=lambda record: bool(record["billing_period"] == str(month)))
    factors = {record["cost_center"]: float(record["factor"]) for record in adjustments_first}
    centers = [
        Center(
            name,
            factor,
            _lines(cells, name),
            {state: cents for state in STATES if (cents := states[name, _OWN, state])},
        )
        for name, factor in factors.items()
    ]
    return tuple(sorted(centers, key=lambda center: (-center.total("charged"), center.name)))


def footer(bill: Reconciliation, centers: Iterable[Center], ledger: Ledger) -> Footer:
    """Set the direct cost of all *centers* beside the *bill*, whose parts are rounded so that they are the whole."""
    parts = (bill.allocated, bill.idle, bill.shared, bill.unattributed, bill.out_of_scope, bill.difference)
    cents = apportioned([Fraction(part) for part in parts], CENTS, rounded(Fraction(bill.bill), CENTS))
    direct = sum((center.direct_of_month for center in centers), _NOTHING)
    return Footer(direct, ledger.changed, ledger.estimated, *cents)


_Cell = tuple[str, str, str]
"""A cost center, the closed month that is adjusted or `_OWN`, and a category or state."""
_OWN = ""


def _lines(cells: Mapping[str, Mapping[_Cell, Decimal]], center: str) -> tuple[Line, ...]:
    """A line for each category of which a center has at least a cent of anything, adjustments last."""
    known = [cell for cell in cells["direct"] if cell[0] == center]
    known.sort(key=lambda cell: (cell[1], CATEGORIES.index(cell[2]) if cell[2] in CATEGORIES else 99, cell[2]))
    lines = [Line(cell[2], **{part: cells[part][cell] for part in _AMOUNTS}, adjusts=cell[1] or None) for cell in known]
    return tuple(line for line in lines if any((line.direct, line.distributed, line.markup, line.savings)))


def _in_cents(cells: Mapping[_Cell, Fraction]) -> dict[_Cell, Decimal]:
    """Round the amounts of each center's cells: first what the centers have, then what is in their cells."""
    by_center: dict[str, list[_Cell]] = defaultdict(list)
    for cell in sorted(cells):
        by_center[cell[0]].append(cell)
    sums = [sum((cells[cell] for cell in own), Fraction()) for own in by_center.values()]
    found: dict[_Cell, Decimal] = defaultdict(lambda: _NOTHING)
    for own, total in zip(by_center.values(), apportioned(sums, CENTS), strict=True):
        found.update(zip(own, apportioned([cells[cell] for cell in own], CENTS, total), strict=True))
    return found


def _summed(records: Iterable[Mapping[Any, Any]], month: Month, by: str, amount: str) -> dict[_Cell, Fraction]:
    sums: dict[_Cell, Fraction] = defaultdict(Fraction)
    for record in records:
        period = record["billing_period"]
        adjusts = _OWN if period == str(month) else period
        sums[record["cost_center"], adjusts, record[by]] += _AMOUNTS[amount](record)
    return sums


_AMOUNTS: Mapping[str, Callable[[Mapping[Any, Any]], Fraction]] = {
    "direct": lambda record: exact(record["direct"]),
    "distributed": lambda record: exact(record["distributed"]),
    "markup": lambda record: exact(record["charged"]) - exact(record["direct"]) - exact(record["distributed"]),
    "savings": lambda record: exact(record["savings"]),
}


def _states(centers: Iterable[Center]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(lambda: _NOTHING)
    for center in centers:
        for state, cost in center.states.items():
            sums[state] += cost
    return {state: sums[state] for state in STATES if state in sums}


def _chosen(centers: tuple[Center, ...], cost_center: str | None, month: Month) -> tuple[Center, ...]:
    found = tuple(center for center in centers if cost_center in (None, center.name))
    if centers and not found:
        raise UsageError(
            f"{month} has no cost of a cost center {cost_center!r}; there are "
            f"{', '.join(sorted(center.name for center in centers))}."
        )
    return found


def _since_closing(warehouse: Warehouse, month: Month) -> Ledger:
    """What became of a closed *month*."""
    asked = (
        f"SELECT\n    (SELECT closed_at FROM closed_months WHERE closed_month = '{month}') AS closed_at,\n"  # noqa: S608
        "    (\n        SELECT SUM(effective_cost) FROM statement_costs\n"
        f"        WHERE billing_period = '{month}' AND statement_month > '{month}'\n    ) AS changed,\n"
        "    (\n        SELECT SUM(effective_cost) FROM cost_center_costs\n"
        f"        WHERE billing_period = '{month}' AND cost_state = 'estimated'\n    ) AS estimated"
    )
    [(closed_at, changed, estimated)] = warehouse.query(asked, f"What changed of {month}").rows
    return Ledger(rounded(exact(estimated), CENTS), rounded(exact(changed), CENTS), closed_at.replace(tzinfo=UTC))


def _question(month: Month) -> Select[*tuple[Any, ...]]:
    """The sums of a month's statement: what its bill has, whatever day that names, what is estimated, adjustments."""
    names = ("cost_center", "billing_period", "cost_category", "cost_state", "currency", "is_closed")
    grouped = [column(name, String) for name in names]
    sums = {
        "direct": "effective_cost", "distributed": "distributed_cost", "charged": "charged_cost", "savings": "savings"
    }  # fmt: skip
    return (
        select(
            *grouped,
            func.max(column("factor", Double)).label("factor"),
            *(func.sum(column(of, Double)).label(name) for name, of in sums.items()),
        )
        .select_from(table("statement_costs"))
        .where(column("statement_month", String) == literal_column(f"'{month}'"))
        .group_by(*(literal_column(str(position)) for position, _ in enumerate(grouped, start=1)))
    )
