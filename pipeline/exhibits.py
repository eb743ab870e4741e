"""What is shown of an answer: a table of cells, and a chart with its legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pandas as pd

from pipeline import charts
from pipeline.dashboard import BEFORE, CHANGE, NOW, SAME_DAYS, TREND, Dashboard, days_had
from pipeline.questions import DAY
from pipeline.story import Chart, Measure, Span, Unit, Visual
from pipeline.wording import NOTHING, heading, short, told, word

_COLOURS = {  # of parts that are on several charts, in the order in which they are stacked; 0 is a grey
    "compute": 1,
    "emr_uplift": 2,
    "storage": 3,
    "network": 4,
    "control_plane": 5,
    "shared": 6,
    "idle": 0,
    "final": 3,
    "provisional": 1,
    "estimated": 4,
    "allocated_cost": 1,
    "idle_cost": 0,
    "shared_cost": 6,
    "unattributed_cost": 5,
    "out_of_scope_cost": 7,
}
_DRAWN_ROWS = 10
_PARTS = 6
_SECOND = frozenset({"instance_type", "namespace", "payer_account_id", "virtual_cluster_id", "workload_kind"})
"""Keys that a phone has no room for."""
_BESIDE = 6  # columns of a table for which there is room beside the chart
_OTHERS = "others"
_ONE = timedelta(days=1)


@dataclass(frozen=True)
class Cell:
    """What a cell says; *value* is the number at full precision, None where it holds text; *mark* is its CSS class."""

    text: str
    value: float | None = None
    mark: str = ""
    trend: tuple[float, ...] = ()


@dataclass(frozen=True)
class Exhibit:
    """One visual as the page shows it: its table, and its chart with a legend of (name, number of its colour)."""

    visual: Visual
    headings: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[Cell, ...] = ()
    more: int = 0
    drawing: charts.Drawing | None = None
    legend: tuple[tuple[str, int], ...] = ()

    @property
    def by_day(self) -> bool:
        """Whether the table has a row a day, below a chart that says the same."""
        return self.visual.chart is Chart.COLUMNS

    @property
    def broad(self) -> bool:
        """Whether table or chart need the width of a laptop's window."""
        return self.by_day or len(self.headings) > _BESIDE


def exhibit(visual: Visual, of: Dashboard, top: int) -> Exhibit:
    """*visual* with the dearest *top* rows (0: all; of days all) of its answer in *of*."""
    answer = of.answers[visual.name]
    if visual.span is not Span.MONTH:
        table = _compared(visual, answer, of)
    elif visual.series:
        table = _split(visual, answer)
    else:
        table = _plain(visual, answer)
    shown = len(table.rows) if top == 0 or visual.keys == (DAY,) else top
    more = max(0, len(table.rows) - shown)
    found = Exhibit(visual, table.headings, table.rows[:shown], table.foot, more)
    if answer.empty or visual.chart is Chart.NONE:
        return found
    drawing, legend = _drawn(visual, answer, of, broad=found.broad)
    return replace(found, drawing=drawing, legend=legend)


@dataclass(frozen=True)
class _Table:
    headings: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[Cell, ...]


def _plain(visual: Visual, answer: pd.DataFrame) -> _Table:
    """A column per key and measure; ratios and counts of different things have no sum."""
    measures = [(str(place), measure) for place, measure in enumerate(visual.measures)]
    last = [Cell("By day", mark="trend")] if visual.trend else []
    last += [Cell("Change", mark="number")] if visual.follows else []
    rows = [
        (
            *(_key(row[name], name) for name in visual.keys),
            *(_number(row[place], measure.unit) for place, measure in measures),
            *([Cell("", trend=tuple(row[TREND]), mark="trend")] if visual.trend else []),
            *([_share(row[CHANGE])] if visual.follows else []),
        )
        for row in answer.to_dict("records")
    ]
    sums = (_number(answer[place].sum(min_count=1), m.unit) if _adds_up(m) else Cell("") for place, m in measures)
    is_summed = not visual.overlaps and len(rows) > 1 and any(_adds_up(measure) for _, measure in measures)
    foot = (*_total(visual.keys), *sums, *(Cell("") for _ in last)) if is_summed else ()
    return _Table((*_heads(visual.keys), *(_head(measure) for _, measure in measures), *last), tuple(rows), foot)


