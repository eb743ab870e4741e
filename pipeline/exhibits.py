"""What is shown of an answer: a figure, or a table of cells with a chart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from pipeline.dashboard import CHANGE, Dashboard, Told
from pipeline.drawings import OTHERS, Drawn, drawn, in_order, parted
from pipeline.questions import is_total, keys
from pipeline.story import DAY, Form, Measure, Story, Visual
from pipeline.wording import is_unknown, told, word

_SECOND = frozenset(
    {
        "cluster_name",
        "detail",
        "instance_type",
        "payer_account_id",
        "spark_role",
        "state",
        "virtual_cluster",
        "workload_id",
    }
)
"""Keys that a phone has no room for, unless they stand first."""
_BESIDE = 6  # columns of a table for which there is room beside the chart


@dataclass(frozen=True)
class Cell:
    """What a cell says; *value* is the number at full precision, None where it holds text; *mark* is its CSS class.

    *bar* is how much of the largest in its column it is, in percent.
    """

    text: str
    value: float | None = None
    mark: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class Figure:
    """A visual that is one number."""

    visual: Visual
    cell: Cell
    says: tuple[str, ...]


@dataclass(frozen=True)
class Exhibit:
    """A visual as the page shows it: its table, and its chart with a legend of (name, number of its colour)."""

    visual: Visual
    headings: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[Cell, ...] = ()
    more: int = 0
    chart: Drawn | None = None

    @property
    def by_day(self) -> bool:
        """Whether the table has a row a day, below a chart that says the same."""
        return self.visual.over_time and self.visual.rows[0] == DAY

    @property
    def broad(self) -> bool:
        """Whether table or chart need the width of a laptop's window."""
        return self.by_day or len(self.headings) > _BESIDE


def figure(of: Dashboard, sheet: str, visual: Visual) -> Figure:
    """A visual of the kind kpi: its value, and what it says, with the change since its target."""
    [row] = of.answers[sheet, visual.id].rows.to_dict("records")
    measure = of.story.measure(visual.data_set, visual.values[0])
    cell = _number(row[visual.values[0]], measure.form)
    compared = [_compared(of.story, visual, cell.value, row[visual.target])] if visual.target else []
    return Figure(visual, cell, (*compared, visual.says))


def _compared(story: Story, visual: Visual, value: float | None, target: object) -> str:
    measure = story.measure(visual.data_set, str(visual.target))
    if value is None or is_unknown(target) or float(str(target)) <= 0:
        return "There is no cost to compare with."
    return f"{measure.label}: {told(target, measure.form)} ({told(value / float(str(target)) - 1, 'change')})"


def exhibit(of: Dashboard, sheet: str, visual: Visual) -> Exhibit:
    """A visual of any other kind, with the largest rows of its answer; of days all."""
    found = of.answers[sheet, visual.id]
    table = _split(of.story, visual, found) if visual.by else _plain(of.story, visual, found)
    shown = len(table.rows) if of.top == 0 or visual.over_time else of.top
    count = len(table.rows) if visual.by else found.count
    cut = replace(table, rows=table.rows[:shown], more=max(0, count - min(shown, len(table.rows))))
    return replace(cut, chart=drawn(of, visual, found, f"{sheet}-{visual.id}", broad=cut.broad))


def _plain(story: Story, visual: Visual, found: Told) -> Exhibit:
    """A column per key and measure; ratios and counts of different things have no sum."""
    measures = {name: story.measure(visual.data_set, name) for name in visual.values}
    share = _shared(visual, found)
    last = [Cell("Share", mark="number")] if share else [Cell("Change", mark="number")] if visual.follows else []
    barred = _barred(visual, measures)
    highest = found.rows[barred].max() if barred and not found.rows.empty else 0
    rows = (
        (
            *_keys(visual, row),
            *(_number(row[name], measure.form, highest if name == barred else 0) for name, measure in measures.items()),
            *([_number(float(row[visual.values[0]]) / share, "share")] if share else []),
            *([_number(row[CHANGE], "change")] if visual.follows else []),
        )
        for row in found.rows.to_dict("records")
    )
    sums = [
        _number(found.totals[name], measure.form) if name in found.totals else Cell("")
        for name, measure in measures.items()
    ]
    is_summed = found.count > 1 and bool(found.totals)
    foot = (*_total(visual), *sums, *(Cell("") for _ in last)) if is_summed else ()
    heads = (Cell(measure.label, mark="number") for measure in measures.values())
    return Exhibit(visual, (*_heads(story, visual), *heads, *last), tuple(rows), foot)


