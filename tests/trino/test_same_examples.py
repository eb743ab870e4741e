"""The example queries, pasted into Trino: over a bill that is partly invoiced, and under a policy."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from pipeline.examples import examples
from pipeline.warehouse import Answer, Warehouse
from tests.demo_answers import assert_like, lines_of
from tests.trino.answers import asked
from tests.trino.estate import Stage

pytestmark = pytest.mark.trino

EXAMPLES = {example.name: example.statement for example in examples()}


@pytest.fixture(scope="module")
def of_trino(stage: Stage, published: None, trino: Warehouse) -> Iterator[Mapping[str, Future[Answer]]]:
    stage("asking the example queries on both engines")
    with asked(lambda name: trino.query(EXAMPLES[name], name), EXAMPLES) as answers:
        yield answers


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_the_same_answer_on_both_engines(
    name: str, of_trino: Mapping[str, Future[Answer]], athena: Future[Warehouse]
) -> None:
    compared = athena.result().query(EXAMPLES[name], name)
    assert compared.rows
    assert_like(of_trino[name].result(), lines_of(compared))