def _split(visual: Visual, answer: pd.DataFrame) -> _Table:
    """A column per key, part of the first measure, their total, and other measure."""
    keys, names = list(visual.keys), _parted(answer, str(visual.series))
    heads = _in_order(answer, str(visual.series), names)
    parts = {f"part {place}": answer["0"].where(names == name, 0.0) for place, name in enumerate(heads)}
    amounts = [*parts, *(str(place) for place, _ in enumerate(visual.measures))]
    rows = answer[keys].assign(**parts, **{str(p): answer[str(p)] for p, _ in enumerate(visual.measures)})
    rows = rows.groupby(keys, dropna=False)[amounts].sum(min_count=1).reset_index()
    rows = rows.sort_values(DAY) if keys == [DAY] else rows.sort_values("0", ascending=False)
    units = [Unit.MONEY for _ in parts] + [measure.unit for measure in visual.measures]
    heads += ["Total", *(measure.heading for measure in visual.measures[1:])]
    cells = (
        (
            *(_key(row[name], name) for name in keys),
            *(_number(row[name], unit) for name, unit in zip(amounts, units, strict=True)),
        )
        for row in rows.to_dict("records")
    )
    sums = (_number(rows[name].sum(min_count=1), unit) for name, unit in zip(amounts, units, strict=True))
    foot = (*_total(visual.keys), *sums) if len(rows) > 1 else ()
    return _Table((*_heads(visual.keys), *(Cell(head, mark="number") for head in heads)), tuple(cells), foot)


def _compared(visual: Visual, answer: pd.DataFrame, of: Dashboard) -> _Table:
    """What it cost before and after, and the change."""
    spans = _spans(visual, of)
    rows = tuple(
        (
            *(_key(row[name], name) for name in visual.keys),
            *(_number(row[name], Unit.MONEY) for name in spans),
            *_change(row[CHANGE], row[NOW] - row[CHANGE]),
        )
        for row in answer.to_dict("records")
    )
    heads = (*spans.values(), "Change", "%")
    sums = {name: answer[name].sum(min_count=1) for name in (*spans, CHANGE)}
    foot = (
        *_total(visual.keys),
        *(_number(sums[name], Unit.MONEY) for name in spans),
        *_change(sums[CHANGE], sums[NOW] - sums[CHANGE]),
    )
    return _Table(
        (*_heads(visual.keys), *(Cell(head, mark="number") for head in heads)), rows, foot if len(rows) > 1 else ()
    )


def _spans(visual: Visual, of: Dashboard) -> dict[str, str]:
    """The columns that are compared, and from when to when each is."""
    if visual.span is Span.TWO_MONTHS:
        before = of.month.first - _ONE
        until = days_had(of.month, of.newest_day)
        same = {} if until >= before.day else {SAME_DAYS: f"1 to {until} {before:%b}"}
        return {BEFORE: f"{before:%B}", **same, NOW: f"{of.month.first:%B}"}
    if of.latest is None:
        return {BEFORE: "Before", NOW: "After"}
    first, middle, end = of.latest.before, of.latest.first, of.latest.end
    return {BEFORE: _days(first, middle - _ONE), NOW: _days(middle, end - _ONE)}


def _days(first: date, last: date) -> str:
    return short(first) if first == last else f"{short(first)} to {short(last)}"


def _drawn(
    visual: Visual, answer: pd.DataFrame, of: Dashboard, *, broad: bool
) -> tuple[charts.Drawing, tuple[tuple[str, int], ...]]:
    """The chart, and the name and colour of each of its parts."""
    parts = _parts(visual, answer)
    if visual.chart is Chart.COLUMNS:
        draw, labels = charts.columns, [str(day.day) for day in of.month.days]
    else:
        draw = charts.bars
        labels = list(parts.groupby("label")["value"].sum().sort_values(ascending=False, kind="stable").index)
        labels = labels[:_DRAWN_ROWS]
        parts = parts[parts["label"].isin(labels)]
    legend = _legend(parts)
    drawing = draw(parts, labels, [colour for _, colour in legend], visual.name, broad=broad)
    return drawing, legend if len(legend) > 1 else ()


