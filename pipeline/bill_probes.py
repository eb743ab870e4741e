"""How the bill is probed: which report it is, what it lacks, how far it reaches, and whether it follows its export."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.bill import Bill, find_bill, folder_of, registered_folders
from pipeline.bill_catalog import BillCatalog
from pipeline.bill_delivery import Following, follow
from pipeline.bill_files import Reach, reach
from pipeline.bill_table import EXPORT
from pipeline.catalog import Catalog, Relation
from pipeline.cur_export import find_export
from pipeline.errors import AccessDeniedError, ConfigurationError, ContractError, gravest
from pipeline.identity import Caller
from pipeline.models import Location
from pipeline.month import Month
from pipeline.probe import NotRunError, Once, Probe, Said, by_kind
from pipeline.window import DAY, HOUR, rfc3339

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_BILL = "CHARGEBACK_CUR_TABLE is not set, so all cost stays estimated"

_STALE = timedelta(hours=48)
"""AWS delivers at least once a day, and an hour of usage is in the bill within a day."""

_KINDS = {"cur2": "a Cost and Usage Report 2.0", "cur1": "a legacy Cost and Usage Report"}
_fix = by_kind(
    {
        AccessDeniedError: "Allow the role glue:GetTable and GetPartitions on the bill's table and database, and "
        "s3:ListBucket and s3:GetObject on its bucket; one in another account needs a bucket policy, too.",
        ConfigurationError: "Declare it with `chargeback publish --cur-location s3://BUCKET/PREFIX/EXPORT`, or set "
        "CHARGEBACK_CUR_TABLE to the table that a crawler keeps, and AWS_DEFAULT_REGION to where that is.",
        ContractError: "Select the columns in the export's query, let AWS deliver again, and run "
        "`chargeback publish --cur-location`, or the crawler.",
    },
    otherwise="See that the pod may reach Glue and S3 on port 443.",
)


@dataclass(frozen=True)
class BillProbes:
    """The probes of the bill in *table* (`database.table`), at the time *now*.

    *catalog_of* gives a database's catalog, *declared* the table as `publish --cur-location` declared it.
    """

    table: str | None
    catalog_of: Callable[[str], Catalog]
    declared: Callable[[str], BillCatalog]
    s3: Callable[[], "S3Client"]
    now: datetime
    credentials: Once[Caller]

    def probes(self) -> Iterator[Probe]:
        """Each of them, in the order in which one needs the other."""
        needs = (self.credentials,)
        yield Probe("bill: table", self._report, _fix, needs)
        yield Probe("bill: resource IDs", self._resource_ids, _fix, needs)
        yield Probe("bill: newest hour", self._reaching, _fix, needs)
        yield Probe("bill: granularity", self._granularity, _fix, needs)
        yield Probe("bill: export", self._following, _fix, needs)

    @cached_property
    def _bill(self) -> Once[Bill]:
        return Once(lambda: find_bill(self.table, self.catalog_of), "there is no bill to look at")

    @cached_property
    def _relation(self) -> Once[Relation]:
        return Once(self._found, "there is no bill to look at")

    @cached_property
    def _newest(self) -> Once[tuple[str, Reach]]:
        return Once(lambda: self._reached(self._relation()), "the bill's files cannot be looked at")

    def _report(self) -> Said:
        if self.table is None:
            raise NotRunError(NO_BILL)
        bill = self._bill()
        absent = len(bill.absent())
        lacking = f"; {absent} columns that would be read are not there, and NULL" if absent else ""
        return Said(f"{bill.table} is {_KINDS[bill.source]} of {len(bill.columns)} columns{lacking}")

    def _resource_ids(self) -> Said:
        _ = self._relation()
        if self._bill.needed.has_resource_ids:
            return Said("given")
        return Said(
            "lines do not say which instance, pod or job they are of, so hardly one finds its pods",
            "Create an export with resource IDs (INCLUDE_RESOURCES; `infra/` has a template), and declare it with "
            "`chargeback publish --cur-location`.",
        )

    def _reaching(self) -> Said:
        period, found = self._newest()
        if not found.files:
            return Said(
                f"no file of {period} in the bill's folders",
                "A new export's first delivery takes up to a day. After that, look whether AWS delivers it, and "
                "whether the table's partitions lead there: `chargeback publish --cur-location`, or the crawler.",
                ContractError,
            )
        newest = found.newest_hour + HOUR if found.newest_hour else found.delivered_at
        told = f"lines of {period} up to {_told(newest)}" if found.newest_hour else f"files of {_told(newest)}"
        if newest is None or self.now - newest <= _STALE:
            return Said(told)
        return Said(
            f"{told}, {(self.now - newest) // DAY} days ago",
            "Look in Billing and Cost Management, Data Exports, whether AWS still delivers; if it does, let the table "
            "follow: `chargeback publish --cur-location`, or the crawler.",
        )

    def _granularity(self) -> Said:
        """By the shortest line: a tax of an hourly report has a whole day, too."""
        _, found = self._newest.needed
        if found.shortest is None:
            raise NotRunError("no file says of how long a time its lines are")
        if found.shortest <= HOUR:
            return Said("hourly")
        return Said(
            f"no line is of less than {found.shortest // HOUR} hours, so no hour of a pod finds its line",
            "Create an hourly export, as the granularity of one that is there cannot be changed (`infra/` has a "
            "template), and declare it with `chargeback publish --cur-location`.",
        )

    def _reached(self, table: Relation) -> tuple[str, Reach]:
        """The newest period that has a place, and how far its files reach.

        Where partitions are not registered, that is this month or, as its first delivery takes a while, the last.
        """
        name = str(self.table)
        folders = registered_folders(name, self.catalog_of)
        if folders:
            period = max(folders)
            return period, reach(self.s3(), folders[period])
        month = Month.of(self.now.date())
        for each in (month, Month.of(month.first - DAY)):
            found = reach(self.s3(), [folder_of(table, str(each))])
            if found.files:
                return str(each), found
        return str(month), Reach(0)

    def _following(self) -> Said:
        """Whether the table shows what its export has delivered."""
        export = self._relation().parameters.get(EXPORT)
        if export is None:
            raise NotRunError("the table was not declared by --cur-location: somebody else keeps it")
        name = str(self.table)
        found = follow(find_export(self.s3(), Location.parse(export)), self.declared(name).find(), name)
        if found.refused:
            error = gravest(found.refused)
            return Said(
                str(error), "Put that month of the export right; until then the table keeps it as it was.", type(error)
            )
        if behind := _behind(found):
            return Said(
                f"the table does not show {behind} in {export}",
                f"Run `chargeback publish --cur-location {export}`: after each delivery, if it keeps former ones.",
            )
        return Said(f"shows the newest deliveries of {export}")

    def _found(self) -> Relation:
        if self.table is None:
            raise NotRunError(NO_BILL)
        _ = self._bill.needed
        database, _, name = self.table.partition(".")
        relation = self.catalog_of(database).relation(name)
        if relation is None:
            raise NotRunError("there is no bill to look at")
        return relation


def _behind(following: Following) -> str:
    """What the export has that the table does not show; nothing if it shows all."""
    moved, former = following.table.moved(following.former), following.former
    if moved:
        months = ", ".join(following.table.partition(values) for values in sorted(moved))
        return f"newer deliveries of {months}"
    return "new columns" if former is None or former.columns != following.table.columns else ""


def _told(instant: datetime | None) -> str:
    return rfc3339(instant) if instant else "an unknown time"
