"""How the AWS account is probed: whose credentials these are, where they lead, and what EMR lists of the cluster."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import boto3

from pipeline.clock_probe import Clock, compared
from pipeline.emr import EmrContainers
from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError
from pipeline.identity import OF_THE_INSTANCE, Caller, Refusal, caller, refusal, server_time
from pipeline.models import Cluster
from pipeline.probe import NotRunError, Once, Probe, Said, by_kind
from pipeline.window import HOUR

SKIPPED = "--skip-emr was given"

_FIXES = {
    Refusal.NO_CREDENTIALS: "Give the service account a role: the annotation eks.amazonaws.com/role-arn, or an EKS Pod "
    "Identity association; then start a new pod, as one that runs gets neither.",
    Refusal.NO_TRUST: "Correct the role's trust policy: principal the cluster's OIDC provider, action "
    "sts:AssumeRoleWithWebIdentity, :sub system:serviceaccount:NAMESPACE:SERVICEACCOUNT and :aud sts.amazonaws.com.",
    Refusal.NO_PROVIDER: "Register the cluster's OIDC issuer with IAM in the role's account: "
    "eksctl utils associate-iam-oidc-provider --cluster NAME --approve.",
    Refusal.NO_TOKEN: "Start a new pod: EKS mounts the token when a pod is made. Leave it to EKS to set "
    "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.",
    Refusal.AGENT: "See that the add-on eks-pod-identity-agent runs on the node, that a NetworkPolicy lets the pod "
    "reach 169.254.170.23:80, and that the role trusts pods.eks.amazonaws.com with sts:AssumeRole and sts:TagSession.",
    Refusal.CLOCK: "Let the node keep its time by NTP: AWS takes no request that is five minutes off.",
    Refusal.OTHER: "See that the credentials are valid, and that a NetworkPolicy and the VPC let the pod reach "
    "sts.REGION.amazonaws.com on port 443.",
}


@dataclass(frozen=True)
class AwsProbes:
    """The probes of the account that *session* leads to, about *cluster*.

    *emr* connects to EMR, and is None where EMR is not to be asked; *clock* is None where `--now` took its place.
    """

    session: boto3.Session
    cluster: Cluster
    emr: Callable[[], EmrContainers] | None
    now: datetime
    clock: Clock | None

    def probes(self) -> Iterator[Probe]:
        """Each of them, in the order in which one needs the other."""
        yield Probe("AWS credentials", self._identity, _of_refusal)
        yield Probe("AWS clock", self._time, _of_refusal)
        yield Probe("AWS account", self._account, _of_refusal)
        yield Probe("AWS Region", self._region, _of_refusal)
        yield Probe("EMR on EKS", self._virtual_clusters, self._emr_fix, (self.credentials,))

    @cached_property
    def credentials(self) -> Once[Caller]:
        """Who we are; without credentials, there is nothing to ask AWS."""
        return Once(lambda: caller(self.session), "there are no AWS credentials", stopping=AccessDeniedError)

    def _identity(self) -> Said:
        found = self.credentials()
        if found.method == OF_THE_INSTANCE:
            return Said(f"{found.arn}, the node's own role", _FIXES[Refusal.NO_CREDENTIALS])
        return Said(found.arn)

    def _time(self) -> Said:
        def there() -> datetime | None:
            try:
                return self.credentials().server_time
            except ChargebackError as error:
                told = server_time(error)
                if told is None:
                    raise NotRunError("AWS gave no answer") from error
                return told

        return compared(self.clock, there)

    def _caller(self) -> Caller:
        """Who we are, for those that are about something else."""
        try:
            return self.credentials()
        except AccessDeniedError:
            return self.credentials.needed
        except ChargebackError as error:
            raise NotRunError("AWS gave no answer") from error

    def _account(self) -> Said:
        found, wanted = self._caller().account_id, self.cluster.account_id
        if found == wanted:
            return Said(found)
        return Said(
            f"the credentials are those of {found}, and the cluster is {wanted}'s",
            f"Use a role of the account {wanted}, or correct CHARGEBACK_CLUSTER_ARN.",
            ConfigurationError,
        )

    def _region(self) -> Said:
        found, wanted = self.session.region_name, self.cluster.region
        if found == wanted:
            return Said(wanted)
        return Said(
            f"S3, Glue and Athena are asked in {found}, and the cluster is in {wanted}",
            f"Set AWS_DEFAULT_REGION to {wanted}, unless the tables are meant to be in {found}; or correct "
            "CHARGEBACK_CLUSTER_ARN.",
        )

    def _virtual_clusters(self) -> Said:
        """List what `collect` lists, with the same calls."""
        if self.emr is None:
            raise NotRunError(SKIPPED)
        emr = self.emr()
        found = emr.virtual_clusters()
        if not found:
            return Said(
                f"EMR lists no virtual cluster of {self.cluster.name}",
                "If jobs are run by StartJobRun, look whether CHARGEBACK_CLUSTER_ARN names their cluster; if by the "
                "Spark Operator or spark-submit only, give `collect` and `doctor` the option --skip-emr.",
            )
        newest = max(found, key=lambda each: each.created_at)
        runs = emr.job_runs(newest, created_after=self.now - HOUR)
        if runs:
            emr.job_run(newest, runs[0].job_run_id)
        emr.managed_endpoints(newest)
        names = ", ".join(sorted(each.name or each.virtual_cluster_id for each in found)[:5])
        return Said(f"virtual clusters: {len(found)} ({names}); their job runs and endpoints may be listed")

    def _emr_fix(self, error: ChargebackError) -> str:
        return by_kind(
            {
                AccessDeniedError: "Allow the role emr-containers:ListVirtualClusters, ListJobRuns, DescribeJobRun and "
                "ListManagedEndpoints; a cluster without EMR on EKS needs none with the option --skip-emr.",
                ConfigurationError: f"Use credentials of the account {self.cluster.account_id} in "
                f"{self.cluster.region}, or correct CHARGEBACK_CLUSTER_ARN.",
            },
            otherwise=f"See that the pod may reach emr-containers.{self.cluster.region}.amazonaws.com on port 443.",
        )(error)


def _of_refusal(error: ChargebackError) -> str:
    return _FIXES[refusal(error)]