def _parts(visual: Visual, answer: pd.DataFrame) -> pd.DataFrame:
    """A row per bar and part of it, the dearest bar first, days in their order."""
    labels = _labels(visual, answer)
    if visual.stacked:
        found = [
            pd.DataFrame({"label": labels, "key": name, "part": measure.heading, "value": answer[str(place)]})
            for name in visual.stacked
            for place, measure in enumerate(visual.measures)
            if measure.column == name
        ]
        parts = pd.concat(found)
    elif visual.series:
        names = _parted(answer, visual.series)
        keys = answer[visual.series].where(names != _OTHERS, _OTHERS)
        order = _in_order(answer, visual.series, names)
        parts = pd.DataFrame({"label": labels, "key": keys, "part": names, "value": answer["0"]})
        parts = parts.assign(rank=names.map(order.index)).sort_values("rank", kind="stable")
    else:
        head = visual.measures[0].heading
        parts = pd.DataFrame({"label": labels, "key": head, "part": head, "value": answer["0"]})
    parts = parts.groupby(["label", "key", "part"], dropna=False, sort=False)["value"].sum().reset_index()
    sizes = parts["value"].abs().groupby(parts["part"]).transform("sum")
    parts = parts[(sizes > 0) | (sizes.sum() == 0)]
    said = [
        f"{label}, {part}: {told(value, Unit.MONEY)}"
        for label, part, value in zip(parts["label"], parts["part"], parts["value"], strict=True)
    ]
    return parts.assign(told=said)


def _labels(visual: Visual, answer: pd.DataFrame) -> Sequence[str]:
    """What each bar is called: its first key, with the others where that is not enough to tell them apart."""
    if visual.keys == (DAY,):
        return [str(day.day) for day in answer[DAY]]
    said = [tuple(word(row[name], name) for name in visual.keys) for row in answer.to_dict("records")]
    firsts: dict[str, set[tuple[str, ...]]] = {}
    for names in said:
        firsts.setdefault(names[0], set()).add(names)
    return [names[0] if len(firsts[names[0]]) == 1 else " · ".join(names) for names in said]


def _parted(answer: pd.DataFrame, series: str) -> "pd.Series[str]":
    """Which part each row is of: its value of *series* in words, or that of all but the largest."""
    largest = answer.assign(size=answer["0"].abs()).groupby(series, dropna=False)["size"].sum().nlargest(_PARTS).index
    kept = {word(value, series) for value in largest}
    return answer[series].map(lambda value: word(value, series)).map(lambda name: name if name in kept else _OTHERS)


def _in_order(answer: pd.DataFrame, series: str, names: "pd.Series[str]") -> list[str]:
    """The parts in the order in which they are stacked: as they are everywhere, else the largest first; others last."""
    ranks = {word(key, series): rank for rank, key in enumerate(_COLOURS)} | {_OTHERS: 2 * len(_COLOURS)}
    sizes = answer["0"].abs().groupby(names).sum()
    return sorted(sizes.index, key=lambda name: (ranks.get(name, len(_COLOURS)), -sizes[name], name))


def _legend(parts: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """Each part's colour: the one that it has everywhere, else the next that is free."""
    named = parts.drop_duplicates("part")[["key", "part"]].itertuples(index=False)
    pairs = [(str(part), _COLOURS.get(str(key)), part == _OTHERS) for key, part in named]
    free = iter(sorted(set(range(1, charts.PARTS)) - {colour for _, colour, _ in pairs}))
    return tuple(
        (part, charts.PARTS if is_rest else next(free, charts.PARTS) if colour is None else colour)
        for part, colour, is_rest in pairs
    )


def _key(value: object, name: str) -> Cell:
    return Cell(word(value, name), mark=_rank(name))


def _rank(name: str) -> str:
    return "second" if name in _SECOND else ""


def _number(value: object, unit: Unit, mark: str = "") -> Cell:
    text = told(value, unit)
    is_known = value is not None and not pd.isna(value)  # type: ignore[call-overload]
    return Cell(text, float(str(value)) if is_known else None, f"number {mark}".strip())


def _change(change: float, before: float) -> tuple[Cell, Cell]:
    """A change, and what share it is of what was before; no share of nothing."""
    share = change / before if before > 0 else None
    return _number(change, Unit.MONEY, _direction(change)), _share(share)


def _share(share: float | None) -> Cell:
    if share is None or pd.isna(share):
        return Cell(NOTHING, mark="number")
    return Cell(f"{share:+.1%}", float(share), f"number {_direction(share)}".strip())


def _direction(change: float) -> str:
    return "rise" if change > 0 else "fall" if change < 0 else ""


def _adds_up(measure: Measure) -> bool:
    return measure.per is None and not measure.distinct


def _head(measure: Measure) -> Cell:
    return Cell(measure.heading, mark="number")


def _heads(keys: Iterable[str]) -> Iterable[Cell]:
    return (Cell(heading(name), mark=_rank(name)) for name in keys)


def _total(keys: Sequence[str]) -> Iterable[Cell]:
    return (Cell("" if place else "Total", mark=_rank(name)) for place, name in enumerate(keys))
