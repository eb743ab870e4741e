"""Whose pod it is: the table that turns a pod's labels and controller into a workload."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from pipeline.platform import PLATFORM


class WorkloadKind(StrEnum):
    """Every way in which a pod comes to run."""

    JOB_RUN = "job_run"
    INTERACTIVE_ENDPOINT = "interactive_endpoint"
    FLINK = "flink"
    SPARK_OPERATOR = "spark_operator"
    SPARK_SUBMIT = "spark_submit"
    SPARK = "spark"
    PLATFORM = "platform"
    OTHER = "other"


class Pod(msgspec.Struct, frozen=True):
    """What attribution looks at: labels with sanitised keys, and the controller that owns the pod."""

    namespace: str | None
    name: str | None
    controller_kind: str | None
    controller_name: str | None
    labels: Mapping[str, str]


class Workload(msgspec.Struct, frozen=True):
    """The workload that a pod belongs to; *id* is None only for `platform` and `other`.

    An *id* that is unique only inside of a namespace is written `namespace/name`.
    """

    kind: WorkloadKind
    id: str | None = None
    name: str | None = None
    virtual_cluster_id: str | None = None
    job_run_id: str | None = None
    emr_internal_id: str | None = None
    spark_app_id: str | None = None
    spark_app_name: str | None = None
    spark_role: str | None = None
    reason: str | None = None


JOB_ID = "emr_containers_amazonaws_com_job_id"
VIRTUAL_CLUSTER_ID = "emr_containers_amazonaws_com_virtual_cluster_id"
RESOURCE_TYPE = "emr_containers_amazonaws_com_resource_type"
COMPONENT = "emr_containers_amazonaws_com_component"
ENDPOINT_ID = "emr_containers_amazonaws_com_managed_endpoint_id"
INTERNAL_ID = "eks_subscription_amazonaws_com_emr_internal_id"
SPARK_APP_ID = "spark_app_selector"
SPARK_APP_NAME = "spark_app_name"
SPARK_APP_TAG = "spark_app_tag"
SPARK_ROLE = "spark_role"
SPARK_EXECUTOR_ID = "spark_exec_id"
SPARK_VERSION = "spark_version"
CREATED_BY = "created_by"
OPERATOR_APP_NAME = "sparkoperator_k8s_io_app_name"
OPERATOR_SUBMISSION_ID = "sparkoperator_k8s_io_submission_id"

_OPERATOR_LABELS = (
    OPERATOR_APP_NAME,
    OPERATOR_SUBMISSION_ID,
    "sparkoperator_k8s_io_launched_by_spark_operator",
)
_SPARK_LABELS = (SPARK_APP_ID, SPARK_APP_NAME, SPARK_APP_TAG, *_OPERATOR_LABELS)
_LIVY = "livy"
_FLINK_TYPES = ("flink-native-kubernetes", "flink-standalone-kubernetes")
_FLINK_COMPONENTS = ("jobmanager", "taskmanager")
_POD_OF_SPARK = re.compile(r".*-(driver|exec-[0-9]+)", re.ASCII)  # as Spark itself names its pods
_GATEWAY_PREFIX = "jeg-"  # Jupyter Enterprise Gateway: its pods are named after the endpoint, no label carries the id
_JOB_RUN_ID = re.compile(r"0000[0-9a-z]{15}", re.ASCII)
_ROLES = {"job.submitter": "submitter", "controller": "submitter", "managed.endpoint": "gateway"}


def attribute(pod: Pod) -> Workload:
    """Say whose *pod* it is: the first rule that knows the pod decides."""
    return next(workload for rule in _RULES if (workload := rule(pod)) is not None)


def united(workloads: Iterable[Workload]) -> dict[Workload, Workload]:
    """Each of *workloads* as the richest of those that share its EMR internal ID or Spark application ID knows it.

    Not every pod of an application carries all labels: executors may lack those of the operator or of the job.
    """
    pods = set(workloads)
    richest: dict[tuple[str, str], Workload] = {}
    for workload in pods:
        for key in _applications(workload):
            richest[key] = min(richest.get(key, workload), workload, key=_poverty)
    return {workload: _joined(workload, [richest[key] for key in _applications(workload)]) for workload in pods}


def complete(workloads: Iterable[Workload]) -> dict[tuple[WorkloadKind, str], Workload]:
    """What all pods of one workload say together, by kind and ID, for the pods that do not say it themselves.

    Where pods disagree, the smallest value speaks: the answer does not depend on the order of the rows.
    """
    known: dict[tuple[WorkloadKind, str], Workload] = {}
    for workload in set(workloads):
        if workload.id is not None:
            key = (workload.kind, workload.id)
            known[key] = _merged(known.get(key, workload), workload)
    return known


def completed(workload: Workload, known: Mapping[tuple[WorkloadKind, str], Workload]) -> Workload:
    """*workload* with its gaps filled from what the other pods of the same workload say."""
    if workload.id is None:
        return workload
    peers = known[workload.kind, workload.id]
    gaps = {field: getattr(peers, field) for field in _shared(workload) if getattr(workload, field) is None}
    return replace(workload, **gaps) if gaps else workload


def shared_labels(
    pods: Iterable[tuple[Workload, Mapping[str, str] | None]], keys: Sequence[str]
) -> dict[tuple[WorkloadKind, str], dict[str, str]]:
    """The labels among *keys* that any pod of a workload carries, by kind and ID, for its pods that do not.

    Where pods disagree, the smallest value speaks.
    """
    known: dict[tuple[WorkloadKind, str], dict[str, str]] = {}
    for workload, labels in pods:
        if not labels or workload.id is None or not _is_one_application(workload):
            continue
        peers = known.setdefault((workload.kind, workload.id), {})
        for key in keys:
            if key in labels:
                peers[key] = min(labels[key], peers.get(key, labels[key]))
    return known


def _applications(workload: Workload) -> Iterator[tuple[str, str]]:
    for field in ("emr_internal_id", "spark_app_id"):
        if getattr(workload, field):
            yield field, getattr(workload, field)


def _poverty(workload: Workload) -> tuple[int, bool, str]:
    """What sorts the richest first: by the table of rules, then an ID that only some of the pods know."""
    given = workload.id in (workload.emr_internal_id, workload.spark_app_id)
    return _FROM_THE_TOP.index(workload.kind), given, workload.id or ""


def _joined(workload: Workload, peers: Iterable[Workload]) -> Workload:
    """*workload* as one of the richest of itself and its *peers*."""
    richest = min([workload, *peers], key=_poverty)
    return replace(workload, kind=richest.kind, id=richest.id, job_run_id=richest.job_run_id)


_FROM_THE_TOP = tuple(WorkloadKind)
_SHARED = ("name", "virtual_cluster_id", "emr_internal_id", "spark_app_id", "spark_app_name")


def _shared(workload: Workload) -> tuple[str, ...]:
    """What all pods of a workload have in common."""
    return _SHARED if _is_one_application(workload) else ("virtual_cluster_id",)


def _is_one_application(workload: Workload) -> bool:
    """Whether all pods of the workload are one application; each kernel of an endpoint is one of its own."""
    return workload.kind is not WorkloadKind.INTERACTIVE_ENDPOINT


def _merged(one: Workload, other: Workload) -> Workload:
    values: dict[str, Any] = {
        field: min((v for v in (getattr(one, field), getattr(other, field)) if v is not None), default=None)
        for field in _SHARED
    }
    return replace(one, spark_role=None, **values)


def _job_run(pod: Pod) -> Workload | None:
    job_run_id = pod.labels.get(JOB_ID) or _job_run_of_controller(pod)
    if not job_run_id:
        return None
    return _workload(pod, WorkloadKind.JOB_RUN, job_run_id, pod.labels.get(SPARK_APP_NAME), job_run_id=job_run_id)


def _job_run_of_controller(pod: Pod) -> str | None:
    """The job run of a job-runner pod, whose Job controller is named after it; not every release labels the pod."""
    if pod.controller_kind == "job" and _JOB_RUN_ID.fullmatch(pod.controller_name or ""):
        return pod.controller_name
    return None


def _interactive_endpoint(pod: Pod) -> Workload | None:
    of_endpoint = pod.labels.get(VIRTUAL_CLUSTER_ID) and "endpoint" in pod.labels.get(RESOURCE_TYPE, "")
    if not of_endpoint and not pod.labels.get(ENDPOINT_ID):
        return None
    ids = (
        pod.labels.get(ENDPOINT_ID),
        _endpoint_of_gateway(pod),
        pod.labels.get(INTERNAL_ID),
        pod.labels.get(SPARK_APP_ID),
    )
    return _workload(pod, WorkloadKind.INTERACTIVE_ENDPOINT, _first(ids) or _in_namespace(pod, pod.name), None)


def _endpoint_of_gateway(pod: Pod) -> str | None:
    names = (pod.labels.get("app_kubernetes_io_name"), pod.controller_name, pod.name)
    gateway = next((name for name in names if name and name.startswith(_GATEWAY_PREFIX)), None)
    return gateway.removeprefix(_GATEWAY_PREFIX).split("-", 1)[0] if gateway else None


def _flink(pod: Pod) -> Workload | None:
    """Flink started by itself, by its operator in native or standalone mode, or from Flink's own manifests.

    Source: https://nightlies.apache.org/flink/flink-docs-stable/docs/deployment/resource-providers/
    """
    component = pod.labels.get("component")
    if pod.labels.get("type") not in _FLINK_TYPES and not _is_named_flink(pod, component):
        return None
    app = pod.labels.get("app") or _flink_of_controller(pod)
    workload_id = pod.labels.get(INTERNAL_ID) or _in_namespace(pod, app or pod.name)
    return replace(_workload(pod, WorkloadKind.FLINK, workload_id, app), spark_role=component or None)


def _is_named_flink(pod: Pod, component: str | None) -> bool:
    """Whether a name bears out a *component* of Flink: the label alone may be another tool's, or the node's."""
    if component not in _FLINK_COMPONENTS:
        return False
    names = [name for name in (pod.controller_name, pod.name) if name]
    return "flink" in pod.labels.get("app", "") or any(component in name or "flink" in name for name in names)


def _flink_of_controller(pod: Pod) -> str | None:
    """Flink's name of the cluster, after which its JobManager and TaskManagers are named."""
    return (pod.controller_name or "").removesuffix("-taskmanager").removesuffix("-jobmanager") or None


