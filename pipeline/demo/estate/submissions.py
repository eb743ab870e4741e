"""Every way to run Spark on the cluster, and the labels by which each can be told from the others."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.demo.estate.cluster import MINUTE, Controller, Pod, Pool, Span, Traffic, Workload
from pipeline.demo.estate.identifiers import base36, hexadecimal, uuid
from pipeline.demo.estate.spark import Application, Size, Submission, container, fluentd

_EMR_SPARK = "3.5.1-amzn-1"
_PLAIN_SPARK = "3.5.3"
_INTERNAL_ID = "eks-subscription.amazonaws.com/emr.internal.id"
_COMPONENT = "emr-containers.amazonaws.com/component"
_RESOURCE_TYPE = "emr-containers.amazonaws.com/resource.type"
_VIRTUAL_CLUSTER_ID = "emr-containers.amazonaws.com/virtual-cluster-id"


@dataclass(frozen=True)
class VirtualCluster:
    """An EMR on EKS virtual cluster and the namespace that it owns."""

    id: str
    namespace: str


def start_job_run(app: Application, virtual_cluster: VirtualCluster) -> tuple[Pod, ...]:
    """The job runner, driver and executors of a StartJobRun."""
    job = f"0000000{base36(12, 'job run', app.key)}"
    labels = _job_run_labels(job, virtual_cluster)
    workload = Workload(
        "job_run",
        job,
        app.name,
        virtual_cluster.id,
        job,
        f"/virtualclusters/{virtual_cluster.id}/jobruns/{job}",
    )
    spark = _spark_labels(app.name, f"spark-{job}", _EMR_SPARK)
    driver_life = Span(app.life.start + 2 * MINUTE, app.life.end - MINUTE)
    submission = Submission(app, workload, spark | labels, f"spark-{job}-driver", driver_life, component=True)
    return (_job_runner(app, workload, labels), *submission.pods())


def interactive_session(app: Application, virtual_cluster: VirtualCluster, endpoint: str) -> tuple[Pod, ...]:
    """The kernel that one notebook session starts behind an interactive endpoint: a driver and its executors."""
    labels = {
        _INTERNAL_ID: _internal_id(app.key),
        "emr-containers.amazonaws.com/managed-endpoint-id": endpoint,
        _RESOURCE_TYPE: "managed.endpoint",
        _VIRTUAL_CLUSTER_ID: virtual_cluster.id,
    }
    spark = _spark_labels(app.name, _spark_id(app.key), _EMR_SPARK)
    driver = f"{app.resource_name}-driver"
    workload = endpoint_workload(virtual_cluster, endpoint)
    return Submission(app, workload, spark | labels, driver, app.life, component=True).pods()


def gateway(virtual_cluster: VirtualCluster, endpoint: str, life: Span, pool: Pool) -> Pod:
    """The Jupyter Enterprise Gateway of an interactive endpoint; no label of it carries the endpoint's id."""
    name = f"jeg-{endpoint}"
    template = hexadecimal(10, "template", name)
    pod = f"{name}-{template}-{base36(5, 'pod', name)}"
    uid = uuid("pod", pod)
    return Pod(
        namespace=virtual_cluster.namespace,
        name=pod,
        uid=uid,
        life=life,
        pool=pool,
        labels={
            "app": "enterprise-gateway",
            "app.kubernetes.io/name": name,
            _COMPONENT: "managed.endpoint",
            _RESOURCE_TYPE: "managed.endpoint",
            _VIRTUAL_CLUSTER_ID: virtual_cluster.id,
            "pod-template-hash": template,
        },
        containers=(container("enterprise-gateway", Size(1, 2), uid), fluentd(uid)),
        workload=endpoint_workload(virtual_cluster, endpoint),
        role="gateway",
        controller=Controller("deployment", name),
        services=(name,),
        traffic=Traffic(sent=40_000, received=55_000),
    )


def endpoint_workload(virtual_cluster: VirtualCluster, endpoint: str) -> Workload:
    """What the pods of an interactive endpoint belong to."""
    return Workload(
        "interactive_endpoint",
        endpoint,
        None,
        virtual_cluster.id,
        None,
        f"/virtualclusters/{virtual_cluster.id}/endpoints/{endpoint}",
    )


