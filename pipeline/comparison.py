"""Comparisons: what changed between two periods, by one dimension, and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Date,
    Double,
    Select,
    String,
    and_,
    case,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
)

from pipeline.decomposition import Parts, Spending, decomposed, vcpu_hours
from pipeline.errors import UsageError
from pipeline.period import Period, Periods
from pipeline.report import STATES, exact, only_currency
from pipeline.rounding import apportioned, rounded
from pipeline.warehouse import Warehouse

PLACES = 6
"""Decimal places of what a comparison says: below a thousandth of a cent."""

_NANOSECOND = "-[0-9]{19}$"
"""What the Spark Operator adds to the names of a schedule's runs, as a regular expression."""
_METERED = ("compute", "emr_uplift")
_HOURS = ("cpu_core_hours", "cpu_core_usage_hours", "ram_gib_hours", "ram_gib_usage_hours", "gpu_hours")
_BEFORE, _AFTER = "before", "after"
_OWN_PARTS = ("price", "hours", "efficiency", "other")
_DISTRIBUTED = "distributed"


@dataclass(frozen=True)
class Compared:
    """What a comparison has a row for: the mart it reads, the columns that make a row, and if cost is distributed."""

    mart: str
    columns: tuple[str, ...]
    is_distributed: bool = False


COMPARED: Mapping[str, Compared] = {
    "job": Compared("job_run_costs", ("workload_name", "workload_kind", "virtual_cluster_id", "cluster_name")),
    "virtual-cluster": Compared("virtual_cluster_costs", ("virtual_cluster_name", "virtual_cluster_id")),
    "cost-center": Compared("cost_center_costs", ("cost_center",), is_distributed=True),
}


@dataclass(frozen=True)
class Difference:
    """What one row cost in both periods, and the parts of the change, which add up to it to the last digit."""

    key: tuple[str | None, ...]
    before: Decimal
    after: Decimal
    price: Decimal
    hours: Decimal
    efficiency: Decimal
    other: Decimal
    distributed: Decimal

    @property
    def change(self) -> Decimal:
        """What it cost more, or less."""
        return self.after - self.before


@dataclass(frozen=True)
class Told:
    """What a period's costs are founded on: on how many of its *days* there are any, and how much is in which state."""

    days: int = 0
    states: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """What changed between two *periods* in *currency*, a row per value of *by*, largest change first."""

    by: str
    periods: Periods
    currency: str
    keys: tuple[str, ...]
    parts: tuple[str, ...]
    differences: tuple[Difference, ...]
    before: Told
    after: Told

    def total(self, amount: str) -> Decimal:
        """The sum of the column called *amount*."""
        return sum((getattr(row, amount) for row in self.differences), Decimal().scaleb(-PLACES))


def compared(by: str) -> Compared:
    """What a comparison by *by* reads.

    Raises:
        UsageError: nothing is compared by that.
    """
    if by not in COMPARED:
        raise UsageError(f"There is no comparison by {by!r}; there are {', '.join(COMPARED)}.")
    return COMPARED[by]


def comparison(warehouse: Warehouse, by: str, periods: Periods) -> Comparison:
    """Ask *warehouse* what changed between *periods*, by the dimension called *by*."""
    of = compared(by)
    costs = warehouse.frame(_question(of, periods), f"The comparison by {by}")
    remedy = "they have no difference. Compare periods of which the bill has one currency."
    currency = only_currency(costs["currency"], str(periods), remedy)
    days = warehouse.frame(_days(of, periods), "Counting the days with cost").set_index("period")["days"].to_dict()
    records = costs.to_dict("records")
    return Comparison(
        by,
        periods,
        currency,
        of.columns,
        (*_OWN_PARTS, _DISTRIBUTED) if of.is_distributed else _OWN_PARTS,
        _differences(of, records),
        *(Told(int(days.get(period, 0)), _states(records, period)) for period in (_BEFORE, _AFTER)),
    )


