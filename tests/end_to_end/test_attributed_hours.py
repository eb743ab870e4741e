from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from pipeline.kubecost import Kubecost
from pipeline.models import Cluster
from pipeline.rows import window_rows
from pipeline.tables import ALLOCATIONS
from pipeline.window import Window, parse_instant
from tests.captures import HOURS, opencost, serving, truth
from tests.scenario_pods import (
    ANOTHER_SPOT,
    JOB,
    ON_DEMAND,
    OTHER_JOB,
    SPOT,
    VIRTUAL_CLUSTER,
    core_hours,
    driver,
    executor,
    runner,
    told,
)
from tests.scenarios import CLUSTER, COLLECTED_AT, RunningPod, rows_of

INTERNAL = "f704831fa26340576e36cb978264a13d"
ENDPOINT = "2pk3vdohmrucl"


def of_operator(name: str, role: str, attempt: int, **facts: Any) -> RunningPod:
    labels = {
        "eks-subscription.amazonaws.com/emr.internal.id": INTERNAL,
        "sparkoperator.k8s.io/app-name": "sales-report",
        "sparkoperator.k8s.io/launched-by-spark-operator": "true",
        "sparkoperator.k8s.io/submission-id": f"6405a2a2-6fee-42c4-a003-db95e8d1a9a{attempt}",
        "spark-app-selector": f"spark-ea7c71e36115aade759c625825c7b5c{attempt}",
        "spark-app-name": "sales-report",
        "spark-role": role,
    }
    return RunningPod("data-science", name, SPOT, labels, **facts)


def kernel(number: int, role: str) -> RunningPod:
    labels = {
        "emr-containers.amazonaws.com/virtual-cluster-id": VIRTUAL_CLUSTER,
        "emr-containers.amazonaws.com/resource.type": "managed.endpoint",
        "emr-containers.amazonaws.com/managed-endpoint-id": ENDPOINT,
        "eks-subscription.amazonaws.com/emr.internal.id": f"{number:032x}",
        "spark-app-selector": f"spark-{number:032x}",
        "spark-app-name": f"kernel-{number}",
        "spark-role": role,
        "team": f"team-{number}",
    }
    return RunningPod("emr-orders", f"kernel-{number}-{role}", SPOT, labels)


def gateway() -> RunningPod:
    labels = {
        "emr-containers.amazonaws.com/virtual-cluster-id": VIRTUAL_CLUSTER,
        "emr-containers.amazonaws.com/resource.type": "managed.endpoint",
        "emr-containers.amazonaws.com/component": "managed.endpoint",
        "app.kubernetes.io/name": f"jeg-{ENDPOINT}",
        "app": "enterprise-gateway",
    }
    return RunningPod(
        "emr-orders",
        f"jeg-{ENDPOINT}-9c9ced4936-40dcp",
        ON_DEMAND,
        labels,
        ("enterprise-gateway",),
        controller=("deployment", f"jeg-{ENDPOINT}"),
    )


@pytest.mark.parametrize(("server", "hour"), [(server, hour) for server, hours in HOURS.items() for hour in hours])
def test_every_captured_row_with_a_node_belongs_to_the_workload_that_truly_ran(server: str, hour: str) -> None:
    with serving(opencost(server)) as upstream:
        answer = Kubecost(upstream.url).window(Window.hour(parse_instant(f"2026-11-{hour}Z")))
    rows = window_rows(answer, CLUSTER, (), COLLECTED_AT).tables[ALLOCATIONS].to_pylist()
    true = {(pod["namespace"], pod["pod"]): pod["workload"] for pod in truth()["pods"]}
    nodes = {node["name"]: node["capacity_type"] for node in truth()["nodes"]}
    with_node = [row for row in rows if row["node"]]
    assert len(with_node) > 0
    for row in with_node:
        expected = true[row["namespace"], row["pod"]]
        assert row["workload_kind"] == expected["kind"], row["pod"]
        assert row["job_run_id"] == expected.get("job_run_id"), row["pod"]
        assert row["virtual_cluster_id"] == expected.get("virtual_cluster_id"), row["pod"]
        assert row["spark_role"] == expected.get("role"), row["pod"]
        assert row["capacity_type"] == nodes[row["node"]], row["pod"]
    assert {row["workload_kind"] for row in rows if not row["node"]} <= {"other"}


