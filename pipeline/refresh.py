"""Refreshing: the ledger's rows computed on the engine, and put in the place of those that say something else."""

import logging
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

from pipeline.bill import NO_BILL, Bill, folder_of, registered_folders
from pipeline.catalog import Catalog
from pipeline.errors import ConfigurationError
from pipeline.ledger import Inputs, LedgerDay, LedgerState, Unit, fingerprint, states, units, wanted_inputs
from pipeline.ledger_catalog import LedgerCatalog
from pipeline.ledger_files import LedgerFiles, run_name
from pipeline.ledger_sql import ROWS, below, cost_of, days_billed, digests_of, rows_of, whole_tables
from pipeline.ledger_table import COST_LEDGER, SCOPE
from pipeline.models import Cluster
from pipeline.month import Month
from pipeline.tables import PARTITION_KEY
from pipeline.warehouse import Warehouse

log = logging.getLogger(__name__)

_NO_ROWS = "0"


@dataclass(frozen=True)
class Refreshed:
    """What became of a *unit*: the days whose rows were *replaced*, and those whose rows said the same before."""

    unit: Unit
    replaced: tuple[date, ...]
    same: tuple[date, ...]


@dataclass(frozen=True)
class Refresher:
    """The ledger in the Glue *database*, its rows computed by *warehouse* from the lake and *bill*."""

    warehouse: Warehouse
    catalog: LedgerCatalog
    files: LedgerFiles
    bill: Bill
    catalog_of: Callable[[str], Catalog]
    database: str

    def states(self) -> dict[date, LedgerState]:
        """How each day's rows stand to what they follow from, as far as that can be told without reading the bill."""
        stored, bill = self.catalog.days(), self._bill_now()
        billed = {period: _days_with(period, stored) for period in bill}
        return states(stored, self._wanted(billed, bill))

    def refresh(self, now: datetime, patience: timedelta, month: Month | None = None) -> Iterator[Refreshed]:
        """Compute what has to be computed again at *now*, newest month first, and yield each unit once it stands.

        With *month*, all of its days and no others, and their rows are replaced whatever they say.

        Raises:
            ConfigurationError: nothing was published yet, or a former version did.
            ChargebackError: a statement or a call to AWS failed; the days of units not yet told of are as they were.
        """
        if not self.catalog.stands:
            raise ConfigurationError(f"{self.database}.{COST_LEDGER.name} is no table. Run `chargeback publish`.")
        stored, bill = self.catalog.days(), self._bill_now()
        wanted = self._wanted(self._billed(stored, bill), bill)
        if month is None:
            due = units(stored, wanted, now, patience)
        else:
            of_month = {day: inputs for day, inputs in wanted.items() if Month.of(day) == month}
            due = units({}, of_month, now, patience)
        for unit in due:
            yield self._computed(unit, wanted, stored, now, anew=month is not None)
        if month is None:
            self.catalog.forget(stored.keys() - wanted.keys())
            self.catalog.remember(bill)
        deleted = self.files.sweep(self.catalog.place, self.catalog.days(), now)
        log.info("former rows swept", extra={"objects": deleted})

    def cost_of(self, day: date, cluster: Cluster) -> float | None:
        """What *cluster* cost on *day*, in the currency of the bill; None if the ledger has nothing of it."""
        [(cost,)] = self.warehouse.query(cost_of(day, cluster.arn), f"Adding up {day}").rows
        return None if cost is None else float(cost)

    def _computed(
        self, unit: Unit, wanted: Mapping[date, Inputs], stored: Mapping[date, LedgerDay], now: datetime, *, anew: bool
    ) -> Refreshed:
        run = run_name(now, secrets.token_hex(4))
        folder = self.files.folder(self.catalog.place, run)
        definitions = self._definitions if unit.periods else self._without_bill
        self.warehouse.unload(
            rows_of(unit.days, unit.periods, definitions),
            folder,
            (SCOPE.name, PARTITION_KEY),
            f'"{self.database}"."{COST_LEDGER.name}_{run.lower().replace("-", "_")}"',
            f"Computing the ledger of {unit}",
        )
        answer = self.warehouse.query(digests_of(run, unit.days), f"Looking at the ledger of {unit}")
        digests = {day: f"{rows}:{digest}" for day, rows, digest in answer.rows}
        written = {day: LedgerDay(run, folder, digests.get(day, _NO_ROWS), wanted[day], now) for day in unit.days}
        same = {day for day in unit.days if not anew and day in stored and stored[day].digest == written[day].digest}
        standing = {
            day: replace(stored[day], inputs=wanted[day], refreshed_at=now) if day in same else written[day]
            for day in unit.days
        }
        self.catalog.point(standing, self._standing)
        return Refreshed(unit, tuple(day for day in unit.days if day not in same), tuple(sorted(same)))

    def _billed(self, stored: Mapping[date, LedgerDay], bill: Mapping[str, str]) -> dict[str, set[date]]:
        """The days of which each period has lines: as they are known, asked for where the bill is another."""
        known = self.catalog.periods()
        billed = {period: _days_with(period, stored) for period in bill}
        if others := [period for period in bill if known.get(period) != bill[period]]:
            billed |= {period: set() for period in others}
            for period, day in self.warehouse.query(days_billed(others), "Looking for the days of the bill").rows:
                if day is not None:  # a line that does not say when is no day's: a check finds it
                    billed[period].add(day)
        return billed

    def _wanted(self, billed: Mapping[str, set[date]], bill: Mapping[str, str]) -> dict[date, Inputs]:
        return wanted_inputs(self.files.days(), billed, bill, self._definition())

    def _definition(self) -> str:
        """What changes with the SQL of the ledger, and with all that it reads but the days and the bill."""
        selects = (f"{name}: {select}" for name, select in below(self._definitions).items())
        return fingerprint([*selects, ROWS, *self.files.whole(whole_tables(self._definitions))])

    def _bill_now(self) -> dict[str, str]:
        """The fingerprint of each billing period."""
        return self.files.bill(self._folders())

    def _folders(self) -> dict[str, list[str]]:
        if self.bill.table is None:
            return {}
        if registered := registered_folders(self.bill.table, self.catalog_of):
            return registered
        database, _, name = self.bill.table.partition(".")
        relation = self.catalog_of(database).relation(name)
        if relation is None:
            raise ConfigurationError(f"The bill {self.bill.table} is no longer in Glue.")
        asked = "SELECT DISTINCT billing_period FROM cur_lines"
        periods = [period for (period,) in self.warehouse.query(asked, "Looking for the periods of the bill").rows]
        return {period: [folder_of(relation, period)] for period in periods if period}

    @cached_property
    def _standing(self) -> Mapping[str, Collection[date]]:
        """The days that each table had when the first was pointed: no two units of a run have one in common."""
        return self.catalog.standing()

    @cached_property
    def _definitions(self) -> dict[str, str]:
        return self.bill.definitions()

    @cached_property
    def _without_bill(self) -> dict[str, str]:
        return NO_BILL.definitions()


def _days_with(period: str, stored: Mapping[date, LedgerDay]) -> set[date]:
    return {day for day, rows in stored.items() if period in rows.inputs.bill}