def spark_operator_on_emr(app: Application) -> tuple[Pod, ...]:
    """A SparkApplication of the Spark Operator whose image is EMR's."""
    internal = _internal_id(app.key)
    workload = Workload("spark_operator", internal, app.name, emr_resource=f"/sparkoperators/{internal}")
    labels = _operator_labels(app, _EMR_SPARK) | {_INTERNAL_ID: internal}
    return Submission(app, workload, labels, f"{app.name}-driver", app.life).pods()


def spark_submit_on_emr(app: Application) -> tuple[Pod, ...]:
    """A spark-submit from EMR's image."""
    internal = _internal_id(app.key)
    workload = Workload("spark_submit", internal, app.name, emr_resource=f"/sparksubmits/{internal}")
    labels = _spark_labels(app.name, _spark_id(app.key), _EMR_SPARK)
    labels[_INTERNAL_ID] = internal
    return Submission(app, workload, labels, f"{app.resource_name}-driver", app.life).pods()


def spark_operator(app: Application) -> tuple[Pod, ...]:
    """A SparkApplication of the Spark Operator with Apache's image."""
    workload = Workload("spark", _submission_id(app.key), app.name)
    return Submission(app, workload, _operator_labels(app, _PLAIN_SPARK), f"{app.name}-driver", app.life).pods()


def spark_submit(app: Application) -> tuple[Pod, ...]:
    """A spark-submit from Apache's image; without a name, the application's id is all there is."""
    workload = Workload("spark", _spark_id(app.key), app.name)
    labels = _spark_labels(app.name, _spark_id(app.key), _PLAIN_SPARK)
    return Submission(app, workload, labels, f"{app.resource_name}-driver", app.life).pods()


def _job_runner(app: Application, workload: Workload, labels: Mapping[str, str]) -> Pod:
    """The pod that submits the job: its Job is named after the job run, it knows no Spark name."""
    job = str(workload.job_run_id)
    name = f"{job}-{base36(5, 'job runner', job)}"
    uid = uuid("pod", name)
    runner = container("job-runner", Size(0.1, 0.5), uid)
    return Pod(
        namespace=app.namespace,
        name=name,
        uid=uid,
        life=app.life,
        pool=app.driver_pool,
        labels={
            **labels,
            **app.pod_labels,
            _COMPONENT: "job.submitter",
            "batch.kubernetes.io/job-name": job,
            "controller-uid": uuid("job", job),
            "job-name": job,
        },
        containers=(runner, fluentd(uid)) if app.fluentd else (runner,),
        workload=workload,
        role="submitter",
        controller=Controller("job", job),
        traffic=Traffic(sent=180_000, received=900_000),
    )


def _job_run_labels(job: str, virtual_cluster: VirtualCluster) -> dict[str, str]:
    return {
        _INTERNAL_ID: job,
        "emr-containers.amazonaws.com/job.id": job,
        _RESOURCE_TYPE: "job.run",
        _VIRTUAL_CLUSTER_ID: virtual_cluster.id,
    }


def _spark_labels(name: str | None, application_id: str, version: str) -> dict[str, str]:
    named = {} if name is None else {"spark-app-name": name}
    return {"spark-app-selector": application_id, "spark-version": version, **named}


def _operator_labels(app: Application, version: str) -> dict[str, str]:
    return _spark_labels(app.name, _spark_id(app.key), version) | {
        "sparkoperator.k8s.io/app-name": str(app.name),
        "sparkoperator.k8s.io/launched-by-spark-operator": "true",
        "sparkoperator.k8s.io/submission-id": _submission_id(app.key),
        "version": version.partition("-")[0],
    }


def _internal_id(key: str) -> str:
    return hexadecimal(32, "internal id", key)


def _spark_id(key: str) -> str:
    return f"spark-{hexadecimal(32, 'spark id', key)}"


def _submission_id(key: str) -> str:
    return uuid("submission", key)
