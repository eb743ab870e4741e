from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from pipeline.warehouse import Answer, Warehouse
from tests.sql.cases import CASES, case_in, name_of
from tests.trino.answers import asked
from tests.trino.estate import Stage
from tests.trino.statements import statement_of

pytestmark = pytest.mark.trino


@pytest.fixture(scope="module")
def of_trino(stage: Stage, trino: Warehouse, request: pytest.FixtureRequest) -> Iterator[Mapping[Path, Future[Answer]]]:
    stage("asking the cases of tests/sql")
    chosen = {name_of(directory): directory for directory in CASES}
    ids = [
        item.callspec.id
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    directories = [chosen[name] for name in ids if name in chosen]
    with asked(
        lambda directory: trino.query(statement_of(case_in(directory)), name_of(directory)), directories
    ) as found:
        yield found


@pytest.mark.parametrize("directory", CASES, ids=name_of)
def test_the_relation_gives_the_expected_rows_on_trino(
    directory: Path, of_trino: Mapping[Path, Future[Answer]]
) -> None:
    case = case_in(directory)
    answer = of_trino[directory].result()
    spelt = {name.lower(): name for name in case.columns}
    names = [spelt.get(name.lower(), name) for name in answer.columns]
    assert case.compared([dict(zip(names, row, strict=True)) for row in answer.rows]) == case.wanted
