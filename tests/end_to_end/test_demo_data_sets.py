"""The dashboard's data sets, asked of the demo's Athena as if it were the demo's own time."""

from functools import cache

import pytest
import sqlalchemy

from pipeline.story import Story, read_story
from pipeline.warehouse import Answer, Warehouse
from tests.demo_answers import column, total
from tests.end_to_end.conftest import ATHENA

WHOLE_LEDGER = {"months": "effective_cost", "costs": "effective_cost", "pods": "effective_cost"}
"""The measures that are to add up to all of the ledger."""

ANSWERED: dict[str, Answer] = {}


@cache
def shipped() -> Story:
    return read_story()


@pytest.fixture
def athena(engine: sqlalchemy.Engine) -> Warehouse:
    return Warehouse(ATHENA)


def answer(athena: Warehouse, name: str) -> Answer:
    if name not in ANSWERED:
        select = shipped().selects[name].replace("current_date", "DATE '2026-10-15'")
        ANSWERED[name] = athena.query(select, name)
    return ANSWERED[name]


def ledger(athena: Warehouse, condition: str = "TRUE") -> float:
    select = f"SELECT SUM(effective_cost) AS cost FROM cost_ledger WHERE {condition}"
    return total(athena.query(select, condition), "cost")


@pytest.mark.parametrize("name", read_story().selects)
def test_every_data_set_has_rows(name: str, athena: Warehouse) -> None:
    assert answer(athena, name).rows


@pytest.mark.parametrize("name", WHOLE_LEDGER)
def test_what_every_cost_center_has_adds_up_to_the_ledger(name: str, athena: Warehouse) -> None:
    assert total(answer(athena, name), WHOLE_LEDGER[name]) == pytest.approx(ledger(athena), abs=1e-9)


def test_jobs_are_all_that_has_a_workload(athena: Warehouse) -> None:
    found = answer(athena, "jobs")
    assert total(found, "effective_cost") == pytest.approx(ledger(athena, "workload_id IS NOT NULL"), abs=1e-9)
    assert "unknown" in column(found, "release_label"), "of the Spark Operator, which EMR does not list"
    assert len(set(column(found, "release_label"))) > 2


def test_idle_and_headroom_have_their_reasons(athena: Warehouse) -> None:
    found = answer(athena, "costs")
    rows = zip(*(column(found, name) for name in ("cost_category", "reason", "effective_cost")), strict=True)
    idle = {reason: cost for category, reason, cost in rows if category == "idle"}
    assert "empty_node" in idle


def test_what_was_distributed_adds_up_to_nothing(athena: Warehouse) -> None:
    assert total(answer(athena, "months"), "distributed_cost") == pytest.approx(0, abs=1e-9)


def test_the_bill_is_all_in_its_parts(athena: Warehouse) -> None:
    found = answer(athena, "reconciliation")
    parts = ("allocated_cost", "idle_cost", "shared_cost", "unattributed_cost", "out_of_scope_cost")
    assert total(found, *parts) == pytest.approx(total(found, "bill_effective_cost"), abs=1e-6)