def difference(key: tuple[str | None, ...], before: Spending, after: Spending) -> Difference:
    """Set *after* against *before*, rounded so that the parts are the change."""
    costs = rounded(before.cost, PLACES), rounded(after.cost, PLACES)
    parts: Parts = decomposed(before, after)
    return Difference(key, *costs, *apportioned(parts.amounts, PLACES, costs[1] - costs[0]))


def _differences(of: Compared, records: Iterable[Mapping[Any, Any]]) -> tuple[Difference, ...]:
    spent: dict[tuple[str | None, ...], dict[str, list[Mapping[Any, Any]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        key = tuple(None if pd.isna(record[name]) else str(record[name]) for name in of.columns)
        spent[key][record["period"]].append(record)
    found = [difference(key, _spending(of[_BEFORE]), _spending(of[_AFTER])) for key, of in spent.items()]
    return tuple(sorted(found, key=lambda row: (-abs(row.change), tuple(name or "" for name in row.key))))


def _spending(records: Iterable[Mapping[Any, Any]]) -> Spending:
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for record in records:
        for name in ("metered", "cost", _DISTRIBUTED, *_HOURS):
            sums[name] += exact(record[name])
    return Spending(
        sums["metered"],
        sums["cost"] - sums["metered"],
        sums[_DISTRIBUTED],
        held=vcpu_hours(sums["cpu_core_hours"], sums["ram_gib_hours"], sums["gpu_hours"]),
        # Nobody measures how much of a GPU is used.
        used=vcpu_hours(sums["cpu_core_usage_hours"], sums["ram_gib_usage_hours"], sums["gpu_hours"]),
    )


def _states(records: Iterable[Mapping[Any, Any]], period: str) -> dict[str, Decimal]:
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for record in records:
        if record["period"] == period:
            sums[record["cost_state"]] += exact(record["cost"])
    return {state: rounded(sums[state], PLACES) for state in STATES if state in sums}


def _question(of: Compared, periods: Periods) -> Select[*tuple[Any, ...]]:
    """What each row cost in each period and state, and the hours of it."""
    cost, category = column("effective_cost", Double), column("cost_category", String)
    distributed = func.sum(column("distributed_cost", Double)) if of.is_distributed else literal_column("0e0")
    grouped = [*map(_key, of.columns), _period(periods), column("cost_state", String), column("currency", String)]
    sums = [
        func.sum(cost).label("cost"),
        func.sum(case((category.in_(_METERED), cost), else_=literal_column("0e0"))).label("metered"),
        distributed.label(_DISTRIBUTED),
        *(func.sum(column(name, Double)).label(name) for name in _HOURS),
    ]
    positions = range(1, len(grouped) + 1)
    return (
        select(*grouped, *sums)
        .select_from(table(of.mart))
        .where(_within(periods))
        .group_by(*(literal_column(str(position)) for position in positions))
    )


def _days(of: Compared, periods: Periods) -> Select[*tuple[Any, ...]]:
    day = column("usage_date", Date)
    counted = select(_period(periods), func.count(day.distinct()).label("days"))
    return counted.select_from(table(of.mart)).where(_within(periods)).group_by(literal_column("1"))


def _key(name: str) -> ColumnElement[str]:
    if name != "workload_name":
        return column(name, String)
    return func.regexp_replace(column(name, String), _NANOSECOND, "", type_=String).label(name)


def _period(periods: Periods) -> ColumnElement[str]:
    return case((_of(periods.before), literal_column(f"'{_BEFORE}'")), else_=literal_column(f"'{_AFTER}'")).label(
        "period"
    )


def _within(periods: Periods) -> ColumnElement[bool]:
    return or_(_of(periods.before), _of(periods.after))


def _of(period: Period) -> ColumnElement[bool]:
    day = column("usage_date", Date)
    return and_(day >= period.first, day < period.end)
