import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp, parse_one

from pipeline.examples import Example, examples, page
from pipeline.relations import relations_read, views
from tests.demo_answers import HERE, kept
from tests.sql.warehouse import Rows, warehouse

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = {example.name: example for example in examples()}
FOR_ANALYSTS = {
    "bill_reconciliation",
    "compute_cost",
    "cost_center_costs",
    "cost_ledger",
    "emr_costs_focus",
    "emr_eks_cost",
    "endpoint_costs",
    "instance_costs",
    "job_name_costs",
    "job_run_costs",
    "job_run_efficiency",
    "job_run_findings",
    "job_run_hours",
    "job_runs",
    "ledger_cost_centers",
    "virtual_cluster_costs",
}
DAYS = {"usage_date", "x_usagedate"}
every_example = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


def tree(example: Example) -> exp.Query:
    return parse_one(example.statement, read="athena").assert_is(exp.Query)


def answers(name: str, rows: dict[str, Rows]) -> list[dict[str, Any]]:
    """What an example answers over made-up rows."""
    return warehouse(rows, reading=relations_read(EXAMPLES[name].statement)).query(EXAMPLES[name].statement)


@every_example
def test_an_example_begins_with_its_question_and_says_what_comes_out_and_what_to_change(example: Example) -> None:
    assert re.fullmatch(r"[A-Z][^.]+\?", example.question)
    assert re.fullmatch(r"A row per .+\.\nChange the .+\.", example.notes, re.DOTALL)
    assert max(map(len, example.statement.splitlines())) <= 120


@every_example
def test_an_example_is_one_query_whose_columns_have_names_and_whose_rows_have_an_order(example: Example) -> None:
    query = tree(example)
    names = query.named_selects
    assert all(names)
    assert len(set(names)) == len(names)
    assert "*" not in names
    assert query.args.get("order")


@every_example
def test_an_example_drops_no_row_by_a_join(example: Example) -> None:
    assert not [join.sql() for join in tree(example).find_all(exp.Join) if (join.side or join.kind) != "LEFT"]
    assert not list(tree(example).find_all(exp.Intersect, exp.Except))


@every_example
def test_an_example_asks_for_days_of_the_partition_as_they_are_written(example: Example) -> None:
    """From a day on, and before another; only the bill's own months have no day."""
    bounds = {
        (type(node), node.this.name): node.expression
        for node in tree(example).find_all(exp.GTE, exp.LT, exp.EQ)
        if isinstance(node.this, exp.Column) and node.parent_select and node.find_ancestor(exp.Where)
    }
    days = {kind: value for (kind, name), value in bounds.items() if name in DAYS}
    if days:
        since, until = (date.fromisoformat(days[kind].this.name) for kind in (exp.GTE, exp.LT))
        assert date(2026, 10, 1) <= since < until <= date(2026, 11, 1)
    else:
        assert bounds[exp.EQ, "billing_period"].name == "2026-10"


def test_whatever_analysts_are_told_to_read_is_in_an_example() -> None:
    assert set().union(*(relations_read(example.statement) for example in EXAMPLES.values())) >= FOR_ANALYSTS


@every_example
def test_an_example_that_reads_the_bill_says_so(example: Example) -> None:
    """Analysts pay for it; the ledger has all that others need."""
    reads = {view.name: relations_read(view.template) for view in views("cur2")}
    found, waiting = set[str](), set(relations_read(example.statement))
    while waiting:
        found |= waiting
        waiting = set().union(*(reads.get(name, frozenset()) for name in waiting)) - found
    assert ("cur_lines" in found) == ("the bill" in example.notes.partition("\nChange ")[2])


def test_every_example_has_its_answer_and_every_answer_its_example() -> None:
    assert {path.name for path in HERE.iterdir()} == {f"{name}.csv" for name in EXAMPLES}
    assert all(len(kept(example)) > 1 for example in EXAMPLES.values())


def test_the_page_is_what_the_files_say() -> None:
    assert (DOCS / "examples.md").read_text(encoding="utf-8") == page(DOCS), "make docs writes it again"


def test_what_was_measured_names_every_example_once() -> None:
    measured = (DOCS / "examples.md").read_text(encoding="utf-8").split("<!-- measured -->")[1].split("<!-- end -->")[0]
    named = re.findall(r"^\| `(\w+)` \|", measured, re.MULTILINE)
    assert sorted(named) in ([], sorted(EXAMPLES))


