from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from pipeline.warehouse import Answer
from tests.sql.cases import CASES, case_in, name_of

pytestmark = pytest.mark.trino


@pytest.mark.parametrize("directory", CASES, ids=name_of)
def test_the_relation_gives_the_expected_rows_on_trino(
    directory: Path, asked_cases: Mapping[Path, Future[Answer]]
) -> None:
    case = case_in(directory)
    answer = asked_cases[directory].result()
    spelt = {name.lower(): name for name in case.columns}
    names = [spelt.get(name.lower(), name) for name in answer.columns]
    assert case.compared([dict(zip(names, row, strict=True)) for row in answer.rows]) == case.wanted
