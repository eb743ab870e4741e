"""The figures of a run: what they are called and counted in, and how CloudWatch is told of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import boto3
from botocore.config import Config

from pipeline.aws import CONFIG, translated

NAMESPACE = "Chargeback"
"""The namespace of figures that are only logged."""

_PATIENCE = Config(connect_timeout=5, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00Z")


class Metric(StrEnum):
    """A figure, by CloudWatch's name of it."""

    SUCCEEDED = "Succeeded"
    SECONDS = "Seconds"
    NEWEST_WINDOW_AGE = "NewestWindowAge"
    WINDOWS_COLLECTED = "WindowsCollected"
    WINDOWS_MISSING = "WindowsMissing"
    WINDOWS_LOST = "WindowsLost"
    WINDOWS_REJECTED = "WindowsRejected"
    ROWS = "Rows"
    ESTIMATED_COST = "EstimatedCost"
    DAYS_REPLACED = "DaysReplaced"
    DAY_COST = "DayCost"
    CHECKS_FAILED = "ChecksFailed"
    CHECKS_WARNED = "ChecksWarned"

    @property
    def unit(self) -> str:
        """Its unit; CloudWatch has none for hours and for money."""
        if self in (Metric.NEWEST_WINDOW_AGE, Metric.ESTIMATED_COST, Metric.DAY_COST):
            return "None"
        return "Seconds" if self is Metric.SECONDS else "Count"


@dataclass(frozen=True)
class Report:
    """The figures of one run of *command* for the EKS cluster *cluster_name*, which ended *at* a time.

    One that is None or no finite number is not known, and nobody is told of it.
    """

    command: str
    cluster_name: str
    at: datetime
    figures: Mapping[Metric, float | None]

    @property
    def known(self) -> dict[Metric, float]:
        """The figures that are known."""
        return {name: value for name, value in self.figures.items() if value is not None and math.isfinite(value)}

    @property
    def dimensions(self) -> dict[str, str]:
        """What sets these figures apart from others of the same names."""
        return {"ClusterName": self.cluster_name, "Command": self.command}


class CloudWatch:
    """CloudWatch's metrics in *namespace*, seen through *session*."""

    def __init__(self, session: boto3.Session, namespace: str) -> None:
        self._session = session
        self._namespace = namespace

    def put(self, report: Report) -> None:
        """Publish a report's figures.

        Raises:
            ChargebackError: CloudWatch did not take them.
        """
        dimensions = [{"Name": name, "Value": value} for name, value in report.dimensions.items()]
        what = f"Publishing the figures of {report.command} to {self._namespace} in CloudWatch"
        with translated(f"{what} (cloudwatch:PutMetricData)"):
            self._session.client("cloudwatch", config=CONFIG.merge(_PATIENCE)).put_metric_data(
                Namespace=self._namespace,
                MetricData=[
                    {
                        "MetricName": name.value,
                        "Dimensions": dimensions,
                        "Timestamp": report.at,
                        "Value": value,
                        "Unit": name.unit,
                    }
                    for name, value in report.known.items()
                ],
            )


def embedded(report: Report) -> dict[str, object]:
    """A report as one object of CloudWatch's embedded metric format, of which CloudWatch Logs makes metrics.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[*report.dimensions]],
        "Metrics": [{"Name": name.value, "Unit": name.unit} for name in report.known],
    }
    metadata = {"Timestamp": (report.at - _EPOCH) // _MILLISECOND, "CloudWatchMetrics": [directive]}
    return {
        "_aws": metadata,
        **report.dimensions,
        **{name.value: value for name, value in report.known.items()},
    }
