"""The story told of one month: what the warehouse answers to each of its visuals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import pandas as pd
from msgspec.structs import replace

from pipeline.month import Month
from pipeline.questions import COUNT, TOTAL, Asked, facts, is_ranked, is_total, keys, question
from pipeline.report import only_currency
from pipeline.story import DAY, Story, Visual
from pipeline.warehouse import Answer, side_by_side

Place = tuple[str, str]
"""A visual's sheet and ID."""

CHANGE = "change since"
"""The column of the change since the row before, where a visual's rows follow each other."""

_WHOLE = "costs"
"""The data set that has all cost, with its days, clusters and states."""
_NO_CLUSTER = "unknown"


class Engine(Protocol):
    """What answers SQL, a few questions at once."""

    def query(self, sql: str, what: str) -> Answer:
        """Run *sql*; *what* names it in errors."""


@dataclass(frozen=True)
class Told:
    """What the warehouse says to a visual: a row per value of its keys, and of `by`; a column per measure.

    *count* is how many rows there are in all, *rows* has as many of them as are to be shown, ranked ones with the
    largest first, days in their order. *totals* are those of all rows, of the measures that can be added.
    """

    rows: pd.DataFrame
    count: int
    totals: Mapping[str, float | None]


@dataclass(frozen=True)
class Dashboard:
    """The story of *month*, by sheet and visual; there are no answers where the month has no cost.

    *days* are those of the month before and of this one, from the first to the last with cost; *top* is how many
    rows of a table are shown, the largest (0: all).
    """

    story: Story
    month: Month
    currency: str
    clusters: tuple[str, ...]
    days: tuple[date, ...]
    is_estimated: bool
    top: int
    answers: Mapping[Place, Told]

    @property
    def before(self) -> Month:
        """The month before."""
        return Month.of(self.month.first - timedelta(days=1))

    @property
    def empty(self) -> bool:
        """Whether the month has no cost at all."""
        return not self.answers


def dashboard(warehouse: Engine, story: Story, month: Month, now: datetime, top: int) -> Dashboard:
    """Ask *warehouse* what *story* tells of *month* as it stands *now*, with the largest *top* rows (0: all).

    Raises:
        ContractError: the costs of the month and the one before are in several currencies, which have no sum.
    """
    about = Asked.at(month, now)
    known = _frame(warehouse, facts(story, _WHOLE, about), "The dashboard's days")
    currency = only_currency(known["currency"].dropna(), f"{month} and the month before")
    found = known[known[DAY] >= month.first]
    return Dashboard(
        story,
        month,
        currency,
        clusters=tuple(sorted(set(found["cluster_name"]) - {_NO_CLUSTER})),
        days=_between(known[DAY], (*about.before.days, *month.days)),
        is_estimated=set(found["cost_state"]) == {"estimated"},
        top=top,
        answers={} if found.empty else _answers(warehouse, story, about, top),
    )


def _between(known: "pd.Series[date]", days: Iterable[date]) -> tuple[date, ...]:
    """The *days* from the first of those *known* to the last."""
    return () if known.empty else tuple(day for day in days if known.min() <= day <= known.max())


def _answers(warehouse: Engine, story: Story, about: Asked, top: int) -> dict[Place, Told]:
    """What is said to each visual; figures of the same rows are asked together."""
    visuals = {(name, visual.id): visual for name, sheet in story.sheets.items() for visual in sheet.visuals}
    together = _together(visuals)

    def ask(places: list[Place]) -> Told:
        visual = _with_all([visuals[place] for place in places])
        limit = min(filter(None, (visual.top, top)), default=0)
        sql = question(story, visual, about, limit)
        return _told(story, visual, _frame(warehouse, sql, f"The dashboard's {visual.title!r}"))

    found = side_by_side(ask, together)
    return {place: told for places, told in zip(together, found, strict=True) for place in places}


def _together(visuals: Mapping[Place, Visual]) -> list[list[Place]]:
    """Which visuals are asked in one question: each by itself, but figures of the same rows."""
    groups: dict[object, list[Place]] = {}
    for place, visual in visuals.items():
        rows = (visual.data_set, tuple(visual.only.items()), visual.all_months)
        groups.setdefault(rows if visual.kind == "kpi" else place, []).append(place)
    return list(groups.values())


def _with_all(visuals: list[Visual]) -> Visual:
    """One visual with the measures of all."""
    measures = [name for visual in visuals for name in (*visual.values, *filter(None, [visual.target]))]
    return visuals[0] if len(visuals) == 1 else replace(visuals[0], values=tuple(dict.fromkeys(measures)), target=None)


def _frame(warehouse: Engine, sql: str, what: str) -> pd.DataFrame:
    answer = warehouse.query(sql, what)
    return pd.DataFrame(list(answer.rows), columns=list(answer.columns))


def _told(story: Story, visual: Visual, found: pd.DataFrame) -> Told:
    summed = [name for name in visual.values if is_total(story.data_sets[visual.data_set], name)]
    if is_ranked(visual):
        totals = {name: found[f"{TOTAL}{name}"].max() for name in summed}
        return Told(found, 0 if found.empty else int(found[COUNT].max()), totals)
    rows = _ordered(visual, found)
    return Told(rows, len(rows), {name: rows[name].sum(min_count=1) for name in summed})


def _ordered(visual: Visual, rows: pd.DataFrame) -> pd.DataFrame:
    """Days in their order; what follows in that order, the dearest group of rows first."""
    if visual.follows:
        return _followed(visual, visual.follows, rows)
    order = list(visual.rows) if visual.over_time else []
    return rows.sort_values(order, ignore_index=True) if order else rows


def _followed(visual: Visual, measure: str, rows: pd.DataFrame) -> pd.DataFrame:
    groups, first, last = list(keys(visual)[:-1]), visual.values[0], visual.values[-1]
    order = rows.assign(size=rows.groupby(groups, dropna=False)[first].transform("sum"))
    order = order.sort_values(["size", *groups, measure], ascending=[False, *(True for _ in groups), True])
    before = order.groupby(groups, dropna=False)[last].shift()
    change = order[last] / before.where(before != 0) - 1
    return order.drop(columns="size").assign(**{CHANGE: change}).reset_index(drop=True)
