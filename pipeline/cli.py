"""The command line: arguments and settings in, tables and exit codes out."""

# Every command imports what it needs when it runs: `--help` must not wait for pandas.

import logging
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from pipeline.errors import ChargebackError, ConfigurationError, UsageError, gravest
from pipeline.options import INSTANT, MONTH, PERIODS, PLACE, acts_at, clock, month_option

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.bill_delivery import Following
    from pipeline.models import Location
    from pipeline.month import Month
    from pipeline.period import Periods
    from pipeline.settings import Settings

log = logging.getLogger(__name__)

_INTERRUPTED = 130
_TERMINATED = 143

_SettingsKind = TypeVar("_SettingsKind", bound="Settings")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="emr-eks-chargeback")
def cli() -> None:
    """What every Spark job on a shared Amazon EKS cluster cost."""


@cli.command()
@click.option("--since", type=INSTANT, help="First hour to look at; the look-back unless given.")
@click.option("--until", type=INSTANT, help="Look at hours before this one.")
@click.option(
    "--recollect",
    is_flag=True,
    help="Fetch settled hours again, or their day where upstream keeps days only; take what is worse, too.",
)
@click.option("--skip-emr", is_flag=True, help="Do not list virtual clusters, job runs and endpoints.")
@click.option("--refresh", "refreshes", is_flag=True, help="Then bring the ledger up to date, as `refresh` does.")
@acts_at
def collect(
    since: datetime | None, until: datetime | None, recollect: bool, skip_emr: bool, refreshes: bool, now: datetime
) -> None:
    """Fetch the hours that are missing or not yet settled, and write them to the lake; then what EMR lists."""
    from pipeline import connections
    from pipeline.arrow import without_pandas
    from pipeline.hourly import Asked, collected, refreshed
    from pipeline.runs import require_success
    from pipeline.settings import CollectSettings

    without_pandas()
    settings = _settings(CollectSettings)
    session = connections.session(settings)
    runs = [collected(settings, session, Asked(since, until, recollect, skip_emr), now)]
    if refreshes:
        runs.append(refreshed(settings, session, None, now, click.echo))
    require_success(*runs)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Print the SQL and change nothing.")
@click.option("--cur-location", type=PLACE, help="Declare CHARGEBACK_CUR_TABLE over the export in this folder.")
@acts_at
def publish(dry_run: bool, cur_location: "Location | None", now: datetime) -> None:
    """Declare the tables in Glue and create the views, in dependency order."""
    from pipeline import analytics, connections
    from pipeline.bill_delivery import declare
    from pipeline.publish import statements
    from pipeline.settings import LakeSettings, Settings

    if dry_run:
        plain = _settings(Settings)
        session = connections.session(plain)
        connections.policy(plain, session)  # whose mistakes are told before anything is published
        following = analytics.following(plain, session, cur_location)
        declaring = following.statements() if following else ()
        views = statements(plain.glue_database, analytics.bill(plain, session, following))
        click.echo(";\n\n".join([*declaring, *views]) + ";")
        _fail_for_refused(following)
        return
    from pipeline.lake import first_day
    from pipeline.progress import event_level, tracked

    settings = _settings(LakeSettings)
    session = connections.session(settings)
    policy = connections.policy(settings, session)
    following = analytics.following(settings, session, cur_location)
    bill = analytics.bill(settings, session, following)
    publisher = analytics.publisher(settings, session, bill)
    publisher.rehearse(bill_stands=following is None)
    if following is not None:
        declare(session, following)
    first = first_day(connections.s3(session), settings.lake) or now.date()
    for name in tracked(publisher.publish(policy, first, now), "Publishing"):
        log.log(event_level(), "published", extra={"relation": f"{settings.glue_database}.{name}"})
    if bill.table is None:
        click.echo("No bill: CHARGEBACK_CUR_TABLE is not set, so all cost stays estimated.", err=True)
    elif not bill.has_resource_ids:
        click.echo(f"The bill {bill.table} has no resource IDs, so hardly a line finds its pods.", err=True)
    _fail_for_refused(following)


