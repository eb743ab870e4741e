"""How settings become connections to the outside."""

from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config

from pipeline import policy_files
from pipeline.aws import CONFIG, translated
from pipeline.emr import EmrContainers
from pipeline.errors import ConfigurationError
from pipeline.kubecost import Kubecost
from pipeline.lake import Lake
from pipeline.models import Location
from pipeline.plan import Schedule
from pipeline.policy import Policy
from pipeline.policy_csv import read_policy
from pipeline.settings import CollectSettings, LakeSettings, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_IMPATIENT = Config(connect_timeout=3, read_timeout=30)


def session(settings: Settings, *, patient: bool = True) -> boto3.Session:
    """The AWS SDK's session, one for each run; where its own chain names no region, the cluster's.

    One that is not *patient* gives a service that cannot be reached up after seconds.
    """
    with translated("Reading the AWS configuration"):
        core = botocore.session.get_session()
        if not patient:
            core.set_default_client_config(_IMPATIENT)
        if core.get_config_variable("region") is None and settings.cluster_arn is not None:
            core.set_config_variable("region", settings.cluster_arn.region)
        return boto3.Session(botocore_session=core)


def kubecost(settings: CollectSettings) -> Kubecost:
    """Kubecost or OpenCost."""
    key, bundle = settings.kubecost_api_key, settings.kubecost_ca_bundle
    return Kubecost(
        settings.kubecost_url,
        cluster_id=settings.kubecost_cluster_id,
        api_key=key.get_secret_value() if key else None,
        ca_bundle=str(bundle) if bundle else None,
    )


def region(session: boto3.Session) -> str:
    """The AWS Region that is spoken to.

    Raises:
        ConfigurationError: nothing names one.
    """
    name = session.region_name
    if not name:
        raise ConfigurationError("No AWS Region is set. Set AWS_DEFAULT_REGION, or CHARGEBACK_CLUSTER_ARN.")
    return str(name)


def s3(session: boto3.Session) -> "S3Client":
    """Amazon S3."""
    with translated("Connecting to S3"):
        return session.client("s3", config=CONFIG)


def policy(settings: Settings, session: boto3.Session) -> Policy:
    """The policy that the setting names, else the examples that ship with the product."""
    match settings.policy:
        case None:
            return read_policy(policy_files.examples(), "the package's sql/policy")
        case Location() as location:
            return read_policy(policy_files.in_s3(s3(session), location), location.uri())
        case directory:
            return read_policy(policy_files.in_directory(directory), str(directory))


def lake(settings: LakeSettings, session: boto3.Session) -> Lake:
    """The lake on S3."""
    return Lake(s3(session), settings.lake, settings.cluster_arn)


def emr(settings: LakeSettings, session: boto3.Session) -> EmrContainers:
    """The EMR containers API, as far as it concerns our cluster."""
    return EmrContainers(session, settings.cluster_arn)


def schedule(settings: Settings) -> Schedule:
    """When which hour is fetched."""
    return Schedule(
        collect_after=settings.collect_after,
        settle_after=settings.settle_after,
        lookback=settings.lookback,
        hourly_retention=settings.hourly_retention,
    )
