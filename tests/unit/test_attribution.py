from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.attribution import Pod, Workload, WorkloadKind, attribute, complete, completed
from pipeline.models import sanitised
from tests.captures import truth

JOB = "00000008k7cyoqlkw55"
VIRTUAL_CLUSTER = "a1b2c3d4e5f6g7h8i9j0k1l2m"
INTERNAL = "f704831fa26340576e36cb978264a13d"
APP = "spark-ea7c71e36115aade759c625825c7b5cb"
SUBMISSION = "6405a2a2-6fee-42c4-a003-db95e8d1a9ae"
ENDPOINT = "2pk3vdohmrucl"

JOB_RUN = {
    "emr-containers.amazonaws.com/job.id": JOB,
    "emr-containers.amazonaws.com/virtual-cluster-id": VIRTUAL_CLUSTER,
    "emr-containers.amazonaws.com/resource.type": "job.run",
    "eks-subscription.amazonaws.com/emr.internal.id": JOB,
}
IN_ENDPOINT = {
    "emr-containers.amazonaws.com/virtual-cluster-id": VIRTUAL_CLUSTER,
    "emr-containers.amazonaws.com/resource.type": "managed.endpoint",
}
ON_EMR = {"eks-subscription.amazonaws.com/emr.internal.id": INTERNAL}
OF_OPERATOR = {
    "sparkoperator.k8s.io/app-name": "sales-report",
    "sparkoperator.k8s.io/launched-by-spark-operator": "true",
    "sparkoperator.k8s.io/submission-id": SUBMISSION,
}
DRIVER = {"spark-app-selector": APP, "spark-app-name": "sales-report", "spark-role": "driver"}
FLINK = {"type": "flink-native-kubernetes", "app": "clickstream", "component": "jobmanager"}


def pod(
    labels: dict[str, str],
    name: str = "pod-1",
    *,
    namespace: str = "analytics",
    controller: tuple[str, str] | None = None,
) -> Pod:
    kind, owner = controller or (None, None)
    return Pod(namespace, name, kind, owner, {sanitised(key): value for key, value in labels.items()})


def on_emr(kind: WorkloadKind) -> Workload:
    return Workload(
        kind,
        INTERNAL,
        name="sales-report",
        emr_internal_id=INTERNAL,
        spark_app_id=APP,
        spark_app_name="sales-report",
        spark_role="driver",
    )


def in_job(**facts: str) -> Workload:
    return Workload(WorkloadKind.JOB_RUN, JOB, job_run_id=JOB, virtual_cluster_id=VIRTUAL_CLUSTER, **facts)


def in_endpoint(workload_id: str = ENDPOINT, **facts: str) -> Workload:
    return Workload(WorkloadKind.INTERACTIVE_ENDPOINT, workload_id, virtual_cluster_id=VIRTUAL_CLUSTER, **facts)


ON_DRIVERS_NODE = {"spark-role": "driver", "emr-containers.amazonaws.com/resource.type": "job.run", "role": "critical"}

PLATFORM = Workload(WorkloadKind.PLATFORM)
HEADROOM = Workload(WorkloadKind.PLATFORM, reason="headroom")
OTHER = Workload(WorkloadKind.OTHER)

