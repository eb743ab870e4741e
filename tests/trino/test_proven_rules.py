import json
from typing import Any

import duckdb
import pytest
import sqlglot

from pipeline.demo.athena.dialect import PRELUDE, to_duckdb
from pipeline.errors import StatementFailedError
from pipeline.warehouse import Warehouse
from tests.sql.trino_offences import FUNCTIONS
from tests.sql.trino_rules import RULES, Example, Proof
from tests.trino.estate import Stage

pytestmark = pytest.mark.trino

Rows = list[tuple[Any, ...]]


def examples(proof: Proof) -> list[Any]:
    return [
        pytest.param(example, id=example.breaks) for rule in RULES if rule.proof == proof for example in rule.examples
    ]


@pytest.fixture(scope="module")
def proving(stage: Stage, trino: Warehouse) -> Warehouse:
    stage("proving the rules")
    return trino


@pytest.fixture
def lake(proving: Warehouse, published: None) -> Warehouse:
    """Trino over tables that have rows."""
    return proving


@pytest.mark.parametrize("example", examples(Proof.ANSWER))
def test_trino_refuses_a_statement_or_answers_it_otherwise_than_duckdb(example: Example, proving: Warehouse) -> None:
    found = answer(proving, example.breaks)
    assert found is None or found != of_duckdb(sqlglot.transpile(example.breaks, read="athena", write="duckdb")[0])
    assert answer(proving, example.keeps) == of_duckdb(to_duckdb(example.keeps))


@pytest.mark.parametrize("example", examples(Proof.MEANING))
def test_trino_answers_otherwise_than_was_meant(example: Example, proving: Warehouse) -> None:
    assert answer(proving, example.breaks) != answer(proving, example.keeps)


@pytest.mark.parametrize("example", examples(Proof.PRUNING))
def test_trino_reads_all_days_for_one(example: Example, lake: Warehouse) -> None:
    assert not pruned(lake, example.breaks)
    assert pruned(lake, example.keeps)


@pytest.mark.parametrize("example", examples(Proof.VIEW))
def test_trino_refuses_a_view_or_finds_those_above_it_stale(example: Example, lake: Warehouse) -> None:
    assert not lasts(lake, example.breaks)
    assert lasts(lake, example.keeps)


def test_every_known_function_is_one_of_trinos(proving: Warehouse) -> None:
    listed = proving.query("SHOW FUNCTIONS", "The functions")
    assert not FUNCTIONS - {row[0] for row in listed.rows}


def answer(trino: Warehouse, statement: str) -> Rows | None:
    """The rows of *statement*, in an order of ours; None where Trino refuses it."""
    try:
        return sorted(trino.query(statement, "The statement").rows, key=repr)
    except StatementFailedError as error:
        if "INTERNAL_ERROR" in error.reason:
            raise  # what broke is not the statement
        return None


def of_duckdb(statement: str) -> Rows:
    with duckdb.connect() as connection:
        for setting in PRELUDE:
            connection.execute(setting)
        return sorted(connection.execute(statement).fetchall(), key=repr)


def pruned(trino: Warehouse, select: str) -> bool:
    """Whether Trino, asked for one day of *select*, looks for it in that day's partition only."""
    one_day = f"SELECT * FROM ({select}) AS asked WHERE usage_date = DATE '2026-10-13'"
    plan = json.loads(trino.query(f"EXPLAIN (TYPE IO, FORMAT JSON) {one_day}", "The plan").rows[0][0])
    [table] = plan["inputTableColumnInfos"]
    [days] = [
        c["domain"]["ranges"] for c in table["constraint"]["columnConstraints"] if c["columnName"] == "usage_date"
    ]
    return [(day["low"]["value"], day["high"]["value"]) for day in days] == [("2026-10-13", "2026-10-13")]


def lasts(trino: Warehouse, select: str) -> bool:
    """Whether *select* can be a view, and one above it is answered still when its text has become longer."""
    steps = (
        f"CREATE OR REPLACE VIEW rule_below AS {select}",
        "CREATE OR REPLACE VIEW rule_above AS SELECT * FROM rule_below",
        f"CREATE OR REPLACE VIEW rule_below AS {select.replace('idle', 'commitment_unused')}",
        "SELECT * FROM rule_above LIMIT 1",
    )
    done = all(answer(trino, step) is not None for step in steps)
    for view in ("rule_above", "rule_below"):
        trino.query(f"DROP VIEW IF EXISTS {view}", "Dropping the view")
    return done
