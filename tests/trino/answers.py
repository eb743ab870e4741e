"""Answers of an engine that is asked a few things at once, and how those of two engines are compared."""

import json
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from pipeline.warehouse import Answer

_Item = TypeVar("_Item", bound=Hashable)

_TOLERANCE = 1e-9  # sums of doubles differ in their last digits, and what is left of a difference by more than that


@contextmanager
def asked(
    ask: Callable[[_Item], Answer], items: Iterable[_Item], *, at_once: int = 4
) -> Iterator[Mapping[_Item, Future[Answer]]]:
    """Ask for each of *items*, a few at once and in their order, while who waits for one waits for that one only."""
    pool = ThreadPoolExecutor(at_once)
    try:
        yield {item: pool.submit(ask, item) for item in items}
    finally:
        pool.shutdown(cancel_futures=True)


def differences(one: Answer, other: Answer) -> Iterator[str]:
    """What is not the same in two answers whose rows come in any order; columns are called alike in any case."""
    columns = [name.lower() for name in one.columns]
    if columns != [name.lower() for name in other.columns]:
        yield f"columns {columns} and {other.columns}"
    elif len(one.rows) != len(other.rows):
        yield f"{len(one.rows)} and {len(other.rows)} rows"
    else:
        for mine, theirs in zip(sorted(one.rows, key=_place), sorted(other.rows, key=_place), strict=True):
            for name, left, right in zip(columns, mine, theirs, strict=True):
                if not _same(left, right):
                    yield f"{name}: {left!r} and {right!r}, in {dict(zip(columns, mine, strict=True))}"


def _place(row: tuple[Any, ...]) -> tuple[str, list[float]]:
    """Where a row stands among the others: by all but its doubles, then by those."""
    doubles = [value for value in row if isinstance(value, float)]
    others = [sorted(value.items()) if isinstance(value, dict) else value for value in row if not _is_rough(value)]
    return repr(others), doubles


def _is_rough(value: object) -> bool:
    """Whether its last digits may be others: a double, or a JSON text that has some."""
    return isinstance(value, float) or (isinstance(value, str) and value.startswith('{"'))


def _same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or math.isclose(left, right, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(left, str) and isinstance(right, str) and _is_rough(left) and _is_rough(right):
        return _same_json(json.loads(left), json.loads(right))
    return type(left) is type(right) and left == right


def _same_json(left: Any, right: Any) -> bool:
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(_same_json(left[name], right[name]) for name in left)
        case list(), list():
            return len(left) == len(right) and all(map(_same_json, left, right))
    return _same(left, right)
