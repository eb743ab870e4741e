"""The statement that copies a month: its ledger with cost centers, the entries of its distribution, its adjustments."""

from collections.abc import Mapping

from pipeline.glue_types import glue_type, null
from pipeline.ledger_table import CLOSED_LEDGER_RUNS, COST_LEDGER
from pipeline.month import Month
from pipeline.tables import PARTITION_KEY

_FACTOR = "COALESCE(markups.factor, 1e0)"
_MARKED_UP = """AS costs
LEFT JOIN policy_markups AS markups
    ON costs.cost_center = markups.cost_center
    AND COALESCE(costs.policy_month, 'open') = COALESCE(markups.closed_month, 'open')"""
_WHAT_AND_WHOSE = (
    PARTITION_KEY,
    "billing_period",
    "account_id",
    "cluster_arn",
    "cluster_name",
    "cost_category",
    "cost_state",
    "cost_center",
    "currency",
)


def month_to_close(month: Month) -> str:
    """The SELECT of all rows of CLOSED_LEDGER_RUNS that *month* consists of if it is closed now."""
    of_month = f"costs.billing_period = '{month}'"
    sides = (
        _side(_DIRECT, f"FROM ledger_cost_centers {_MARKED_UP}\nWHERE {of_month}"),
        _side(
            _DISTRIBUTED,
            f"FROM cost_center_entries {_MARKED_UP}\nWHERE costs.entry <> 'direct' AND {of_month}",
        ),
        _side(_ADJUSTED, "FROM closed_month_adjustments AS costs"),
    )
    return "\nUNION ALL\n".join(sides)


def open_costs(month: Month, newest: Month | None) -> str:
    """The query for what each open month up to *month*, and after the *newest* closed one, cost in each state."""
    since = (
        f"statement_month > '{newest}' AND statement_month <= '{month}'" if newest else f"statement_month = '{month}'"
    )
    return (
        "SELECT statement_month, cost_state, currency, SUM(effective_cost) AS effective_cost\n"
        f"FROM statement_costs\nWHERE {since}\nGROUP BY 1, 2, 3"
    )


def sums_of(month: Month, run: str) -> str:
    """The query for what *run* copied of *month*: direct, distributed and charged cost, and of that, adjustments."""
    return (
        "SELECT\n    COALESCE(SUM(effective_cost), 0e0) AS effective_cost,\n"
        "    COALESCE(SUM(distributed_cost), 0e0) AS distributed_cost,\n"
        "    COALESCE(SUM(charged_cost), 0e0) AS charged_cost,\n"
        "    COALESCE(SUM(CASE WHEN entry = 'adjustment' THEN charged_cost END), 0e0) AS adjusted_cost\n"
        f"FROM {CLOSED_LEDGER_RUNS.name}\nWHERE closed_month = '{month}' AND run = '{run}'"
    )


def _named(*names: str) -> dict[str, str]:
    return {name: f"costs.{name}" for name in names}


_DIRECT = {
    **_named(PARTITION_KEY, *(column.name for column in COST_LEDGER.columns)),
    **_named("cost_center", "policy", "policy_line", "savings"),
    "entry": "CAST('direct' AS varchar)",
    "distributed_cost": "0e0",
    "factor": _FACTOR,
    "charged_cost": f"costs.effective_cost * {_FACTOR}",
}
_DISTRIBUTED = {
    **_named(*_WHAT_AND_WHOSE, "entry", "pool", "distributed_cost"),
    "effective_cost": "0e0",
    "factor": _FACTOR,
    "charged_cost": f"costs.distributed_cost * {_FACTOR}",
}
_ADJUSTED = {
    **_named(*_WHAT_AND_WHOSE, "effective_cost", "billed_cost", "list_cost"),
    **_named("distributed_cost", "factor", "charged_cost", "savings"),
    "entry": "CAST('adjustment' AS varchar)",
}


def _side(given: Mapping[str, str], source: str) -> str:
    """The SELECT of some of the rows: the columns that they have are *given*, all others are NULL."""
    columns = (
        f"{given[column.name]} AS {column.name}"
        if column.name in given
        else null(column.name, glue_type(column.type)).sql("athena")
        for column in CLOSED_LEDGER_RUNS.columns
    )
    listed = ",\n    ".join(columns)
    return f"SELECT\n    {listed}\n{source}"
