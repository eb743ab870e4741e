"""What the page asks of each visual, asked of Trino, too."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from datetime import date

import pytest

from pipeline.month import Month
from pipeline.questions import Asked, question
from pipeline.story import read_story
from pipeline.warehouse import Answer, Warehouse
from tests.trino.answers import asked, differences
from tests.trino.estate import Stage

pytestmark = pytest.mark.trino

ABOUT = Asked(Month(2026, 10), date(2026, 10, 15))
QUESTIONS = {
    f"{name}-{visual.id}": question(read_story(), visual, ABOUT)
    for name, sheet in read_story().sheets.items()
    for visual in sheet.visuals
}


@pytest.fixture(scope="module")
def of_trino(stage: Stage, published: None, trino: Warehouse) -> Iterator[Mapping[str, Future[Answer]]]:
    stage("asking what the dashboard asks on both engines")
    with asked(lambda name: trino.query(QUESTIONS[name], name), QUESTIONS) as answers:
        yield answers


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_visual_has_the_same_answer_on_both_engines(
    name: str, of_trino: Mapping[str, Future[Answer]], athena: Future[Warehouse]
) -> None:
    compared = athena.result().query(QUESTIONS[name], name)
    assert list(differences(of_trino[name].result(), compared)) == []
