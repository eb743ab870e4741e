"""How settings become the catalog, the SQL engine and the bill, for the commands that need them."""

from datetime import date
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import boto3

from pipeline import connections
from pipeline.bill import Bill, bill_over, delivered_periods, find_bill
from pipeline.bill_delivery import Following, plan
from pipeline.catalog import Catalog
from pipeline.closed_catalog import ClosedCatalog
from pipeline.errors import ConfigurationError
from pipeline.former import FormerEntries
from pipeline.ledger import LedgerState
from pipeline.ledger_catalog import LedgerCatalog
from pipeline.ledger_files import LedgerFiles
from pipeline.models import Location
from pipeline.publish import Publisher, require_published
from pipeline.refresh import Refresher
from pipeline.settings import LakeSettings, Settings
from pipeline.verify import DeliveredPeriods
from pipeline.warehouse import Warehouse, athena_url

if TYPE_CHECKING:
    from pipeline.closing import Closer


def published(settings: LakeSettings, session: boto3.Session) -> Warehouse:
    """The engine, once it is certain that there is something to ask."""
    require_published(Catalog(session, settings.glue_database), settings.glue_database)
    return _warehouse(settings, session)


def publisher(settings: LakeSettings, session: boto3.Session, of: Bill) -> Publisher:
    """What makes the tables and views over the bill *of*."""
    warehouse = _warehouse(settings, session)
    return Publisher(
        Catalog(session, settings.glue_database),
        FormerEntries(session, settings.glue_database),
        warehouse,
        settings.glue_database,
        connections.lake(settings, session),
        settings.lake,
        version("emr-eks-chargeback"),
        _refresher(settings, session, warehouse, of),
    )


def refresher(settings: LakeSettings, session: boto3.Session) -> Refresher:
    """What fills the ledger, once it is certain that there is one."""
    return _refresher(settings, session, published(settings, session), bill(settings, session, None))


def closer(settings: LakeSettings, session: boto3.Session) -> "Closer":
    """What closes months, once it is certain that there is something to close."""
    from pipeline.closing import Closer  # needs pandas, which the hourly run has no memory for

    filling = refresher(settings, session)
    return Closer(
        filling.warehouse,
        ClosedCatalog(session, settings.glue_database),
        filling,
        connections.lake(settings, session),
        settings.lake,
    )


def ledger_states(settings: LakeSettings, session: boto3.Session) -> dict[date, LedgerState]:
    """How each day of the ledger stands to what it follows from; nothing while there is no ledger."""
    if not LedgerCatalog(session, settings.glue_database, settings.lake).stands:
        return {}
    return refresher(settings, session).states()


def bill(settings: Settings, session: boto3.Session, following: Following | None) -> Bill:
    """The bill as its table is, or as it will be once it is *following* its export."""
    if following is not None:
        return bill_over(following.name, following.table.all_columns)
    return find_bill(settings.cur_table, partial(Catalog, session))


def delivered(settings: Settings, session: boto3.Session) -> DeliveredPeriods | None:
    """How to ask what was delivered of the bill, once it is certain that the views can still read it."""
    table = bill(settings, session, None).table
    if table is None:
        return None
    return lambda: delivered_periods(table, partial(Catalog, session))


def following(settings: Settings, session: boto3.Session, location: Location | None) -> Following | None:
    """What the bill's table has to become to follow the export at *location*; None where none is given.

    Raises:
        ConfigurationError: nothing names the table.
    """
    if location is None:
        return None
    if settings.cur_table is None:
        raise ConfigurationError(
            "--cur-location declares a table, and nothing says which. Set CHARGEBACK_CUR_TABLE to database.table."
        )
    return plan(session, connections.s3(session), location, settings.cur_table)


def _refresher(settings: LakeSettings, session: boto3.Session, warehouse: Warehouse, of: Bill) -> Refresher:
    return Refresher(
        warehouse,
        LedgerCatalog(session, settings.glue_database, settings.lake),
        LedgerFiles(connections.s3(session), settings.lake),
        of,
        partial(Catalog, session),
        settings.glue_database,
    )


def _warehouse(settings: Settings, session: boto3.Session) -> Warehouse:
    if settings.sql_url is not None:
        return Warehouse(settings.sql_url.get_secret_value())
    region = connections.region(session)
    return Warehouse(athena_url(region, settings.glue_database, settings.athena_workgroup))
