from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy import METHODS, POOLS
from pipeline.relations import checks
from tests.sql.test_true_up import CLUSTER, ESTATES, UNSHRUNK
from tests.sql.warehouse import Rows, Warehouse, refilled, warehouse

COSTS = st.integers(min_value=-1_000_000, max_value=10_000_000).map(lambda cents: cents / 100_000)
NODES = [{"usage_date": date(2026, 11, 1), "cluster_arn": "c1", "node": "n1", "labels": {"team": "x"}}]
CENTERS = st.sampled_from(("risk", "ops", "science"))
CATEGORIES = ("compute", "idle", "shared", "control_plane", "storage", "emr_uplift", "credit", "other_service")
PROVEN = ("cost_centers_add_up_to_ledger", "distribution_sums_to_zero", "marts_add_up_to_ledger")


@st.composite
def charges(draw: Callable[..., Any]) -> dict[str, Any]:
    category = draw(st.sampled_from(CATEGORIES))
    on_node = category in {"compute", "idle", "shared"}
    return {
        "usage_date": draw(st.sampled_from((date(2026, 10, 31), date(2026, 11, 1)))),
        "cluster_arn": draw(st.sampled_from((None, "c1", "c2"))),
        "cluster_name": "prod",
        "cost_category": category,
        "cost_state": draw(st.sampled_from(("estimated", "provisional", "final"))),
        "currency": draw(st.sampled_from(("USD", "EUR"))),
        "workload_kind": draw(st.sampled_from(("job_run", "platform", None))),
        "namespace": draw(st.sampled_from(("a", "b", None))),
        "pod": draw(st.sampled_from(("p", None))),
        "labels": draw(st.sampled_from((None, {}, {"team": "x"}))),
        "tags": draw(st.sampled_from((None, {"user_team": "x"}))),
        "node": draw(st.sampled_from(("n1", "n2"))) if on_node else None,
        "node_pool": draw(st.sampled_from(("pool", None))) if on_node else None,
        "capacity_type": draw(st.sampled_from(("spot", "fargate", "unknown"))),
        "effective_cost": draw(COSTS),
    }


CONDITIONS = (
    {"namespace": "a"},
    {"namespace": "b", "cluster": "c1"},
    {"cluster": "prod"},
    {"label_key": "team", "label_value": "x"},
    {"tag_key": "user_team", "tag_value": "x"},
)
NODE_CONDITIONS = ({"node_pool": "pool"}, {"label_key": "team", "label_value": "x"}, *CONDITIONS[2:])
ESTATE_CONDITIONS = ({"namespace": "spark"}, {"cluster": CLUSTER}, {"tag_key": "user_team", "tag_value": "risk"})


def rules(*conditions: Mapping[str, str]) -> st.SearchStrategy[Rows]:
    """Up to three rules, of any priority and for any cost center: what contradicts itself loses no cost either."""
    one = st.builds(lambda fits, **others: {**fits, **others}, st.sampled_from(conditions), cost_center=CENTERS)
    numbered = st.lists(st.tuples(one, st.integers(1, 3)), max_size=3)
    return numbered.map(lambda of: [{**r, "priority": p, "line": n} for n, (r, p) in enumerate(of, start=2)])


@st.composite
def policies(
    draw: Callable[..., Any],
    conditions: Sequence[Mapping[str, str]] = CONDITIONS,
    node_conditions: Sequence[Mapping[str, str]] = NODE_CONDITIONS,
) -> dict[str, Rows]:
    methods = {pool: draw(st.sampled_from((None, *METHODS))) for pool in POOLS}
    factors = draw(st.dictionaries(CENTERS, st.sampled_from((0.0, 0.9, 1.25)), max_size=3))
    return {
        "policy_cost_centers": draw(rules(*conditions)),
        "policy_sole_tenancy": draw(rules(*node_conditions)),
        "policy_other_services": draw(rules(conditions[-1])),
        "policy_distribution": [
            {"pool": pool, "method": method, "owner": "risk" if method == "owner" else None}
            for pool, method in methods.items()
            if method
        ],
        "policy_markups": [{"cost_center": center, "factor": factor} for center, factor in factors.items()],
        "policy_settings": [{"correct_hours": draw(st.booleans())}],
    }


@cache
def shipped_views() -> Warehouse:
    return warehouse({"cost_ledger": []})


