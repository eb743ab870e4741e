"""Verifying: every check of the product, run where the analysts query, and what each one found."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from pipeline.errors import CheckFailedError, ContractError, TemporaryError
from pipeline.ledger import LedgerState
from pipeline.metrics import Metric
from pipeline.month import Month
from pipeline.relations import Check, checks
from pipeline.warehouse import Answer, Warehouse, side_by_side

log = logging.getLogger(__name__)

NO_CUR = "not run: no CUR, no bill yet"
NO_BILL_YET = "not run: no bill yet"
STOPPED = "not run: the bill has to be put right first"

_SHOWN_ROWS = 20


@dataclass(frozen=True)
class Verdict:
    """What one check found: the rows that break it (at most 20 of them), or why it was *not_run*."""

    check: Check
    found: Answer = field(default_factory=lambda: Answer((), ()))
    not_run: str | None = None

    @property
    def broken(self) -> bool:
        """Whether rows break the check."""
        return bool(self.found.rows)

    @property
    def fails(self) -> bool:
        """Whether `verify` fails because of it."""
        return self.broken and self.check.severity == "error"


DeliveredPeriods = Callable[[], frozenset[str]]
"""Asks Glue which billing periods (`YYYY-MM`) of the bill were ever delivered."""


def verify(
    warehouse: Warehouse,
    month: Month | None,
    delivered: DeliveredPeriods | None,
    ledger: Mapping[date, LedgerState],
) -> Iterator[Verdict]:
    """Run every check over *month* (None: all time); those about the bill only where there is one.

    Days of the *ledger* that are not current are left out: their rows are not yet what the checks hold them against.
    Without a bill there is nobody to ask what was *delivered*. If the bill itself cannot be relied on, what is reckoned
    from it is not asked for: that would be long to find out, and worth nothing.

    Raises:
        ContractError: the bill had lines of the month, and has none now.
        TemporaryError: no day of the month is current.
    """
    days = _Days(month, _left_out(ledger, month))
    no_bill = _why_no_bill(warehouse, month, delivered)
    every = checks()
    stopping = [check for check in every if check.advice is not None]
    others = [check for check in every if check.advice is None]
    stopped = False
    for verdict in _verdicts(warehouse, days, stopping, no_bill):
        stopped = stopped or verdict.broken
        yield verdict
    if stopped:
        yield from (Verdict(check, not_run=STOPPED) for check in others)
    else:
        yield from _verdicts(warehouse, days, others, no_bill)


def _verdicts(warehouse: Warehouse, days: "_Days", wanted: Iterable[Check], no_bill: str | None) -> Iterator[Verdict]:
    """Run checks side by side, and tell of them in their order."""

    def verdict(check: Check) -> Verdict:
        if check.needs_bill and no_bill:
            return Verdict(check, not_run=no_bill)
        return Verdict(check, warehouse.query(_offenders(check, days), f"The check {check.name}"))

    return side_by_side(verdict, wanted)


def failures(verdicts: Iterable[Verdict]) -> list[CheckFailedError]:
    """The error that stands for all checks that failed; none if none did."""
    found = [verdict.check for verdict in verdicts if verdict.fails]
    if not found:
        return []
    names = ", ".join(check.name for check in found)
    advice = "".join(f" For {check.name}, {check.advice}." for check in found if check.advice)
    return [CheckFailedError(f"{len(found)} of the checks failed: {names}.{advice}")]


def figures(verdicts: Iterable[Verdict]) -> dict[Metric, float | None]:
    """How many checks failed, and how many only warned."""
    broken = [verdict for verdict in verdicts if verdict.broken]
    failed = sum(verdict.fails for verdict in broken)
    return {Metric.CHECKS_FAILED: failed, Metric.CHECKS_WARNED: len(broken) - failed}


def _why_no_bill(warehouse: Warehouse, month: Month | None, delivered: DeliveredPeriods | None) -> str | None:
    if delivered is None:
        return NO_CUR
    where = f" WHERE billing_period = '{month}'" if month else ""
    # Of the lines as they are: to classify one, its payer's whole period has to be read.
    any_line = f"SELECT 1 AS line FROM cur_lines{where} LIMIT 1"  # noqa: S608  a Month holds two numbers
    if warehouse.query(any_line, "Looking for the bill").rows:
        return None
    if emptied := _emptied(warehouse, month, delivered()):
        raise ContractError(
            f"The bill has no lines of {emptied}, although it had some: its export is empty or its files are gone. "
            "Let AWS deliver the report again, or restore its files."
        )
    return NO_BILL_YET


def _emptied(warehouse: Warehouse, month: Month | None, delivered: frozenset[str]) -> str:
    """The empty periods that had lines: Glue has their partition, or the bill has lines before and after."""
    if month is None:
        return ", ".join(sorted(delivered))
    if str(month) in delivered:
        return str(month)
    ends = "SELECT MIN(billing_period) AS first_period, MAX(billing_period) AS last_period FROM cur_lines"
    [(first, last)] = warehouse.query(ends, "Looking for the bill's other months").rows
    return str(month) if first is not None and first < str(month) < last else ""


@dataclass(frozen=True)
class _Days:
    """The days that are checked: those of *month*, or all, but those *left_out*."""

    month: Month | None
    left_out: tuple[date, ...]

    @property
    def condition(self) -> str:
        """The same as SQL."""
        of_month = (
            [f"usage_date >= DATE '{self.month.first}'", f"usage_date < DATE '{self.month.end}'"] if self.month else []
        )
        listed = ", ".join(f"DATE '{day}'" for day in self.left_out)
        return " AND ".join([*of_month, *([f"usage_date NOT IN ({listed})"] if listed else [])])


def _left_out(ledger: Mapping[date, LedgerState], month: Month | None) -> tuple[date, ...]:
    of_month = {day: state for day, state in ledger.items() if month is None or Month.of(day) == month}
    found = tuple(sorted(day for day, state in of_month.items() if state is not LedgerState.CURRENT))
    if found and len(found) == len(of_month):
        raise TemporaryError(
            f"The ledger of {month or 'every month'} is older than its pods and its bill, so there is nothing to check "
            "yet. Run `chargeback refresh`, then verify again."
        )
    if found:
        log.warning("left out until the next refresh", extra={"days": ", ".join(str(day) for day in found)})
    return found


def _offenders(check: Check, days: _Days) -> str:
    where = f"\nWHERE {days.condition}" if days.condition else ""
    return f"SELECT * FROM (\n{check.template}\n) AS offenders{where}\nLIMIT {_SHOWN_ROWS}"  # noqa: S608  our own SQL
