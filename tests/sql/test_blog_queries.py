"""The queries of the AWS blog post "Cost monitoring for Amazon EMR on Amazon EKS", in its database, unchanged."""

from datetime import date, datetime

import pytest

from tests.sql.warehouse import Rows, Warehouse, warehouse

POD = {
    "cluster_arn": "arn:aws:eks:us-east-1:111122223333:cluster/analytics",
    "usage_date": date(2026, 10, 13),
    "window_start": datetime(2026, 10, 13, 4),  # noqa: DTZ001  the lake's times are naive UTC
    "workload_kind": "job_run",
    "workload_id": "job-1",
    "job_run_id": "job-1",
    "virtual_cluster_id": "vc-1",
    "instance_id": "i-0123456789abcdef0",
    "instance_type": "m5.xlarge",
    "capacity_type": "spot",
}
PODS: Rows = [
    POD | {"pod": "driver", "cpu_cost": 0.5, "ram_cost": 0.25},
    POD | {"pod": "executor", "cpu_cost": 1.0, "capacity_type": "on_demand"},
    POD | {"pod": "other", "cpu_cost": 4.0, "workload_id": "job-2", "job_run_id": "job-2"},
    POD | {"pod": "coredns", "cpu_cost": 9.0, "workload_kind": "platform", "workload_id": None},
]
LINE = {
    "line_item_line_item_type": "Usage",
    "line_item_product_code": "ElasticMapReduce",
    "product_product_family": "EMR Containers",
    "line_item_usage_type": "EMR-EKS-EC2-vCPUHours",
    "line_item_resource_id": "arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/vc-1/jobruns/job-1",
    "line_item_unblended_cost": 0.02,
    "line_item_blended_cost": 0.03,
}
LINES: Rows = [LINE, LINE | {"line_item_usage_type": "EMR-EKS-EC2-GBHours", "line_item_unblended_cost": 0.01}]


def blog() -> Warehouse:
    made = warehouse({"allocations": PODS, "cur": LINES})
    made.connection.execute("CREATE SCHEMA athenacurcfn_c_u_r")
    for name, relation in {"cur_data": "cur", "compute_cost": "compute_cost", "emr_eks_cost": "emr_eks_cost"}.items():
        made.connection.execute(f"CREATE VIEW athenacurcfn_c_u_r.{name} AS FROM main.{relation}")
    return made


def test_cost_of_every_job_and_virtual_cluster() -> None:
    rows = blog().query(
        'SELECT job_id, vc_id, sum(totalcost) as cost FROM "athenacurcfn_c_u_r"."compute_cost" GROUP BY job_id, vc_id'
    )
    assert sorted(rows, key=lambda row: row["job_id"]) == [
        {"job_id": "job-1", "vc_id": "vc-1", "cost": 1.75},
        {"job_id": "job-2", "vc_id": "vc-1", "cost": 4.0},
    ]


def test_cost_of_every_pod_of_a_job_with_its_instance() -> None:
    rows = blog().query(
        "SELECT split_part(name, '/', 1) as pod_name, job_id, vc_id, totalcost, instance_id, "
        '"properties.labels.node_kubernetes_io_instance_type", capacity_type '
        'FROM "athenacurcfn_c_u_r"."compute_cost" WHERE job_id = \'job-1\''
    )
    assert sorted(rows, key=lambda row: row["totalcost"]) == [
        {
            "pod_name": pod,
            "job_id": "job-1",
            "vc_id": "vc-1",
            "totalcost": cost,
            "instance_id": "i-0123456789abcdef0",
            "properties.labels.node_kubernetes_io_instance_type": "m5.xlarge",
            "capacity_type": capacity_type,
        }
        for pod, cost, capacity_type in (("driver", 0.75, "spot"), ("executor", 1.0, "on_demand"))
    ]


def test_uplift_from_the_bill_itself() -> None:
    rows = blog().query(
        "SELECT split_part(line_item_resource_id, '/', 5) as job_id, "
        "split_part(line_item_resource_id, '/', 3) as vc_id, sum(line_item_blended_cost) as cost "
        "FROM athenacurcfn_c_u_r.cur_data WHERE product_product_family='EMR Containers' "
        "GROUP BY line_item_resource_id"
    )
    assert rows == [{"job_id": "job-1", "vc_id": "vc-1", "cost": 0.06}]


def test_compute_and_uplift_of_one_job() -> None:
    rows = blog().query(
        'SELECT job_id, sum(cost) as cost, vc_id FROM "athenacurcfn_c_u_r"."emr_eks_cost" '
        "WHERE job_id = 'job-1' GROUP BY job_id, vc_id"
    )
    assert rows == [{"job_id": "job-1", "cost": pytest.approx(1.78), "vc_id": "vc-1"}]


def test_the_categories_are_those_of_the_blog() -> None:
    rows = blog().query("SELECT DISTINCT category FROM athenacurcfn_c_u_r.emr_eks_cost")
    assert {row["category"] for row in rows} == {"compute", "emr-uplift"}
