"""The dashboard's figures: what the warehouse answers to the story's questions about one month."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import pandas as pd

from pipeline.month import Month
from pipeline.questions import DAY, Asked, question, sums
from pipeline.report import only_currency
from pipeline.story import DAYS, RECONCILIATION, SHEETS, Span, Visual
from pipeline.warehouse import Answer, side_by_side

BEFORE, SAME_DAYS, NOW, CHANGE = "before", "same_days", "now", "change"
TREND = "trend"

_MONEY = "effective_cost"
_ONE = timedelta(days=1)
_WEEK = 7
_ONCE_A_MONTH = frozenset({"credit", "tax"})  # no later day will have as much


class Engine(Protocol):
    """What answers SQL, a few questions at once."""

    def query(self, sql: str, what: str) -> Answer:
        """Run *sql*; *what* names it in errors."""


@dataclass(frozen=True)
class LatestDays:
    """The latest whole days, *first* up to *end*, and as many before them, from *before* on."""

    before: date
    first: date
    end: date


@dataclass(frozen=True)
class Figures:
    """What the month comes to; None where nothing can be said.

    *same_days* is what as many days of the month before cost, *forecast* the month's cost once it is over; *saved* is
    list price less cost where the bill has both; *difference* is that of *bill* and ledger.
    """

    cost: float
    before: float | None
    same_days: float | None
    forecast: float | None
    idle: float
    saved: float | None
    states: Mapping[str, float]
    bill: float | None
    difference: float | None


@dataclass(frozen=True)
class Dashboard:
    """The answers about *month*, by the names of the story's visuals, each as its table shows it, dearest first.

    A question that is split by a series has a row per key and value of it; one with a trend has a column *trend*: the
    cost of each of *days*. *newest_day* is the newest that can be whole.
    """

    month: Month
    newest_day: date
    currency: str
    clusters: tuple[str, ...]
    days: tuple[date, ...]
    figures: Figures
    latest: LatestDays | None
    answers: Mapping[str, pd.DataFrame]

    @property
    def empty(self) -> bool:
        """Whether the month has no cost at all."""
        return self.answers[DAYS.name].empty


def is_over(month: Month, newest_day: date) -> bool:
    """Whether all days of *month* are whole."""
    return newest_day >= month.end - _ONE


def days_had(month: Month, newest_day: date) -> int:
    """How many days of the month before stand against *month*: as many as it has had, at least one, at most all."""
    return (month.first - _ONE).day if is_over(month, newest_day) else max(1, (newest_day - month.first).days + 1)


def dashboard(warehouse: Engine, month: Month, newest_day: date) -> Dashboard:
    """Ask *warehouse* what the story tells of *month*; later days than *newest_day* are not whole yet.

    Raises:
        ContractError: the month's costs are in several currencies, which have no sum.
    """
    facts = _Facts.of(warehouse, month, newest_day)
    visuals = [visual for sheet in SHEETS for visual in sheet.visuals]
    found = side_by_side(lambda visual: _answer(warehouse, visual, facts), visuals)
    answers = dict(zip((visual.name for visual in visuals), found, strict=True))
    return Dashboard(
        month,
        newest_day,
        facts.currency,
        facts.clusters,
        facts.days,
        _figures(facts, answers),
        facts.latest,
        answers,
    )


@dataclass(frozen=True)
class _Facts:
    """The costs of the month and the one before, by day, category and state, and what follows from them."""

    month: Month
    newest_day: date
    costs: pd.DataFrame

    @classmethod
    def of(cls, warehouse: Engine, month: Month, newest_day: date) -> "_Facts":
        before = Month.of(month.first - _ONE)
        keys = f"{DAY}, cost_category, cost_state, cluster_name, currency"
        sql = (
            f"SELECT {keys}, SUM({_MONEY}) AS {_MONEY}, SUM(savings) AS savings\n"
            f"FROM {DAYS.relation}\n"
            f"WHERE {DAY} >= DATE '{before.first}' AND {DAY} < DATE '{month.end}'\n"
            "GROUP BY 1, 2, 3, 4, 5"
        )
        return cls(month, newest_day, _frame(warehouse, sql, "The dashboard's days"))

    @property
    def now(self) -> pd.DataFrame:
        """The month's own."""
        return self.costs[self.costs[DAY] >= self.month.first]

    @property
    def earlier(self) -> pd.DataFrame:
        """The month before."""
        return self.costs[self.costs[DAY] < self.month.first]

    @property
    def same_days(self) -> pd.DataFrame:
        """As many days of the month before as this one has had."""
        return self.earlier[self.earlier[DAY].map(lambda day: day.day) <= days_had(self.month, self.newest_day)]

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the month up to the last with cost."""
        return () if self.now.empty else tuple(day for day in self.month.days if day <= self.now[DAY].max())

    @property
    def currency(self) -> str:
        return only_currency(self.costs["currency"].dropna(), f"{self.month} and the month before")

    @property
    def clusters(self) -> tuple[str, ...]:
        return tuple(sorted(self.now["cluster_name"].dropna().unique()))

    @property
    def whole_days(self) -> pd.Series:
        """The cost of each whole day, what comes once a month left out, oldest first."""
        whole = self.costs[(self.costs[DAY] <= self.newest_day) & ~self.costs["cost_category"].isin(_ONCE_A_MONTH)]
        return whole.groupby(DAY)[_MONEY].sum().sort_index()

    @property
    def latest(self) -> LatestDays | None:
        """Up to a week of whole days and as many before; None while there are no two whole days."""
        days = self.whole_days
        if len(days) < 2 or days.index[-1] < self.month.first:
            return None
        end, oldest = days.index[-1] + _ONE, days.index[0]
        count = min(_WEEK, (end - oldest).days // 2)
        return LatestDays(end - 2 * count * _ONE, end - count * _ONE, end)

    @property
    def forecast(self) -> float | None:
        """The month's cost up to the newest whole day, and for each day after it the mean of the latest whole week."""
        left = (self.month.end - _ONE - self.newest_day).days
        usual = self.whole_days.tail(_WEEK)
        if left <= 0 or self.newest_day < self.month.first or usual.empty:
            return None
        spent = float(self.now[_MONEY][self.now[DAY] <= self.newest_day].sum())
        return spent + left * float(usual.mean())


