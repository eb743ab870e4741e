"""How an answer is drawn: Altair makes the chart, vl-convert an SVG of it, in colours that the style sheet sets."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import vl_convert

BROAD, WIDE, NARROW = 920, 540, 330  # pixels: a laptop's window, half of it, a phone's
PARTS = 8

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_ROW = 24
_PADDING = {"left": 14, "right": 4, "top": 4, "bottom": 4}  # left: a browser's font is wider than the renderer's
_COLUMNS_HEIGHT = 220
_INK, _FAINT = "#f0f00e", "#f0f00f"  # stand for the style sheet's colours, as do those of the parts
_COLOURS = {_INK: "var(--ink)", _FAINT: "var(--line)"} | {f"#f0f0{n:02}": f"var(--part-{n})" for n in range(PARTS + 1)}
_Drawn = alt.Chart | alt.LayerChart | alt.FacetChart

_REFERENCE = re.compile(r"url\(#(?P<id>[^)]+)\)")


@dataclass(frozen=True)
class Drawing:
    """A chart as SVG, once for a laptop's window and once for a phone's."""

    wide: str
    narrow: str


class Draw(Protocol):
    """A way to draw parts."""

    def __call__(
        self, parts: pd.DataFrame, labels: Sequence[str], colours: Sequence[int], name: str, axis: str, *, broad: bool
    ) -> Drawing:
        """Draw *parts* at their *labels*, as `bars` does."""


def bars(
    parts: pd.DataFrame, labels: Sequence[str], colours: Sequence[int], name: str, axis: str, *, broad: bool
) -> Drawing:
    """A horizontal bar per label, in their order, stacked of its parts, the sum beside it.

    *parts* has a row per `label` and `part` with its `value` and what it is in words, `told`; *colours* are the numbers
    of the style sheet's colours, for each part in the order of the first appearance. *name* is unique on the page,
    *axis* D3's format of the numbers along the axis; a *broad* chart has a laptop's window to itself.
    """
    sums = parts.groupby("label", sort=False).agg(
        value=("value", "sum"), end=("value", lambda v: v.clip(lower=0).sum())
    )
    sums = sums.reset_index().assign(told=lambda rows: rows["value"].map(lambda value: f"{value:,.2f}"))

    def chart(width: int) -> _Drawn:
        across = alt.Axis(title=None, format=axis, tickCount=width // 110, domain=False, ticks=False)
        down = alt.Axis(title=None, domain=False, ticks=False, labelLimit=width * 2 // 5, labelPadding=6)
        y = alt.Y("label:N", sort=list(labels), axis=down)
        room = alt.Scale(domainMax=max(1.2 * sums["end"].max(), 0.01), nice=False)  # for the sums beside the bars
        drawn = _marks(parts, colours).encode(x=alt.X("sum(value):Q", axis=across, scale=room), y=y)
        text = alt.Chart(sums).mark_text(align="left", dx=5, color=_INK, aria=False)
        return alt.layer(drawn, text.encode(x="end:Q", y=y, text="told:N")).properties(
            width=width, height=_ROW * len(labels)
        )

    return _drawing(chart, name, BROAD if broad else WIDE)


def lines(
    parts: pd.DataFrame, labels: Sequence[str], colours: Sequence[int], name: str, axis: str, *, broad: bool
) -> Drawing:
    """A line per part, with a point for each label that it has a value of; else as `bars`."""

    def chart(width: int) -> _Drawn:
        colour = _colour(parts, colours)
        placed = alt.Chart(parts).encode(x=_places(labels), y=alt.Y("value:Q", axis=_up(axis)), color=colour)
        line = placed.mark_line(strokeWidth=2, aria=False)
        points = placed.mark_point(size=36, filled=True, opacity=1).encode(description="told:N")
        return alt.layer(line, points).properties(width=width, height=_COLUMNS_HEIGHT)

    return _drawing(chart, name, BROAD if broad else WIDE)


def columns(
    parts: pd.DataFrame, labels: Sequence[str], colours: Sequence[int], name: str, axis: str, *, broad: bool
) -> Drawing:
    """A column per label, a day or month each, stacked of its parts; else as `bars`."""

    def chart(width: int) -> _Drawn:
        thick = min(0.72 * (width - 50) / len(labels), 96)
        drawn = _marks(parts, colours, thick).encode(x=_places(labels), y=alt.Y("sum(value):Q", axis=_up(axis)))
        return drawn.properties(width=width, height=_COLUMNS_HEIGHT)

    return _drawing(chart, name, BROAD if broad else WIDE)


def _places(labels: Sequence[str]) -> alt.X:
    axis = alt.Axis(
        title=None, domainColor=_FAINT, ticks=False, labelOverlap="greedy", labelAngle=0, labelSeparation=12
    )
    return alt.X("label:O", scale=alt.Scale(domain=list(labels)), axis=axis)


def _up(axis: str) -> alt.Axis:
    return alt.Axis(title=None, format=axis, tickCount=5, domain=False, ticks=False)


def _colour(parts: pd.DataFrame, colours: Sequence[int]) -> alt.Color:
    scale = alt.Scale(domain=list(parts["part"].unique()), range=[f"#f0f0{number:02}" for number in colours])
    return alt.Color("part:N", scale=scale, legend=None)


def _marks(parts: pd.DataFrame, colours: Sequence[int], thick: float = 16) -> alt.Chart:
    ordered = parts.assign(order=parts["part"].map(list(parts["part"].unique()).index))
    drawn: alt.Chart = alt.Chart(ordered).mark_bar(size=thick)
    return drawn.encode(color=_colour(parts, colours), order="order:Q", description="told:N")


def _drawing(chart: Callable[[int], _Drawn], name: str, wide: int) -> Drawing:
    return Drawing(*(_svg(chart(width), f"{name}-{width}") for width in (wide, NARROW)))


def _svg(chart: _Drawn, name: str) -> str:
    """*chart* as an SVG element that can stand in a page beside others."""
    text = {"labelColor": _INK, "labelFontSize": 12, "gridColor": _FAINT}
    sized = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"), padding=_PADDING)
    spec = (
        sized.configure(background="transparent")
        .configure_axis(**text)
        .configure_view(stroke=None)
        .configure_text(fontSize=12)
    )
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec.to_dict()))  # noqa: S314  what we have just made
    for element in root.iter():
        _adapt(element, name)
    return ElementTree.tostring(root, encoding="unicode")


def _adapt(element: ElementTree.Element, name: str) -> None:
    """Give *element* the style sheet's colours, an ID that no other chart has, and its value in words on hovering."""
    for key, value in list(element.attrib.items()):
        if key in ("fill", "stroke"):
            element.set(key, _COLOURS.get(value, value))
        elif key == "id":
            element.set(key, f"{name}-{value}")
        elif key in ("clip-path", "mask"):
            element.set(key, _REFERENCE.sub(lambda found: f"url(#{name}-{found['id']})", value))
        elif key == f"{{{_XLINK}}}href":
            element.set(key, value.replace("#", f"#{name}-", 1))
    if element.get("role") == "graphics-symbol" and element.get("aria-label"):
        title = ElementTree.Element(f"{{{_SVG}}}title")
        title.text = element.get("aria-label")
        element.insert(0, title)


ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)
