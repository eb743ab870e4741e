"""The dashboard as one self-contained HTML file: no script, nothing fetched, every label escaped."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from pipeline.dashboard import Dashboard, days_had, is_over
from pipeline.exhibits import Exhibit, exhibit
from pipeline.story import SHEETS, Sheet, Unit
from pipeline.window import rfc3339
from pipeline.wording import long, short, told

_TEMPLATE = "page.html"
_STYLE = "page.css"


@dataclass(frozen=True)
class Headline:
    """One of the figures on top: its name, the number, and what to know about it."""

    name: str
    text: str
    value: float | None
    says: str


@dataclass(frozen=True)
class Shown:
    """A sheet of the story, with its anchor and what is on it."""

    sheet: Sheet
    anchor: str
    exhibits: tuple[Exhibit, ...]


def page(of: Dashboard, top: int, now: datetime) -> str:
    """The page about *of* as it stands at *now*, with the dearest *top* rows of each table (0: all)."""
    own = files("pipeline")
    template = (own / _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({_TEMPLATE: template}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheets = [] if of.empty else [_shown(sheet, of, top) for sheet in SHEETS]
    return environment.get_template(_TEMPLATE).render(
        style=(own / _STYLE).read_text(encoding="utf-8"),
        of=of,
        month=long(of.month),
        now=rfc3339(now),
        headlines=[] if of.empty else _headlines(of),
        sheets=sheets,
        notice=_notice(of),
    )


def _shown(sheet: Sheet, of: Dashboard, top: int) -> Shown:
    anchor = sheet.name.lower().replace(" ", "-")
    return Shown(sheet, anchor, tuple(exhibit(visual, of, top) for visual in sheet.visuals))


def _headlines(of: Dashboard) -> list[Headline]:
    figures = of.figures
    states = ", ".join(f"{share:.0%} {state}" for state, share in _shares(of).items())
    idle = f"{figures.idle / figures.cost:.0%} of the cost" if figures.cost > 0 else ""
    return [
        _headline(f"{long(of.month)}{'' if is_over(of.month, of.newest_day) else ' so far'}", figures.cost, states),
        _before(of),
        _headline("Forecast for the month's end", figures.forecast, _forecast(of)),
        _headline("Stood idle", figures.idle, idle),
        _headline("Saved against list", figures.saved, "by commitments and discounts, where the bill has a list price"),
        _headline(
            "Difference from the bill",
            figures.difference,
            "The month has no bill yet." if figures.bill is None else f"of {told(figures.bill, Unit.MONEY)} billed",
        ),
    ]


def _headline(name: str, value: float | None, says: str) -> Headline:
    return Headline(name, told(value, Unit.MONEY), value, says)


def _before(of: Dashboard) -> Headline:
    """The month before, as far as this one has come."""
    month = of.month.first - timedelta(days=1)
    until = days_had(of.month, of.newest_day)
    days = "" if until >= month.day else f"1 to {until} "
    figures = of.figures
    if figures.same_days is None or figures.same_days == 0:
        return _headline(f"{days}{month:%B %Y}", None, "There is no cost to compare with.")
    change = (figures.cost - figures.same_days) / figures.same_days
    return _headline(f"{days}{month:%B %Y}", figures.same_days, f"{change:+.1%} since then")


def _forecast(of: Dashboard) -> str:
    if of.figures.forecast is None:
        return "The month is over." if is_over(of.month, of.newest_day) else "There is no whole day yet."
    return f"if each day after {short(of.newest_day)} costs what the latest week's days did"


def _shares(of: Dashboard) -> dict[str, float]:
    """How much of the month's cost is in which state."""
    total = sum(of.figures.states.values())
    return {state: cost / total for state, cost in of.figures.states.items() if cost and total}


def _notice(of: Dashboard) -> str | None:
    """What a reader has to know before anything else."""
    if of.empty:
        return (
            f"There is no cost in {long(of.month)}. `chargeback status` shows which hours are collected, and which "
            "days of the ledger are current."
        )
    if of.figures.bill is None:
        return (
            f"There is no bill of {long(of.month)} yet, so every figure is Kubecost's estimate. Without "
            "CHARGEBACK_CUR_TABLE it stays one."
        )
    return None
