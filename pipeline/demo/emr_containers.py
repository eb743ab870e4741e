"""The estate's virtual clusters, job runs and endpoints, as a moto server lists them in place of EMR containers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import PaginatedResult
from moto.core.utils import get_pagination_model
from moto.emrcontainers import urls
from moto.emrcontainers.models import JobRun, VirtualCluster, emrcontainers_backends
from moto.emrcontainers.responses import EMRContainersResponse

from pipeline.demo.estate.cluster import Pod
from pipeline.demo.estate.estate import Estate
from pipeline.demo.estate.identifiers import chance

_RELEASE = "emr-7.5.0-latest"
_NEW_RELEASE = "emr-7.6.0-latest"
_UPGRADE = datetime(2026, 10, 14, tzinfo=UTC)
"""From then on job runs are started on the new release; the endpoint stays on the one that it was created with."""
_ENDPOINTS = "{0}/virtualclusters/(?P<virtualClusterId>[^/]+)/endpoints$"
_FAILING = 0.06
_CANCELLED = "orders-backfill"


@dataclass(frozen=True)
class ManagedEndpoint:
    """An interactive endpoint, which moto knows nothing of: fields as the API names them, in snake case."""

    id: str
    name: str
    arn: str
    virtual_cluster_id: str
    execution_role_arn: str
    created_at: datetime
    tags: Mapping[str, str]
    type: str = "JUPYTER_ENTERPRISE_GATEWAY"
    state: str = "ACTIVE"
    release_label: str = _RELEASE


def install(estate: Estate, now: datetime) -> None:
    """Make every moto server of this process list *estate*'s EMR resources as they are at *now*.

    A server that has answered for EMR containers before does not learn of the endpoints.
    """
    pods = defaultdict[str, list[Pod]](list)
    for pod in (placement.pod for placement in estate.placements):
        if pod.workload.virtual_cluster_id is not None and pod.life.start <= now:
            pods[str(pod.workload.id)].append(pod)
    workloads = list(pods.values())
    runs = [_job_run(estate, of, now) for of in workloads if of[0].workload.kind == "job_run"]
    backend = emrcontainers_backends[DEFAULT_ACCOUNT_ID][estate.region]  # which moto takes every key to belong to
    backend.virtual_clusters = _virtual_clusters(estate, workloads)
    backend.job_runs = {run.id: run for run in runs}
    serve_endpoints(_endpoint(estate, of) for of in workloads if of[0].workload.kind == "interactive_endpoint")


def serve_endpoints(endpoints: Iterable[ManagedEndpoint]) -> None:
    """Teach moto's EMR containers the action ListManagedEndpoints, over *endpoints*.

    moto is somebody else's test double, which lacks the action: it is added here. Nothing of ours is patched.
    """
    known = tuple(endpoints)

    def list_managed_endpoints(response: EMRContainersResponse) -> PaginatedResult:
        asked = response.params
        return PaginatedResult({"endpoints": [endpoint for endpoint in known if _matches(endpoint, asked)]})

    setattr(EMRContainersResponse, list_managed_endpoints.__name__, list_managed_endpoints)
    urls.url_paths[_ENDPOINTS] = EMRContainersResponse.dispatch
    get_pagination_model("emr-containers")["ListManagedEndpoints"]["unique_attribute"] = "id"


def _matches(endpoint: ManagedEndpoint, asked: Mapping[str, Any]) -> bool:
    """Whether an endpoint is among those that a request's parameters ask for."""
    return (
        endpoint.virtual_cluster_id == asked["virtualClusterId"]
        and endpoint.state in (asked.get("states") or [endpoint.state])
        and endpoint.type in (asked.get("types") or [endpoint.type])
        and asked.get("createdAfter", endpoint.created_at) <= endpoint.created_at
        and endpoint.created_at <= asked.get("createdBefore", endpoint.created_at)
    )


def _virtual_clusters(estate: Estate, workloads: Iterable[list[Pod]]) -> dict[str, VirtualCluster]:
    namespaces = {str(pods[0].workload.virtual_cluster_id): pods[0].namespace for pods in workloads}
    return {key: _virtual_cluster(estate, key, namespace) for key, namespace in namespaces.items()}


def _virtual_cluster(estate: Estate, key: str, namespace: str) -> VirtualCluster:
    found = VirtualCluster(
        name=namespace,
        container_provider={"id": estate.name, "type": "EKS", "info": {"eksInfo": {"namespace": namespace}}},
        client_token=key,
        virtual_cluster_id=key,
        tags=_tags(estate, namespace),
        **_place(estate),
    )
    found.created_at = _naive(estate.history.start)
    return found


def _job_run(estate: Estate, pods: list[Pod], now: datetime) -> JobRun:
    pod, job = pods[0], str(pods[0].workload.job_run_id)
    created_at = min(pod.life.start for pod in pods)
    found = JobRun(
        name=str(pod.workload.name),
        virtual_cluster_id=str(pod.workload.virtual_cluster_id),
        client_token=job,
        execution_role_arn=_role(estate, "emr-job"),
        release_label=_RELEASE if created_at < _UPGRADE else _NEW_RELEASE,
        job_driver="",
        configuration_overrides={},
        tags=_tags(estate, pod.namespace) | {k: v for k, v in pod.labels.items() if k == "requested-by"},
        **_place(estate),
    )
    found.arn = found.arn.removesuffix(found.id) + job
    found.id = job
    found.created_at = _naive(created_at)
    found.created_by = _role(estate, "scheduler")  # type: ignore[assignment]  # moto's is never set
    ended = max(pod.life.end for pod in pods)
    if ended <= now:
        found.finished_at = _naive(ended)
        found.state, found.state_details, reason = _end(found)
        found.failure_reason = reason  # type: ignore[assignment]  # moto's is never set
    return found


def _end(run: JobRun) -> tuple[str, str, str | None]:
    """How a job run ended: its state, the details, and the reason if it failed."""
    if run.name == _CANCELLED:
        return "CANCELLED", "JobRun CANCELLED successfully.", None
    if chance("end", run.id).random() < _FAILING:
        return "FAILED", "JobRun failed. Exit code 1. Please check the driver's logs.", "USER_ERROR"
    return "COMPLETED", "JobRun completed successfully. It ran on Amazon EMR on EKS.", None


def _endpoint(estate: Estate, pods: list[Pod]) -> ManagedEndpoint:
    """The endpoint of which *pods* are the gateway and the kernels."""
    workload, namespace = pods[0].workload, pods[0].namespace
    return ManagedEndpoint(
        id=str(workload.id),
        name=f"{namespace.removeprefix('emr-')}-studio",
        arn=f"arn:aws:emr-containers:{estate.region}:{estate.account_id}:{workload.emr_resource}",
        virtual_cluster_id=str(workload.virtual_cluster_id),
        execution_role_arn=_role(estate, "emr-studio"),
        created_at=_naive(min(pod.life.start for pod in pods)),
        tags=_tags(estate, namespace),
    )


def _tags(estate: Estate, namespace: str) -> dict[str, str]:
    """What the namespace's labels say, which teams also tag their resources with."""
    return {key: value for key, value in estate.namespaces[namespace].items() if "/" not in key}


def _role(estate: Estate, name: str) -> str:
    return f"arn:aws:iam::{estate.account_id}:role/{name}"


def _place(estate: Estate) -> dict[str, Any]:
    return {"account_id": estate.account_id, "region_name": estate.region, "aws_partition": "aws"}


def _naive(instant: datetime) -> datetime:
    """As moto keeps it, and compares it with what was asked for."""
    return instant.astimezone(UTC).replace(tzinfo=None)