def filled(tables: Mapping[str, Rows]) -> Warehouse:
    """The shipped views over *tables*: made but once, since that takes longer than any question to them."""
    for name, rows in tables.items():
        shipped_views().fill(name, rows)
    return shipped_views()


@settings(max_examples=60, deadline=None)
@given(st.lists(charges(), max_size=25), policies())
def test_whatever_the_policy_every_cent_of_the_ledger_is_charged_once_and_distribution_adds_none(
    ledger: Rows, policy: dict[str, Rows]
) -> None:
    shipped = filled({"cost_ledger": ledger, "nodes": NODES, **policy})
    assert {name: shipped.query(template) for name, template in _proofs().items()} == {name: [] for name in PROVEN}
    assert _one(shipped, "SELECT COUNT(*) AS value FROM ledger_cost_centers") == len(ledger)
    factors = {row["cost_center"]: row["factor"] for row in policy["policy_markups"]}
    for row in shipped.query("SELECT * FROM cost_center_costs"):
        cost = row["effective_cost"] + row["distributed_cost"]
        assert row["charged_cost"] == pytest.approx(cost * factors.get(row["cost_center"], 1.0), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(charges(), max_size=25), policies())
def test_a_distributed_pool_is_empty_where_it_lay_or_untouched(ledger: Rows, policy: dict[str, Rows]) -> None:
    """What is taken is all that the pool has there, unless nobody could bear it: then nothing is."""
    shipped = filled({"cost_ledger": ledger, "nodes": NODES, **policy})
    lying = shipped.query(
        """SELECT usage_date, cluster_arn, currency, cost_category, cost_state, cost_center, SUM(effective_cost) AS cost
        FROM ledger_cost_centers
        WHERE cost_category IN ('idle', 'control_plane', 'shared') AND COALESCE(policy, '') <> 'sole_tenancy'
        GROUP BY 1, 2, 3, 4, 5, 6"""
    )
    entries = shipped.query("SELECT * FROM cost_distribution WHERE entry = 'taken' AND pool = cost_category")
    there = {_key(row): row["cost"] for row in lying}
    for entry in entries:
        assert entry["distributed_cost"] == pytest.approx(-there[_key(entry)], rel=1e-9)
    owned = {row["pool"] for row in policy["policy_distribution"] if row["method"] == "owner"}
    taken = {_key(entry) for entry in entries}
    assert {key for key, cost in there.items() if key[3] in owned and cost != 0} <= taken


@settings(max_examples=15, deadline=None, phases=UNSHRUNK)
@given(ESTATES, policies(ESTATE_CONDITIONS, ESTATE_CONDITIONS[1:]))
def test_whatever_the_policy_a_bill_is_split_and_charged_without_a_cent_more_or_less(
    estate: tuple[Rows, Rows, Rows, Rows], policy: dict[str, Rows]
) -> None:
    allocations, nodes, volumes, bill = estate
    tables = {"allocations": allocations, "nodes": nodes, "volumes": volumes, "cur": bill}
    unclaimed = refilled(tables).query("SELECT * FROM bill_reconciliation")
    made = refilled({**tables, **policy}, settled=("attributed_costs",))
    assert {name: made.query(template) for name, template in _proofs().items()} == {name: [] for name in PROVEN}
    parts = made.query("SELECT * FROM bill_reconciliation")
    assert [row for row in parts if abs(row["difference"]) > 1e-9] == []
    ledger = made.query("SELECT cost_category, line_class, effective_cost FROM cost_ledger")
    assert [row for row in ledger if row["effective_cost"] < 0 and row["line_class"] != "credit"] == []
    claimed = sum(row["effective_cost"] for row in ledger if row["cost_category"] == "other_service")
    assert _out_of_scope(parts) + claimed == pytest.approx(_out_of_scope(unclaimed), abs=1e-9)


def _out_of_scope(reconciliation: Rows) -> float:
    cost: float = sum(row["out_of_scope_cost"] for row in reconciliation)
    return cost


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(
        row[name] for name in ("usage_date", "cluster_arn", "currency", "cost_category", "cost_state", "cost_center")
    )


def _proofs() -> dict[str, str]:
    return {check.name: check.template for check in checks() if check.name in PROVEN}


def _one(shipped: Warehouse, query: str) -> Any:
    [row] = shipped.query(query)
    return row["value"]
