"""What a measure is reckoned of: sums and counts of a column, and arithmetic with them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

Function = Literal["sum", "min", "max", "distinct_count"]
Operator = Literal["+", "-", "*", "/"]

_OPERATORS: dict[type[ast.operator], Operator] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Aggregate:
    """What *function* makes of all values of a *column*."""

    function: Function
    column: str


@dataclass(frozen=True)
class Arithmetic:
    """Two formulas, and what is between them."""

    left: "Formula"
    operator: Operator
    right: "Formula"


Formula = Aggregate | Arithmetic


def parsed(text: str) -> Formula:
    """Read `sum(a) / (sum(a) + sum(b))`.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _formula(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"{text!r} is no formula") from error


def columns(of: Formula) -> Iterator[str]:
    """The columns that it needs."""
    if isinstance(of, Aggregate):
        yield of.column
    else:
        yield from columns(of.left)
        yield from columns(of.right)


def adds_up(of: Formula) -> bool:
    """Whether the figures of several rows can be added: sums can, counts of different things and ratios cannot."""
    if isinstance(of, Aggregate):
        return of.function == "sum"
    return of.operator in "+-" and adds_up(of.left) and adds_up(of.right)


def _formula(node: ast.expr) -> Formula:
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            return Arithmetic(_formula(left), _OPERATORS[type(operator)], _formula(right))
        case ast.Call(ast.Name(function), [ast.Name(column)], []) if function in get_args(Function):
            return Aggregate(function, column)  # type: ignore[arg-type]  # it is one of them
    raise ValueError(f"{ast.unparse(node)!r} is none of sum, min, max and distinct_count of a column")