def _answer(warehouse: Engine, visual: Visual, facts: _Facts) -> pd.DataFrame:
    """What the warehouse says to *visual*, made into what its table shows."""
    match visual.span:
        case Span.TWO_MONTHS:
            return _months(visual, facts)
        case Span.LATEST_DAYS:
            return _increases(warehouse, visual, facts)
        case Span.MONTH:
            about = Asked(facts.month, facts.month.first, facts.month.end)
            found = _frame(warehouse, question(visual, about, by_day=visual.trend), f"The dashboard's {visual.name}")
            return _with_ratios(_trends(found, visual, facts.days) if visual.trend else found, visual)
    return pd.DataFrame()


def _frame(warehouse: Engine, sql: str, what: str) -> pd.DataFrame:
    answer = warehouse.query(sql, what)
    return pd.DataFrame(list(answer.rows), columns=list(answer.columns))


def _months(visual: Visual, facts: _Facts) -> pd.DataFrame:
    """A row per key: the month before, as many days of it, this month, and the change against those days."""
    parts = {BEFORE: facts.earlier, SAME_DAYS: facts.same_days, NOW: facts.now}
    keys = list(visual.keys)
    rows = pd.DataFrame({name: part.groupby(keys)[_MONEY].sum() for name, part in parts.items()}).reset_index()
    known = [name for name, part in parts.items() if not part.empty]  # a month without any cost is not known to be 0
    rows[known] = rows[known].fillna(0.0)
    return _changes(rows, SAME_DAYS).sort_values(NOW, ascending=False, ignore_index=True)


