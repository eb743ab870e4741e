import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from sqlglot import MappingSchema

from pipeline.dictionary import dictionary, output_types
from pipeline.errors import ConfigurationError
from pipeline.glue_types import partition_columns
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.relations import views
from tests.sql.warehouse import Warehouse, warehouse

WRITTEN = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


@pytest.fixture(scope="module")
def shipped() -> Warehouse:
    return warehouse({})


def test_the_written_dictionary_is_what_make_docs_writes() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == dictionary(), "stale: run `make docs`"


def test_the_module_prints_the_dictionary_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.dictionary"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (printed.stdout.decode("utf-8"), printed.stderr) == (dictionary(), b"")


def test_every_column_of_a_table_is_there_with_what_it_means() -> None:
    for table in PUBLISHED_TABLES:
        rows = _rows(table.name)
        assert [name for name, *_ in rows] == [column.name for column in (*table.columns, *partition_columns(table))]
        assert all(meaning for _, _, meaning in rows)


@pytest.mark.parametrize("name", [table.name for table in PUBLISHED_TABLES] + [view.name for view in views("cur2")])
def test_the_types_are_those_that_an_engine_finds(name: str, shipped: Warehouse) -> None:
    found = {column.lower(): kind.lower() for column, kind in shipped.columns(name).items()}
    assert {column: kind for column, kind, *_ in _rows(name)} == found


def test_each_view_says_its_grain_and_what_it_reads() -> None:
    assert "One row per pod, node and window. Reads `allocations`." in _section("pod_hours")
    assert "with the same columns for every kind of report. Reads the Cost and Usage" in _section("cur_lines")


def test_two_underscores_are_not_read_as_emphasis() -> None:
    meanings = {name: meaning for name, _, meaning in _rows("allocations")}
    assert meanings["container"] == r"Container name; \_\_unmounted\_\_ for cost that no pod has"


def test_a_column_whose_type_does_not_follow_from_the_sql_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="column told is not known"):
        output_types("SELECT oracle(pod) AS told FROM pods", MappingSchema({"pods": {"pod": "varchar"}}))


@cache
def _written_once() -> str:
    return dictionary()


def _section(relation: str) -> str:
    _, _, after = _written_once().partition(f"\n### {relation}\n")
    return after.partition("\n### ")[0].partition("\n## ")[0]


def _rows(relation: str) -> list[list[str]]:
    """The cells of a relation's table of columns, the first without its backquotes."""
    lines = [line for line in _section(relation).splitlines() if line.startswith("| `")]
    cells = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    return [[name.strip("`"), *others] for name, *others in cells]
