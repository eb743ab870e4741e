import time
from datetime import date
from io import BytesIO
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from moto.emrcontainers.models import EMRContainersBackend

from pipeline.catalog import Catalog
from pipeline.demo import emr_containers
from pipeline.demo.athena import service as athena
from pipeline.emr import EmrContainers
from pipeline.errors import ConfigurationError
from pipeline.inventory import Refreshed, refresh
from pipeline.lake import Lake
from pipeline.models import Cluster
from pipeline.tables import INVENTORY_TABLES, JOB_RUNS, MANAGED_ENDPOINTS, VIRTUAL_CLUSTERS, Table
from pipeline.warehouse import Warehouse, athena_url
from pipeline.window import DAY, HOUR
from tests.emr_account import (
    CLUSTER,
    ESTATE,
    LAKE,
    NOW,
    OBJECT,
    emr,
    forget_objects,
    lake,
    naive,
    objects,
    refreshed,
    rows,
)


def states(table: Table, key: str) -> dict[str, str]:
    return {row[key]: row["state"] for row in rows(table)}


def writes() -> int:
    return len(boto3.client("s3").list_object_versions(Bucket="lake").get("Versions", []))


# What is collected


def test_each_table_is_one_object_of_this_cluster(account: EMRContainersBackend) -> None:
    found = refreshed()
    assert set(objects()) == {f"chargeback/{table.name}/{OBJECT}" for table in INVENTORY_TABLES}
    assert found.changed == ("managed_endpoints", "job_runs", "virtual_clusters")
    assert found.listed == {"virtual_clusters": 2, "job_runs": len(account.job_runs), "managed_endpoints": 1}
    for key, body in objects().items():
        table = next(table for table in INVENTORY_TABLES if f"/{table.name}/" in key)
        assert pq.read_schema(BytesIO(body)).equals(table.schema)


def test_every_job_run_has_the_name_the_times_and_the_namespace_that_the_estate_knows(
    account: EMRContainersBackend,
) -> None:
    refreshed()
    found = {row["job_run_id"]: row for row in rows(JOB_RUNS)}
    lives: dict[str, list[Any]] = {}
    for pod in (placement.pod for placement in ESTATE.placements):
        if pod.workload.job_run_id is not None:
            lives.setdefault(pod.workload.job_run_id, []).append(pod)
    assert found.keys() == lives.keys()
    for job, pods in lives.items():
        row = found[job]
        assert row["arn"].endswith(f":/virtualclusters/{row['virtual_cluster_id']}/jobruns/{job}")
        assert (row["name"], row["namespace"]) == (pods[0].workload.name, pods[0].namespace)
        assert row["created_at"] == naive(min(pod.life.start for pod in pods))
        assert row["finished_at"] == naive(max(pod.life.end for pod in pods))
        assert dict(row["tags"])["cost-center"] == ESTATE.namespaces[row["namespace"]]["cost-center"]
        assert row["execution_role_arn"] == "arn:aws:iam::111122223333:role/emr-job"


def test_failed_and_cancelled_job_runs_say_why(account: EMRContainersBackend) -> None:
    refreshed()
    by_state: dict[str, list[dict[str, Any]]] = {}
    for row in rows(JOB_RUNS):
        by_state.setdefault(row["state"], []).append(row)
    assert by_state.keys() == {"COMPLETED", "FAILED", "CANCELLED"}
    assert len(by_state["COMPLETED"]) > 5 * len(by_state["FAILED"])
    assert {row["failure_reason"] for row in by_state["FAILED"]} == {"USER_ERROR"}
    assert {row["failure_reason"] for row in by_state["COMPLETED"] + by_state["CANCELLED"]} == {None}
    assert all(row["state_details"] for row in rows(JOB_RUNS))


def test_the_endpoint_is_listed_under_the_id_of_its_pods(account: EMRContainersBackend) -> None:
    refreshed()
    (row,) = rows(MANAGED_ENDPOINTS)
    ids = {p.pod.workload.id for p in ESTATE.placements if p.pod.workload.kind == "interactive_endpoint"}
    assert {row["managed_endpoint_id"]} == ids
    assert (row["name"], row["state"], row["namespace"]) == ("risk-studio", "ACTIVE", "emr-risk")
    assert row["endpoint_type"] == "JUPYTER_ENTERPRISE_GATEWAY"


def test_only_what_belongs_to_this_eks_cluster_is_collected(account: EMRContainersBackend) -> None:
    other = {"id": "analytics-dev", "type": "EKS", "info": {"eksInfo": {"namespace": "emr-dev"}}}
    boto3.client("emr-containers").create_virtual_cluster(  # type: ignore[call-arg]  # the client token is made up
        name="dev",
        containerProvider=other,  # type: ignore[arg-type]
    )
    refreshed()
    assert {row["namespace"] for row in rows(VIRTUAL_CLUSTERS)} == {"emr-sales", "emr-risk"}


def test_a_namesake_in_another_account_is_refused(account: EMRContainersBackend) -> None:
    elsewhere = Cluster.from_arn("arn:aws:eks:us-east-1:444455556666:cluster/analytics")
    with pytest.raises(ConfigurationError, match="Use credentials of the account 444455556666"):
        refresh(EmrContainers(boto3.Session(), elsewhere), Lake(boto3.client("s3"), LAKE, elsewhere), elsewhere, NOW)
    assert objects() == {}