def test_a_charge_names_the_line_of_the_policy_and_has_its_markup() -> None:
    day: dict[str, Any] = {"usage_date": date(2026, 10, 13), "cluster_name": "analytics", "currency": "USD"}
    rules = [
        day | {"cost_center": "risk", "policy": "sole_tenancy", "policy_line": 3, "effective_cost": 2.0},
        day | {"cost_center": "unassigned", "namespace": "web", "workload_kind": "other", "effective_cost": 1.0},
    ]
    assert [
        (row["cost_center"], row["rule"], row["namespace"])
        for row in answers("cost_rules", {"ledger_cost_centers": rules})
    ] == [
        ("risk", "sole_tenancy.csv, line 3", "no namespace"),
        ("unassigned", "no rule", "web"),
    ]
    charges = [
        day | {"cost_center": "risk", "cost_category": "compute", "effective_cost": 10.0, "distributed_cost": 0.0,
               "factor": 1.1, "charged_cost": 11.0},
        day | {"cost_center": "risk", "cost_category": "idle", "effective_cost": 0.0, "distributed_cost": 4.0,
               "factor": 1.1, "charged_cost": 4.4},
        day | {"cost_center": "unassigned", "cost_category": "idle", "effective_cost": 20.0, "distributed_cost": -4.0,
               "factor": 1.0, "charged_cost": 16.0},
    ]  # fmt: skip
    found = answers("cost_per_cost_center", {"cost_center_costs": charges})
    assert [(row["cost_center"], row["distributed_cost"], row["cost_center_charge"]) for row in found] == [
        ("unassigned", -4.0, 16.0),
        ("risk", 0.0, pytest.approx(15.4)),
        ("risk", 4.0, pytest.approx(15.4)),
    ]


def test_a_month_is_told_by_its_states() -> None:
    day: dict[str, Any] = {"usage_date": date(2026, 10, 13), "cost_category": "compute", "currency": "USD"}
    rows = [
        day | {"cost_state": s, "effective_cost": c}
        for s, c in (("estimated", 1.0), ("provisional", 2.0), ("final", 4.0))
    ]
    [row] = answers("ledger_states", {"cost_ledger": [*rows, day | {"usage_date": date(2026, 11, 1)}]})
    assert (row["estimated_cost"], row["provisional_cost"], row["final_cost"], row["cost"]) == (1.0, 2.0, 4.0, 7.0)


def test_jobs_that_only_became_cheaper_or_stopped_have_not_risen() -> None:
    job: dict[str, Any] = {"cluster_name": "analytics", "namespace": "emr", "currency": "USD", "runs": 1}
    costs = {"new": (None, 3.0), "dearer": (1.0, 2.0), "cheaper": (2.0, 1.0), "gone": (1.0, None)}
    rows = [
        job | {"workload_name": name, "usage_date": date(2026, 10, day), "effective_cost": cost}
        for name, of_days in costs.items()
        for day, cost in zip((13, 14), of_days, strict=True)
        if cost is not None
    ]
    found = answers("job_increases", {"job_name_costs": rows})
    assert [(row["workload_name"], row["increase"], row["increase_share"]) for row in found] == [
        ("new", 3.0, None),
        ("dearer", 1.0, 1.0),
    ]


def test_spot_has_saved_what_as_much_on_demand_would_have_cost_more() -> None:
    day: dict[str, Any] = {"usage_date": date(2026, 10, 13), "cost_category": "compute", "currency": "USD"}
    rows = [
        day | {"capacity_type": "on_demand", "effective_cost": 3.0, "list_cost": 4.0, "savings": 1.0,
               "cpu_core_hours": 10.0, "ram_gib_hours": 10.0},
        day | {"capacity_type": "spot", "effective_cost": 1.0, "cpu_core_hours": 5.0, "ram_gib_hours": 5.0},
        day | {"capacity_type": "on_demand", "effective_cost": 9.0, "list_cost": 9.0, "savings": 0.0,
               "cpu_core_hours": 1.0, "ram_gib_hours": 1.0, "gpu_hours": 1.0},
    ]  # fmt: skip
    found = {row["capacity_type"]: row for row in answers("savings_spot_and_commitments", {"instance_costs": rows})}
    assert found["spot"]["spot_savings_estimate"] == pytest.approx(4.0 / 2 - 1.0)
    assert found["on_demand"]["savings"] == 1.0
    assert found["on_demand"]["spot_savings_estimate"] is None
