from datetime import datetime, timedelta

import pytest

from pipeline.clock_probe import compared
from pipeline.errors import ConfigurationError
from pipeline.probe import NotRunError, Said
from pipeline.window import parse_instant

THERE = parse_instant("2026-11-19T10:00Z")


def off_by(**amount: float) -> Said:
    return compared(lambda: THERE + timedelta(**amount), lambda: THERE)


@pytest.mark.parametrize("seconds", [-59, 0, 59])
def test_a_clock_that_is_off_by_seconds_is_right(seconds: int) -> None:
    assert off_by(seconds=seconds) == Said("less than a minute off")


@pytest.mark.parametrize(
    ("minutes", "found"), [(3, "3 minutes ahead of the server's"), (-4, "4 minutes behind the server's")]
)
def test_a_clock_that_is_off_by_minutes_is_a_warning(minutes: int, found: str) -> None:
    said = off_by(minutes=minutes)
    assert (said.found, said.kind) == (found, None)
    assert said.fix is not None
    assert "NTP" in said.fix


@pytest.mark.parametrize(
    ("hours", "found"),
    [(5 / 60, "5 minutes ahead of"), (-1, "60 minutes behind"), (3, "3 hours ahead of"), (-72, "3 days behind")],
)
def test_a_clock_whose_requests_aws_refuses_fails(hours: float, found: str) -> None:
    said = off_by(hours=hours)
    assert said.found == f"{found} the server's"
    assert said.kind is ConfigurationError


def test_a_time_that_was_given_is_compared_with_no_servers() -> None:
    def there() -> datetime:
        raise AssertionError("the server was asked")

    with pytest.raises(NotRunError, match="--now was given"):
        compared(None, there)


def test_a_server_that_does_not_say_what_time_it_is_proves_nothing() -> None:
    with pytest.raises(NotRunError, match="no date"):
        compared(lambda: THERE, lambda: None)