def _increases(warehouse: Engine, visual: Visual, facts: _Facts) -> pd.DataFrame:
    """A row per key whose cost rose: what it cost before and after, largest rise first."""
    keys = list(visual.keys)
    if facts.latest is None:
        return pd.DataFrame(columns=[*keys, BEFORE, NOW, CHANGE])
    about = Asked(facts.month, facts.latest.before, facts.latest.end)
    found = _frame(warehouse, question(visual, about, by_day=True), f"The dashboard's {visual.name}")
    later = found[DAY] >= facts.latest.first
    spans = found.assign(**{BEFORE: found[_MONEY].where(~later, 0.0), NOW: found[_MONEY].where(later, 0.0)})
    rows = _changes(spans.groupby(keys, dropna=False)[[BEFORE, NOW]].sum().reset_index(), BEFORE)
    return rows[rows[CHANGE] > 0].sort_values(CHANGE, ascending=False, ignore_index=True)


def _changes(rows: pd.DataFrame, since: str) -> pd.DataFrame:
    return rows.assign(**{CHANGE: rows[NOW] - rows[since]})


def _trends(found: pd.DataFrame, visual: Visual, days: tuple[date, ...]) -> pd.DataFrame:
    """One row per key with its sums, and the first measure's day by day."""
    keys, money = list(visual.keys), visual.measures[0].column
    by_key = found.groupby(keys, dropna=False)
    rows = by_key[list(sums(visual))].sum(min_count=1).reset_index()
    trend = [[float(day) for day in _by_day(part, money, days)] for _, part in by_key]
    return rows.assign(**{TREND: pd.Series(trend, dtype=object)})


def _by_day(part: pd.DataFrame, money: str, days: tuple[date, ...]) -> pd.Series:
    return part.groupby(DAY)[money].sum().reindex(list(days), fill_value=0.0)


def _with_ratios(rows: pd.DataFrame, visual: Visual) -> pd.DataFrame:
    """Name each measure's column by its place, `0` first, with ratios reckoned; order days by day, others by cost."""
    values = {}
    for place, measure in enumerate(visual.measures):
        top = pd.to_numeric(rows[measure.column])
        if measure.per is None:
            values[str(place)] = top
        else:
            below = pd.to_numeric(rows[measure.per])
            values[str(place)] = top / below.where(below != 0)
    kept = [name for name in (*visual.keys, visual.series, TREND) if name in rows.columns]
    shown = rows[kept].assign(**values)
    if visual.keys == (DAY,):
        return shown.sort_values(DAY, ignore_index=True)
    if visual.follows:
        return _followed(shown, visual, visual.follows)
    return shown.sort_values("0", ascending=False, ignore_index=True, kind="stable")


def _followed(rows: pd.DataFrame, visual: Visual, key: str) -> pd.DataFrame:
    """The dearest group first, in each the rows in the natural order of *key*, with the change since the one before."""
    groups = [name for name in visual.keys if name != key]
    last = str(len(visual.measures) - 1)
    order = rows.assign(
        cost=rows.groupby(groups, dropna=False)["0"].transform("sum"),
        natural=rows[key].map(_natural, na_action="ignore"),
    ).sort_values(["cost", *groups, "natural"], ascending=[False, *(True for _ in groups), True], ignore_index=True)
    change = order.groupby(groups, dropna=False)[last].pct_change()
    return order.drop(columns=["cost", "natural"]).assign(**{CHANGE: change})


def _natural(text: str) -> str:
    """What sorts as people count: 7.10 after 7.9."""
    return re.sub(r"\d+", lambda number: number[0].zfill(9), text)


def _figures(facts: _Facts, answers: Mapping[str, pd.DataFrame]) -> Figures:
    bill = answers[RECONCILIATION.name]
    differs = next(str(place) for place, m in enumerate(RECONCILIATION.measures) if m.column == "difference")
    saved = facts.now["savings"].dropna()
    return Figures(
        cost=float(facts.now[_MONEY].sum()),
        before=None if facts.earlier.empty else float(facts.earlier[_MONEY].sum()),
        same_days=None if facts.same_days.empty else float(facts.same_days[_MONEY].sum()),
        forecast=facts.forecast,
        idle=float(facts.now[_MONEY][facts.now["cost_category"] == "idle"].sum()),
        saved=None if saved.empty else float(saved.sum()),
        states={str(state): float(part[_MONEY].sum()) for state, part in facts.now.groupby("cost_state")},
        bill=None if bill.empty else float(bill["0"].sum()),
        difference=None if bill.empty else float(bill[differs].sum()),
    )
