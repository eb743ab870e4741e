"""How the EMR containers API is asked for an EKS cluster's virtual clusters, job runs and managed endpoints."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import msgspec
from botocore.config import Config
from msgspec.structs import force_setattr, replace

from pipeline.answers import cut
from pipeline.aws import CONFIG, translated
from pipeline.errors import ConfigurationError, ContractError
from pipeline.models import Cluster

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_emr_containers.type_defs import ListJobRunsRequestPaginateTypeDef


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all three kinds have in common; fields that are not kept are passed over."""

    arn: str
    name: str | None = None
    state: str
    created_at: datetime
    tags: dict[str, str] | None = {}

    def __post_init__(self) -> None:
        """Hold no tags where the API says null."""
        if self.tags is None:
            force_setattr(self, "tags", {})


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


class _Page(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One answer; *next_token* is None on the last page."""

    next_token: str | None = None


class _VirtualClusters(_Page, frozen=True, kw_only=True):
    virtual_clusters: tuple[VirtualCluster, ...]


class _JobRuns(_Page, frozen=True, kw_only=True):
    job_runs: tuple[JobRun, ...]


class _ManagedEndpoints(_Page, frozen=True, kw_only=True):
    endpoints: tuple[ManagedEndpoint, ...]


class _OneJobRun(_Page, frozen=True, kw_only=True):
    job_run: JobRun


_PageT = TypeVar("_PageT", bound=_Page)

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "ListVirtualClusters": msgspec.json.Decoder(_VirtualClusters),
    "ListJobRuns": msgspec.json.Decoder(_JobRuns),
    "ListManagedEndpoints": msgspec.json.Decoder(_ManagedEndpoints),
    "DescribeJobRun": msgspec.json.Decoder(_OneJobRun),
}
_PAGE = "page"


class EmrContainers:
    """The API in the account of *session* and the Region of *cluster*; errors are those of `pipeline.aws`.

    An answer that cannot be read is a ContractError. *config* says how long and how often botocore tries.
    Source: https://docs.aws.amazon.com/emr-on-eks/latest/APIReference/API_Operations.html
    """

    def __init__(self, session: boto3.Session, cluster: Cluster, config: Config = CONFIG) -> None:
        with translated("Connecting to EMR containers"):
            self._client = session.client("emr-containers", region_name=cluster.region, config=config)
        self._client.meta.events.register("before-parse.emr-containers", _read)
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
        with _asked(f"Listing the virtual clusters of {name}"):
            found = [of for page in pages for of in _page(page, _VirtualClusters).virtual_clusters]
        self._refuse_namesake(found)
        return found

    def job_runs(self, of: VirtualCluster, created_after: datetime | None = None) -> list[JobRun]:
        """The job runs of a virtual cluster that were created after an instant; all of them if it is None."""
        asked: ListJobRunsRequestPaginateTypeDef = {"virtualClusterId": of.virtual_cluster_id}
        if created_after is not None:
            asked["createdAfter"] = created_after
        pages = self._client.get_paginator("list_job_runs").paginate(**asked)
        with _asked(f"Listing the job runs of the virtual cluster {of.virtual_cluster_id}"):
            try:
                found = [run for page in pages for run in _page(page, _JobRuns).job_runs]
            except self._client.exceptions.ResourceNotFoundException:
                return []
        return [replace(run, namespace=of.namespace) for run in found]

    def job_run(self, of: VirtualCluster, job_run_id: str) -> JobRun | None:
        """One job run of a virtual cluster; None where EMR no longer knows it."""
        with _asked(f"Asking for the job run {job_run_id}"):
            try:
                answer = self._client.describe_job_run(virtualClusterId=of.virtual_cluster_id, id=job_run_id)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        return replace(_page(answer, _OneJobRun).job_run, namespace=of.namespace)

    def managed_endpoints(self, of: VirtualCluster) -> list[ManagedEndpoint]:
        """The managed endpoints of a virtual cluster in every state, as long as EMR lists them."""
        pages = self._client.get_paginator("list_managed_endpoints").paginate(virtualClusterId=of.virtual_cluster_id)
        with _asked(f"Listing the managed endpoints of the virtual cluster {of.virtual_cluster_id}"):
            try:
                found = [endpoint for page in pages for endpoint in _page(page, _ManagedEndpoints).endpoints]
            except self._client.exceptions.ResourceNotFoundException:
                return []
        return [replace(endpoint, namespace=of.namespace) for endpoint in found]

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


class _UnreadableError(Exception):
    """An answer is none that the API describes."""


@contextmanager
def _asked(what: str) -> Iterator[None]:
    """Turn whatever goes wrong into our errors, saying that it was *what* that failed."""
    try:
        with translated(what):
            yield
    except _UnreadableError as error:
        raise ContractError(f"{what} failed: {error}") from error


def _read(
    operation_model: "OperationModel",
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Read a good answer in botocore's place, which checks nothing and breaks where it does not understand.

    Source: botocore's event `before-parse`, whose *customized_response_dict* is added to what it reads itself.
    """
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    try:
        page = _DECODERS[operation_model.name].decode(response_dict["body"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = cut(str(error))
        raise _UnreadableError(f"EMR's answer to {operation_model.name} cannot be read: {said}.") from error
    response_dict["body"] = b"{}"
    customized_response_dict.update({_PAGE: page, "nextToken": page.next_token})


def _page(answer: Mapping[str, object], kind: type[_PageT]) -> _PageT:
    """What `_read` made of an answer."""
    page = answer[_PAGE]
    if not isinstance(page, kind):
        raise TypeError(f"{type(page).__name__} is no {kind.__name__}")
    return page
