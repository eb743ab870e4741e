"""The dashboard as one self-contained HTML file: no script, nothing fetched, every label escaped."""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from pipeline.dashboard import Dashboard
from pipeline.exhibits import Exhibit, Figure, exhibit, figure
from pipeline.story import Sheet
from pipeline.window import rfc3339
from pipeline.wording import long

_TEMPLATE = "page.html"
_STYLE = "page.css"


@dataclass(frozen=True)
class Shown:
    """A sheet of the story by its *name*: its figures, and all else that is on it."""

    name: str
    sheet: Sheet
    figures: tuple[Figure, ...]
    exhibits: tuple[Exhibit, ...]


def page(of: Dashboard, now: datetime) -> str:
    """The page about *of* as it stands at *now*."""
    own = files("pipeline")
    template = (own / _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({_TEMPLATE: template}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(
        style=(own / _STYLE).read_text(encoding="utf-8"),
        of=of,
        month=long(of.month),
        before=long(of.before),
        now=rfc3339(now),
        sheets=[] if of.empty else [_shown(of, name, sheet) for name, sheet in of.story.sheets.items()],
        notice=_notice(of),
    )


def _shown(of: Dashboard, name: str, sheet: Sheet) -> Shown:
    figures = tuple(figure(of, name, visual) for visual in sheet.visuals if visual.kind == "kpi")
    exhibits = tuple(exhibit(of, name, visual) for visual in sheet.visuals if visual.kind != "kpi")
    return Shown(name, sheet, figures, exhibits)


def _notice(of: Dashboard) -> str | None:
    """What a reader has to know before anything else."""
    if of.empty:
        return (
            f"There is no cost in {long(of.month)}. `chargeback status` shows which hours are collected, and which "
            "days of the ledger are current."
        )
    if of.is_estimated:
        return (
            f"There is no bill of these clusters in {long(of.month)} yet, so every figure is Kubecost's estimate. "
            "Without CHARGEBACK_CUR_TABLE it stays one."
        )
    return None
