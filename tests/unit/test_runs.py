import logging
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import boto3
import pytest

from pipeline.errors import AccessDeniedError, ChargebackError, ContractError, UnavailableError, UsageError
from pipeline.metrics import Metric
from pipeline.runs import Run, require_success, running
from pipeline.settings import LakeSettings, read_settings
from pipeline.window import parse_instant
from tests.conftest import CLUSTER_ARN

NOW = parse_instant("2026-11-21T12:00:00Z")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> LakeSettings:
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", "s3://lake/chargeback")
    monkeypatch.delenv("CHARGEBACK_METRICS_NAMESPACE", raising=False)
    caplog.set_level(logging.INFO)
    return read_settings(LakeSettings)


def told(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The figures of the one run."""
    [document] = [vars(record)["document"] for record in caplog.records if "document" in vars(record)]
    found: dict[str, Any] = document
    return found


def begun(settings: LakeSettings) -> Any:
    """A run whose clock goes on by two seconds each time that it is looked at."""
    seconds: Iterator[int] = count(100, 2)
    return running("collect", settings, boto3.Session(region_name="us-east-1"), NOW, lambda: next(seconds))


def test_a_run_in_which_nothing_fails_tells_its_figures_when_it_ends(
    settings: LakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with begun(settings) as run:
        run.figures[Metric.ROWS] = 5
    require_success(run)
    found = told(caplog)
    assert (found["Succeeded"], found["Seconds"], found["Rows"]) == (1, 2, 5)
    assert found["_aws"]["Timestamp"] == (NOW.timestamp() + 2) * 1000


def test_a_run_with_errors_did_not_succeed(settings: LakeSettings, caplog: pytest.LogCaptureFixture) -> None:
    error = ContractError("a window was refused")
    with begun(settings) as run:
        run.errors.append(error)
    assert told(caplog)["Succeeded"] == 0
    with pytest.raises(ContractError, match="a window was refused"):
        require_success(run)


def test_an_error_of_ours_ends_a_run_and_is_raised_when_all_is_done(
    settings: LakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with begun(settings) as run:
        run.figures[Metric.ROWS] = 5
        raise UnavailableError("no answer")
    assert (told(caplog)["Succeeded"], told(caplog)["Rows"]) == (0, 5)
    with pytest.raises(UnavailableError, match="no answer"):
        require_success(run)
    assert "no answer" not in caplog.text, "it is told by whoever ends the process"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, UsageError])
def test_what_is_no_error_of_ours_goes_on_once_the_figures_are_told(
    error: type[BaseException], settings: LakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(error), begun(settings):
        raise error
    assert told(caplog)["Succeeded"] == 0


def test_a_termination_does_what_it_did_before_once_the_figures_are_told(
    settings: LakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    class AskedToEndError(Exception):
        pass

    def end(*_: object) -> None:
        assert told(caplog)["Succeeded"] == 0
        raise AskedToEndError

    former = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(AskedToEndError), begun(settings):
            signal.raise_signal(signal.SIGTERM)
    finally:
        assert signal.signal(signal.SIGTERM, former) is end


def test_after_a_run_a_termination_is_none_of_its_business(settings: LakeSettings) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with begun(settings):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_in_a_thread_of_its_own_tells_its_figures(
    settings: LakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        with begun(settings):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert told(caplog)["Succeeded"] == 1


def ended(
    *errors: ChargebackError, ended_by: ChargebackError | None = None, untold: ChargebackError | None = None
) -> Run:
    return Run([*errors, *([ended_by] if ended_by else [])], {}, ended_by, untold)


def test_the_gravest_error_of_all_runs_is_raised_and_what_ended_the_others_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lesser, gravest = UnavailableError("no answer"), AccessDeniedError("no right")
    with pytest.raises(AccessDeniedError, match="no right"):
        require_success(ended(ended_by=lesser), ended(ContractError("refused"), ended_by=gravest))
    assert [record.message for record in caplog.records] == ["no answer"]


def test_figures_that_could_not_be_published_are_an_error_only_if_there_is_no_other() -> None:
    untold = AccessDeniedError("no right to publish")
    with pytest.raises(AccessDeniedError, match="no right to publish"):
        require_success(ended(), ended(untold=untold))
    with pytest.raises(UnavailableError, match="no answer"):
        require_success(ended(untold=untold), ended(UnavailableError("no answer")))
