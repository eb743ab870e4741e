import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pandas as pd
import pytest
import sqlalchemy

from pipeline.story import read_story
from pipeline.warehouse import Warehouse
from tests.dashboard_page import Page, Shown
from tests.end_to_end.browser import ARTEFACTS, LAPTOP, PHONE, chromium, opened
from tests.end_to_end.conftest import ATHENA
from tests.reckoned import figures
from tests.served import chargeback, clean_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOW = ("--now", "2026-10-15T04:00:00Z")
OCTOBER = "usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'"
ALL_OF_IT = "SUM(effective_cost) FROM virtual_cluster_costs"


@pytest.fixture(scope="module")
def file(demo: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("dashboard") / "chargeback.html"
    done = chargeback("report", "--format", "html", "-o", str(written), *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return written


@pytest.fixture(scope="module")
def shown(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as found:
        yield found


def asked(engine: sqlalchemy.Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_the_figures_are_what_the_marts_say(shown: Page, engine: sqlalchemy.Engine) -> None:
    [[total]] = asked(engine, f"SELECT {ALL_OF_IT} WHERE {OCTOBER}")
    [[idle]] = asked(engine, f"SELECT {ALL_OF_IT} WHERE {OCTOBER} AND cost_category = 'idle'")
    [[saved]] = asked(engine, f"SELECT SUM(savings) FROM virtual_cluster_costs WHERE {OCTOBER}")
    [[whole]] = asked(engine, f"SELECT {ALL_OF_IT} WHERE {OCTOBER} AND usage_date < DATE '2026-10-15'")
    [[usual]] = asked(
        engine,
        f"SELECT SUM(effective_cost) / COUNT(DISTINCT usage_date) FROM virtual_cluster_costs "
        f"WHERE {OCTOBER} AND usage_date < DATE '2026-10-15' AND cost_category NOT IN ('credit', 'tax')",
    )
    found = {name: figure for name, (figure, *_) in shown.figures.items()}
    assert found["overview-cost"].value == pytest.approx(total, abs=1e-9)
    assert found["overview-cost"].text == f"{total:,.2f}"
    assert found["overview-idle"].value == pytest.approx(idle, abs=1e-9)
    assert found["overview-saved"].value == pytest.approx(saved, abs=1e-9)
    assert found["overview-difference"].value == pytest.approx(0, abs=1e-6)
    assert found["overview-forecast"].value == pytest.approx(float(str(whole)) + 17 * float(str(usual)))


CLUSTER = "COALESCE(virtual_cluster_name, virtual_cluster_id, 'none')"
TABLES = {  # a visual's column, counted from the right, and the mart's answer: keys, figure, relation, which rows
    "overview-days": (-1, ("CAST(usage_date AS varchar)",), "SUM(effective_cost)", "virtual_cluster_costs", OCTOBER),
    "overview-estimated": (-2, ("cost_state",), "SUM(effective_cost)", "virtual_cluster_costs", OCTOBER),
    "overview-kinds": (-5, ("cost_category",), "SUM(effective_cost)", "virtual_cluster_costs", OCTOBER),
    "overview-cost-centers": (-2, ("cost_center",), "SUM(charged_cost)", "cost_center_costs", OCTOBER),
    "virtual-clusters-cost": (-1, (CLUSTER,), "SUM(effective_cost)", "virtual_cluster_costs", OCTOBER),
    "jobs-names": (
        -3,
        ("COALESCE(workload_name, 'no name')",),
        "SUM(effective_cost) / SUM(cpu_core_hours)",
        "job_name_costs",
        OCTOBER,
    ),
    "waste-and-savings-instances": (
        -1,
        ("COALESCE(instance_type, 'none')",),
        "SUM(effective_cost)",
        "cost_ledger",
        f"{OCTOBER} AND cost_category IN ('compute', 'idle')",
    ),
    "waste-and-savings-findings": (-1, ("finding",), "SUM(cost)", "job_run_findings", OCTOBER),
    "reconciliation-classes": (
        -7,
        ("line_class", "payer_account_id"),
        "SUM(bill_effective_cost)",
        "bill_reconciliation",
        "billing_period = '2026-10'",
    ),
    "data-quality-not-compared": (
        -1,
        ("COALESCE(reason, 'compared')", "cluster_name"),
        "SUM(vcpu_hours)",
        "job_run_hours",
        OCTOBER,
    ),
}


@pytest.mark.parametrize("visual", TABLES)
def test_a_table_holds_what_the_mart_says(shown: Page, engine: sqlalchemy.Engine, visual: str) -> None:
    place, keys, figure, relation, which = TABLES[visual]
    positions = ", ".join(str(position) for position, _ in enumerate(keys, start=1))
    sql = f"SELECT {', '.join(keys)}, {figure} FROM {relation} WHERE {which} GROUP BY {positions}"
    expected = {tuple(str(key).replace("_", " ").lower() for key in row[:-1]): row[-1] for row in asked(engine, sql)}
    rows = shown.tables[visual]
    found = {tuple(cell.text.lower() for cell in cells[: len(keys)]): cells[place].value for cells in rows}
    assert len(found) == len(rows) > 0
    assert found == {key: pytest.approx(value, abs=1e-9) for key, value in expected.items()}


def test_the_demo_leaves_few_visuals_empty(shown: Page) -> None:
    assert [name for name, rows in shown.tables.items() if not rows] == [
        "overview-increases",
        "waste-and-savings-headroom",
        "data-quality-unattributed",
        "data-quality-no-bill-line",
    ]


STORY = read_story()
VISUALS = {f"{name}-{visual.id}": visual for name, sheet in STORY.sheets.items() for visual in sheet.visuals}


@pytest.fixture(scope="module")
def rows(demo: dict[str, str], shown: Page) -> dict[str, pd.DataFrame]:
    """All rows of each data set, as QuickSight would import them."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in demo.items():
            environment.setenv(name, value)
        boto3.setup_default_session()
        athena = Warehouse(ATHENA)
        selects = {name: select.replace("current_date", "DATE '2026-10-15'") for name, select in STORY.selects.items()}
        answers = {name: athena.query(select, name) for name, select in selects.items()}
    return {name: pd.DataFrame(list(of.rows), columns=list(of.columns)) for name, of in answers.items()}


def test_every_visual_of_the_story_is_on_the_page(shown: Page) -> None:
    assert sorted([*shown.tables, *shown.figures]) == sorted(VISUALS)


@pytest.mark.parametrize("name", VISUALS)
def test_the_page_says_what_quicksight_would_make_of_the_data_set(
    name: str, shown: Page, rows: dict[str, pd.DataFrame]
) -> None:
    visual = VISUALS[name]
    since = date(2026, 9, 1) if visual.all_months else date(2026, 10, 1)
    expected = figures(STORY, visual, rows[visual.data_set], since)
    found = shown_figures(shown, name)
    assert found or not expected or visual.positive
    assert bool(found.keys() & expected.keys()) == bool(found)
    for place in found.keys() & expected.keys():
        assert found[place] == pytest.approx(expected[place], abs=1e-9), place
    assert {place for place in found.keys() - expected.keys() if place[-1] not in ADDED and found[place]} == set()


ADDED = {"Share", "Change", "others"}
"""Columns that the page adds."""


def shown_figures(shown: Page, name: str) -> dict[tuple[str, ...], float | str | None]:
    """Each figure on the page by the words of its row and the heading of its column."""
    visual = VISUALS[name]
    if visual.kind == "kpi":
        figure, *_ = shown.figures[name]
        return {(STORY.measure(visual.data_set, visual.values[0]).label,): figure.value}
    count = len([column for column in (*visual.rows, *visual.drill) if column != "currency"])
    return {
        (*(cell.text for cell in cells[:count]), head.text): read(cell)
        for cells in shown.tables[name]
        for head, cell in zip(shown.heads[name][count:], cells[count:], strict=True)
    }


def read(cell: Shown) -> float | str | None:
    return cell.value if cell.value is not None or cell.text == "-" else cell.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "window"), [("laptop", LAPTOP), ("phone", PHONE)])
def test_a_browser_shows_it_asks_for_nothing_and_has_no_complaint(
    browser: "Browser", file: Path, device: str, window: dict[str, int], scheme: str
) -> None:
    with opened(browser, file, window, scheme) as found:
        ARTEFACTS.mkdir(exist_ok=True)
        found.page.screenshot(path=ARTEFACTS / f"dashboard-{device}-{scheme}.png", full_page=True)
        assert found.requested == [file.as_uri()]
        assert (found.said, found.dialogs) == ([], [])
        assert found.overflow <= 0
        background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        bright = sum(int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(",")) / 3 > 128
        assert bright is (scheme == "light")
        drawn = found.page.locator("figure svg:visible")
        assert drawn.count() == found.page.locator("figure").count() > 8
        fills = found.page.evaluate(
            "[...document.querySelectorAll('svg path[role]')].map(p => getComputedStyle(p).fill)"
        )
        assert "rgb(0, 0, 0)" not in fills  # what an unknown colour becomes


def test_it_prints(browser: "Browser", file: Path) -> None:
    with opened(browser, file, LAPTOP, "dark") as found:
        found.page.emulate_media(media="print", color_scheme="dark")
        assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        ARTEFACTS.mkdir(exist_ok=True)
        found.page.pdf(path=ARTEFACTS / "dashboard.pdf", format="A4")
        assert (ARTEFACTS / "dashboard.pdf").stat().st_size > 10_000
        found.page.set_viewport_size({"width": 680, "height": 900})  # an A4 sheet between its margins
        assert found.overflow <= 0


def test_an_empty_month_is_a_page_that_says_so(demo: dict[str, str], tmp_path: Path) -> None:
    written = tmp_path / "empty.html"
    done = chargeback(
        "report", "--format", "html", "--month", "2026-03", "-o", str(written), *NOW, environment=demo
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "There is no cost in March 2026." in Page(written.read_text(encoding="utf-8")).text


def test_the_dashboard_needs_a_file_to_go_to(demo: dict[str, str]) -> None:
    done = chargeback("report", "--format", "html", *NOW, environment=demo)
    assert done.returncode == 2
    assert "-o chargeback.html" in done.stderr


def test_without_the_extra_it_is_named(demo: dict[str, str], tmp_path: Path) -> None:
    lacking = "import sys; sys.modules['altair'] = None; from pipeline.cli import main; main()"
    written = tmp_path / "dashboard.html"
    arguments = ["report", "--format", "html", "-o", str(written), *NOW]
    done = subprocess.run(
        [sys.executable, "-c", lacking, *arguments],
        env=clean_environment() | demo,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 78
    assert "needs altair, which is not installed. Install emr-eks-chargeback[html]." in done.stderr
    assert not written.exists()
