"""The estate's virtual clusters and job runs, as a moto server lists them in place of the EMR containers API."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.emrcontainers.models import JobRun, VirtualCluster, emrcontainers_backends

from pipeline.demo.estate.cluster import Pod
from pipeline.demo.estate.estate import Estate

_RELEASE = "emr-7.5.0-latest"


def install(estate: Estate, now: datetime) -> None:
    """Make every moto server of this process list *estate*'s virtual clusters and job runs as they are at *now*."""
    backend = emrcontainers_backends[DEFAULT_ACCOUNT_ID][estate.region]  # which moto takes every key to belong to
    pods: dict[tuple[str, str], list[Pod]] = defaultdict(list)
    namespaces: dict[str, str] = {}
    for pod in (placement.pod for placement in estate.placements):
        virtual_cluster_id, job_run_id = pod.workload.virtual_cluster_id, pod.workload.job_run_id
        if virtual_cluster_id is not None:
            namespaces.setdefault(virtual_cluster_id, pod.namespace)
            if job_run_id is not None:
                pods[virtual_cluster_id, job_run_id].append(pod)
    since = estate.history.start
    backend.virtual_clusters = {
        key: _virtual_cluster(estate, key, namespace, since) for key, namespace in namespaces.items()
    }
    backend.job_runs = {job: _job_run(estate, vc, job, of, now) for (vc, job), of in pods.items()}


def _virtual_cluster(estate: Estate, key: str, namespace: str, since: datetime) -> VirtualCluster:
    found = VirtualCluster(
        name=namespace,
        container_provider={"id": estate.name, "type": "EKS", "info": {"eksInfo": {"namespace": namespace}}},
        client_token=key,
        virtual_cluster_id=key,
        tags={},
        **_place(estate),
    )
    found.created_at = since
    return found


def _job_run(estate: Estate, virtual_cluster_id: str, job: str, pods: list[Pod], now: datetime) -> JobRun:
    started, ended = min(pod.life.start for pod in pods), max(pod.life.end for pod in pods)
    found = JobRun(
        name=str(pods[0].workload.name),
        virtual_cluster_id=virtual_cluster_id,
        client_token=job,
        execution_role_arn=f"arn:aws:iam::{estate.account_id}:role/emr-job",
        release_label=_RELEASE,
        job_driver="",
        configuration_overrides={},
        tags={},
        **_place(estate),
    )
    found.arn = found.arn.removesuffix(found.id) + job
    found.id = job
    found.created_at = started
    if ended <= now:
        found.state, found.finished_at = "COMPLETED", ended
    return found


def _place(estate: Estate) -> dict[str, Any]:
    return {"account_id": estate.account_id, "region_name": estate.region, "aws_partition": "aws"}
