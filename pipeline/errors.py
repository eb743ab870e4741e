"""What can go wrong, sorted by what the operator should do about it, and the exit code of each.

    ChargebackError
    ├── UsageError           2   the command line asks for something that makes no sense
    ├── ContractError       65   upstream or the bill broke its contract
    │   └── StatementFailedError   the SQL engine failed a statement, and said why
    ├── CheckFailedError    65   a check of severity `error` found rows
    ├── UnavailableError    69   upstream did not answer after retries
    ├── TemporaryError      75   try again: somebody else was writing, or a service asked for patience
    ├── AccessDeniedError   77   credentials are missing or lack a right
    └── ConfigurationError  78   a setting is missing or wrong, or names something that does not exist

The numbers are those of sysexits.h; the CronJob's `podFailurePolicy` reads them.
"""

from collections.abc import Iterable
from typing import ClassVar


class ChargebackError(Exception):
    """An error that a sentence explains: what broke, where, and what to do."""

    exit_code: ClassVar[int] = 1


class UsageError(ChargebackError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class ContractError(ChargebackError):
    """Upstream or the bill broke its contract: nothing of that answer was written."""

    exit_code = 65


class StatementFailedError(ContractError):
    """The SQL engine failed a statement; *what* names it, and the first line that the engine *said* is the reason."""

    def __init__(self, what: str, said: str) -> None:
        lines = said.strip().splitlines() or ["the engine gave no reason"]
        self.reason = lines[0].rstrip(".")
        super().__init__(f"{what} failed: {self.reason}.")


class CheckFailedError(ChargebackError):
    """A check of severity `error` found rows."""

    exit_code = 65


class UnavailableError(ChargebackError):
    """Upstream did not answer, or answered with an error after all retries."""

    exit_code = 69


class TemporaryError(ChargebackError):
    """The same command will work a little later."""

    exit_code = 75


class AccessDeniedError(ChargebackError):
    """Credentials are missing, expired, or lack a right."""

    exit_code = 77


class ConfigurationError(ChargebackError):
    """A setting is missing or wrong, or names something that does not exist."""

    exit_code = 78


_GRAVEST_FIRST = (78, 77, 65, 69, 75)


def gravest(errors: Iterable[ChargebackError]) -> ChargebackError:
    """The one of *errors* (at least one) whose exit code stands for all, in the order 78, 77, 65, 69, 75."""
    return min(errors, key=lambda error: _GRAVEST_FIRST.index(error.exit_code))