def test_the_region_is_the_clusters_whatever_the_environment_names(
    account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert len(emr().virtual_clusters()) == 2


def test_a_cluster_without_emr_writes_nothing(account: EMRContainersBackend) -> None:
    account.virtual_clusters.clear()
    assert refreshed() == Refreshed({"virtual_clusters": 0, "job_runs": 0, "managed_endpoints": 0}, ())
    assert objects() == {}


# What the lake remembers


def test_an_unchanged_answer_writes_nothing(account: EMRContainersBackend) -> None:
    refreshed()
    before = objects()
    assert writes() == len(INVENTORY_TABLES)
    assert refreshed(NOW + HOUR).changed == ()
    assert refreshed(NOW + 40 * DAY).changed == ()
    assert objects() == before
    assert writes() == len(INVENTORY_TABLES)


def test_hourly_refreshes_ask_little_and_end_where_one_refresh_of_everything_ends(
    account: EMRContainersBackend,
) -> None:
    asked = []
    upstream, kept = emr(), lake()
    for window in ESTATE.windows():
        emr_containers.install(ESTATE, window.end)
        asked.append(refresh(upstream, kept, CLUSTER, window.end).listed["job_runs"])
    hourly = {table: lake().whole(table).drop_columns("collected_at") for table in INVENTORY_TABLES}
    forget_objects()
    everything = refreshed().listed["job_runs"]
    assert everything == hourly[JOB_RUNS].num_rows
    assert max(asked) < everything / 4
    for table, found in hourly.items():
        assert lake().whole(table).drop_columns("collected_at").equals(found), table.name


def test_the_local_time_zone_leaves_no_trace(account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed()
    at_home = objects()
    forget_objects()
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        refreshed()
    time.tzset()
    assert objects() == at_home


def test_what_was_deleted_or_forgotten_upstream_keeps_its_row(account: EMRContainersBackend) -> None:
    refreshed()
    before = {table: rows(table) for table in INVENTORY_TABLES}
    account.job_runs.clear()
    account.virtual_clusters.popitem()
    emr_containers.serve_endpoints([])
    assert refreshed(NOW + HOUR).changed == ()
    assert {table: rows(table) for table in INVENTORY_TABLES} == before


def test_a_virtual_cluster_that_ended_says_so_and_is_asked_about_no_more(account: EMRContainersBackend) -> None:
    ended, other = account.virtual_clusters
    of_other = sum(run.virtual_cluster_id == other for run in account.job_runs.values())
    refreshed()
    boto3.client("emr-containers").delete_virtual_cluster(id=ended)
    assert refreshed(NOW + HOUR).changed == ("virtual_clusters",)
    assert states(VIRTUAL_CLUSTERS, "virtual_cluster_id") == {ended: "TERMINATED", other: "RUNNING"}
    for run in account.job_runs.values():
        run.created_at = naive(NOW)  # from now on every job run would be listed, if it were asked for
    assert refreshed(NOW + 2 * HOUR).listed["job_runs"] == of_other


def test_a_job_run_that_lasted_for_weeks_is_seen_to_end(account: EMRContainersBackend) -> None:
    streaming = max(account.job_runs.values(), key=lambda run: run.created_at)
    streaming.created_at = naive(NOW - 40 * DAY)
    streaming.state, streaming.finished_at = "RUNNING", None
    refreshed()
    streaming.state, streaming.finished_at = "CANCELLED", naive(NOW)
    assert refreshed(NOW + HOUR).changed == ("job_runs",)
    assert states(JOB_RUNS, "job_run_id")[streaming.id] == "CANCELLED"
    assert refreshed(NOW + 2 * HOUR).listed["job_runs"] < 10


def test_a_job_run_that_was_forgotten_before_its_end_was_seen_keeps_its_last_state(
    account: EMRContainersBackend,
) -> None:
    lost = max(account.job_runs.values(), key=lambda run: run.created_at)
    lost.created_at = naive(NOW - 40 * DAY)
    lost.state, lost.finished_at = "RUNNING", None
    refreshed()
    del account.job_runs[lost.id]
    assert refreshed(NOW + HOUR).changed == ()
    assert states(JOB_RUNS, "job_run_id")[lost.id] == "RUNNING"


# What analysts see


def test_the_tables_are_declared_without_partitions_and_queried_before_and_after_they_have_rows(
    account: EMRContainersBackend,
) -> None:
    athena.install()
    boto3.client("s3").create_bucket(Bucket="results")
    boto3.client("athena").create_work_group(
        Name="chargeback", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/"}}
    )
    catalog = Catalog(boto3.Session(), "chargeback")
    catalog.create_database()
    for table in INVENTORY_TABLES:
        catalog.declare(table, LAKE, date(2026, 10, 13), "1.0", ["job_run_costs"])
    declared = boto3.client("glue").get_table(DatabaseName="chargeback", Name="job_runs")["Table"]
    assert declared["PartitionKeys"] == []
    assert declared["Parameters"]["projection.enabled"] == "false"
    assert all(column["Comment"] for column in declared["StorageDescriptor"]["Columns"])
    warehouse = Warehouse(athena_url("us-east-1", "chargeback", "chargeback"))
    question = "SELECT namespace, count(*) FROM job_runs WHERE element_at(tags, 'team') = 'risk' GROUP BY 1"
    assert warehouse.query(question, "The question").rows == ()
    refreshed()
    assert warehouse.query(question, "The question").rows == (("emr-risk", 10),)
