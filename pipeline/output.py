"""How results look: tables for people, CSV and JSON for programs."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipeline.ledger import LedgerState
from pipeline.month import Month
from pipeline.probe import Finding
from pipeline.probe import Verdict as ProbeVerdict
from pipeline.report import TOTAL, Reconciliation, Report
from pipeline.status import DayStatus, HourState
from pipeline.verify import Verdict

_MARKS = {  # one character an hour, and its colour
    HourState.SETTLED: ("s", "green"),
    HourState.COLLECTED: ("c", "cyan"),
    HourState.REJECTED: ("r", "yellow"),
    HourState.LOST: ("L", "bold red"),
    HourState.MISSING: ("m", "red"),
    HourState.NOT_DUE: (".", "dim"),
    HourState.BEFORE_HISTORY: (" ", ""),
    HourState.UNREADABLE: ("!", "bold red"),
}
_LEDGER_STATES = {
    LedgerState.CURRENT: Text("current", style="green"),
    LedgerState.STALE: Text("stale", style="yellow"),
    LedgerState.MISSING: Text("missing", style="red"),
}
_PROBED = {
    ProbeVerdict.OK: "green",
    ProbeVerdict.WARNING: "yellow",
    ProbeVerdict.FAILED: "bold red",
    ProbeVerdict.NOT_RUN: "dim",
}
_FINDING_WIDTH = 88  # so that a pod's log is no wider than a screen
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
        caption=", ".join(f"{_money(cost)} {state}" for state, cost in report.states.items() if cost),
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


def reconciliation_table(reconciliation: Reconciliation, report: Report) -> Table:
    """What became of the month's bill, part by part: the parts are the bill, or the difference says by how much not."""
    table = Table(title=f"The bill of {report.month}, amortized, {report.currency}", box=box.SIMPLE_HEAD)
    parts = asdict(reconciliation)
    for name in parts:
        table.add_column(_heading(name), justify="right", no_wrap=True)
    table.add_row(*(_money(cost) for cost in parts.values()))
    return table


def _costs(report: Report, *, compact: bool) -> pd.DataFrame:
    """The columns of money: each category, or the main ones and the rest; then the total, and what else is summed."""
    last = [TOTAL, *report.sums]
    if not compact:
        return report.rows[[*report.categories, *last]]
    main = [name for name in report.categories if name in _MAIN_CATEGORIES]
    rest = [name for name in report.categories if name not in _MAIN_CATEGORIES]
    return report.rows[main].assign(
        **{"the rest": report.rows[rest].sum(axis="columns")}, **{name: report.rows[name] for name in last}
    )


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
        "reconciliation": asdict(report.reconciliation) if report.reconciliation else None,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def verdict_table(verdicts: Iterable[Verdict], month: Month | None = None) -> Table:
    """What every check found over *month*, a line each."""
    table = Table(title=f"Checks, {month}" if month else "Checks", box=box.SIMPLE_HEAD)
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


def calendar_table(days: Sequence[DayStatus], ledger: Mapping[date, LedgerState]) -> Table:
    """The calendar of hours, a line a day, with the state of its costs in the *ledger*."""
    legend = ", ".join(f"{mark} {state.replace('_', ' ')}" for state, (mark, _) in _MARKS.items() if mark.strip())
    caption = f"{legend}; * from the day's set\n{_ledger_in_all(ledger)}"
    table = Table(title="Hours collected, UTC", caption=caption, box=box.SIMPLE_HEAD)
    table.add_column("day", no_wrap=True)
    table.add_column("00     06     12     18", no_wrap=True)
    for heading in ("missing", "lost", "rows", "estimated cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ledger", no_wrap=True)
    for day in days:
        counts = day.counts
        table.add_row(
            f"{day.usage_date}{'*' if day.day_set else ''}",
            _hours(day),
            *(str(counts[state] or "") for state in (HourState.MISSING, HourState.LOST)),
            f"{day.rows:,}" if day.rows else "",
            _money(day.estimated_cost) if day.rows else "",
            _LEDGER_STATES[ledger[day.usage_date]] if day.usage_date in ledger else "",
        )
    return table


def calendar_json(cluster_arn: str, days: Sequence[DayStatus], ledger: Mapping[date, LedgerState]) -> str:
    """The calendar as JSON: every hour's state by its start, null if not asked for, and how many are in each.

    Of the *ledger*, the state of each day (null if it has none), and how many of all its days are in each.
    """
    counts: Counter[HourState] = sum((day.counts for day in days), Counter())
    document = {
        "cluster_arn": cluster_arn,
        "hours": {state: counts[state] for state in HourState},
        "ledger": {state: sum(of == state for of in ledger.values()) for state in LedgerState},
        "days": [
            {
                "usage_date": f"{day.usage_date}",
                "day_set": day.day_set,
                "hours": list(day.hours),
                "rows": day.rows,
                "estimated_cost": day.estimated_cost,
                "ledger": ledger.get(day.usage_date),
            }
            for day in days
        ],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def findings_table(findings: Sequence[Finding], cluster_arn: str) -> Table:
    """What each probe found, and below it what to do."""
    table = Table(title=f"What {cluster_arn} depends on", caption=_in_all(findings), box=box.SIMPLE_HEAD)
    table.add_column("probe", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was found, and what to do", max_width=_FINDING_WIDTH, overflow="fold")
    for finding in findings:
        text = Text(finding.found, style="dim" if finding.verdict is ProbeVerdict.NOT_RUN else "")
        if finding.fix:
            text.append(f"\n→ {finding.fix}", style="bold")
        table.add_row(finding.probe, Text(finding.verdict, style=_PROBED[finding.verdict]), text)
    return table


def findings_json(cluster_arn: str, findings: Sequence[Finding]) -> str:
    """The same as JSON: the exit code of what failed is that of its own error, and null for all else."""
    document = {
        "cluster_arn": cluster_arn,
        "verdicts": {verdict: sum(f.verdict is verdict for f in findings) for verdict in ProbeVerdict},
        "findings": [
            {
                "probe": finding.probe,
                "verdict": finding.verdict,
                "found": finding.found,
                "fix": finding.fix,
                "exit_code": finding.error.exit_code if finding.error else None,
            }
            for finding in findings
        ],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _in_all(findings: Iterable[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in ProbeVerdict if counts[verdict])


def _ledger_in_all(ledger: Mapping[date, LedgerState]) -> str:
    counts = Counter(ledger.values())
    told = ", ".join(f"{counts[state]} {state}" for state in LedgerState if counts[state])
    return f"days in the ledger: {told}" if told else "no ledger yet"


def _hours(day: DayStatus) -> Text:
    text = Text()
    for hour, state in enumerate(day.hours):
        text.append(" " if hour and hour % 6 == 0 else "")
        text.append(*(_MARKS[state] if state is not None else (" ", "")))
    return text


def plain(*tables: Table) -> str:
    """*tables* as text without colours, as wide as they want to be, for a file or a pipe."""
    text = io.StringIO()
    Console(file=text, width=_UNLIMITED, color_system=None).print(*tables)
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
    return f"{value:z,.4f}"


def _text(value: object) -> Text:
    """A value as it stands: never markup, whatever a label holds."""
    return Text(_NOTHING if value is None or value is pd.NA or value != value else str(value))