def test_all_pods_of_a_job_run_are_one_job_with_one_name_sidecars_included() -> None:
    rows = rows_of([runner(), driver(), executor(1), executor(2)])
    assert told(rows, "workload_kind", "workload_id", "workload_name", "job_run_id", "virtual_cluster_id") == {
        ("job_run", JOB, "orders-nightly", JOB, VIRTUAL_CLUSTER)
    }
    assert told(rows, "container", "spark_role") == {
        ("job-runner", "submitter"),
        ("spark-kubernetes-driver", "driver"),
        ("spark-kubernetes-executor", "executor"),
        ("emr-container-fluentd", "submitter"),
        ("emr-container-fluentd", "driver"),
    }


def test_a_retried_driver_of_the_operator_stays_the_same_workload_in_every_attempt() -> None:
    first = [of_operator("sales-report-c9-exec-1", "executor", 1, until=15)]
    second = [
        of_operator("sales-report-af-exec-1", "executor", 2, minute=20),
        of_operator("sales-report-driver", "driver", 2, minute=5),
    ]
    rows = rows_of(first + second)
    assert told(rows, "workload_kind", "workload_id", "workload_name") == {("spark_operator", INTERNAL, "sales-report")}
    assert len(told(rows, "spark_app_id")) == 2, "each attempt is an application of its own"


def test_an_executor_without_the_operators_labels_is_of_its_application_and_kept_labels_reach_it() -> None:
    bare = of_operator("sales-report-exec-1", "executor", 1)
    bare = replace(bare, labels={"spark-app-selector": bare.labels["spark-app-selector"], "spark-role": "executor"})
    driver = of_operator("sales-report-driver", "driver", 1)
    rows = rows_of([replace(driver, labels={**driver.labels, "team": "sales"}), bare])
    assert told(rows, "workload_kind", "workload_id", "workload_name") == {("spark_operator", INTERNAL, "sales-report")}
    assert all(("team", "sales") in row["labels"] for row in rows)


def test_a_pod_that_was_made_again_under_its_name_keeps_its_money_on_the_node_that_upstream_names() -> None:
    again = driver(node=SPOT, minute=5, until=55)
    rows = rows_of([again, executor(1)], nodes=[ON_DEMAND, SPOT])
    (row,) = (row for row in rows if row["container"] == "spark-kubernetes-driver")
    assert (row["job_run_id"], row["node"], row["instance_id"]) == (JOB, SPOT.name, SPOT.provider_id)
    assert row["minutes"] == 50
    assert row["cpu_core_hours"] == pytest.approx(50 / 60)
    assert row["total_cost"] == pytest.approx(50 / 60 * (0.032 + 4 * 0.0042))


def test_a_spot_executor_and_its_replacement_are_two_pods_of_one_job() -> None:
    lost, replacement = executor(1, until=20), executor(2, node=ANOTHER_SPOT, minute=24)
    rows = rows_of([lost, replacement], nodes=[ANOTHER_SPOT, replace(SPOT, labels={})])
    assert told(rows, "job_run_id", "pod", "instance_id", "capacity_type") == {
        (JOB, lost.name, SPOT.provider_id, "spot"),
        (JOB, replacement.name, ANOTHER_SPOT.provider_id, "spot"),
    }
    assert core_hours(rows) == pytest.approx(20 / 60 + 36 / 60)


def test_two_jobs_on_a_node_each_have_their_own() -> None:
    rows = rows_of([executor(1, cores=3), executor(1, OTHER_JOB, cores=1), executor(2, OTHER_JOB, cores=1)])
    assert told(rows, "instance_id") == {(SPOT.provider_id,)}
    assert core_hours(row for row in rows if row["job_run_id"] == JOB) == 3
    assert core_hours(row for row in rows if row["job_run_id"] == OTHER_JOB) == 2


