"""Reports: what analysts ask most, from the marts, by one dimension at a time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Date, Double, Select, String, column, func, literal, literal_column, select, table

from pipeline.errors import ContractError, UsageError
from pipeline.models import sanitised
from pipeline.month import Month
from pipeline.warehouse import Warehouse

TOTAL = "total"
STATE = "cost_state"

_LABEL = "label:"
_LABEL_KEY = re.compile(r"[\w./-]{1,317}", re.ASCII)  # Kubernetes: a prefix of 253 characters, /, a name of 63


@dataclass(frozen=True)
class Dimension:
    """What a report has one row for: the relation it reads, the columns that make a row, and what else is summed."""

    relation: str
    columns: tuple[str, ...]
    sums: tuple[str, ...] = ()


DIMENSIONS: Mapping[str, Dimension] = {
    "job": Dimension("job_run_costs", ("workload_kind", "workload_name", "workload_id", "virtual_cluster_id")),
    "virtual-cluster": Dimension("virtual_cluster_costs", ("virtual_cluster_id",)),
    "cost-center": Dimension("cost_center_costs", ("cost_center",), ("distributed_cost", "charged_cost")),
    "pod": Dimension("cost_ledger", ("namespace", "pod", "workload_kind", "workload_id")),
    "namespace": Dimension("cost_ledger", ("namespace",)),
    "controller": Dimension("cost_ledger", ("namespace", "controller_kind", "controller_name")),
    "node-pool": Dimension("cost_ledger", ("node_pool",)),
    "endpoint": Dimension("endpoint_costs", ("endpoint_name", "endpoint_id", "virtual_cluster_id")),
    "instance-type": Dimension("cost_ledger", ("instance_type",)),
    "instance-family": Dimension("instance_costs", ("instance_family",)),
    "architecture": Dimension("instance_costs", ("architecture",)),
    "capacity-type": Dimension("cost_ledger", ("capacity_type",)),
    "spark-role": Dimension("cost_ledger", ("spark_role",)),
}

CATEGORIES = (
    "compute",
    "emr_uplift",
    "storage",
    "network",
    "load_balancer",
    "control_plane",
    "idle",
    "shared",
    "commitment_unused",
    "credit",
    "tax",
    "other_service",
    "unattributed",
)
STATES = ("estimated", "provisional", "final")


@dataclass(frozen=True)
class Reconciliation:
    """The whole bill of a month, amortized: what workloads have of it, what none has, and what is no cost of ours."""

    allocated: float
    idle: float
    shared: float
    unattributed: float
    out_of_scope: float
    bill: float
    difference: float


@dataclass(frozen=True)
class Report:
    """Effective cost of *month* in *currency*, a row per value of *by*, dearest first.

    *rows* has the dimension's columns (NULL where a cost has no such thing), one column per cost category that
    occurs, `total`, the *sums* that only this dimension has, and `cost_state`: the states that the row's money is in,
    joined by `+`. *states* says how much of the total is in which state; *reconciliation* is None while the month has
    no bill.
    """

    by: str
    month: Month
    currency: str
    keys: tuple[str, ...]
    categories: tuple[str, ...]
    rows: pd.DataFrame
    states: Mapping[str, float]
    reconciliation: Reconciliation | None
    sums: tuple[str, ...] = ()

    @property
    def totals(self) -> dict[str, float]:
        """The sum of every column of money."""
        return {name: float(self.rows[name].sum()) for name in (*self.categories, TOTAL, *self.sums)}


def dimension(by: str) -> Dimension:
    """The dimension called *by*.

    Raises:
        UsageError: there is none of that name.
    """
    if by.startswith(_LABEL):
        if not _LABEL_KEY.fullmatch(by.removeprefix(_LABEL)):
            raise UsageError(f"{by!r} names no label; write label:team or label:app.kubernetes.io/name.")
        return Dimension("cost_ledger", (by,))
    if by not in DIMENSIONS:
        raise UsageError(f"There is no report by {by!r}; there are {', '.join(DIMENSIONS)} and label:<key>.")
    return DIMENSIONS[by]


def newest_month(warehouse: Warehouse) -> Month | None:
    """The newest month with data; None while there is none."""
    newest = select(func.max(column("usage_date", Date)).label("newest")).select_from(table("allocations"))
    found = warehouse.frame(newest, "Looking for the newest day")["newest"].iloc[0]
    return None if pd.isna(found) else Month.of(pd.Timestamp(found).date())


def report(warehouse: Warehouse, by: str, month: Month) -> Report:
    """Ask *warehouse* what was spent in *month*, by the dimension called *by*."""
    keys, sums = dimension(by).columns, dimension(by).sums
    costs = warehouse.frame(_question(dimension(by), month), f"The report by {by}")
    currency = only_currency(costs["currency"], str(month))
    categories = tuple(category for category in CATEGORIES if category in set(costs["cost_category"]))
    rows = _pivot(costs, list(keys), categories, sums)
    states = {
        state: float(costs["cost"][costs[STATE] == state].sum()) for state in STATES if state in set(costs[STATE])
    }
    return Report(by, month, currency, keys, categories, rows, states, reconciliation(warehouse, month), sums)


def exact(value: Any) -> Fraction:  # noqa: ANN401  whatever the engine's driver makes of a double
    """A sum as the engine has it, to its last digit; NULL adds nothing."""
    return Fraction() if pd.isna(value) else Fraction(float(value))


def only_currency(
    currencies: "pd.Series[str]",
    of: str,
    remedy: str = "they have no sum. Have the export deliver one currency for each payer and period.",
) -> str:
    """The one currency of the costs *of* a time; dollars where there are no costs.

    Raises:
        ContractError: there are several; it says the *remedy*.
    """
    found = sorted(currencies.unique())
    if len(found) > 1:
        raise ContractError(f"The costs of {of} are in several currencies, {', '.join(found)}: {remedy}")
    return found[0] if found else "USD"


def reconciliation(warehouse: Warehouse, month: Month) -> Reconciliation | None:
    """The sums of every payer's bill of *month*; None where there is none."""
    parts = ("allocated", "idle", "shared", "unattributed", "out_of_scope", "bill_effective")
    sums = [func.sum(column(f"{part}_cost", Double)).label(part) for part in parts]
    asked = (
        select(*sums, func.sum(column("difference", Double)).label("difference"))
        .select_from(table("bill_reconciliation"))
        .where(column("billing_period", String) == literal_column(f"'{month}'"))
    )
    found = warehouse.frame(asked, "The reconciliation with the bill").iloc[0]
    return None if pd.isna(found["bill_effective"]) else Reconciliation(*(float(value) for value in found))


