from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from types import SimpleNamespace

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.emrcontainers.models import EMRContainersBackend

from pipeline.errors import ContractError, TemporaryError
from pipeline.inventory import merged, refresh, table_of
from pipeline.tables import INVENTORY_TABLES, JOB_RUNS
from pipeline.window import HOUR
from tests.emr_account import (
    CLUSTER,
    NOW,
    OBJECT,
    emr,
    forget_objects,
    lake,
    objects,
    refreshed,
    rows,
)


def test_a_writer_that_was_overtaken_reads_again_and_loses_no_row(account: EMRContainersBackend) -> None:
    (of,) = (found for found in emr().virtual_clusters() if found.namespace == "emr-risk")
    runs = emr().job_runs(of)
    ours, theirs = (table_of(JOB_RUNS, part, CLUSTER, NOW) for part in (runs[:4], runs[4:]))
    merges = 0

    def meanwhile(stored: pa.Table) -> pa.Table:
        nonlocal merges
        merges += 1
        if merges == 1:
            assert lake().merge_whole(JOB_RUNS, lambda before: merged(JOB_RUNS, before, theirs))
        return merged(JOB_RUNS, stored, ours)

    assert lake().merge_whole(JOB_RUNS, meanwhile)
    assert merges == 2
    assert {row["job_run_id"] for row in rows(JOB_RUNS)} == {run.job_run_id for run in runs}


def test_a_writer_that_is_overtaken_every_time_says_so(
    account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.lake.time", SimpleNamespace(sleep=lambda _: None))
    runs = [run for of in emr().virtual_clusters() for run in emr().job_runs(of)]
    parts = iter([table_of(JOB_RUNS, [run], CLUSTER, NOW) for run in runs])

    def always(stored: pa.Table) -> pa.Table:
        part = next(parts)
        assert lake().merge_whole(JOB_RUNS, lambda before: merged(JOB_RUNS, before, part))
        return merged(JOB_RUNS, stored, next(parts))

    with pytest.raises(TemporaryError, match=f"s3://lake/chargeback/job_runs/{OBJECT} 10 times in a row"):
        lake().merge_whole(JOB_RUNS, always)


def test_refreshes_at_the_same_time_leave_what_one_leaves(account: EMRContainersBackend) -> None:
    refreshed()
    alone = objects()
    forget_objects()
    sides = [(emr(), lake()) for _ in range(4)]
    with ThreadPoolExecutor(len(sides)) as pool:
        done = [pool.submit(refresh, *side, CLUSTER, NOW) for side in sides]
    assert {name for future in done for name in future.result().changed} == {t.name for t in INVENTORY_TABLES}
    assert objects() == alone


def test_an_object_of_an_earlier_version_has_null_where_a_column_was_not_there_yet(
    account: EMRContainersBackend,
) -> None:
    refreshed()
    key = f"chargeback/job_runs/{OBJECT}"
    whole = pq.read_table(BytesIO(objects()[key]))
    earlier = BytesIO()
    pq.write_table(whole.drop_columns("created_by"), earlier)
    boto3.client("s3").put_object(Bucket="lake", Key=key, Body=earlier.getvalue())
    assert {row["created_by"] for row in rows(JOB_RUNS)} == {None}
    refreshed(NOW + HOUR)
    assert lake().whole(JOB_RUNS).schema.equals(JOB_RUNS.schema)


@pytest.mark.parametrize("theirs", [b"id,state\n", b""])
def test_an_object_that_is_none_of_ours_is_refused_and_left_alone(theirs: bytes, account: EMRContainersBackend) -> None:
    key = f"chargeback/job_runs/{OBJECT}"
    boto3.client("s3").put_object(Bucket="lake", Key=key, Body=theirs)
    with pytest.raises(ContractError, match=f"s3://lake/{key} (was not written by chargeback|is not a Parquet file)"):
        refreshed()
    assert objects() == {key: theirs}


def test_parquet_without_our_columns_is_refused_and_left_alone(account: EMRContainersBackend) -> None:
    key = f"chargeback/virtual_clusters/{OBJECT}"
    theirs = BytesIO()
    pq.write_table(pa.table({"virtual_cluster_id": ["vc1"], "state": ["RUNNING"]}), theirs)
    boto3.client("s3").put_object(Bucket="lake", Key=key, Body=theirs.getvalue())
    with pytest.raises(ContractError, match="was not written by chargeback"):
        refreshed()
    assert objects() == {key: theirs.getvalue()}
