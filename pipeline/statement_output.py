"""How a statement looks: one page of HTML for people, CSV for programs."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, tostring

from pipeline.statement import Center, Footer, Line, Statement

_COLUMNS = ("direct", "distributed", "markup", "charged", "savings")
_WORDS = {
    "emr_uplift": "EMR uplift",
    "estimated": "Estimated: some cost is not in the bill yet",
    "provisional": "Provisional: the bill has all of it, and not all of it has an invoice",
    "final": "Final: all of it is invoiced",
}
_BILL = (
    ("allocated", "Workloads"),
    ("idle", "Idle"),
    ("shared", "Shared"),
    ("unattributed", "Unattributed"),
    ("out_of_scope", "Out of scope: no cost of these clusters"),
    ("difference", "Difference"),
    ("bill", "The bill, amortized"),
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #c8ccd2; --soft: #5a6472; --ink: #16191d; --paper: #fff; --mark: #eef1f5 }
@media (prefers-color-scheme: dark) {
  :root { --line: #3c434d; --soft: #a3adba; --ink: #e8eaed; --paper: #14171b; --mark: #20252c }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 0 auto; padding: 1.5rem 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere }
p { margin: .3rem 0; color: var(--soft) } p.state { color: var(--ink); font-weight: 600 }
div { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 8rem }
thead th { color: var(--soft); font-weight: 600 } tr.total > * { font-weight: 700; background: var(--mark) }
@media print {
  :root { color-scheme: light; --line: #bbb; --soft: #444; --ink: #000; --paper: #fff; --mark: #eee }
  body { font-size: 10pt; max-width: none; padding: 0 } section { break-inside: avoid } h2 { break-after: avoid }
  div { overflow: visible } @page { margin: 15mm }
}
"""


