"""The commands that tell what was spent: `report`, `statement`, and `close`, after which a statement stays as it is."""

# As in `cli`, each imports what it needs when it runs.

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.command import deliver, settings_for, show
from pipeline.errors import ConfigurationError, UsageError
from pipeline.options import MONTH, PERIODS, acts_at, month_option

if TYPE_CHECKING:
    from pipeline.month import Month
    from pipeline.period import Periods
    from pipeline.warehouse import Warehouse


@click.command()
@click.option(
    "--by",
    default="job",
    show_default=True,
    help="job, virtual-cluster, cost-center, pod, namespace, controller, "
    "label:<key>, endpoint, node-pool, instance-type, instance-family, architecture, capacity-type or spark-role.",
)
@month_option
@click.option("--compare", "periods", type=PERIODS, help="What changed: two days, ISO weeks (2026-W41) or months.")
@click.option("--top", type=click.IntRange(0), default=25, show_default=True, help="Rows of a table; 0 shows all.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "html"]),
    default="table",
    show_default=True,
    help="html writes the dashboard, whose sheets show every dimension, to the file of -o.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@acts_at
def report(
    by: str,
    month: "Month | None",
    periods: "Periods | None",
    top: int,
    form: str,
    output: Path | None,
    now: datetime,
) -> None:
    """Show what was spent, by one dimension; or with --compare what changed by job, virtual-cluster or cost-center."""
    if periods is not None:
        if month is not None:
            raise UsageError("--compare names its own months: leave out --month.")
        _compare(by, periods, top, form, output)
    elif form == "html":
        _write_dashboard(month, top, output, now)
    else:
        _report(by, month, top, form, output)


@click.command()
@month_option
@click.option("--cost-center", help="The statement of this cost center alone.")
@click.option("--format", "form", type=click.Choice(["html", "csv"]), default="html", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@acts_at
def statement(month: "Month | None", cost_center: str | None, form: str, output: Path | None, now: datetime) -> None:
    """Tell what each cost center is charged for a month, to the cent."""
    from pipeline.statement import statement as statement_of
    from pipeline.statement_output import statement_csv, statement_html

    warehouse = _warehouse()
    found = statement_of(warehouse, month or _newest_month(warehouse), cost_center, now)
    deliver(statement_html(found) if form == "html" else statement_csv(found), output)


@click.command()
@click.option("--month", type=MONTH, required=True, help="The month to close (YYYY-MM); it has ended.")
@click.option("--before-invoice", is_flag=True, help="Close it although part of it is estimated or has no invoice yet.")
@acts_at
def close(month: "Month", before_invoice: bool, now: datetime) -> None:
    """Keep what a month was charged; what its bill changes afterwards is an adjustment of a later month."""
    from pipeline import analytics, connections
    from pipeline.settings import LakeSettings

    settings = settings_for(LakeSettings)
    closed = analytics.closer(settings, connections.session(settings)).close(month, now, before_invoice=before_invoice)
    click.echo(
        f"{month} is closed: {closed.charged:,} {closed.currency} charged, of it {closed.adjusted:,} of months closed "
        "before."
    )


def _report(by: str, month: "Month | None", top: int, form: str, output: Path | None) -> None:
    from rich.console import Console

    from pipeline.output import fitting_table, plain, reconciliation_table, report_csv, report_json, report_table
    from pipeline.report import dimension
    from pipeline.report import report as report_of

    dimension(by)
    warehouse = _warehouse()
    found = report_of(warehouse, by, month or _newest_month(warehouse))
    console = Console()
    bill = [reconciliation_table(found.reconciliation, found)] if found.reconciliation else []
    if form == "table" and output is None and console.is_terminal:
        console.print(fitting_table(found, top, console), *bill)
        return
    text = {
        "table": lambda: plain(report_table(found, top), *bill),
        "csv": lambda: report_csv(found),
        "json": lambda: report_json(found),
    }[form]()
    deliver(text, output)


def _compare(by: str, periods: "Periods", top: int, form: str, output: Path | None) -> None:
    from pipeline.comparison import compared, comparison
    from pipeline.comparison_output import comparison_csv, comparison_json, comparison_table
    from pipeline.output import plain

    compared(by)
    if form == "html":
        raise UsageError("A comparison has no format 'html'; there are table, csv and json.")
    found = comparison(_warehouse(), by, periods)
    if form == "table" and output is None:
        show(comparison_table(found, top))
        return
    text = {
        "table": lambda: plain(comparison_table(found, top)),
        "csv": lambda: comparison_csv(found),
        "json": lambda: comparison_json(found),
    }[form]()
    deliver(text, output)


def _write_dashboard(month: "Month | None", top: int, output: Path | None, now: datetime) -> None:
    """Write the dashboard as one HTML file."""
    if output is None:
        raise UsageError("The dashboard is a file: name it, as in --format html -o chargeback.html.")
    try:
        from pipeline.page import page
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--format html needs {error.name}, which is not installed. Install emr-eks-chargeback[html]."
        ) from error
    from pipeline import analytics, connections
    from pipeline.dashboard import dashboard
    from pipeline.settings import LakeSettings
    from pipeline.story import read_story

    settings = settings_for(LakeSettings)
    warehouse = analytics.published(settings, connections.session(settings))
    found = dashboard(warehouse, read_story(), month or _newest_month(warehouse), now, top)
    deliver(page(found, now), output)


def _warehouse() -> "Warehouse":
    from pipeline import analytics, connections
    from pipeline.settings import LakeSettings

    settings = settings_for(LakeSettings)
    return analytics.published(settings, connections.session(settings))


def _newest_month(warehouse: "Warehouse") -> "Month":
    from pipeline.report import newest_month

    month = newest_month(warehouse)
    if month is None:
        raise UsageError("There is no data yet: collect first.")
    return month
