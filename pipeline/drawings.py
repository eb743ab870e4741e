"""What is drawn of an answer: its bars and lines, their parts, and the colour of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pipeline import charts
from pipeline.dashboard import Dashboard, Told
from pipeline.formula import adds_up
from pipeline.questions import keys
from pipeline.story import DAY, Form, Story, Visual
from pipeline.wording import tick, told, word

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
    "allocated": 1,
    "unattributed": 5,
    "to_come": 0,
}
_AXES: Mapping[Form, str] = {"price": ",.4~f", "share": ".0%"}
"""How the numbers along an axis are written, in D3's words, unless with SI's prefixes."""
_ROWS = 10
_PARTS = 6
OTHERS = "others"


@dataclass(frozen=True)
class Drawn:
    """A chart, and the name and number of the colour of each of its parts; nothing where there is but one."""

    drawing: charts.Drawing
    legend: tuple[tuple[str, int], ...]


def drawn(of: Dashboard, visual: Visual, found: Told, name: str, *, broad: bool) -> Drawn | None:
    """The chart of a bar or line *visual*; *name* is unique on the page. None where there is nothing to draw."""
    if visual.kind not in ("bar", "line") or visual.drill:
        return None
    parts = _parts(of, visual, found.rows)
    draw, labels = _form(of, visual, parts)
    if visual.kind == "line" and _is_sum(of.story, visual):
        parts = _filled(parts, labels)
    parts = _said(of.story, visual, parts[parts["label"].isin(labels)])
    if parts.empty:
        return None
    legend = _legend(parts)
    axis = _AXES.get(of.story.measure(visual.data_set, visual.values[0]).form, ",~s")
    drawing = draw(parts, labels, [colour for _, colour in legend], name, axis, broad=broad)
    return Drawn(drawing, legend if len(legend) > 1 else ())


def parted(visual: Visual, rows: pd.DataFrame) -> "pd.Series[str]":
    """Which part each row is of: its value of the visual's series in words, or that of all but the largest."""
    [series] = visual.by
    largest = _sizes(visual, rows).groupby(rows[series]).sum().nlargest(_PARTS).index
    kept = {word(key, series) for key in largest}
    return rows[series].map(lambda key: word(key, series)).map(lambda name: name if name in kept else OTHERS)


def in_order(visual: Visual, rows: pd.DataFrame, names: "pd.Series[str]") -> list[str]:
    """The parts in the order in which they are stacked: as they are everywhere, else the largest first; others last."""
    ranks = {word(key, visual.by[0]): rank for rank, key in enumerate(_COLOURS)} | {OTHERS: 2 * len(_COLOURS)}
    sizes = _sizes(visual, rows).groupby(names).sum()
    return sorted(sizes.index, key=lambda name: (ranks.get(name, len(_COLOURS)), -sizes[name], name))


def _sizes(visual: Visual, rows: pd.DataFrame) -> "pd.Series[float]":
    return rows[visual.sort or visual.values[0]].astype(float).abs()


def _is_sum(story: Story, visual: Visual) -> bool:
    return adds_up(story.measure(visual.data_set, visual.values[0]).formula)


def _form(of: Dashboard, visual: Visual, parts: pd.DataFrame) -> tuple[charts.Draw, list[str]]:
    """How it is drawn, and the label of each bar or place, in their order."""
    if visual.over_time:
        draw = charts.columns if visual.kind == "bar" else charts.lines
        return draw, list(dict.fromkeys(tick(day, visual) for day in _times(of, visual)))
    sizes = parts.groupby("label")["value"].sum().sort_values(ascending=False, kind="stable")
    return charts.bars, list(sizes.index[:_ROWS])


def _times(of: Dashboard, visual: Visual) -> Sequence[date]:
    """The days or months that it shows: all of a month, and of trends those that have been."""
    shown = of.days if visual.all_months else of.month.days
    return shown if visual.rows[0] == DAY else [day.replace(day=1) for day in shown]


def _parts(of: Dashboard, visual: Visual, rows: pd.DataFrame) -> pd.DataFrame:
    """A row per bar, or place, and part of it: its label, the part's key and name, and the value."""
    labels = _labels(visual, rows)
    if visual.by:
        return _split(of.story, visual, rows, labels)
    measures = {name: of.story.measure(visual.data_set, name).label for name in visual.values}
    found = [
        pd.DataFrame({"label": labels, "key": name, "part": label, "value": rows[name]})
        for name, label in measures.items()
    ]
    return pd.concat(found, ignore_index=True)


def _split(story: Story, visual: Visual, rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """What the parts of each bar are by the visual's series; ratios of what is not among the largest are left out."""
    [series] = visual.by
    names = parted(visual, rows)
    parts = pd.DataFrame(
        {
            "label": labels,
            "key": rows[series].where(names != OTHERS, OTHERS),
            "part": names,
            "value": rows[visual.values[0]],
            "rank": names.map(in_order(visual, rows, names).index),
        }
    ).sort_values("rank", kind="stable")
    if not _is_sum(story, visual):
        return parts[parts["part"] != OTHERS]
    return parts.groupby(["label", "key", "part"], sort=False)["value"].sum().reset_index()


def _filled(parts: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Each part at every label: what has no row has cost nothing."""
    kinds = parts.drop_duplicates("part")[["key", "part"]]
    places = pd.DataFrame({"label": labels}).merge(kinds, how="cross")
    found = places.merge(parts.assign(known=True), how="left", on=["label", "key", "part"])
    return found.assign(value=found["value"].where(found["known"].notna(), 0.0))[["label", "key", "part", "value"]]


def _said(story: Story, visual: Visual, parts: pd.DataFrame) -> pd.DataFrame:
    """Each part with its value in words; without parts that are nothing everywhere, and what is not known."""
    parts = parts.dropna(subset="value").assign(value=lambda rows: rows["value"].astype(float))
    sizes = parts["value"].abs().groupby(parts["part"]).transform("sum")
    parts = parts[(sizes > 0) | (sizes.sum() == 0)]
    form = story.measure(visual.data_set, visual.values[0]).form
    said = [
        f"{label}, {part}: {told(value, form)}"
        for label, part, value in zip(parts["label"], parts["part"], parts["value"], strict=True)
    ]
    return parts.assign(told=said)


def _labels(visual: Visual, rows: pd.DataFrame) -> list[str]:
    """What each bar is called: its first key, with the others where that is not enough to tell them apart."""
    if visual.over_time:
        return [tick(day, visual) for day in rows[visual.rows[0]]]
    said = [tuple(word(row[name], name) for name in keys(visual)) for row in rows.to_dict("records")]
    firsts: dict[str, set[tuple[str, ...]]] = {}
    for names in said:
        firsts.setdefault(names[0], set()).add(names)
    return [names[0] if len(firsts[names[0]]) == 1 else " · ".join(names) for names in said]


def _legend(parts: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """Each part's colour: the one that it has everywhere, else the next that is free."""
    named = parts.drop_duplicates("part")[["key", "part"]].itertuples(index=False)
    pairs = [(str(part), _COLOURS.get(str(key)), part == OTHERS) for key, part in named]
    free = iter(sorted(set(range(1, charts.PARTS)) - {colour for _, colour, _ in pairs}))
    return tuple(
        (part, charts.PARTS if is_rest else next(free, charts.PARTS) if colour is None else colour)
        for part, colour, is_rest in pairs
    )
