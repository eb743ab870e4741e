"""The command line: arguments and settings in, tables and exit codes out."""

# Every command imports what it needs when it runs: `--help` must not wait for pandas.

import logging
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline.cli_reports import close, report, statement
from pipeline.command import settings_for, show
from pipeline.errors import ChargebackError, gravest
from pipeline.options import INSTANT, MONTH, PLACE, PRINCIPAL, ROLE, acts_at, clock, month_option

if TYPE_CHECKING:
    from pipeline.bill_delivery import Following
    from pipeline.models import Location
    from pipeline.month import Month

log = logging.getLogger(__name__)

_INTERRUPTED = 130
_TERMINATED = 143


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="emr-eks-chargeback")
def cli() -> None:
    """What every Spark job on a shared Amazon EKS cluster cost."""


cli.add_command(close)
cli.add_command(report)
cli.add_command(statement)


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
    settings = settings_for(CollectSettings)
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
        plain = settings_for(Settings)
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

    settings = settings_for(LakeSettings)
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

    settings = settings_for(LakeSettings)
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

    settings = settings_for(LakeSettings)
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
        show(calendar_table(found.days, ledger))
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

    settings = settings_for(LakeSettings)
    session = connections.session(settings)
    with running("verify", settings, session, now) as run:
        warehouse = analytics.published(settings, session)
        delivered = analytics.delivered(settings, session)
        ledger = analytics.ledger_states(settings, session)
        month = month or newest_month(warehouse)
        verdicts = list(tracked(verdicts_of(warehouse, month, delivered, ledger), "Checking"))
        run.figures |= figures(verdicts)
        run.errors += failures(verdicts)
        show(verdict_table(verdicts, month))
        for verdict in verdicts:
            if verdict.broken:
                show(offenders_table(verdict))
    require_success(run)


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

    settings = settings_for(CollectSettings)
    logs.configure("ERROR")  # what a run warns of is among the findings
    every = probes(settings, now, clock(now), skip_emr=skip_emr, collect_only=collect_only)
    findings = [probe.run() for probe in tracked(every, "Probing", len(every))]
    if form == "json":
        click.echo(findings_json(settings.cluster_arn.arn, findings), nl=False)
    else:
        show(findings_table(findings, settings.cluster_arn.arn))
    error = failed(findings)
    if error is not None:
        raise error


@cli.command()
@click.option(
    "--principal",
    "owners",
    type=PRINCIPAL,
    multiple=True,
    help="ARN of a QuickSight user or group that is to own all of it; may be given several times.",
)
@click.option(
    "--reader", "readers", type=PRINCIPAL, multiple=True, help="The same, for who is to see the dashboard and no more."
)
@click.option("--role-arn", type=ROLE, help="Role as which QuickSight asks Athena; its own service role unless given.")
@click.option("--dry-run", is_flag=True, help="Print what QuickSight would be told, as JSON, and ask nobody.")
@acts_at
def dashboards(
    owners: tuple[str, ...],
    readers: tuple[str, ...],
    role_arn: str | None,
    dry_run: bool,
    now: datetime,  # noqa: ARG001
) -> None:
    """Make the dashboard in QuickSight, or bring it up to date: data source, data sets, refresh, sheets."""
    import json

    from pipeline import connections
    from pipeline.catalog import Catalog
    from pipeline.quicksight import QuickSight
    from pipeline.quicksight_plan import deploy, place, plan, require_readable
    from pipeline.settings import LakeSettings
    from pipeline.story import read_story

    settings = settings_for(LakeSettings)
    session = connections.session(settings)
    story = read_story()
    planned = plan(story, place(settings, connections.region(session), role_arn))
    if dry_run:
        click.echo(json.dumps(planned.as_json(), indent=2))
        return
    require_readable(story, Catalog(session, settings.glue_database), settings.glue_database)
    quicksight = QuickSight(session, settings.cluster_arn.account_id)
    for line in deploy(quicksight, planned, owners, readers):
        click.echo(line)
    if not owners and not readers:
        click.echo("Nobody was given it: name a user or group with --principal or --reader.", err=True)


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


def _fail_for_refused(following: "Following | None") -> None:
    """A month of the bill that was refused fails the run, once all else is done."""
    if following is not None and following.refused:
        raise gravest(following.refused)


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
