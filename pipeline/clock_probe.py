"""How far this machine's clock is off, by what a server says the time is."""

from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.errors import ConfigurationError
from pipeline.probe import NotRunError, Said

Clock = Callable[[], datetime]

REFUSED = timedelta(minutes=5)
"""AWS takes no request whose time is further off.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

_NOTED = timedelta(minutes=1)
_FIX = "Let the node keep its time by NTP: on EC2, chrony with the Amazon Time Sync Service at 169.254.169.123."


def compared(clock: Clock | None, server_time: Callable[[], datetime | None]) -> Said:
    """What the *clock* says beside the server; None where `--now` took its place.

    Raises:
        NotRunError: there is no clock, or the server does not say what time it is.
        ChargebackError: the server did not answer.
    """
    if clock is None:
        raise NotRunError("--now was given, so no clock was asked")
    there = server_time()
    if there is None:
        raise NotRunError("its answers have no date")
    off = clock() - there
    if abs(off) < _NOTED:
        return Said("less than a minute off")
    found = f"{_told(abs(off))} {'ahead of' if off > timedelta(0) else 'behind'} the server's"
    return Said(found, _FIX, ConfigurationError if abs(off) >= REFUSED else None)


def _told(off: timedelta) -> str:
    minutes = int(off / timedelta(minutes=1))
    if minutes >= 48 * 60:
        return f"{off.days} days"
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
