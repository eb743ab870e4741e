import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import boto3
import pytest

from pipeline.demo.stack import BILL_TABLE, DATABASE, Stack
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.relations import views
from pipeline.warehouse import Answer, Warehouse
from tests.trino.answers import asked, differences
from tests.trino.estate import COMPARED, Command, Stage, chargeback
from tests.trino.statements import view_types

pytestmark = pytest.mark.trino

NOT_READ = {"cost_ledger_runs"}
"""What publish makes and answers nobody who asks for all of it: of the runs, one has to be named."""

RELATIONS = sorted(({table.name for table in PUBLISHED_TABLES} | {view.name for view in views("cur2")}) - NOT_READ)

Rows = Mapping[str, Future[Answer]]


def test_every_check_passes_on_trino(published: None, stage: Stage, on_trino: Command) -> None:
    stage("verifying")
    on_trino("verify")


@pytest.mark.parametrize("dimension", ["job", "cost-center", "pod", "label:team"])
def test_a_report_says_the_same_on_both_engines(
    dimension: str, published: None, stack: Stack, athena: Future[Warehouse], on_trino: Command
) -> None:
    words = ("report", "--by", dimension, "--format", "json")
    with ThreadPoolExecutor(1) as beside:
        compared = beside.submit(chargeback, stack, *words, CHARGEBACK_GLUE_DATABASE=COMPARED)
        told = json.loads(on_trino(*words).stdout)
    assert told == approximate(json.loads(compared.result().stdout))


@pytest.fixture(scope="module")
def of_trino(stage: Stage, published: None, trino: Warehouse) -> Iterator[Rows]:
    stage("reading every relation on both engines")
    with asked(lambda name: trino.query(f'SELECT * FROM "{name}"', name), RELATIONS) as answers:
        yield answers


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_has_the_same_rows_on_both_engines(relation: str, of_trino: Rows, athena: Future[Warehouse]) -> None:
    compared = athena.result().query(f'SELECT * FROM "{relation}"', relation)
    assert list(islice(differences(of_trino[relation].result(), compared), 5)) == []


def test_all_that_publish_makes_is_compared(published: None, stack: Stack) -> None:
    pages = boto3.client("glue").get_paginator("get_tables").paginate(DatabaseName=DATABASE)
    made = {found["Name"] for page in pages for found in page["TableList"]}
    assert made == {*RELATIONS, *NOT_READ, BILL_TABLE}


def test_the_data_dictionary_says_the_types_that_trino_has(published: None, trino: Warehouse) -> None:
    listed = trino.query(
        f"SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = '{DATABASE}'",
        "The columns of every relation",
    )
    types: dict[str, dict[str, str]] = {}
    for relation, column, kind in listed.rows:
        types.setdefault(relation, {})[column] = kind.replace("timestamp(3)", "timestamp")
    assert {name: types[name] for name in view_types()} == view_types()


def approximate(value: Any) -> Any:
    """JSON whose numbers need fit but to their ninth digit."""
    match value:
        case dict():
            return {name: approximate(inner) for name, inner in value.items()}
        case list():
            return [approximate(inner) for inner in value]
        case float():
            return pytest.approx(value, rel=1e-9, abs=1e-9)
    return value
