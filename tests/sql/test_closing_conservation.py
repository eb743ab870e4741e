from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.closing_sql import month_to_close
from pipeline.month import Month
from pipeline.tables import KEPT_POLICY_TABLES
from tests.sql.test_policy_conservation import NODES, charges, filled, policies
from tests.sql.test_true_up import UNSHRUNK
from tests.sql.warehouse import Row, Rows, Warehouse

OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
AMOUNTS = ("effective_cost", "distributed_cost", "charged_cost", "savings")
SUMS = ", ".join(f"COALESCE(SUM({name}), 0e0) AS {name}" for name in AMOUNTS)


@st.composite
def billed(draw: Callable[..., Any]) -> Row:
    charge: dict[str, Any] = draw(charges())
    list_cost = draw(st.none() | st.floats(0.0, 100.0))
    period = str(Month.of(charge["usage_date"]))
    return charge | {"billing_period": period, "line_class": "compute", "list_cost": list_cost}


def close(shipped: Warehouse, month: Month, tables: dict[str, Rows]) -> dict[str, Rows]:
    """Do to *tables* what closing *month* does: the copy is added, and the policy that the month keeps."""
    copy = shipped.query(month_to_close(month))
    closed = dict(tables)
    for name in (table.name for table in KEPT_POLICY_TABLES):
        in_force = [row for row in tables[name] if row.get("closed_month") is None]
        closed[name] = [*tables[name], *({**row, "closed_month": str(month)} for row in in_force)]
    of_run = {"closed_month": str(month), "run": str(month)}
    closed["closed_ledger_runs"] = [*tables["closed_ledger_runs"], *({**row, **of_run} for row in copy)]
    closed["closed_months"] = [*tables["closed_months"], of_run]
    filled(closed)
    return closed


def publish(tables: dict[str, Rows], policy: dict[str, Rows]) -> dict[str, Rows]:
    """Put another *policy* in force; what closed months keep stays."""
    kept = {name: [row for row in tables[name] if row.get("closed_month")] for name in policy}
    published = {**tables, **{name: [*rows, *kept[name]] for name, rows in policy.items()}}
    filled(published)
    return published


def statement(shipped: Warehouse, month: Month) -> dict[str, Any]:
    """What a month's statement says, but for the last digits of its doubles; nothing of what comes to nothing."""
    rows = shipped.query(
        f"SELECT cost_center, billing_period, cost_category, cost_state, currency, {SUMS} FROM statement_costs "
        f"WHERE statement_month = '{month}' GROUP BY 1, 2, 3, 4, 5"
    )
    told = {str([row[name] for name in row if name not in AMOUNTS]): [row[name] for name in AMOUNTS] for row in rows}
    return {key: pytest.approx(amounts, abs=1e-7) for key, amounts in told.items() if any(amounts)}


def amounts(told: dict[str, Any]) -> dict[str, list[float]]:
    return {key: list(of.expected) for key, of in told.items()}


def total(shipped: Warehouse, relation: str) -> list[float]:
    [row] = shipped.query(f"SELECT {SUMS} FROM {relation}")
    return [row[name] for name in AMOUNTS]


@settings(max_examples=12, deadline=None, phases=UNSHRUNK)
@given(st.lists(billed(), max_size=12), st.lists(billed(), max_size=6), policies(), policies())
def test_a_closed_month_stays_whatever_is_billed_or_published_later_and_all_statements_are_the_ledger(
    ledger: list[Row], later: list[Row], policy: dict[str, Rows], other_policy: dict[str, Rows]
) -> None:
    assume(any(row["billing_period"] == str(OCTOBER) for row in ledger))
    tables: dict[str, Rows] = {
        "cost_ledger": ledger,
        "nodes": NODES,
        "closed_ledger_runs": [],
        "closed_months": [],
        **policy,
    }
    shipped = filled(tables)
    october = statement(shipped, OCTOBER)

    tables = close(shipped, OCTOBER, tables)
    assert amounts(statement(shipped, OCTOBER)) == october
    tables = publish(tables, other_policy)
    assert shipped.query("SELECT * FROM closed_month_adjustments") == []
    tables = {**tables, "cost_ledger": [*ledger, *later]}
    filled(tables)
    assert amounts(statement(shipped, OCTOBER)) == october
    assert total(shipped, "statement_costs") == pytest.approx(total(shipped, "cost_center_costs"), abs=1e-4)

    november = statement(shipped, NOVEMBER)
    close(shipped, NOVEMBER, tables)
    assert amounts(statement(shipped, OCTOBER)) == october
    assert amounts(statement(shipped, NOVEMBER)) == november
    assert total(shipped, "statement_costs") == pytest.approx(total(shipped, "cost_center_costs"), abs=1e-4)
