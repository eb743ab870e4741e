import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from pipeline.month import Month
from pipeline.statement import Center, Footer, Line, Statement
from pipeline.statement_output import statement_csv, statement_html

HOSTILE = "<script>alert('x')</script>&\"'"


def cents(text: str) -> Decimal:
    return Decimal(text)


def line(category: str, direct: str, distributed: str = "0.00", markup: str = "0.00") -> Line:
    return Line(category, cents(direct), cents(distributed), cents(markup), cents("0.50"))


RISK = Center("risk", 1.0, (line("compute", "1000.10"), line("emr_uplift", "20.05"), line("idle", "0.00", "3.00")), {})
HOSTILES = Center(HOSTILE, 1.0, (line("idle", "5.00", "-3.00"),), {})
FOOTER = Footer(*map(cents, ("1025.15", "0.00", "10.00", "1010.00", "5.00", "0.15", "0.00", "18.88", "0.00")))
STATEMENT = Statement(
    month=Month(2026, 10),
    currency="USD",
    told_at=datetime(2026, 11, 3, 4, 0, tzinfo=UTC),
    closed_at=None,
    is_of_one=False,
    centers=(RISK, HOSTILES),
    states={"estimated": cents("10.00"), "final": cents("1015.15")},
    footer=FOOTER,
)
NOTHING = replace(STATEMENT, centers=(), states={}, footer=None)


class Page(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, its words and the rows of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.words.append(data.strip())
        if self.tags[-1:] in (["td"], ["th"]) and data.strip():
            self.rows[-1].append(data)


def text(statement: Statement) -> str:
    return " ".join(Page(statement_html(statement)).words)


def test_the_page_has_every_cost_center_its_categories_and_totals() -> None:
    rows = Page(statement_html(STATEMENT)).rows
    assert ["Cost center", "of it EMR uplift", "Direct", "Distributed", "Charged", "Savings"] in rows
    assert ["risk", "20.05", "1,020.15", "3.00", "1,023.15", "1.50"] in rows
    assert ["Total", "20.05", "1,025.15", "0.00", "1,025.15", "2.00"] in rows
    assert ["EMR uplift", "20.05", "0.00", "20.05", "0.50"] in rows
    assert ["Idle", "5.00", "-3.00", "2.00", "0.50"] in rows


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    alone = replace(STATEMENT, is_of_one=True, centers=(HOSTILES,))
    for statement in (STATEMENT, alone):
        page = Page(statement_html(statement))
        assert "script" not in page.tags
        assert page.words.count(HOSTILE) >= 1
        assert "<script" not in statement_html(statement)
    assert f"Statement 2026-10, {HOSTILE}" in text(alone)


def test_the_page_needs_nothing_from_elsewhere_and_no_script() -> None:
    page = Page(statement_html(STATEMENT))
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert {name for name, _ in page.attributes}.isdisjoint({"src", "href", "style", "onclick"})
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    html = statement_html(STATEMENT)
    assert "url(" not in html
    assert "@import" not in html
    for medium in ("prefers-color-scheme: dark", "@media print"):
        assert medium in html


def test_the_page_says_how_firm_it_is_and_since_when() -> None:
    assert "Estimated: some cost is not in the bill yet." in text(STATEMENT)
    assert "10.00 estimated, 1,015.15 final" in text(STATEMENT)
    assert "As of 2026-11-03 04:00 UTC" in text(STATEMENT)
    assert "has not ended" not in text(STATEMENT)
    assert "2026-10 has not ended" in text(replace(STATEMENT, told_at=datetime(2026, 10, 31, 23, 59, tzinfo=UTC)))
    assert "Final: all of it is invoiced." in text(replace(STATEMENT, states={"final": cents("1.00")}))


def test_the_footer_leads_from_the_direct_cost_to_the_bill() -> None:
    rows = Page(statement_html(STATEMENT)).rows
    assert ["Direct cost of all cost centers", "1,025.15"] in rows
    assert ["Estimated: not in the bill yet", "10.00"] in rows
    assert ["The bill, amortized", "1,034.03"] in rows
    assert not any(row[0].startswith("Rounding") for row in rows)
    odd = replace(STATEMENT, footer=replace(FOOTER, direct=cents("1025.16")))
    assert ["Rounding; more than a few cents: the ledger is not current", "0.01"] in Page(statement_html(odd)).rows


def test_a_month_without_a_bill_and_one_without_cost_say_so() -> None:
    assert "The bill has no lines of 2026-10" in text(replace(STATEMENT, footer=None))
    assert "There is no cost in 2026-10." in text(NOTHING)
    assert statement_csv(NOTHING).count("\n") == 1


def test_a_markup_has_its_column_and_its_sentence_where_there_is_one() -> None:
    marked = Center("risk", 1.05, (line("compute", "10.00", markup="0.50"),), {})
    page = Page(statement_html(replace(STATEMENT, centers=(marked, HOSTILES))))
    assert ["Compute", "10.00", "0.00", "0.50", "10.50", "0.50"] in page.rows
    assert "Charged at 1.05 times its cost, as the policy has it." in page.words


@pytest.mark.parametrize("column", ["direct", "distributed", "markup", "charged", "savings"])
def test_the_csv_adds_up_to_the_page(column: str) -> None:
    rows = list(csv.DictReader(io.StringIO(statement_csv(STATEMENT))))
    assert sum(Decimal(row[column]) for row in rows) == STATEMENT.total(column)
    assert {row["cost_center"] for row in rows} == {"risk", HOSTILE}
    months = {(row["statement_month"], row["billing_period"], row["state"], row["currency"]) for row in rows}
    assert months == {("2026-10", "2026-10", "estimated", "USD")}


def test_an_adjustment_says_so_on_the_page_and_in_the_csv() -> None:
    adjustment = replace(line("compute", "-4.00"), adjusts="2026-09")
    adjusted = replace(STATEMENT, centers=(replace(RISK, lines=(*RISK.lines, adjustment)), HOSTILES))
    page = Page(statement_html(adjusted))
    assert ["Compute, adjustment of 2026-09", "-4.00", "0.00", "-4.00", "0.50"] in page.rows
    assert ["Total", "20.05", "-4.00", "1,021.15", "0.00", "1,021.15", "2.50"] in page.rows
    [row] = [row for row in csv.DictReader(io.StringIO(statement_csv(adjusted))) if row["billing_period"] == "2026-09"]
    assert (row["statement_month"], row["cost_category"], row["charged"]) == ("2026-10", "compute", "-4.00")
    alone = replace(NOTHING, centers=(replace(RISK, lines=(adjustment,)),))
    assert "There is no cost in 2026-10 but adjustments of closed months." in text(alone)


def test_a_closed_month_says_since_when_and_what_has_changed() -> None:
    changed = replace(FOOTER, changed=cents("-3.00"), allocated=cents("1007.00"))
    closed = replace(STATEMENT, closed_at=datetime(2026, 11, 5, 9, 30, tzinfo=UTC), footer=changed)
    assert "Closed on 2026-11-05 09:30 UTC: what the bill changes afterwards is in later statements." in text(closed)
    rows = Page(statement_html(closed)).rows
    assert ["Changed since the month was closed: in later statements", "3.00"] in rows
    assert ["Direct cost of all cost centers", "1,025.15"] in rows
    assert not any(row[0].startswith("Rounding") for row in rows)
