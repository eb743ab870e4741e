"""How a run of a command ends: what failed in it, and its figures, told on whatever way out."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Thread, current_thread, main_thread
from types import FrameType

import boto3

from pipeline.errors import ChargebackError, UsageError, gravest
from pipeline.metrics import CloudWatch, Metric, Report, embedded
from pipeline.progress import event_level
from pipeline.settings import LakeSettings

log = logging.getLogger(__name__)

_LAST_WORDS = 5.0  # seconds that a run that was asked to end takes to tell its figures


@dataclass
class Run:
    """A run of a command: what failed in it, and its figures.

    *ended_by* is the one of the errors at which it stopped, of which nobody was told yet; *untold* is why its figures
    could not be published.
    """

    errors: list[ChargebackError] = field(default_factory=list)
    figures: dict[Metric, float | None] = field(default_factory=dict)
    ended_by: ChargebackError | None = None
    untold: ChargebackError | None = None


@contextmanager
def running(
    command: str,
    settings: LakeSettings,
    session: boto3.Session,
    now: datetime,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Run]:
    """Run a *command* that began at *now*; an error of ours ends it, and is among its errors then.

    Its figures are told in the end, be it good, bad, an interrupt or SIGTERM. *clock* gives seconds that only ever
    grow.
    """
    run, begun = Run(), clock()

    def tell(*, succeeded: bool) -> None:
        seconds = clock() - begun
        figures = {Metric.SUCCEEDED: int(succeeded), Metric.SECONDS: seconds, **run.figures}
        report = Report(command, settings.cluster_arn.name, now + timedelta(seconds=seconds), figures)
        run.untold = _told(report, settings, session)

    succeeded = False
    try:
        with _before_it_is_terminated(lambda: tell(succeeded=False)):
            yield run
        succeeded = not run.errors
    except UsageError:
        raise
    except ChargebackError as error:
        run.errors.append(error)
        run.ended_by = error
    finally:
        tell(succeeded=succeeded)


def require_success(*runs: Run) -> None:
    """Raise the gravest error of *runs*; if none failed, the one for which their figures could not be published."""
    errors = [error for run in runs for error in run.errors]
    untold = [run.untold for run in runs if run.untold is not None]
    if not errors and not untold:
        return
    worst = gravest(errors or untold)
    for run in runs:
        if run.ended_by is not None and run.ended_by is not worst:
            log.error(str(run.ended_by))
    raise worst


def _told(report: Report, settings: LakeSettings, session: boto3.Session) -> ChargebackError | None:
    """Publish a report, or log it where no namespace is set; what that failed with never hides what the run did."""
    if settings.metrics_namespace is None:
        log.log(event_level(), "figures", extra={"document": embedded(report)})
        return None
    try:
        CloudWatch(session, settings.metrics_namespace).put(report)
    except ChargebackError as error:
        log.error(str(error))
        return error
    return None


@contextmanager
def _before_it_is_terminated(tell: Callable[[], None]) -> Iterator[None]:
    """*tell* when SIGTERM comes, but for no longer than a few seconds; then it does what it did before."""
    if current_thread() is not main_thread():  # no other may ask for signals
        yield
        return
    former = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL

    def terminated(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  as a handler is called
        signal.signal(signal.SIGTERM, former)
        telling = Thread(target=tell, daemon=True)  # for what was interrupted may hold a lock that it needs
        telling.start()
        telling.join(_LAST_WORDS)
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
