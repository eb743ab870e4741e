"""What the hourly run does in the pod: the hours, what EMR lists, the ledger; and what it says of each step."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import boto3

from pipeline import connections
from pipeline.collect import Collector, Outcome, failures, figures
from pipeline.errors import ChargebackError
from pipeline.lake import Lake
from pipeline.metrics import Metric
from pipeline.month import Month
from pipeline.plan import Schedule, newest_whole_day, span
from pipeline.progress import event_level, tracked
from pipeline.runs import Run, running
from pipeline.settings import CollectSettings, LakeSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What the command line asks of collecting."""

    since: datetime | None
    until: datetime | None
    recollect: bool
    skip_emr: bool

    def reach(self, schedule: Schedule, now: datetime) -> bool:
        """Whether the newest hour that may be fetched at *now* is among those asked for."""
        return self.until is None or self.until >= span(schedule, now, None, None).until


def collected(settings: CollectSettings, session: boto3.Session, asked: Asked, now: datetime) -> Run:
    """Fetch the hours that are missing or not yet settled, and write them; then what EMR lists."""
    with running("collect", settings, session, now) as run:
        lake = connections.lake(settings, session)
        collector = Collector(
            connections.kubecost(settings),
            lake,
            settings.cluster_arn,
            settings.labels,
            now,
            time.monotonic,
            asked.recollect,
        )
        schedule = connections.schedule(settings)
        work = collector.work(schedule, asked.since, asked.until)
        outcomes = tuple(_followed(collector.collect(work), len(work.plan.fetch)))
        run.errors += failures(outcomes, work)
        run.figures |= figures(outcomes, work, now if asked.reach(schedule, now) else None)
        _sum_up(outcomes, run.errors)
        if not asked.skip_emr:
            run.errors += _listed(settings, session, lake, now)
    return run


def refreshed(
    settings: LakeSettings, session: boto3.Session, month: Month | None, now: datetime, say: Callable[[str], None]
) -> Run:
    """Compute the ledger's days again whose pods, bill or policy changed, or all of *month*; *say* what came of it."""
    from pipeline import analytics  # a quarter of a second, and 20 MB, that collecting alone does not need
    from pipeline.ledger import PATIENCE

    with running("refresh", settings, session, now) as run:
        refresher = analytics.refresher(settings, session)
        run.figures[Metric.DAYS_REPLACED] = days = replaced = 0
        for done in tracked(refresher.refresh(now, PATIENCE, month), "Refreshing"):
            facts = {"unit": str(done.unit), "replaced": len(done.replaced), "same": len(done.same)}
            log.log(event_level(), "ledger refreshed", extra=facts)
            days, replaced = days + len(done.unit.days), replaced + len(done.replaced)
            run.figures[Metric.DAYS_REPLACED] = replaced
        say(f"Days computed again: {days}. Days whose rows were replaced: {replaced}.")
        if days:  # else the engine is asked nothing, and the day costs what it did
            day = newest_whole_day(connections.schedule(settings), now)
            run.figures[Metric.DAY_COST] = refresher.cost_of(day, settings.cluster_arn)
    return run


def _followed(outcomes: Iterator[Outcome], count: int) -> Iterator[Outcome]:
    """Pass *outcomes* on, each with a line in the log, on a terminal with a bar instead."""
    for outcome in tracked(outcomes, "Collecting", count):
        if outcome.record is not None:
            record = outcome.record
            facts = {
                "window": outcome.window,
                "state": record.state,
                "rows": record.rows,
                "core_hours": record.core_hours,
                "estimated_cost": record.estimated_cost,
                "changed": outcome.changed,
            }
            log.log(event_level(), "window collected", extra=facts)
        yield outcome


def _sum_up(outcomes: Sequence[Outcome], errors: Iterable[ChargebackError]) -> None:
    errors = tuple(errors)
    for error in errors:
        log.error(str(error))
    written = [o.record for o in outcomes if o.record is not None]
    log.info(
        "run done",
        extra={
            "windows": len(written),
            "changed": sum(o.changed for o in outcomes),
            "failed": len(errors),
            "rows": sum(record.rows for record in written),
            "estimated_cost": sum(record.estimated_cost for record in written),
        },
    )


def _listed(
    settings: CollectSettings, session: boto3.Session, lake: Lake, now: datetime
) -> tuple[ChargebackError, ...]:
    """List what EMR has once the hours are safe and told of: a failure here never costs one."""
    from pipeline.inventory import refresh  # makes an array at once, before which pandas has to be hidden

    try:
        done = refresh(connections.emr(settings, session), lake, settings.cluster_arn, now)
    except ChargebackError as error:
        log.error(str(error))
        return (error,)
    for failed in done.errors:
        log.error(str(failed))
    log.info("EMR listed", extra={**done.listed, "changed": ",".join(done.changed) or "nothing"})
    return done.errors
