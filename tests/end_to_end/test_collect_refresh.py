"""`collect --refresh`: the hours, then the ledger, in one process."""

import subprocess
import sys

import pytest

from tests.captures import Answer, serving
from tests.end_to_end.test_collect import collect, lake_rows, run
from tests.end_to_end.test_publish import NOW, said
from tests.end_to_end.test_refresh import done, require_the_table_says_what_the_view_says, states

BROKEN = Answer(500, "text/plain", b"no")
ELEVEN = ("--since", "2026-11-19T11:00Z", "--until", "2026-11-19T12:00Z", *NOW)
TO_ONE = ("--since", "2026-11-19T09:00Z", "--until", "2026-11-19T13:00Z", *NOW)
"""Upstream knows nothing of the last of these hours."""


def test_it_leaves_a_current_ledger(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    done("collect", "--refresh", *ELEVEN)
    assert states() == {"2026-11-19": "current"}
    require_the_table_says_what_the_view_says()


def test_the_ledger_is_refreshed_although_an_hour_failed_and_the_error_is_told(
    environment: pytest.MonkeyPatch,
) -> None:
    done("publish", *NOW)
    result = run("collect", "--refresh", *TO_ONE)
    assert result.exit_code == 65
    assert "has no allocations for 2026-11-19T12:00:00Z" in said(result)
    assert states() == {"2026-11-19": "current"}


def test_the_ledger_is_refreshed_although_kubecost_does_not_answer(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    assert collect("19T11").exit_code == 0
    with serving(lambda _: BROKEN) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert run("collect", "--refresh", *NOW).exit_code == 69
    assert states() == {"2026-11-19": "current"}


def test_before_publish_it_keeps_the_hours_and_says_what_to_do(environment: pytest.MonkeyPatch) -> None:
    result = run("collect", "--refresh", *TO_ONE)
    assert result.exit_code == 78, "graver than the hour that failed"
    assert "Run `chargeback publish`" in str(result.exception)
    assert "has no allocations for 2026-11-19T12:00:00Z" in result.stderr
    assert {at.hour for at in lake_rows("allocations")["window_start"].to_pylist()} == {9, 10, 11}


def test_what_stopped_collecting_is_told_although_a_graver_error_follows(environment: pytest.MonkeyPatch) -> None:
    with serving(lambda _: BROKEN) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = run("collect", "--refresh", *NOW)
    assert result.exit_code == 78
    [told] = [line for line in result.stderr.splitlines() if " ERROR " in line]
    assert upstream.url in told


def test_hours_that_make_no_sense_are_refused_before_anything_is_refreshed(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    assert collect("19T11").exit_code == 0
    assert run("collect", "--refresh", "--since", "2026-11-19T11:30Z", *NOW).exit_code == 2
    assert states() == {"2026-11-19": "stale"}


def test_it_never_loads_pandas(environment: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    command = [sys.executable, "-X", "importtime", "-m", "pipeline", "collect", "--refresh", *ELEVEN]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert completed.returncode == 0, completed.stderr
    assert "Days whose rows were replaced: 1." in completed.stdout
    modules = {line.rpartition("|")[2].strip() for line in completed.stderr.splitlines()}
    assert "pyathena.cursor" in modules
    assert not {"pandas.core.frame", "awswrangler"} & modules