def test_a_job_over_midnight_is_the_same_job_on_both_days() -> None:
    pods = [driver(), executor(1)]
    before, after = Window.hour(parse_instant("2026-11-18T23:00Z")), Window.hour(parse_instant("2026-11-19T00:00Z"))
    evening = rows_of([replace(pod, minute=30) for pod in pods], before)
    morning = rows_of([replace(pod, until=15) for pod in pods], after)
    assert told(evening, "window_start", "workload_id") == {(datetime(2026, 11, 18, 23), JOB)}  # noqa: DTZ001  naive UTC
    assert told(morning, "window_start", "workload_id") == {(datetime(2026, 11, 19), JOB)}  # noqa: DTZ001
    assert core_hours(evening) + core_hours(morning) == pytest.approx(3 * 0.75)


def test_a_hundred_executors_under_dynamic_allocation_are_a_hundred_rows_of_one_job() -> None:
    executors = [executor(n, minute=n % 50, until=n % 50 + 1 + n % 10, cores=2) for n in range(1, 101)]
    rows = rows_of([driver(), *executors])
    of_executors = [row for row in rows if row["spark_role"] == "executor"]
    assert len(told(of_executors, "pod")) == len(of_executors) == 100
    assert told(rows, "workload_id", "workload_name") == {(JOB, "orders-nightly")}
    assert core_hours(of_executors) == pytest.approx(sum(2 * (1 + n % 10) / 60 for n in range(1, 101)))


def test_executors_that_outlive_their_driver_stay_in_the_job() -> None:
    rows = rows_of([executor(1), executor(2)])
    assert told(rows, "workload_kind", "workload_id", "spark_app_id") == {("job_run", JOB, f"spark-{JOB}")}
    assert told(rows, "workload_name") == {(None,)}, "only the driver knew the name"


def test_namesakes_in_two_clusters_are_two_workloads() -> None:
    elsewhere = replace(
        ON_DEMAND, cluster="sandbox", name="ip-10-9-9-9.ec2.internal", provider_id="i-0c0000000000000c3"
    )
    flink = {"type": "flink-native-kubernetes", "app": "clickstream", "component": "jobmanager"}
    pods = [
        RunningPod("streams", "clickstream-1-a", node, flink, ("flink-main-container",), cores=cores)
        for node, cores in ((ON_DEMAND, 1.0), (elsewhere, 2.0))
    ]
    sandbox = Cluster.from_arn("arn:aws:eks:us-east-1:111122223333:cluster/sandbox")
    ours = rows_of(pods, cluster_id="analytics-prod")
    theirs = rows_of(pods, cluster_id="sandbox", cluster=sandbox)
    columns = ("cluster_arn", "workload_id", "instance_id", "cpu_core_hours")
    assert told(ours, *columns) == {(CLUSTER.arn, "streams/clickstream", ON_DEMAND.provider_id, 1.0)}
    assert told(theirs, *columns) == {(sandbox.arn, "streams/clickstream", elsewhere.provider_id, 2.0)}


def test_what_only_shares_the_namespace_of_a_virtual_cluster_is_not_of_it() -> None:
    history = RunningPod(
        "emr-orders",
        "history-server-82",
        ON_DEMAND,
        {"app.kubernetes.io/name": "history-server"},
        ("history-server",),
        controller=("deployment", "history-server"),
    )
    shell = RunningPod("emr-orders", "debug-shell", ON_DEMAND, {}, ("shell",))
    plain = RunningPod(
        "emr-orders", "adhoc-1f-driver", SPOT, {"spark-app-selector": "spark-1f", "spark-role": "driver"}
    )
    rows = rows_of([driver(), history, shell, plain])
    assert told(rows, "workload_kind", "workload_id", "virtual_cluster_id") == {
        ("job_run", JOB, VIRTUAL_CLUSTER),
        ("other", None, None),
        ("spark", "spark-1f", None),
    }


