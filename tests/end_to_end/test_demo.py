import csv
import hashlib
import io
import json
from collections import defaultdict
from pathlib import Path

import boto3
import pandas as pd
import pytest
import sqlalchemy

from pipeline.demo.bill.truth import true_bill
from pipeline.demo.estate.estate import build_estate
from tests.served import chargeback, serving_demo

NOW = ("--now", "2026-10-15T04:00:00Z")


def report(demo: dict[str, str], *arguments: str) -> dict[str, object]:
    done = chargeback("report", *NOW, "--format", "json", *arguments, environment=demo)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def files(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_total_is_what_the_bill_truly_charges_to_the_cent(demo: dict[str, str]) -> None:
    truth = true_bill(build_estate())
    found = report(demo, "--by", "job")
    assert isinstance(found["total"], dict)
    assert round(found["total"]["total"], 2) == round(truth.effective_cost(), 2)
    assert found["total"]["idle"] == pytest.approx(sum(hour.idle_cost for hour in truth.instance_hours), abs=5e-3)
    assert isinstance(found["reconciliation"], dict)
    assert found["reconciliation"]["out_of_scope"] == pytest.approx(truth.effective_cost(in_scope=False), abs=5e-3)
    assert found["reconciliation"]["difference"] == pytest.approx(0, abs=1e-9)


def test_each_job_run_costs_what_it_truly_cost(demo: dict[str, str]) -> None:
    bill = true_bill(build_estate())
    truth: dict[str | None, float] = defaultdict(float)
    for pod in bill.pod_hours:
        parts = (pod.compute_cost, pod.storage_cost, pod.network_cost, pod.load_balancer_cost)
        truth[pod.placement.pod.workload.job_run_id] += sum(parts)
    for line in bill.charges:
        if line.line_class == "emr_uplift" and line.resource_id and "/jobruns/" in line.resource_id:
            truth[line.resource_id.rpartition("/")[2]] += line.net_amortized_cost
    del truth[None]
    rows = report(demo, "--by", "job")["rows"]
    assert isinstance(rows, list)
    found = {row["workload_id"]: row["total"] for row in rows if row["workload_kind"] == "job_run"}
    assert found == pytest.approx(dict(truth), abs=1e-5)


def test_the_parts_of_every_report_are_the_whole(demo: dict[str, str]) -> None:
    totals = {}
    for by in ("job", "virtual-cluster", "pod", "namespace", "controller", "label:team", "node-pool", "instance-type",
               "instance-family", "architecture", "capacity-type", "spark-role"):  # fmt: skip
        found = report(demo, "--by", by)
        assert isinstance(found["rows"], list)
        assert isinstance(found["total"], dict)
        totals[by] = found["total"]["total"]
        assert sum(row["total"] for row in found["rows"]) == pytest.approx(totals[by], abs=1e-9)
        assert len(found["rows"]) > 1
    assert max(totals.values()) == pytest.approx(min(totals.values()), abs=1e-9)


def test_the_report_by_endpoint_is_the_endpoints_of_the_report_by_job_each_under_its_name(demo: dict[str, str]) -> None:
    jobs, endpoints = report(demo, "--by", "job")["rows"], report(demo, "--by", "endpoint")["rows"]
    assert isinstance(jobs, list)
    assert isinstance(endpoints, list)
    expected = {row["workload_id"]: row["total"] for row in jobs if row["workload_kind"] == "interactive_endpoint"}
    assert len(expected) > 0
    assert {row["endpoint_id"]: row["total"] for row in endpoints} == pytest.approx(expected)
    assert all(row["endpoint_name"] for row in endpoints)


def test_the_table_and_the_csv_say_the_same(demo: dict[str, str]) -> None:
    table = chargeback("report", "--by", "virtual-cluster", *NOW, environment=demo).stdout
    rows = list(csv.DictReader(io.StringIO(
        chargeback("report", "--by", "virtual-cluster", "--format", "csv", *NOW, environment=demo).stdout
    )))  # fmt: skip
    assert len(rows) == 3
    for row in rows:
        assert f"{float(row['total']):,.4f}" in table
    assert f"{sum(float(row['total']) for row in rows):,.4f}" in table


def test_the_blogs_queries_run_unchanged(engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection:
        jobs = connection.exec_driver_sql(
            'SELECT job_id, vc_id, sum(totalcost) AS cost FROM "athenacurcfn_c_u_r"."compute_cost" '
            "GROUP BY job_id, vc_id"
        ).all()
        job = next(row.job_id for row in jobs if row.vc_id and row.job_id.startswith("0000000"))
        pods = connection.exec_driver_sql(
            "SELECT split_part(name, '/', 1) AS pod_name, job_id, vc_id, totalcost, instance_id, "
            '"properties.labels.node_kubernetes_io_instance_type", capacity_type '
            f"""FROM "athenacurcfn_c_u_r"."compute_cost" WHERE job_id = '{job}'"""
        ).all()
        uplift = connection.exec_driver_sql(
            "SELECT split_part(line_item_resource_id, '/', 5) AS job_id, split_part(line_item_resource_id, '/', 3) "
            "AS vc_id, sum(line_item_blended_cost) AS cost FROM athenacurcfn_c_u_r.cur_data "
            "WHERE product_product_family='EMR Containers' GROUP BY line_item_resource_id"
        ).all()
        costs = connection.exec_driver_sql(
            'SELECT job_id, sum(cost) AS cost, vc_id FROM "athenacurcfn_c_u_r"."emr_eks_cost" '
            f"WHERE job_id = '{job}' GROUP BY job_id, vc_id"
        ).all()
        categories = connection.exec_driver_sql("SELECT DISTINCT category FROM emr_eks_cost").scalars().all()
    assert {row.pod_name for row in pods} >= {f"spark-{job}-driver"}
    assert all(row.instance_id is None or row.instance_id.startswith("i-") for row in pods)
    assert any(row.job_id == job for row in uplift)
    assert len(costs) == 1
    assert costs[0].cost > sum(row.totalcost for row in pods)
    assert sorted(categories) == ["compute", "emr-uplift"]


# awswrangler 3.17 passes pandas 3 an argument that it no longer wants.
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
def test_any_client_works_on_the_served_stack(engine: sqlalchemy.Engine) -> None:
    import awswrangler as wr

    frame = pd.read_sql(sqlalchemy.text("SELECT cost_category, effective_cost FROM cost_ledger"), engine)
    assert frame["effective_cost"].sum() > 30
    wrangled = wr.athena.read_sql_query(
        "SELECT virtual_cluster_id, sum(effective_cost) AS cost FROM virtual_cluster_costs GROUP BY 1",
        database="athenacurcfn_c_u_r",
        workgroup="chargeback",
        ctas_approach=False,
    )
    assert wrangled["cost"].sum() == pytest.approx(frame["effective_cost"].sum(), abs=1e-6)
    virtual_clusters = boto3.client("emr-containers").list_virtual_clusters()["virtualClusters"]
    assert {v["id"] for v in virtual_clusters} == set(wrangled["virtual_cluster_id"].dropna())


def test_columns_have_their_comments_in_the_catalog(engine: sqlalchemy.Engine) -> None:
    table = boto3.client("glue").get_table(DatabaseName="athenacurcfn_c_u_r", Name="allocations")["Table"]
    assert all(column["Comment"] for column in table["StorageDescriptor"]["Columns"])
    assert table["Parameters"]["projection.usage_date.range"] == "2026-10-13,NOW+1DAYS"


def test_verify_passes_and_names_every_check(demo: dict[str, str]) -> None:
    done = chargeback("verify", *NOW, environment=demo)
    assert done.returncode == 0, done.stderr
    assert "uplift_equals_bill" in done.stdout
    assert "not run" not in done.stdout


def test_a_second_run_in_the_same_directory_changes_nothing(demo: dict[str, str], demo_directory: Path) -> None:
    before = files(demo_directory)
    assert len(before) > 10
    with serving_demo(demo_directory):
        assert files(demo_directory) == before
    assert files(demo_directory) == before