TABLE = {
    "StartJobRun: job-runner": (
        pod(
            JOB_RUN | {"emr-containers.amazonaws.com/component": "job.submitter", "job-name": JOB},
            controller=("job", JOB),
        ),
        in_job(emr_internal_id=JOB, spark_role="submitter"),
    ),
    "StartJobRun: driver": (
        pod(JOB_RUN | DRIVER | {"emr-containers.amazonaws.com/component": "driver"}),
        in_job(
            emr_internal_id=JOB,
            name="sales-report",
            spark_app_id=APP,
            spark_app_name="sales-report",
            spark_role="driver",
        ),
    ),
    "StartJobRun: executor without a name label": (
        pod(JOB_RUN | {"spark-app-selector": APP, "spark-role": "executor", "spark-exec-id": "1"}),
        in_job(emr_internal_id=JOB, spark_app_id=APP, spark_role="executor"),
    ),
    "StartJobRun: driver in a namespace of the platform": (
        pod(JOB_RUN | {"spark-role": "driver"}, namespace="monitoring"),
        in_job(emr_internal_id=JOB, spark_role="driver"),
    ),
    "ACK JobRun: driver": (
        pod(
            {
                "emr-containers.amazonaws.com/job.id": JOB,
                "emr-containers.amazonaws.com/virtual-cluster-id": VIRTUAL_CLUSTER,
                "spark-role": "driver",
            }
        ),
        in_job(spark_role="driver"),
    ),
    "job-runner without labels, by its controller": (
        pod({}, f"{JOB}-ml5gh", controller=("job", JOB)),
        Workload(WorkloadKind.JOB_RUN, JOB, job_run_id=JOB),
    ),
    "endpoint: gateway": (
        pod(
            IN_ENDPOINT
            | {
                "app.kubernetes.io/name": f"jeg-{ENDPOINT}",
                "emr-containers.amazonaws.com/component": "managed.endpoint",
                "app": "enterprise-gateway",
            },
            f"jeg-{ENDPOINT}-9c9ced4936-40dcp",
            controller=("deployment", f"jeg-{ENDPOINT}"),
        ),
        in_endpoint(spark_role="gateway"),
    ),
    "endpoint: gateway known by its controller": (
        pod(IN_ENDPOINT, controller=("deployment", f"jeg-{ENDPOINT}")),
        in_endpoint(),
    ),
    "endpoint: gateway known by its name": (pod(IN_ENDPOINT, f"jeg-{ENDPOINT}-9c9ced4936-40dcp"), in_endpoint()),
    "endpoint: kernel's driver": (
        pod(IN_ENDPOINT | ON_EMR | DRIVER | {"emr-containers.amazonaws.com/managed-endpoint-id": ENDPOINT}),
        in_endpoint(emr_internal_id=INTERNAL, spark_app_id=APP, spark_app_name="sales-report", spark_role="driver"),
    ),
    "endpoint: kernel that names no endpoint": (
        pod(IN_ENDPOINT | ON_EMR | {"spark-role": "executor"}),
        in_endpoint(INTERNAL, emr_internal_id=INTERNAL, spark_role="executor"),
    ),
    "a job run submitted through an endpoint": (
        pod(IN_ENDPOINT | {"emr-containers.amazonaws.com/job.id": JOB}),
        in_job(),
    ),
    "endpoint: kernel that only its application tells": (
        pod(IN_ENDPOINT | {"spark-app-selector": APP, "spark-role": "driver"}),
        in_endpoint(APP, spark_app_id=APP, spark_role="driver"),
    ),
    "endpoint: kernel whose endpoint is all that tells": (
        pod({"emr-containers.amazonaws.com/managed-endpoint-id": ENDPOINT, "spark-role": "executor"}),
        Workload(WorkloadKind.INTERACTIVE_ENDPOINT, ENDPOINT, spark_role="executor"),
    ),
    "endpoint: pod that names nothing": (pod(IN_ENDPOINT, "kernel-7"), in_endpoint("analytics/kernel-7")),
    "Flink on EMR": (
        pod(FLINK | ON_EMR | {"emr-containers.amazonaws.com/resource.type": "flink.deployment"}),
        Workload(WorkloadKind.FLINK, INTERNAL, name="clickstream", emr_internal_id=INTERNAL, spark_role="jobmanager"),
    ),
    "plain Flink": (
        pod(FLINK | {"component": "taskmanager"}, controller=("deployment", "clickstream")),
        Workload(WorkloadKind.FLINK, "analytics/clickstream", name="clickstream", spark_role="taskmanager"),
    ),
    "plain Flink of the same name in another namespace": (
        pod(FLINK, namespace="sales", controller=("deployment", "clickstream")),
        Workload(WorkloadKind.FLINK, "sales/clickstream", name="clickstream", spark_role="jobmanager"),
    ),
    "Flink by its operator, standalone": (
        pod(
            FLINK | {"type": "flink-standalone-kubernetes", "component": "taskmanager"},
            controller=("statefulset", "clickstream-taskmanager"),
        ),
        Workload(WorkloadKind.FLINK, "analytics/clickstream", name="clickstream", spark_role="taskmanager"),
    ),
    "Flink by Flink's own manifests": (
        pod({"app": "flink", "component": "jobmanager"}, controller=("job", "flink-jobmanager")),
        Workload(WorkloadKind.FLINK, "analytics/flink", name="flink", spark_role="jobmanager"),
    ),
    "Flink that only its controller names": (
        pod(
            {"type": "flink-standalone-kubernetes"},
            "clickstream-taskmanager-0",
            controller=("statefulset", "clickstream-taskmanager"),
        ),
        Workload(WorkloadKind.FLINK, "analytics/clickstream", name="clickstream"),
    ),
    "Flink that names nothing": (
        pod({"type": "flink-native-kubernetes"}, "taskmanager-1-1"),
        Workload(WorkloadKind.FLINK, "analytics/taskmanager-1-1"),
    ),
    "Spark Operator on EMR": (pod(DRIVER | ON_EMR | OF_OPERATOR), on_emr(WorkloadKind.SPARK_OPERATOR)),
    "Spark Operator on EMR, told by one label": (
        pod(DRIVER | ON_EMR | {"sparkoperator.k8s.io/submission-id": SUBMISSION}),
        on_emr(WorkloadKind.SPARK_OPERATOR),
    ),
    "spark-submit on EMR": (pod(DRIVER | ON_EMR), on_emr(WorkloadKind.SPARK_SUBMIT)),
    "plain Spark Operator": (
        pod(DRIVER | OF_OPERATOR),
        Workload(
            WorkloadKind.SPARK,
            SUBMISSION,
            name="sales-report",
            spark_app_id=APP,
            spark_app_name="sales-report",
            spark_role="driver",
        ),
    ),
    "plain spark-submit without a name": (
        pod({"spark-app-selector": APP, "spark-role": "executor"}),
        Workload(WorkloadKind.SPARK, APP, spark_app_id=APP, spark_role="executor"),
    ),
    "Livy": (
        pod(DRIVER | {"created-by": "livy", "spark-app-tag": "livy-batch-7"}),
        Workload(
            WorkloadKind.SPARK,
            APP,
            name="sales-report",
            spark_app_id=APP,
            spark_app_name="sales-report",
            spark_role="driver",
        ),
    ),
    "Livy, before Spark has put its labels": (
        pod({"created-by": "livy", "spark-app-tag": "livy-batch-7-Xw3"}, "etl-1f-driver"),
        Workload(WorkloadKind.SPARK, "livy-batch-7-Xw3"),
    ),
    "Livy that names nothing": (
        pod({"created-by": "livy"}, "etl-1f-driver"),
        Workload(WorkloadKind.SPARK, "analytics/etl-1f-driver"),
    ),
    "Livy on EMR": (
        pod(DRIVER | ON_EMR | {"created-by": "livy", "spark-app-tag": "livy-batch-7-Xw3"}),
        on_emr(WorkloadKind.SPARK_SUBMIT),
    ),
    "created by another tool": (pod({"created-by": "terraform"}, controller=("deployment", "superset")), OTHER),
    "Spark that only its name tells": (
        pod({"spark-app-name": "sales-report", "spark-role": "executor"}, "sales-report-1f-exec-1"),
        Workload(
            WorkloadKind.SPARK,
            "analytics/sales-report",
            name="sales-report",
            spark_app_name="sales-report",
            spark_role="executor",
        ),
    ),
    "Spark that names nothing": (
        pod({"spark-role": "driver"}, "etl-driver"),
        Workload(WorkloadKind.SPARK, "analytics/etl-driver", spark_role="driver"),
    ),
    "Spark Connect": (
        pod(
            {"sparkoperator.k8s.io/launched-by-spark-operator": "true"},
            "notebooks-0",
            controller=("statefulset", "notebooks"),
        ),
        Workload(WorkloadKind.SPARK, "analytics/notebooks"),
    ),
    "a bare pod on a node that is kept for drivers": (pod(ON_DRIVERS_NODE, "debug-shell"), OTHER),
    "Spark that its executor's number bears out": (
        pod({"spark-role": "executor", "spark-exec-id": "7"}, "etl-7"),
        Workload(WorkloadKind.SPARK, "analytics/etl-7", spark_role="executor"),
    ),
    "another tool on a node that is kept for TaskManagers": (
        pod({"component": "taskmanager", "app": "celery"}, controller=("deployment", "celery")),
        OTHER,
    ),
    "a bare pod on a node that is kept for TaskManagers": (pod({"component": "taskmanager"}, "debug-shell"), OTHER),
    "Flink that a pod's name bears out": (
        pod({"component": "jobmanager", "app": "clicks"}, "clicks-jobmanager-0"),
        Workload(WorkloadKind.FLINK, "analytics/clicks", name="clicks", spark_role="jobmanager"),
    ),
    "another pod on a node that is kept for drivers": (
        pod(ON_DRIVERS_NODE, controller=("deployment", "history-server")),
        OTHER,
    ),
    "a daemon set on a node that is kept for drivers": (
        pod(ON_DRIVERS_NODE, controller=("daemonset", "log-router")),
        PLATFORM,
    ),
    "StartJobRun: executor on a node that is kept for drivers": (
        pod(ON_DRIVERS_NODE | JOB_RUN | {"emr-containers.amazonaws.com/component": "executor"}),
        in_job(emr_internal_id=JOB, spark_role="executor"),
    ),
    "StartJobRun: job-runner of an old release": (
        pod(JOB_RUN | {"emr-containers.amazonaws.com/component": "controller"}, controller=("job", JOB)),
        in_job(emr_internal_id=JOB, spark_role="submitter"),
    ),
    "Spark in a platform's namespace": (
        pod({"spark-app-selector": APP}, namespace="spark-operator"),
        Workload(WorkloadKind.SPARK, APP, spark_app_id=APP),
    ),
    "platform by namespace": (pod({"k8s-app": "kube-dns"}, namespace="kube-system"), PLATFORM),
    "platform by kind of controller": (pod({}, controller=("daemonset", "node-exporter")), PLATFORM),
    "platform by name of controller": (
        pod({}, namespace="streams", controller=("deployment", "flink-kubernetes-operator")),
        PLATFORM,
    ),
    "headroom": (pod({}, controller=("deployment", "overprovisioning-xl")), HEADROOM),
    "another Job": (pod({}, controller=("job", "nightly-backup-28873440")), OTHER),
    "a Deployment called like a job run": (pod({}, controller=("deployment", JOB)), OTHER),
    "a history server": (
        pod({"app.kubernetes.io/name": "history-server"}, controller=("deployment", "history-server")),
        OTHER,
    ),
    "a pod that is only in a virtual cluster's namespace": (pod({}, namespace="emr-orders"), OTHER),
    "empty labels": (pod({"emr-containers.amazonaws.com/job.id": "", "spark-role": ""}), OTHER),
    "a ghost": (Pod("flink", "clickstream-05ddacd527-148ai", None, None, {}), OTHER),
    "a volume without a claim": (Pod("__unmounted__", "__unmounted__", None, None, {}), OTHER),
}