@cli.command()
@click.option("--month", type=MONTH, help="Compute this month anew (YYYY-MM), whatever it was computed from.")
@acts_at
def refresh(month: "Month | None", now: datetime) -> None:
    """Compute the ledger's days again whose pods, bill or policy changed."""
    from pipeline import connections
    from pipeline.hourly import refreshed
    from pipeline.runs import require_success
    from pipeline.settings import LakeSettings

    settings = _settings(LakeSettings)
    require_success(refreshed(settings, connections.session(settings), month, now, click.echo))


@cli.command()
@click.option("--since", type=INSTANT, help="First hour to show; two weeks unless given.")
@click.option("--until", type=INSTANT, help="Show hours before this one.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@acts_at
def status(since: datetime | None, until: datetime | None, form: str, now: datetime) -> None:
    """Show which hours are collected, settled, rejected, missing or lost, and which days' costs are current."""
    from pipeline import analytics, connections
    from pipeline.output import calendar_json, calendar_table
    from pipeline.settings import LakeSettings
    from pipeline.status import calendar

    settings = _settings(LakeSettings)
    session = connections.session(settings)
    found = calendar(connections.lake(settings, session), connections.schedule(settings), now, since, until)
    errors: list[ChargebackError] = [*found.errors]
    try:
        ledger = analytics.ledger_states(settings, session)
    except ChargebackError as error:  # who may only read the lake still sees the hours
        ledger = {}
        errors.append(error)
    if form == "json":
        click.echo(calendar_json(settings.cluster_arn.arn, found.days, ledger), nl=False)
    else:
        _show(calendar_table(found.days, ledger))
    if errors:
        raise gravest(errors)


@cli.command()
@month_option
@acts_at
def verify(month: "Month | None", now: datetime) -> None:
    """Run every check over one month, and print the rows that break one."""
    from pipeline import analytics, connections
    from pipeline.output import offenders_table, verdict_table
    from pipeline.progress import tracked
    from pipeline.report import newest_month
    from pipeline.runs import require_success, running
    from pipeline.settings import LakeSettings
    from pipeline.verify import failures, figures
    from pipeline.verify import verify as verdicts_of

    settings = _settings(LakeSettings)
    session = connections.session(settings)
    with running("verify", settings, session, now) as run:
        warehouse = analytics.published(settings, session)
        delivered = analytics.delivered(settings, session)
        ledger = analytics.ledger_states(settings, session)
        month = month or newest_month(warehouse)
        verdicts = list(tracked(verdicts_of(warehouse, month, delivered, ledger), "Checking"))
        run.figures |= figures(verdicts)
        run.errors += failures(verdicts)
        _show(verdict_table(verdicts, month))
        for verdict in verdicts:
            if verdict.broken:
                _show(offenders_table(verdict))
    require_success(run)


@cli.command()
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
        return
    if form == "html":
        _write_dashboard(month, top, output, now)
        return
    from rich.console import Console

    from pipeline import analytics, connections
    from pipeline.output import fitting_table, plain, reconciliation_table, report_csv, report_json, report_table
    from pipeline.report import dimension, newest_month
    from pipeline.report import report as report_of
    from pipeline.settings import LakeSettings

    dimension(by)
    settings = _settings(LakeSettings)
    warehouse = analytics.published(settings, connections.session(settings))
    month = month or newest_month(warehouse)
    if month is None:
        raise UsageError("There is no data yet: collect first.")
    found = report_of(warehouse, by, month)
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
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@cli.command()
@month_option
@click.option("--cost-center", help="The statement of this cost center alone.")
@click.option("--format", "form", type=click.Choice(["html", "csv"]), default="html", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@acts_at
def statement(month: "Month | None", cost_center: str | None, form: str, output: Path | None, now: datetime) -> None:
    """Tell what each cost center is charged for a month, to the cent."""
    from pipeline import analytics, connections
    from pipeline.report import newest_month
    from pipeline.settings import LakeSettings
    from pipeline.statement import statement as statement_of
    from pipeline.statement_output import statement_csv, statement_html

    settings = _settings(LakeSettings)
    warehouse = analytics.published(settings, connections.session(settings))
    month = month or newest_month(warehouse)
    if month is None:
        raise UsageError("There is no data yet: collect first.")
    found = statement_of(warehouse, month, cost_center, now)
    text = statement_html(found) if form == "html" else statement_csv(found)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@cli.command()
@click.option("--skip-emr", is_flag=True, help="Do not ask EMR, as `collect --skip-emr` does not.")
@click.option("--collect-only", is_flag=True, help="Leave out Glue, Athena and the bill: `collect` needs none of them.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@acts_at
def doctor(skip_emr: bool, collect_only: bool, form: str, now: datetime) -> None:
    """Probe all that a run depends on, say what is wrong and how to put it right, and change nothing."""
    from pipeline import logs
    from pipeline.doctor import probes
    from pipeline.output import findings_json, findings_table
    from pipeline.probe import failed
    from pipeline.progress import tracked
    from pipeline.settings import CollectSettings

    settings = _settings(CollectSettings)
    logs.configure("ERROR")  # what a run warns of is among the findings
    every = probes(settings, now, clock(now), skip_emr=skip_emr, collect_only=collect_only)
    findings = [probe.run() for probe in tracked(every, "Probing", len(every))]
    if form == "json":
        click.echo(findings_json(settings.cluster_arn.arn, findings), nl=False)
    else:
        _show(findings_table(findings, settings.cluster_arn.arn))
    error = failed(findings)
    if error is not None:
        raise error


@cli.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("chargeback-demo"),
    show_default=True,
    help="Where the demo keeps its objects, its bill and its reports.",
)
@click.option("--serve", is_flag=True, help="Leave the stack up, and print how to reach it.")
def demo(directory: Path, serve: bool) -> None:
    """Run the whole pipeline on a simulated estate, and show what each job cost."""
    from pipeline import logs
    from pipeline.demo.tour import tour

    logs.configure("WARNING")
    tour(directory, serve=serve)


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
    from pipeline.plan import newest_whole_day
    from pipeline.report import newest_month
    from pipeline.settings import LakeSettings

    settings = _settings(LakeSettings)
    warehouse = analytics.published(settings, connections.session(settings))
    month = month or newest_month(warehouse)
    if month is None:
        raise UsageError("There is no data yet: collect first.")
    found = dashboard(warehouse, month, newest_whole_day(connections.schedule(settings), now))
    output.write_text(page(found, top, now), encoding="utf-8")


def _settings(kind: "type[_SettingsKind]") -> "_SettingsKind":
    from pipeline import logs
    from pipeline.settings import read_settings

    settings = read_settings(kind)
    logs.configure(settings.log_level)
    return settings


def _fail_for_refused(following: "Following | None") -> None:
    """A month of the bill that was refused fails the run, once all else is done."""
    if following is not None and following.refused:
        raise gravest(following.refused)


def _compare(by: str, periods: "Periods", top: int, form: str, output: Path | None) -> None:
    from pipeline import analytics, connections
    from pipeline.comparison import compared, comparison
    from pipeline.comparison_output import comparison_csv, comparison_json, comparison_table
    from pipeline.output import plain
    from pipeline.settings import LakeSettings

    compared(by)
    if form not in ("table", "csv", "json"):
        raise UsageError(f"A comparison has no format {form!r}; there are table, csv and json.")
    settings = _settings(LakeSettings)
    found = comparison(analytics.published(settings, connections.session(settings)), by, periods)
    if form == "table" and output is None:
        _show(comparison_table(found, top))
        return
    text = {
        "table": lambda: plain(comparison_table(found, top)),
        "csv": lambda: comparison_csv(found),
        "json": lambda: comparison_json(found),
    }[form]()
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _show(table: "Table") -> None:
    from rich.console import Console

    from pipeline.output import plain

    console = Console()
    if console.is_terminal:
        console.print(table)
    else:
        click.echo(plain(table), nl=False)


def _leave(code: int) -> NoReturn:
    """End at once: a call to upstream that is under way must not hold up whoever asked us to stop.

    Nothing is lost by it: what is written is written whole.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Run the command line; every error of ours ends here, as one sentence and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: _leave(_TERMINATED))
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        _leave(_INTERRUPTED)
    except ChargebackError as error:
        click.echo("\n".join([f"chargeback: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(error.exit_code)
