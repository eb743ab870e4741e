"""Which probes there are, and in which order: what `collect` needs first, then what the analysts' queries need."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from importlib.metadata import version

from pipeline import analytics, connections
from pipeline.aws_probes import AwsProbes
from pipeline.bill_catalog import BillCatalog
from pipeline.bill_probes import BillProbes
from pipeline.catalog import Catalog
from pipeline.clock_probe import Clock
from pipeline.kubecost_probes import KubecostProbes
from pipeline.lake_probes import LakeProbes
from pipeline.probe import NotRunError, Probe, Said
from pipeline.settings import CollectSettings
from pipeline.sql_probes import SqlProbes
from pipeline.workgroup import find_workgroup

_COLLECT_ONLY = "--collect-only was given"


def probes(
    settings: CollectSettings, now: datetime, clock: Clock | None, *, skip_emr: bool, collect_only: bool
) -> list[Probe]:
    """Every probe at the time *now*; none of them writes anything.

    *clock* is None where `--now` took its place. What `skip_emr` and `collect_only` leave out is there, and says so.
    """
    session = connections.session(settings, patient=False)
    schedule = connections.schedule(settings)
    emr = None if skip_emr else partial(connections.emr, settings, session)
    aws = AwsProbes(session, settings.cluster_arn, emr, now, clock)
    s3 = partial(connections.s3, session)
    kubecost = KubecostProbes(
        connect=partial(connections.kubecost, settings),
        cluster=settings.cluster_arn,
        labels=settings.labels,
        schedule=schedule,
        now=now,
        clock=clock,
        collected=lambda hour: lake.has(hour),
    )
    lake = LakeProbes(
        s3=s3,
        lake=partial(connections.lake, settings, session),
        location=settings.lake,
        region=session.region_name,
        schedule=schedule,
        retention=lambda: kubecost.retention,
        now=now,
        credentials=aws.credentials,
    )
    sql = SqlProbes(
        catalog=partial(Catalog, session, settings.glue_database),
        database=settings.glue_database,
        location=settings.lake,
        region=session.region_name,
        version=version("emr-eks-chargeback"),
        ledger=partial(analytics.ledger_states, settings, session),
        workgroup=None if settings.sql_url else partial(find_workgroup, session, settings.athena_workgroup),
        credentials=aws.credentials,
    )
    bill = BillProbes(
        settings.cur_table, partial(Catalog, session), partial(BillCatalog, session), s3, now, aws.credentials
    )
    analysts = [*sql.probes(), *bill.probes()]
    return [*kubecost.probes(), *aws.probes(), *lake.probes(), *(_left_out(analysts) if collect_only else analysts)]


def _left_out(left_out: Iterable[Probe]) -> Iterator[Probe]:
    def ask() -> Said:
        raise NotRunError(_COLLECT_ONLY)

    for probe in left_out:
        yield Probe(probe.name, ask, probe.fix)