@pytest.mark.parametrize(("pod", "workload"), TABLE.values(), ids=TABLE)
def test_the_first_rule_that_knows_a_pod_says_whose_it_is(pod: Pod, workload: Workload) -> None:
    assert attribute(pod) == workload


def true_pod(of: dict[str, Any]) -> Pod:
    """The pod as upstream gives it: a driver's ConfigMap and an executor's driver are no controllers there."""
    kind, owner = of["owner"] or ("", "")
    controllers = {
        "Job": ("job", owner),
        "DaemonSet": ("daemonset", owner),
        "StatefulSet": ("statefulset", owner),
        "Deployment": ("deployment", owner),
        "ReplicaSet": ("deployment", owner.rpartition("-")[0]),
    }
    return pod(of["labels"], of["pod"], namespace=of["namespace"], controller=controllers.get(kind))


PODS = truth()["pods"]


@pytest.mark.parametrize("of", PODS, ids=lambda of: of["pod"])
def test_every_pod_of_the_captured_estate_is_found(of: dict[str, Any]) -> None:
    found, expected = attribute(true_pod(of)), of["workload"]
    assert found.kind == expected["kind"]
    assert found.job_run_id == expected.get("job_run_id")
    assert found.virtual_cluster_id == expected.get("virtual_cluster_id")
    assert found.spark_role == expected.get("role")
    assert (found.id is None) == (found.kind in (WorkloadKind.PLATFORM, WorkloadKind.OTHER))