def _shared(visual: Visual, found: Told) -> float | None:
    """The total of which each row has its share, where rows are parts of one."""
    if len(visual.values) != 1 or visual.over_time or found.count < 2:
        return None
    total = found.totals.get(visual.values[0])
    return float(total) if total is not None and not is_unknown(total) and total > 0 else None


def _barred(visual: Visual, measures: Mapping[str, Measure]) -> str | None:
    """The measure of a table whose cells are bars, too: an amount, if it comes first."""
    first = visual.values[0]
    return first if (visual.kind == "table" or visual.drill) and measures[first].form == "amount" else None


def _split(story: Story, visual: Visual, found: Told) -> Exhibit:
    """A column per key and part of the first measure, and their total where they have one."""
    names, value = parted(visual, found.rows), visual.values[0]
    measure, is_summed = story.measure(visual.data_set, value), is_total(story.data_sets[visual.data_set], value)
    parts = [name for name in in_order(visual, found.rows, names) if is_summed or name != OTHERS]
    rows = _pivoted(visual, found.rows, names, parts, is_summed=is_summed)
    columns = [*parts, *(["Total"] if is_summed else [])]
    cells = (
        (*_keys(visual, row), *(_number(row[name], measure.form) for name in columns))
        for row in rows.to_dict("records")
    )
    sums = (_number(rows[name].sum(min_count=1), measure.form) for name in columns)
    foot = (*_total(visual), *sums) if is_summed and len(rows) > 1 else ()
    heads = (Cell(name, mark="number") for name in columns)
    return Exhibit(visual, (*_heads(story, visual), *heads), tuple(cells), foot)


def _pivoted(
    visual: Visual, rows: pd.DataFrame, names: "pd.Series[str]", parts: Sequence[str], *, is_summed: bool
) -> pd.DataFrame:
    """A row per key, with a column per part; days in their order, all else with the largest first."""
    value, of = visual.values[0], list(keys(visual))
    columns = {part: rows[value].where(names == part, 0.0 if is_summed else None) for part in parts}
    whole = {"Total": rows[value]} if is_summed else {}
    found = rows[of].assign(**columns, **whole).groupby(of)[[*columns, *whole]].sum(min_count=1).reset_index()
    if visual.over_time:
        return found.sort_values(of, ignore_index=True)
    return found.sort_values("Total", ascending=False, ignore_index=True, kind="stable")


def _keys(visual: Visual, row: Mapping[object, object]) -> Iterable[Cell]:
    return (Cell(word(row[name], name), mark=_rank(visual, name)) for name in keys(visual))


def _heads(story: Story, visual: Visual) -> Iterable[Cell]:
    return (Cell(story.label(name), mark=_rank(visual, name)) for name in keys(visual))


def _total(visual: Visual) -> Iterable[Cell]:
    return (Cell("" if place else "Total", mark=_rank(visual, name)) for place, name in enumerate(keys(visual)))


def _rank(visual: Visual, name: str) -> str:
    return "second" if name in _SECOND and name != keys(visual)[0] else ""


def _number(value: object, form: Form, highest: float = 0) -> Cell:
    text = told(value, form)
    if is_unknown(value) or form == "day":
        return Cell(text, mark="number")
    number = float(str(value))
    mark = "" if form != "change" else " rise" if number > 0 else " fall" if number < 0 else ""
    bar = max(0.0, round(100 * number / highest, 1)) if highest > 0 else None
    return Cell(text, number, f"number{mark}{' bar' if bar is not None else ''}", bar)
