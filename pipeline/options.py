"""The options that commands have: times, months, places, ARNs, and the clock."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pipeline.models import Location
from pipeline.month import Month
from pipeline.period import Periods
from pipeline.window import parse_instant

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Instant(click.ParamType[datetime]):
    """A time, read as UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        """Read *value*; what cannot be read is a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class MonthOf(click.ParamType[Month]):
    """A month, written YYYY-MM."""

    name = "yyyy-mm"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Month:  # noqa: ANN401
        """Read *value*; what cannot be read is a usage error."""
        if isinstance(value, Month):
            return value
        try:
            return Month.parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class PeriodsOf(click.ParamType[Periods]):
    """Two periods, written A..B."""

    name = "a..b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Periods:  # noqa: ANN401
        """Read *value*; what cannot be read is a usage error."""
        if isinstance(value, Periods):
            return value
        try:
            return Periods.parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Place(click.ParamType[Location]):
    """A folder on S3."""

    name = "s3://bucket/prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:  # noqa: ANN401
        """Read *value*; what cannot be read is a usage error."""
        if isinstance(value, Location):
            return value
        try:
            return Location.parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Arn(click.ParamType[str]):
    """An ARN of one *kind*, which a *pattern* tells."""

    name = "arn"

    def __init__(self, kind: str, pattern: str) -> None:
        self._kind = kind
        self._pattern = re.compile(pattern, re.ASCII)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Read *value*; what is no such ARN is a usage error."""
        if not self._pattern.fullmatch(value):
            self.fail(f"{value!r} is not the ARN of {self._kind}.", param, ctx)
        return str(value)


INSTANT = Instant()
MONTH = MonthOf()
PERIODS = PeriodsOf()
PLACE = Place()
PRINCIPAL = Arn(
    "a QuickSight user, group or namespace (arn:aws:quicksight:REGION:ACCOUNT:group/default/NAME)",
    r"arn:aws[a-z-]*:quicksight:[a-z0-9-]*:\d{12}:(user|group|namespace)/\S+",
)
ROLE = Arn("an IAM role (arn:aws:iam::ACCOUNT:role/NAME)", r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")


def acts_at(command: _Command) -> _Command:
    """Give *command* the option `--now`, the one place where the clock is read."""
    now = click.option(
        "--now", type=INSTANT, default=lambda: datetime.now(UTC), help="Act as if it were this time, UTC."
    )
    return now(command)


def clock(now: datetime) -> Callable[[], datetime] | None:
    """What time it is by this machine while a command goes on that began *now*; None where `--now` was given."""
    if click.get_current_context().get_parameter_source("now") is not ParameterSource.DEFAULT:
        return None
    began = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - began)


month_option = click.option("--month", type=MONTH, help="The newest with data unless given.")