def statement_csv(statement: Statement) -> str:
    """A line per cost center, billing period and category: `charged` is direct, distributed and markup together.

    The billing period is the month's own, or of an adjustment the closed month whose bill has changed.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    head = ("statement_month", "billing_period", "state", "currency", "cost_center", "cost_category", *_COLUMNS)
    lines.writerow(head)
    month = str(statement.month)
    for center in statement.centers:
        for line in center.lines:
            whose = (month, line.adjusts or month, statement.state, statement.currency, center.name, line.category)
            lines.writerow((*whose, *(f"{getattr(line, name):f}" for name in _COLUMNS)))
    return text.getvalue()


def statement_html(statement: Statement) -> str:
    """One page that needs nothing else. Whatever a name holds is text: the tree is escaped where it is written."""
    page = Element("html", lang="en")
    title = f"Statement {statement.month}"
    if statement.is_of_one and statement.centers:
        title += f", {statement.centers[0].name}"
    _head(page, title)
    body = SubElement(page, "body")
    _add(body, "h1", title)
    _introduce(body, statement)
    columns = _columns(statement)
    if len(statement.centers) > 1:
        _overview(body, statement, columns)
    for center in statement.centers:
        _center(body, center, columns)
    _reconcile(body, statement)
    return f"<!DOCTYPE html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _head(page: Element, title: str) -> None:
    head = SubElement(page, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "title", title)
    _add(head, "style", _STYLE)


def _introduce(body: Element, statement: Statement) -> None:
    """Say what the page is about, and how firm it is."""
    if statement.state is None:
        others = " but adjustments of closed months" if statement.centers else ""
        _add(body, "p", f"There is no cost in {statement.month}{others}.", "state")
    else:
        _add(body, "p", f"{_WORDS[statement.state]}.", "state")
        told = ", ".join(f"{_money(cost)} {state}" for state, cost in statement.states.items())
        _add(body, "p", f"Of the direct cost of all cost centers: {told}.")
    if statement.closed_at is not None:
        closed = f"Closed on {statement.closed_at:%Y-%m-%d %H:%M} UTC"
        _add(body, "p", f"{closed}: what the bill changes afterwards is in later statements.", "state")
    if not statement.has_ended:
        _add(body, "p", f"{statement.month} has not ended: this is what there was so far.", "state")
    _add(body, "p", f"Amounts in {statement.currency}. As of {statement.told_at:%Y-%m-%d %H:%M} UTC.")


def _overview(body: Element, statement: Statement, columns: tuple[str, ...]) -> None:
    section = SubElement(body, "section")
    _add(section, "h2", "All cost centers")
    parts = {"of it EMR uplift": [center.of_category("emr_uplift") for center in statement.centers]}
    if any(center.adjusted for center in statement.centers):
        parts["of it adjustments"] = [center.adjusted for center in statement.centers]
    rows = [
        (center.name, *map(_money, of_center), *(_money(center.total(name)) for name in columns))
        for center, *of_center in zip(statement.centers, *parts.values(), strict=True)
    ]
    sums = (_money(sum(part, Decimal())) for part in parts.values())
    total = ("Total", *sums, *(_money(statement.total(name)) for name in columns))
    _table(section, ("Cost center", *parts, *map(str.capitalize, columns)), rows, total)


def _center(body: Element, center: Center, columns: tuple[str, ...]) -> None:
    section = SubElement(body, "section")
    _add(section, "h2", center.name)
    if center.factor != 1:
        _add(section, "p", f"Charged at {center.factor:g} times its cost, as the policy has it.")
    rows = [(_word(line), *(_money(getattr(line, name)) for name in columns)) for line in center.lines]
    total = ("Total", *(_money(center.total(name)) for name in columns))
    _table(section, ("Category", *map(str.capitalize, columns)), rows, total)


def _reconcile(body: Element, statement: Statement) -> None:
    section = SubElement(body, "section")
    _add(section, "h2", "Reconciliation with the bill")
    if statement.footer is None:
        _add(section, "p", f"The bill has no lines of {statement.month}: what cost there is, is an estimate.")
        return
    of = statement.footer
    _add(section, "p", "Of all cost centers. Distribution and markup move cost between them; the bill has neither.")
    _table(section, ("Ledger", "Amount"), list(_of_ledger(of)), ("Direct cost of all cost centers", _money(of.direct)))
    *parts, (name, word) = _BILL
    rows = [(of_part, _money(getattr(of, part))) for part, of_part in parts]
    _table(section, ("Bill", "Amount"), rows, (word, _money(getattr(of, name))))


def _of_ledger(of: Footer) -> Iterable[tuple[str, str]]:
    """What the direct cost consists of; what rounding leaves is told, never hidden in another part."""
    for part, word in _BILL[:4]:
        yield word, _money(getattr(of, part))
    yield "Estimated: not in the bill yet", _money(of.estimated)
    if of.changed:
        yield "Changed since the month was closed: in later statements", _money(-of.changed)
    if of.unexplained:
        yield "Rounding; more than a few cents: the ledger is not current", _money(of.unexplained)


def _columns(statement: Statement) -> tuple[str, ...]:
    """A markup is shown where somebody has one."""
    has_markup = any(center.factor != 1 for center in statement.centers)
    return _COLUMNS if has_markup else tuple(name for name in _COLUMNS if name != "markup")


def _table(section: Element, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], total: tuple[str, ...]) -> None:
    table = SubElement(SubElement(section, "div"), "table")
    heading = SubElement(SubElement(table, "thead"), "tr")
    for word in head:
        _add(heading, "th", word).set("scope", "col")
    body = SubElement(table, "tbody")
    for cells in (*rows, total):
        row = SubElement(body, "tr", {"class": "total"} if cells is total else {})
        for cell in cells:
            _add(row, "td", cell).set("dir", "auto")


def _add(parent: Element, tag: str, text: str, kind: str | None = None) -> Element:
    child = SubElement(parent, tag, {"class": kind} if kind else {})
    child.text = text
    return child


def _word(line: Line) -> str:
    word = _WORDS.get(line.category, line.category.replace("_", " ").capitalize())
    return f"{word}, adjustment of {line.adjusts}" if line.adjusts else word


def _money(amount: Decimal) -> str:
    return f"{amount:z,.2f}"
