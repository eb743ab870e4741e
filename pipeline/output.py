"""How results look: tables for people, CSV and JSON for programs."""

import io
import json
from collections.abc import Iterable

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipeline.report import TOTAL, Report
from pipeline.verify import Verdict

_HEADINGS = {"emr_uplift": "EMR uplift", "workload_id": "ID", "workload_name": "name", "workload_kind": "kind"}
_NOTHING = "-"
_UNLIMITED = 1000
_MAIN_CATEGORIES = ("compute", "emr_uplift", "idle")


def report_table(report: Report, top: int, *, compact: bool = False) -> Table:
    """The report for a person: the dearest *top* rows (0: all), what the others come to, and the total.

    Money has four decimals. How much of it is in which state stands below; the state of each row is in CSV and JSON.
    A *compact* table has one column for all but the main categories, and no more than three for the key.
    """
    keys = report.keys[:3] if compact else report.keys
    costs = _costs(report, compact=compact)
    table = Table(
        title=f"Effective cost by {report.by}, {report.month}, {report.currency}",
        caption=", ".join(f"{_money(cost)} {state}" for state, cost in report.states.items()),
        box=box.SIMPLE_HEAD,
        show_footer=True,
    )
    for name in keys:
        table.add_column(_heading(name), overflow="ellipsis", footer="total" if name == keys[0] else "")
    for name in map(str, costs):
        table.add_column(_heading(name), justify="right", no_wrap=True, footer=_money(costs[name].sum()))
    shown = len(report.rows) if top == 0 else min(top, len(report.rows))
    for row in range(shown):
        table.add_row(
            *(_text(report.rows[name].iloc[row]) for name in keys), *(_money(costs[name].iloc[row]) for name in costs)
        )
    if shown < len(report.rows):
        label = Text(f"{len(report.rows) - shown} others", style="italic")
        rest = (_money(costs[name].iloc[shown:].sum()) for name in costs)
        table.add_row(label, *(Text() for _ in keys[1:]), *rest)
    return table


def fitting_table(report: Report, top: int, console: Console) -> Table:
    """The report's table, compact where *console* is too narrow for the whole."""
    table = report_table(report, top)
    fits = Measurement.get(console, console.options.update(width=_UNLIMITED), table).maximum <= console.width
    return table if fits else report_table(report, top, compact=True)


def _costs(report: Report, *, compact: bool) -> pd.DataFrame:
    """The columns of money: each category, or the main ones and the rest; then the total."""
    if not compact:
        return report.rows[[*report.categories, TOTAL]]
    main = [name for name in report.categories if name in _MAIN_CATEGORIES]
    rest = [name for name in report.categories if name not in _MAIN_CATEGORIES]
    return report.rows[main].assign(**{"the rest": report.rows[rest].sum(axis="columns")}, total=report.rows[TOTAL])


def report_csv(report: Report) -> str:
    """The report as CSV: one line per row at full precision, no line of totals."""
    return str(report.rows.to_csv(index=False, lineterminator="\n"))


def report_json(report: Report) -> str:
    """The report as JSON, money at full precision."""
    rows = [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in report.rows.to_dict("records")]
    document = {
        "by": report.by,
        "month": str(report.month),
        "currency": report.currency,
        "rows": rows,
        "total": report.totals,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def verdict_table(verdicts: Iterable[Verdict]) -> Table:
    """What every check found, a line each."""
    table = Table(title="Checks", box=box.SIMPLE_HEAD)
    for heading in ("check", "severity", "result"):
        table.add_column(heading)
    for verdict in verdicts:
        table.add_row(verdict.check.name, verdict.check.severity, _result(verdict))
    return table


def offenders_table(verdict: Verdict) -> Table:
    """The rows that break a check."""
    table = Table(title=f"{verdict.check.name}: one row per {verdict.check.grain}", box=box.SIMPLE_HEAD)
    for name in verdict.found.columns:
        table.add_column(name, overflow="fold")
    for row in verdict.found.rows:
        table.add_row(*(_text(value) for value in row))
    return table


def plain(table: Table) -> str:
    """*table* as text without colours, as wide as it wants to be, for a file or a pipe."""
    text = io.StringIO()
    Console(file=text, width=_UNLIMITED, color_system=None).print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _result(verdict: Verdict) -> Text:
    if verdict.not_run:
        return Text(verdict.not_run, style="yellow")
    if verdict.broken:
        return Text(f"{len(verdict.found.rows)} rows break it", style="red" if verdict.fails else "yellow")
    return Text("ok", style="green")


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _money(value: float) -> str:
    return f"{value:,.4f}"


def _text(value: object) -> Text:
    """A value as it stands: never markup, whatever a label holds."""
    return Text(_NOTHING if value is None or value is pd.NA or value != value else str(value))
