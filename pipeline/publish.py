"""Publishing: the tables and views, declared where the analysts find them."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from pipeline.bill import Bill
from pipeline.catalog import Catalog, foreign, marks
from pipeline.errors import ConfigurationError
from pipeline.former import FormerEntries
from pipeline.lake import Lake
from pipeline.ledger_table import COST_LEDGER, LEDGER_TABLES, PUBLISHED_TABLES
from pipeline.models import Location
from pipeline.policy import OBJECT_NAME, Policy, policy_tables
from pipeline.refresh import Refresher
from pipeline.rehearsal import Rehearsal, empty, empty_table
from pipeline.relations import View, levels, views
from pipeline.tables import TABLES
from pipeline.warehouse import Warehouse, side_by_side

log = logging.getLogger(__name__)

_BLOG_VIEWS = frozenset({"compute_cost", "emr_eks_cost"})
_BILL_TO_BE = "bill_to_be"


@dataclass(frozen=True)
class Publisher:
    """What is published, and where to: a Glue *database*, over the lake at *location*, on the engine *warehouse*."""

    catalog: Catalog
    former: FormerEntries
    warehouse: Warehouse
    database: str
    lake: Lake
    location: Location
    version: str
    refresher: Refresher

    def rehearse(self, *, bill_stands: bool) -> None:
        """Make sure that everything can be published; nothing is made but the database, if there is none.

        The bill's table is as the bill says, whether it stands already or is about to.

        Raises:
            ConfigurationError: one of the names stands for something that we did not make.
            ContractError: the engine refuses a view.
        """
        bill = self.refresher.bill
        planned = views(bill.source)
        self.catalog.create_database()
        self._refuse_foreign([view.name for view in planned])
        tables = {table.name: empty_table(table) for table in PUBLISHED_TABLES}
        if not bill_stands:
            tables[_BILL_TO_BE] = empty(bill.columns)
            bill = replace(bill, table=_BILL_TO_BE)
        Rehearsal(self.warehouse, tables, {view.name: bill.select(view) for view in planned}).require()

    def publish(self, policy: Policy, first_day: date, now: datetime) -> Iterator[str]:
        """Write the policy, declare the tables, create the views, fill the ledger; yields each name once it stands.

        If a definition fails, the database holds again what it held before. If the ledger cannot be filled, the
        definitions stay, and `refresh` goes on with it.
        """
        planned = views(self.refresher.bill.source)
        names = [view.name for view in planned]
        for table, rows in policy_tables(policy).items():
            self.lake.replace_whole(table, rows, OBJECT_NAME)
        with self.former.put_back_on_failure([*names, *(table.name for table in PUBLISHED_TABLES)]):
            for table in TABLES:
                self.catalog.declare(table, self.location, first_day, self.version, names)
                yield table.name
            self.refresher.catalog.declare(marks(self.version, names))
            yield from (table.name for table in LEDGER_TABLES)
            for level in levels(planned):
                yield from side_by_side(self._create, level)
        for refreshed in self.refresher.refresh(now, timedelta(0)):
            yield f"{COST_LEDGER.name} of {refreshed.unit}"

    def _create(self, view: View) -> str:
        self.warehouse.create_view(f'"{self.database}"."{view.name}"', self.refresher.bill.select(view))
        return view.name

    def _refuse_foreign(self, names: list[str]) -> None:
        others = foreign(self.catalog.relations(), names)
        if others:
            blog = " as the AWS blog's solution makes them" if set(others) <= _BLOG_VIEWS else ""
            raise ConfigurationError(
                f"The database {self.database} already has {', '.join(others)}{blog}, not made by chargeback; "
                "nothing was replaced. Keep them and set CHARGEBACK_GLUE_DATABASE to another database, or drop them "
                "(DROP VIEW or DROP TABLE in Athena, which leaves the data) and publish again."
            )


def statements(database: str, bill: Bill) -> Iterator[str]:
    """The statements that `publish` would run, in their order."""
    for view in views(bill.source):
        yield f'CREATE OR REPLACE VIEW "{database}"."{view.name}" AS\n{bill.select(view)}'


def require_published(catalog: Catalog, database: str) -> None:
    """Raise ConfigurationError unless the *database* exists and something was published to it."""
    if not catalog.database_exists():
        raise ConfigurationError(
            f"There is no Glue database {database}. Run `chargeback publish`, or set CHARGEBACK_GLUE_DATABASE."
        )
    if catalog.relation("cost_ledger") is None:
        raise ConfigurationError(
            f"Nothing was published to the Glue database {database} yet. Run `chargeback publish`."
        )