def test_all_pods_of_a_captured_workload_together_tell_each_what_its_own_labels_leave_out() -> None:
    workloads = [attribute(true_pod(of)) for of in PODS]
    known = complete(workloads)
    for of, workload in zip(PODS, workloads, strict=True):
        found, expected = completed(workload, known), of["workload"]
        assert found.emr_internal_id == expected.get("emr_internal_id"), of["pod"]
        assert found.spark_app_id == expected.get("spark_app_id"), of["pod"]
        if found.kind is not WorkloadKind.INTERACTIVE_ENDPOINT:
            assert found.name == expected.get("app_name"), of["pod"]


LIVY = {"created-by": "livy", "spark-app-tag": "livy-batch-7"}
LABELS = sorted(
    {sanitised(key) for labels in (JOB_RUN, IN_ENDPOINT, ON_EMR, OF_OPERATOR, DRIVER, FLINK, LIVY) for key in labels}
)
VALUES = [
    "",
    "x",
    "job.run",
    "managed.endpoint",
    "flink-native-kubernetes",
    "jobmanager",
    "livy",
    JOB,
    f"jeg-{ENDPOINT}",
    "jeg-",
]


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from(LABELS), st.sampled_from(VALUES)),
    st.sampled_from(["pod-1", "jeg-", f"jeg-{ENDPOINT}-0"]),
    st.sampled_from([None, "job", "deployment", "daemonset"]),
    st.sampled_from([None, "", JOB, "jeg-", "spark-operator"]),
)
def test_every_spark_or_flink_workload_has_an_id(
    labels: dict[str, str], name: str, kind: str | None, controller: str | None
) -> None:
    workload = attribute(Pod("analytics", name, kind, controller, labels))
    assert bool(workload.id) == (workload.kind not in (WorkloadKind.PLATFORM, WorkloadKind.OTHER))
    assert (workload.job_run_id is not None) == (workload.kind is WorkloadKind.JOB_RUN)
    flink = workload.kind is WorkloadKind.FLINK
    better = ("eks_subscription_amazonaws_com_emr_internal_id", "app" if flink else "spark_app_selector")
    if {labels.get(key) or name for key in better} != {name}:
        assert workload.id != f"analytics/{name}", "a pod's name stands in only where nothing better is known"