def test_an_endpoints_gateway_and_kernels_are_the_endpoints_and_share_nothing_else() -> None:
    rows = rows_of([gateway(), kernel(1, "driver"), kernel(1, "executor"), kernel(2, "driver")])
    assert told(rows, "workload_kind", "workload_id", "virtual_cluster_id") == {
        ("interactive_endpoint", ENDPOINT, VIRTUAL_CLUSTER)
    }
    assert told(rows, "pod", "spark_role", "spark_app_name") == {
        (f"jeg-{ENDPOINT}-9c9ced4936-40dcp", "gateway", None),
        ("kernel-1-driver", "driver", "kernel-1"),
        ("kernel-1-executor", "executor", "kernel-1"),
        ("kernel-2-driver", "driver", "kernel-2"),
    }
    teams = {row["pod"]: dict(row["labels"]).get("team") for row in rows}
    assert teams == {
        f"jeg-{ENDPOINT}-9c9ced4936-40dcp": None,
        "kernel-1-driver": "team-1",
        "kernel-1-executor": "team-1",
        "kernel-2-driver": "team-2",
    }


def test_labels_that_only_some_pods_of_a_job_carry_reach_all_its_rows_and_no_others() -> None:
    labelled = driver()
    labelled = replace(labelled, labels={**labelled.labels, "team": "sales", "version": "1.4.2"})
    rows = rows_of([runner(), labelled, executor(1), executor(1, OTHER_JOB)], labels=("team", "version"))
    found = {(row["job_run_id"], tuple(row["labels"])) for row in rows}
    assert found == {(JOB, (("team", "sales"), ("version", "1.4.2"))), (OTHER_JOB, ())}


def test_where_pods_of_a_job_disagree_on_a_label_each_keeps_its_own() -> None:
    pods = [
        replace(executor(n), labels={**executor(n).labels, "team": team}) for n, team in ((1, "sales"), (2, "risk"))
    ]
    found = {row["pod"]: dict(row["labels"]) for row in rows_of([*pods, executor(3)])}
    assert [found[executor(n).name]["team"] for n in (1, 2, 3)] == ["sales", "risk", "risk"]


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("yunikorn.apache.org/queue", "yunikorn_apache_org_queue"),
        ("queue", "queue"),
        ("volcano.sh/queue-name", "volcano_sh_queue_name"),
        ("kueue.x-k8s.io/queue-name", "kueue_x_k8s_io_queue_name"),
    ],
)
def test_a_schedulers_queue_is_kept_without_being_asked_for(label: str, key: str) -> None:
    queued = replace(driver(), labels={**driver().labels, label: "root.sales"})
    assert {tuple(row["labels"]) for row in rows_of([queued, executor(1)])} == {((key, "root.sales"),)}


def test_gpus_controllers_and_the_parts_of_the_network_cost_come_along() -> None:
    rows = rows_of([runner(traffic=(0.004, 0.002, 0.006)), executor(1, gpus=2.0, until=30)])
    sidecar, submitter, worker = sorted(rows, key=lambda row: (row["spark_role"] == "executor", row["container"]))
    for row in (sidecar, submitter):
        assert (row["controller_kind"], row["controller_name"]) == ("job", JOB)
        parts = ("network_cross_zone_cost", "network_cross_region_cost", "network_internet_cost", "network_cost")
        assert [row[part] for part in parts] == pytest.approx([0.002, 0.001, 0.003, 0.006])
    assert (worker["controller_kind"], worker["gpu_hours"], worker["network_cost"]) == (None, 1.0, 0.0)
    assert worker["gpu_cost"] == pytest.approx(0.9)


def test_a_ghost_of_a_pod_that_ended_on_the_hour_is_other_and_stays_a_row() -> None:
    ghost = RunningPod("emr-orders", "orders-nightly-exec-9", None, {}, until=5, cores=0)
    rows = rows_of([ghost, executor(1)])
    (row,) = (row for row in rows if row["pod"] == ghost.name)
    assert (row["workload_kind"], row["workload_id"], row["capacity_type"], row["total_cost"]) == (
        "other",
        None,
        "unknown",
        0.0,
    )


def test_placeholders_that_keep_nodes_warm_say_so_and_other_platform_pods_do_not() -> None:
    placeholder = RunningPod(
        "default", "dummy-1", ON_DEMAND, {"priority_class": "overprovisioning"}, ("pause",), ("deployment", "dummy")
    )
    dns = RunningPod("kube-system", "coredns-1", ON_DEMAND, {}, ("coredns",), ("deployment", "coredns"))
    assert told(rows_of([placeholder, dns, driver()]), "workload_kind", "workload_reason") == {
        ("platform", "headroom"),
        ("platform", None),
        ("job_run", None),
    }