def _spark_operator(pod: Pod) -> Workload | None:
    if not pod.labels.get(INTERNAL_ID) or not any(pod.labels.get(label) for label in _OPERATOR_LABELS):
        return None
    return _workload(pod, WorkloadKind.SPARK_OPERATOR, pod.labels[INTERNAL_ID], _operator_name(pod))


def _spark_submit(pod: Pod) -> Workload | None:
    if not pod.labels.get(INTERNAL_ID):
        return None
    return _workload(pod, WorkloadKind.SPARK_SUBMIT, pod.labels[INTERNAL_ID], pod.labels.get(SPARK_APP_NAME))


def _spark(pod: Pod) -> Workload | None:
    if not _runs_spark(pod):
        return None
    ids = (
        pod.labels.get(OPERATOR_SUBMISSION_ID),
        pod.labels.get(SPARK_APP_ID),
        pod.labels.get(SPARK_APP_TAG),
    )
    name = _operator_name(pod)
    workload_id = _first(ids) or _in_namespace(pod, name or pod.controller_name or pod.name)
    return _workload(pod, WorkloadKind.SPARK, workload_id, name)


def _runs_spark(pod: Pod) -> bool:
    """Whether a label of Spark, its operator or Livy is on the pod.

    Upstream adds a node's labels to those of its pods, and `spark-role` is put on nodes that are kept for drivers:
    alone it tells nothing. A second sign must be Spark's own, and drivers and executors have no controller.
    """
    return (
        any(pod.labels.get(label) for label in _SPARK_LABELS)
        or pod.labels.get(CREATED_BY) == _LIVY
        or bool(pod.labels.get(SPARK_ROLE) and not pod.controller_kind and _is_made_by_spark(pod))
    )


