"""What the organisation's other accounts and services add to the bill: most of it, and none of it the clusters'."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.reading.bill_charges import Amounts, Charge, Meter, line_of
from benchmarks.reading.estate import HOURS, MACHINES, identifiers
from pipeline.demo.bill.compute import EC2, instance_product
from pipeline.demo.bill.lines import ANALYTICS, Account, Product

_S3_NAME, _DYNAMO_NAME = "Amazon Simple Storage Service", "Amazon DynamoDB"
_S3 = Product("AmazonS3", "AmazonS3", "Storage", _S3_NAME)
_S3_CALLS = Product("AmazonS3", "AmazonS3", "API Request", _S3_NAME)
_DISK = Product("AmazonEC2", "AmazonEC2", "Storage", EC2, attributes={"volume_api_name": "gp3"})
_SNAPSHOT = Product("AmazonEC2", "AmazonEC2", "Storage Snapshot", EC2)
_TRANSFER = Product("AmazonEC2", "AWSDataTransfer", "Data Transfer", EC2)
_LAMBDA = Product("AWSLambda", "AWSLambda", "Serverless", "AWS Lambda")
_WATCH = Product("AmazonCloudWatch", "AmazonCloudWatch", "Metric", "AmazonCloudWatch")
_DYNAMO = Product("AmazonDynamoDB", "AmazonDynamoDB", "Amazon DynamoDB PayPerRequest Throughput", _DYNAMO_NAME)
_KMS = Product("awskms", "awskms", "API Request", "AWS Key Management Service")
_QUEUE = Product("AWSQueueService", "AWSQueueService", "API Request", "Amazon Simple Queue Service")
_DATABASE = Product("AmazonRDS", "AmazonRDS", "Database Instance", "Amazon Relational Database Service")
_BALANCER = Product("AWSELB", "AWSELB", "Load Balancer-Application", "Elastic Load Balancing")
_GUARD = Product("AmazonGuardDuty", "AmazonGuardDuty", "Security Services", "Amazon GuardDuty")

_ACCOUNTS = (ANALYTICS, *(Account(f"{200_000_000_000 + 7_654_321 * n}", f"acme-{n:02}") for n in range(1, 40)))
_TEAMS = 60
_HOURS_OF_MONTH = 744


@dataclass(frozen=True)
class Service:
    """A kind of resource, named like *resource*, of which each has one of the *meters*.

    Of a thousand resources, *share* are of it, and each is billed in so *often* an hour: for a unit if *spread* is 0,
    for its own size if it is negative, else for what it used, up to several times the spread.
    """

    meters: tuple[Meter, ...]
    share: int
    often: float
    resource: str
    spread: float


_SERVICES = (
    Service(
        tuple(
            Meter(instance_product(kind), f"BoxUsage:{kind.name}", "RunInstances", kind.on_demand_price, "Hrs")
            for kind in MACHINES
        ),
        share=130,
        often=0.9,
        resource="i-1{name}",
        spread=0,
    ),
    Service(
        (Meter(_DISK, "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", 0.08, "GB-Mo"),),
        share=230,
        often=0.95,
        resource="vol-2{name}",
        spread=-1,
    ),
    Service(
        (Meter(_SNAPSHOT, "EBS:SnapshotUsage", "CreateSnapshot", 0.05, "GB-Mo"),),
        share=120,
        often=0.95,
        resource="arn:aws:ec2:us-east-1:{account}:snapshot/snap-{name}",
        spread=-1,
    ),
    Service(
        (
            Meter(_TRANSFER, "DataTransfer-Regional-Bytes", "InterZone-Out", 0.01, "GB"),
            Meter(_TRANSFER, "DataTransfer-Out-Bytes", "RunInstances", 0.09, "GB"),
        ),
        share=90,
        often=0.6,
        resource="i-1{name}",
        spread=1,
    ),
    Service(
        (Meter(_S3, "TimedStorage-ByteHrs", "StandardStorage", 0.023, "GB-Mo"),),
        share=60,
        often=0.5,
        resource="acme-{name}",
        spread=-1,
    ),
    Service(
        (
            Meter(_S3_CALLS, "Requests-Tier1", "PutObject", 5e-6, "Requests"),
            Meter(_S3_CALLS, "Requests-Tier2", "GetObject", 4e-7, "Requests"),
            Meter(_S3_CALLS, "Requests-Tier1", "ListBucket", 5e-6, "Requests"),
        ),
        share=100,
        often=0.7,
        resource="acme-{name}",
        spread=1e4,
    ),
    Service(
        (
            Meter(_LAMBDA, "Lambda-GB-Second", "Invoke", 1.66667e-5, "Lambda-GB-Second"),
            Meter(_LAMBDA, "Request", "Invoke", 2e-7, "Request"),
        ),
        share=100,
        often=0.5,
        resource="arn:aws:lambda:us-east-1:{account}:function:{name}",
        spread=1e3,
    ),
    Service(
        (Meter(_WATCH, "CW:MetricMonitorUsage", "MetricStorage", 0.3, "Metrics"),),
        share=30,
        often=0.9,
        resource="arn:aws:cloudwatch:us-east-1:{account}:metric/{name}",
        spread=-1,
    ),
    Service(
        (
            Meter(_DYNAMO, "ReadRequestUnits", "PayPerRequestThroughput", 2.5e-7, "ReadRequestUnits"),
            Meter(_DYNAMO, "WriteRequestUnits", "PayPerRequestThroughput", 1.25e-6, "WriteRequestUnits"),
        ),
        share=50,
        often=0.6,
        resource="arn:aws:dynamodb:us-east-1:{account}:table/{name}",
        spread=1e5,
    ),
    Service(
        (Meter(_KMS, "us-east-1-KMS-Requests", "Decrypt", 3e-6, "Requests"),),
        share=30,
        often=0.5,
        resource="arn:aws:kms:us-east-1:{account}:key/{name}",
        spread=1e3,
    ),
    Service(
        (Meter(_QUEUE, "Requests-RBP", "GetQueueAttributes", 4e-7, "Requests"),),
        share=30,
        often=0.7,
        resource="arn:aws:sqs:us-east-1:{account}:{name}",
        spread=1e3,
    ),
    Service(
        (Meter(_DATABASE, "InstanceUsage:db.r6g.large", "CreateDBInstance:0021", 0.225, "Hrs"),),
        share=15,
        often=1,
        resource="arn:aws:rds:us-east-1:{account}:db:{name}",
        spread=0,
    ),
    Service(
        (
            Meter(_BALANCER, "LoadBalancerUsage", "LoadBalancing:Application", 0.0225, "Hrs"),
            Meter(_BALANCER, "LCUUsage", "LoadBalancing:Application", 0.008, "LCU-Hrs"),
        ),
        share=10,
        often=1,
        resource="arn:aws:elasticloadbalancing:us-east-1:{account}:loadbalancer/app/web/{name}",
        spread=1,
    ),
    Service(
        (Meter(_GUARD, "USE1-PaidEventsAnalyzed", "", 4e-6, "Events"),), share=5, often=0.7, resource="", spread=1e5
    ),
)
_LINES_OF_RESOURCE = HOURS * sum(service.share / 1000 * service.often for service in _SERVICES)


def others(lines: int) -> Iterator[Charge]:
    """About so many *lines* of resources that the clusters have nothing to do with."""
    random = np.random.default_rng((20261003, lines))
    for kind, service in enumerate(_SERVICES):
        count = round(lines / _LINES_OF_RESOURCE * service.share / 1000)
        owners, teams = random.integers(0, len(_ACCOUNTS), count), random.integers(0, _TEAMS, count)
        each = zip(identifiers("", 16, count, "other", kind), owners.tolist(), teams.tolist(), strict=True)
        for number, (name, owner, team) in enumerate(each):
            (hours,) = np.nonzero(random.random(HOURS) < service.often)
            account = _ACCOUNTS[owner]
            resource = service.resource.format(account=account.id, name=name) or None
            line = line_of(service.meters[number % len(service.meters)], resource, _tags(name, team), account=account)
            yield Charge(line, hours, _amounts(service, len(hours), random))


def _amounts(service: Service, count: int, random: np.random.Generator) -> Amounts:
    if service.spread > 0:
        return np.round(random.lognormal(0, 1, count) * service.spread, 10)
    return np.full(count, 1.0 if service.spread == 0 else round(random.lognormal(4, 1) / _HOURS_OF_MONTH, 10))


def _tags(name: str, team: int) -> dict[str, str]:
    """Two of three resources are tagged, with a name of their own."""
    if team % 3 == 0:
        return {}
    return {
        "user_cost_center": f"cc-{team % 12:03}",
        "user_environment": ("prod", "test")[team % 2],
        "user_name": f"app-{team}-{name[:6]}",
        "user_team": f"team-{team}",
    }
