"""Closing: what a month was charged, copied to where nothing changes it any more."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

import pandas as pd
import pyarrow as pa

from pipeline.closed_catalog import ClosedCatalog
from pipeline.closing_sql import month_to_close, open_costs, sums_of
from pipeline.errors import ConfigurationError, TemporaryError, UsageError
from pipeline.lake import Lake
from pipeline.ledger import LedgerState
from pipeline.ledger_files import run_name
from pipeline.ledger_table import CLOSED_LEDGER_RUNS, CLOSED_MONTH, CLOSED_MONTHS
from pipeline.models import Location
from pipeline.month import Month
from pipeline.policy import OBJECT_NAME
from pipeline.refresh import Refresher
from pipeline.report import exact, only_currency
from pipeline.rounding import rounded
from pipeline.statement import CENTS
from pipeline.tables import KEPT_POLICY_TABLES, Table
from pipeline.warehouse import Warehouse

_SUMS = ("effective_cost", "distributed_cost", "charged_cost", "adjusted_cost")
_ROUNDING = 1e-4  # in the currency: what sums of doubles may differ by, far below a cent


@dataclass(frozen=True)
class Closed:
    """What all cost centers together are *charged* for a closed month; *adjusted*, of it, is of months before."""

    currency: str
    charged: Decimal
    adjusted: Decimal


@dataclass(frozen=True)
class _Open:
    """What is about to be closed: its *currency* and its direct *cost*."""

    currency: str
    cost: float


@dataclass(frozen=True)
class Closer:
    """Closes months of the ledger that *refresher* fills from the *lake* at *location*; *warehouse* copies them."""

    warehouse: Warehouse
    catalog: ClosedCatalog
    refresher: Refresher
    lake: Lake
    location: Location

    def close(self, month: Month, now: datetime, *, before_invoice: bool) -> Closed:
        """Close *month*; with *before_invoice* even if part of it is estimated or has no invoice yet.

        It is closed by one object, written last and only once: what is cut off before leaves the month open.

        Raises:
            UsageError: the month cannot be closed, or not yet.
            TemporaryError: the ledger is behind what it follows from, or it or the policy changed meanwhile.
            ConfigurationError: nothing was published yet, or a former version did.
        """
        closed = self._require_ready(month, now)
        found = self._require_settled(month, max(closed, default=None), before_invoice=before_invoice)
        policy = self._policy()
        self._keep(policy, month)
        run = run_name(now, secrets.token_hex(4))
        self._copy(month, run)
        sums = dict(zip(_SUMS, self.warehouse.query(sums_of(month, run), f"Adding up {month}").rows[0], strict=True))
        self._require_unchanged(month, policy, found.cost, sums["effective_cost"])
        row = {"closed_month": str(month), "run": run, "closed_at": now, "currency": found.currency, **sums}
        self._stand(month, row)
        charged, adjusted = (rounded(exact(sums[name]), CENTS) for name in ("charged_cost", "adjusted_cost"))
        return Closed(found.currency, charged, adjusted)

    def _require_ready(self, month: Month, now: datetime) -> Collection[Month]:
        """Make sure that *month* has ended, is open, is later than the closed ones, and has a current ledger."""
        if not self.refresher.catalog.stands:
            raise ConfigurationError(
                f"{self.refresher.database} has no table {CLOSED_MONTHS.name}. Run `chargeback publish`."
            )
        if now.date() < month.end:
            raise UsageError(f"{month} has not ended: it can be closed from {month.end} on.")
        closed = self._closed_months()
        if month in closed:
            raise UsageError(f"{month} was closed at {closed[month]:%Y-%m-%d %H:%M} UTC, and stays as it was then.")
        if closed and max(closed) > month:
            raise UsageError(f"{max(closed)} is closed, and months are closed in their order: {month} stays open.")
        states = self.refresher.states()
        behind = sorted(d for d, state in states.items() if Month.of(d) == month and state is not LedgerState.CURRENT)
        if behind:
            raise TemporaryError(
                f"Of {month} the ledger is behind what it follows from on {', '.join(map(str, behind))}. Run "
                "`chargeback refresh`, then close the month."
            )
        return closed

    def _closed_months(self) -> Mapping[Month, datetime]:
        asked = f"SELECT closed_month, closed_at FROM {CLOSED_MONTHS.name}"  # noqa: S608  a name of ours
        rows = self.warehouse.query(asked, "Looking for closed months").rows
        return {Month.parse(month): closed_at for month, closed_at in rows}

    def _require_settled(self, month: Month, newest: Month | None, *, before_invoice: bool) -> _Open:
        """Make sure that *month* is the first with cost after the *newest* closed one, and that it is final."""
        rows = self.warehouse.query(open_costs(month, newest), f"Looking at the costs of {month}").rows
        if earlier := sorted({other for other, *_ in rows if other != str(month)}):
            raise UsageError(f"{earlier[0]} is open, and months are closed in their order: close it before {month}.")
        if not rows:
            raise UsageError(f"{month} has no cost: there is nothing to close.")
        currency = only_currency(pd.Series([of for _, _, of, _ in rows]), str(month))
        costs = {state: rounded(exact(cost), CENTS) for _, state, _, cost in sorted(rows)}
        unsettled = [f"{cost:,} {currency} {state}" for state, cost in costs.items() if state != "final" and cost]
        if unsettled and not before_invoice:
            raise UsageError(
                f"{month} is not final: {' and '.join(unsettled)}. Close it once all of it has an invoice, or name "
                "--before-invoice: what changes afterwards is an adjustment of a later month."
            )
        return _Open(currency, float(sum(exact(cost) for *_, cost in rows)))

    def _copy(self, month: Month, run: str) -> None:
        """Copy the month's charges into a folder of their own, which counts once `closed_months` has its run."""
        folder = f"{self.location.uri('closed_ledger', self.refresher.catalog.place, str(month), run)}/"
        table = f'"{self.refresher.database}"."{CLOSED_LEDGER_RUNS.name}_{run.lower().replace("-", "_")}"'
        self.warehouse.unload(month_to_close(month), folder, (), table, f"Copying {month}")
        self.catalog.add(month, run, folder)

    def _require_unchanged(self, month: Month, policy: Mapping[Table, pa.Table], cost: float, copied: float) -> None:
        if not all(rows.equals(policy[table]) for table, rows in self._policy().items()):
            raise TemporaryError(f"Somebody published while {month} was copied; it is still open. Close it again.")
        if abs(cost - copied) > _ROUNDING:
            raise TemporaryError(f"The ledger changed while {month} was copied; it is still open. Close it again.")

    def _stand(self, month: Month, row: Mapping[str, object]) -> None:
        """Write the row that closes the month, unless there is one by now."""
        ours = pa.Table.from_pylist([dict(row)], schema=CLOSED_MONTHS.schema)
        place = f"{self.refresher.catalog.place}/{month}.parquet"
        if not self.lake.merge_whole(CLOSED_MONTHS, partial(_unless_there, ours), place):
            raise UsageError(f"Somebody else closed {month} meanwhile; their copy stands.")

    def _policy(self) -> Mapping[Table, pa.Table]:
        return {table: self.lake.whole(table, OBJECT_NAME) for table in KEPT_POLICY_TABLES}

    def _keep(self, policy: Mapping[Table, pa.Table], month: Month) -> None:
        """Keep the lines of *policy* as those of *month*; they hold for it as soon as it is closed."""
        for table, rows in policy.items():
            place = rows.schema.get_field_index(CLOSED_MONTH.name)
            of_month = pa.repeat(pa.scalar(str(month), CLOSED_MONTH.type), len(rows))
            kept = rows.set_column(place, rows.schema.field(place), of_month)
            self.lake.replace_whole(table, kept, f"{month}.parquet")


def _unless_there(rows: pa.Table, former: pa.Table) -> pa.Table:
    return former if len(former) else rows
