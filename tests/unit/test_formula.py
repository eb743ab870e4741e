from typing import Any

import msgspec
import pytest

from pipeline.formula import Aggregate, Arithmetic, adds_up, columns, parsed
from pipeline.story import Measure

A, B = Aggregate("sum", "a"), Aggregate("distinct_count", "b")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("sum(a)", A),
        ("sum(a) / distinct_count(b)", Arithmetic(A, "/", B)),
        ("sum(a) - distinct_count(b) - sum(a)", Arithmetic(Arithmetic(A, "-", B), "-", A)),
        ("sum(a) / (sum(a) + distinct_count(b))", Arithmetic(A, "/", Arithmetic(A, "+", B))),
        ("min(a)", Aggregate("min", "a")),
    ],
)
def test_a_formula_is_read_as_it_is_written(text: str, formula: Any) -> None:
    assert parsed(text) == formula


@pytest.mark.parametrize(
    "text",
    ["a", "sum(a, b)", "sum(a + b)", "sum(a) ** sum(b)", "sum(a) / 2", "median(a)", "sum(a", "sum(distinct=a)", ""],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"none of sum|no formula"):
        parsed(text)


def test_a_measure_that_is_no_formula_is_refused_where_it_stands() -> None:
    text = '[measures.cost]\nof = "median(cost)"\nlabel = "Cost"\n'
    with pytest.raises(msgspec.ValidationError, match=r"median\(cost\).*none of sum, .* at `"):
        msgspec.toml.decode(text, type=dict[str, dict[str, Measure]])


def test_its_columns_are_those_that_it_names() -> None:
    assert list(columns(parsed("sum(a) / (sum(a) + max(c))"))) == ["a", "a", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("sum(a)", True), ("sum(a) - sum(b)", True), ("sum(a) / sum(b)", False), ("distinct_count(a)", False)],
)
def test_sums_add_up_and_nothing_else(text: str, expected: bool) -> None:
    assert adds_up(parsed(text)) is expected
