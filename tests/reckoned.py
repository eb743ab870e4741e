"""What QuickSight shows of a data set's rows, reckoned with pandas: measures by their formulas, rows by their keys."""

import operator
from datetime import date

import pandas as pd

from pipeline.formula import Aggregate, Formula, adds_up
from pipeline.story import CURRENCY, Story, Visual
from pipeline.wording import word

_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}

Figure = float | str | None
"""A number, a day, or nothing."""


def figures(story: Story, visual: Visual, rows: pd.DataFrame, since: date) -> dict[tuple[str, ...], Figure]:
    """Each figure of *visual* by the words of its row and the name of its column, over the rows *since* then."""
    rows = rows[rows[story.period(visual.data_set)] >= since]
    for column, values in visual.only.items():
        rows = rows[rows[column].isin(values)]
    keys = [name for name in (*visual.rows, *visual.drill) if name != CURRENCY]
    found: dict[tuple[str, ...], Figure] = {}
    for row, members in _groups(rows, keys):
        for name in visual.values:
            measure = story.measure(visual.data_set, name)
            if not visual.by or adds_up(measure.formula):
                found[*row, "Total" if visual.by else measure.label] = reckoned(measure.formula, members)
            for part, those in _groups(members, list(visual.by)) if visual.by else ():
                found[*row, *part] = reckoned(measure.formula, those)
    return found


def reckoned(of: Formula, rows: pd.DataFrame) -> Figure:
    """A formula over all *rows*."""
    if isinstance(of, Aggregate):
        return _aggregated(of, rows[of.column].dropna())
    left, right = reckoned(of.left, rows), reckoned(of.right, rows)
    if left is None or right is None or (of.operator == "/" and right == 0):
        return None
    return float(_OPERATORS[of.operator](float(left), float(right)))


def _aggregated(of: Aggregate, values: pd.Series) -> Figure:
    if of.function == "distinct_count":
        return float(values.nunique())
    if values.empty:
        return None
    found = values.agg(of.function)
    return str(found) if isinstance(found, date) else float(found)


def _groups(rows: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    if not keys:
        return [((), rows)]
    return [
        (tuple(word(part, column) for part, column in zip(key, keys, strict=True)), members)
        for key, members in rows.groupby(keys, dropna=False)
    ]