def _is_made_by_spark(pod: Pod) -> bool:
    return bool(
        pod.labels.get(SPARK_EXECUTOR_ID) or pod.labels.get(SPARK_VERSION) or _POD_OF_SPARK.fullmatch(pod.name or "")
    )


def _platform(pod: Pod) -> Workload | None:
    for rule in PLATFORM:
        if rule.holds(pod.namespace, pod.controller_kind, pod.controller_name, pod.labels):
            return Workload(WorkloadKind.PLATFORM, reason=rule.reason)
    return None


def _other(_: Pod) -> Workload:
    return Workload(WorkloadKind.OTHER)


def _operator_name(pod: Pod) -> str | None:
    return pod.labels.get(OPERATOR_APP_NAME) or pod.labels.get(SPARK_APP_NAME)


def _in_namespace(pod: Pod, name: str | None) -> str:
    """What tells a workload whose name another one may have in another namespace."""
    return "/".join(part for part in (pod.namespace, name) if part)


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def _workload(
    pod: Pod, kind: WorkloadKind, workload_id: str | None, name: str | None, job_run_id: str | None = None
) -> Workload:
    component = pod.labels.get(COMPONENT)  # before Spark's own label, which may be the node's
    return Workload(
        kind=kind,
        id=workload_id,
        name=name or None,
        virtual_cluster_id=pod.labels.get(VIRTUAL_CLUSTER_ID) or None,
        job_run_id=job_run_id,
        emr_internal_id=pod.labels.get(INTERNAL_ID) or None,
        spark_app_id=pod.labels.get(SPARK_APP_ID) or None,
        spark_app_name=pod.labels.get(SPARK_APP_NAME) or None,
        spark_role=_ROLES.get(component, component) if component else pod.labels.get(SPARK_ROLE) or None,
    )


_RULES: tuple[Callable[[Pod], Workload | None], ...] = (
    _job_run,
    _interactive_endpoint,
    _flink,
    _spark_operator,
    _spark_submit,
    _spark,
    _platform,
    _other,
)
