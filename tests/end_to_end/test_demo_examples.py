"""The example queries, pasted into the demo's Athena.

WRITE_ANSWERS=1 writes the answers again instead of comparing them, for docs/examples.md to show: `make examples`.
"""

import os

import pytest
import sqlalchemy

from pipeline.examples import Example, examples
from pipeline.warehouse import Answer, Warehouse
from tests.demo_answers import assert_like, column, keep, kept, total
from tests.end_to_end.conftest import ATHENA

EXAMPLES = {example.name: example for example in examples()}
WHOLE_LEDGER = {
    "cost_per_cost_center": ("direct_cost",),
    "cost_per_job_run": ("cost",),
    "cost_per_service": ("effective_cost",),
    "cost_per_team": ("cost",),
    "cost_per_virtual_cluster": ("cost",),
    "cost_rules": ("cost",),
    "ledger_and_bill": ("allocated_cost", "idle_cost", "shared_cost", "unattributed_cost"),
    "ledger_states": ("cost",),
}
"""Of each query that promises to have all of the ledger: the columns that add up to it."""
PARTS = {
    "cost_per_job_run": ("compute_cost", "emr_uplift", "storage_cost", "network_cost", "other_cost"),
    "cost_per_virtual_cluster": ("compute_cost", "emr_uplift", "other_cost", "idle_cost"),
    "cost_per_endpoint": ("gateway_cost", "sessions_cost", "emr_uplift", "other_cost"),
    "job_run_by_hour": ("compute_cost", "emr_uplift", "other_cost"),
    "job_uplift": ("pods_cost", "emr_uplift"),
    "ledger_states": ("estimated_cost", "provisional_cost", "final_cost"),
    "savings_spot_and_commitments": ("pods_cost", "idle_cost"),
}
"""Of each query that shows all parts of a cost: their columns."""

RUN = "00000006m9a4czo0ozo"
"""The run that two of the queries are about."""

ANSWERED: dict[str, Answer] = {}


@pytest.fixture
def athena(engine: sqlalchemy.Engine) -> Warehouse:
    return Warehouse(ATHENA)


def ledger(athena: Warehouse, condition: str = "TRUE") -> float:
    """What the ledger has where the condition holds."""
    cost = f"SELECT SUM(effective_cost) AS cost FROM cost_ledger WHERE {condition}"
    return total(athena.query(cost, condition), "cost")


def answer(athena: Warehouse, name: str) -> Answer:
    """What the demo answers; it is asked once, for it never changes."""
    if name not in ANSWERED:
        ANSWERED[name] = athena.query(EXAMPLES[name].statement, name)
    return ANSWERED[name]


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_gives_the_answer_that_is_kept(example: Example, athena: Warehouse) -> None:
    found = answer(athena, example.name)
    assert found.rows
    if os.environ.get("WRITE_ANSWERS"):
        keep(example, found)
    assert_like(found, kept(example))


@pytest.mark.parametrize("name", WHOLE_LEDGER)
def test_what_promises_the_whole_ledger_adds_up_to_it(name: str, athena: Warehouse) -> None:
    assert total(answer(athena, name), *WHOLE_LEDGER[name]) == pytest.approx(ledger(athena), abs=1e-9)


@pytest.mark.parametrize("name", PARTS)
def test_the_parts_of_every_row_add_up_to_its_cost(name: str, athena: Warehouse) -> None:
    found = answer(athena, name)
    parts = zip(*(column(found, part) for part in PARTS[name]), strict=True)
    assert [sum(row) for row in parts] == pytest.approx(column(found, "cost"), abs=1e-9)


def test_idle_is_the_ledgers_beside_virtual_clusters_and_by_node_pool(athena: Warehouse) -> None:
    clusters, pools = answer(athena, "cost_per_virtual_cluster"), answer(athena, "overhead_idle")
    shown = [total(clusters, "idle_cost"), total(clusters, "idle_by_compute"), total(pools, "idle_cost")]
    assert shown == pytest.approx([ledger(athena, "cost_category = 'idle'")] * 3, abs=1e-9)
    assert total(pools, "pods_cost") == pytest.approx(ledger(athena, "cost_category = 'compute'"), abs=1e-9)


def test_one_run_costs_the_same_by_run_by_hour_and_by_pod(athena: Warehouse) -> None:
    hours, runs = answer(athena, "job_run_by_hour"), answer(athena, "cost_per_job_run")
    [of_run] = [cost for cost, key in zip(column(runs, "cost"), column(runs, "workload_id"), strict=True) if key == RUN]
    pods = total(answer(athena, "job_run_pods"), "cost")
    shown = [total(hours, "cost"), column(hours, "cost_so_far")[-1], pods + total(hours, "emr_uplift")]
    assert shown == pytest.approx([of_run] * 3, abs=1e-9)


def test_releases_have_all_cost_of_job_runs(athena: Warehouse) -> None:
    releases = answer(athena, "job_releases")
    assert total(releases, "cost") == pytest.approx(ledger(athena, "workload_kind = 'job_run'"), abs=1e-9)
    assert total(releases, "runs") == 73
    assert "unknown" not in column(releases, "release_label")


def test_overhead_and_what_has_no_workload_are_the_ledgers(athena: Warehouse) -> None:
    overhead = "workload_kind = 'platform' OR cost_category IN ('control_plane', 'shared')"
    assert total(answer(athena, "overhead_platform"), "cost") == pytest.approx(ledger(athena, overhead), abs=1e-9)
    nobodys = ledger(athena, "workload_kind IS NULL OR reason = 'unmounted'")
    assert total(answer(athena, "ledger_without_workload"), "cost") == pytest.approx(nobodys, abs=1e-9)
