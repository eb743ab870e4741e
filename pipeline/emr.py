"""How the EMR containers API is asked for an EKS cluster's virtual clusters, job runs and managed endpoints."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import msgspec

from pipeline.aws import CONFIG, translated
from pipeline.errors import ConfigurationError, ContractError
from pipeline.models import Cluster

if TYPE_CHECKING:
    from mypy_boto3_emr_containers.type_defs import ListJobRunsRequestPaginateTypeDef


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all three kinds have in common; fields that are not kept are passed over."""

    arn: str
    name: str | None = None
    state: str
    created_at: datetime
    tags: dict[str, str] = {}


class _EksInfo(msgspec.Struct, frozen=True):
    namespace: str | None = None


class _ContainerInfo(msgspec.Struct, frozen=True, rename="camel"):
    eks_info: _EksInfo = _EksInfo()


class _ContainerProvider(msgspec.Struct, frozen=True):
    info: _ContainerInfo = _ContainerInfo()


class VirtualCluster(_Record, frozen=True, kw_only=True):
    """A namespace of the EKS cluster that EMR runs jobs in.

    Source: https://docs.aws.amazon.com/emr-on-eks/latest/APIReference/API_VirtualCluster.html
    """

    virtual_cluster_id: str = msgspec.field(name="id")
    container_provider: _ContainerProvider = _ContainerProvider()

    @property
    def namespace(self) -> str | None:
        """The Kubernetes namespace."""
        return self.container_provider.info.eks_info.namespace


class JobRun(_Record, frozen=True, kw_only=True):
    """One run of a job.

    Source: https://docs.aws.amazon.com/emr-on-eks/latest/APIReference/API_JobRun.html
    """

    job_run_id: str = msgspec.field(name="id")
    virtual_cluster_id: str
    namespace: str | None = None
    state_details: str | None = None
    failure_reason: str | None = None
    finished_at: datetime | None = None
    release_label: str | None = None
    execution_role_arn: str | None = None
    created_by: str | None = None


class ManagedEndpoint(_Record, frozen=True, kw_only=True):
    """An interactive endpoint, which notebooks of EMR Studio attach to.

    Source: https://docs.aws.amazon.com/emr-on-eks/latest/APIReference/API_Endpoint.html
    """

    managed_endpoint_id: str = msgspec.field(name="id")
    virtual_cluster_id: str
    namespace: str | None = None
    endpoint_type: str | None = msgspec.field(default=None, name="type")
    state_details: str | None = None
    failure_reason: str | None = None
    release_label: str | None = None
    execution_role_arn: str | None = None


_RecordT = TypeVar("_RecordT", bound=_Record)


class EmrContainers:
    """The API in the account of *session* and the Region of *cluster*; errors are those of `pipeline.aws`.

    Source: https://docs.aws.amazon.com/emr-on-eks/latest/APIReference/API_Operations.html
    """

    def __init__(self, session: boto3.Session, cluster: Cluster) -> None:
        with translated("Connecting to EMR containers"):
            self._client = session.client("emr-containers", region_name=cluster.region, config=CONFIG)
        self._cluster = cluster

    def virtual_clusters(self) -> list[VirtualCluster]:
        """The cluster's virtual clusters in every state, as long as EMR lists them.

        Raises:
            ConfigurationError: they are those of a namesake in another account.
        """
        name = self._cluster.name
        pages = self._client.get_paginator("list_virtual_clusters").paginate(
            containerProviderId=name, containerProviderType="EKS"
        )
        with translated(f"Listing the virtual clusters of {name}"):
            listed = [item for page in pages for item in page["virtualClusters"]]
        found = [_decoded(item, VirtualCluster, {}) for item in listed]
        self._refuse_namesake(found)
        return found

    def job_runs(self, of: VirtualCluster, created_after: datetime | None = None) -> list[JobRun]:
        """The job runs of a virtual cluster that were created after an instant; all of them if it is None."""
        asked: ListJobRunsRequestPaginateTypeDef = {"virtualClusterId": of.virtual_cluster_id}
        if created_after is not None:
            asked["createdAfter"] = created_after
        pages = self._client.get_paginator("list_job_runs").paginate(**asked)
        with translated(f"Listing the job runs of the virtual cluster {of.virtual_cluster_id}"):
            listed = [item for page in pages for item in page["jobRuns"]]
        return [_decoded(item, JobRun, {"namespace": of.namespace}) for item in listed]

    def job_run(self, of: VirtualCluster, job_run_id: str) -> JobRun | None:
        """One job run of a virtual cluster; None where EMR no longer knows it."""
        with translated(f"Asking for the job run {job_run_id}"):
            try:
                answer = self._client.describe_job_run(virtualClusterId=of.virtual_cluster_id, id=job_run_id)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        return _decoded(answer["jobRun"], JobRun, {"namespace": of.namespace})

    def managed_endpoints(self, of: VirtualCluster) -> list[ManagedEndpoint]:
        """The managed endpoints of a virtual cluster in every state, as long as EMR lists them."""
        pages = self._client.get_paginator("list_managed_endpoints").paginate(virtualClusterId=of.virtual_cluster_id)
        with translated(f"Listing the managed endpoints of the virtual cluster {of.virtual_cluster_id}"):
            listed = [item for page in pages for item in page["endpoints"]]
        return [_decoded(item, ManagedEndpoint, {"namespace": of.namespace}) for item in listed]

    def _refuse_namesake(self, found: Iterable[VirtualCluster]) -> None:
        """A virtual cluster lies in its EKS cluster's account and Region; the API only asks for the name."""
        cluster = self._cluster
        ours = f"arn:{cluster.partition}:emr-containers:{cluster.region}:{cluster.account_id}:"
        for other in found:
            if not other.arn.startswith(ours):
                raise ConfigurationError(
                    f"The virtual cluster {other.arn} belongs to a namesake of {cluster.arn}. "
                    f"Use credentials of the account {cluster.account_id}, or correct CHARGEBACK_CLUSTER_ARN."
                )


def _decoded(item: Any, kind: type[_RecordT], context: dict[str, str | None]) -> _RecordT:  # noqa: ANN401  boto3's
    try:
        return msgspec.convert({**item, **context}, kind)
    except msgspec.ValidationError as error:
        what = f"{kind.__name__} {item.get('id', 'without an id')}"
        raise ContractError(f"The EMR containers API gave a {what} that cannot be read: {error}.") from error