def _question(of: Dimension, month: Month) -> Select[*tuple[Any, ...]]:
    day = column("usage_date", Date)
    keys = [_key(name) for name in of.columns]
    grouped = [*keys, *(column(name, String) for name in ("cost_category", STATE, "currency"))]
    sums = [func.sum(column(name, Double)).label(name) for name in of.sums]
    return (
        select(*grouped, func.sum(column("effective_cost", Double)).label("cost"), *sums)
        .select_from(table(of.relation))
        .where(day >= month.first, day < month.end)
        .group_by(*(literal_column(str(position)) for position, _ in enumerate(grouped, start=1)))
    )


def _key(name: str) -> ColumnElement[str]:
    if name.startswith(_LABEL):
        key = sanitised(name.removeprefix(_LABEL))
        return func.element_at(column("labels"), literal(key), type_=String).label(name)
    return column(name, String)


def _pivot(costs: pd.DataFrame, keys: list[str], categories: tuple[str, ...], sums: tuple[str, ...]) -> pd.DataFrame:
    """One row per key, dearest first; NULL is a key like any other."""
    parts = {name: costs["cost"].where(costs["cost_category"] == name, 0.0) for name in categories}
    by_key = costs.assign(**parts, **{TOTAL: costs["cost"]}).groupby(keys, dropna=False, sort=False)
    rows = by_key.agg(**{name: (name, "sum") for name in (*categories, TOTAL, *sums)}, **{STATE: (STATE, _states)})
    return rows.reset_index().sort_values([TOTAL, *keys], ascending=[False, *(True for _ in keys)], ignore_index=True)


def _states(states: "pd.Series[str]") -> str:
    return "+".join(state for state in STATES if state in set(states))
