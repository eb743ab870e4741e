"""How results look: tables for people, CSV and JSON for programs."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report import TOTAL, Report
from pipeline.verify import Verdict

_HEADINGS = {"emr_uplift": "EMR uplift", "workload_id": "ID", "workload_name": "name", "workload_kind": "kind"}
_NOTHING = "-"
_UNLIMITED = 1000


def report_table(report: Report, top: int) -> Table:
    """The report for a person: the dearest *top* rows (0: all), what the others come to, and the total.

    Money has four decimals. How much of it is in which state stands below; the state of each row is in CSV and JSON.
    """
    table = Table(
        title=f"Effective cost by {report.by}, {report.month}, {report.currency}",
        caption=", ".join(f"{_money(cost)} {state}" for state, cost in report.states.items()),
        box=box.SIMPLE_HEAD,
        show_footer=True,
    )
    for name in report.keys:
        table.add_column(_heading(name), no_wrap=True, footer="total" if name == report.keys[0] else "")
    for name in (*report.categories, TOTAL):
        table.add_column(_heading(name), justify="right", footer=_money(report.totals[name]))
    shown = report.rows.head(top) if top else report.rows
    for row in shown.to_dict("records"):
        _add_row(table, report, [_text(row[name]) for name in report.keys], row)
    others = report.rows.iloc[len(shown) :]
    if len(others):
        label = Text(f"{len(others)} others", style="italic")
        _add_row(table, report, [label, *(Text() for _ in report.keys[1:])], others.sum(numeric_only=True).to_dict())
    return table


def _add_row(table: Table, report: Report, keys: Sequence[Text], costs: Mapping[Any, Any]) -> None:
    table.add_row(*keys, *(_money(costs[name]) for name in (*report.categories, TOTAL)))


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
