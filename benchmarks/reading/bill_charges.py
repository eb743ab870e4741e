"""What the invented bill charges for the clusters: instances and disks, uplift, volumes, network and control plane."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.reading.estate import HOURS, REGION, START, Month, Numbers, identifiers, virtual_cluster_id
from benchmarks.reading.lake_rows import VOLUME_GIB
from pipeline.demo.bill.commitments import PLAN, PlanCover, PlanNegation
from pipeline.demo.bill.compute import EC2, EKS, EMR, instance_product
from pipeline.demo.bill.lines import ANALYTICS, Account, LineItem, Product, Terms
from pipeline.demo.bill.services import NAT
from pipeline.demo.estate.cluster import InstanceType, Span
from pipeline.demo.estate.prices import (
    EKS_CLUSTER_HOUR,
    GP3_GB_MONTH,
    NAT_GATEWAY_GB,
    NAT_GATEWAY_HOUR,
    REGIONAL_TRANSFER_GB,
    UPLIFT_GB_HOUR,
    UPLIFT_VCPU_HOUR,
)
from pipeline.window import HOUR

Amounts = NDArray[np.float64]

_ROOT_DISK_GIB = 200
_MONTH_HOURS = 744
_PLAN_RATE = 0.72
_TALKING = 0.2  # of the instances' hours, that many have traffic between zones that is charged for
_AN_HOUR = Span(START, START + HOUR)
_GP3 = Product("AmazonEC2", "AmazonEC2", "Storage", EC2, attributes={"volume_api_name": "gp3"})
_TRANSFER = Product("AmazonEC2", "AWSDataTransfer", "Data Transfer", EC2)


@dataclass(frozen=True)
class Meter:
    """What AWS counts of a product, in which *unit*, and what it takes for one, USD."""

    product: Product
    usage_type: str
    operation: str
    rate: float
    unit: str


_GP3_STORAGE = Meter(_GP3, "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", GP3_GB_MONTH, "GB-Mo")
_ZONE_TRANSFER = Meter(_TRANSFER, "DataTransfer-Regional-Bytes", "InterZone-Out", REGIONAL_TRANSFER_GB, "GB")
_CONTROL_PLANE = Meter(EKS, "USE1-AmazonEKS-Hours:perCluster", "CreateOperation", EKS_CLUSTER_HOUR, "Hours")
_GATEWAY_HOURS = Meter(NAT, "NatGateway-Hours", "NatGateway", NAT_GATEWAY_HOUR, "Hrs")
_GATEWAY_BYTES = Meter(NAT, "NatGateway-Bytes", "NatGateway", NAT_GATEWAY_GB, "GB")
_UPLIFT = (
    (Meter(EMR, "EMR-EKS-EC2-vCPUHours", "StartJobRun", UPLIFT_VCPU_HOUR, "vCPUHours"), "cores"),
    (Meter(EMR, "EMR-EKS-EC2-GBHours", "StartJobRun", UPLIFT_GB_HOUR, "GBHours"), "gib"),
)


@dataclass(frozen=True)
class Charge:
    """A line that comes again hour after hour: as it is for one unit, the *hours* it comes in, and how many units."""

    line: LineItem
    hours: Numbers
    amounts: Amounts


def line_of(
    meter: Meter,
    resource: str | None,
    tags: Mapping[str, str],
    *,
    account: Account = ANALYTICS,
    line_type: str = "Usage",
    spot: bool = False,
    terms: Terms | None = None,
    zone: str | None = None,
) -> LineItem:
    """The line of one unit of *meter*."""
    return LineItem(
        span=_AN_HOUR,
        product=meter.product,
        usage_type=meter.usage_type,
        operation=meter.operation,
        amount=1.0,
        rate=meter.rate,
        unit=meter.unit,
        description=f"${meter.rate:.10g} per {meter.unit} of {meter.usage_type} in US East (N. Virginia)",
        line_class="other",  # the product tells it from the rest
        resource_id=resource,
        account=account,
        line_type=line_type,
        zone=zone,
        spot=spot,
        tags=tags,
        terms=terms,
    )


def charges(month: Month) -> Iterator[Charge]:
    """Everything that the bill charges for one cluster."""
    yield from _instances(month)
    yield from _uplift(month)
    yield from _volumes(month)
    yield from _cluster(month)


def _instances(month: Month) -> Iterator[Charge]:
    """Each instance with the disk that it boots from, and in some hours its traffic."""
    of, tags = month.instances, {"aws_eks_cluster_name": month.cluster.name, "user_node_pool": "spark"}
    each = zip(of.ids, of.kinds, of.zones, of.is_spot.tolist(), of.machine.tolist(), strict=True)
    for number, (instance, kind, zone, spot, machine) in enumerate(each):
        (hours,) = np.nonzero(of.of_hour[machine] == number)
        yield Charge(_instance(instance, kind, zone, spot=spot, tags=tags), hours, np.ones(len(hours)))
        disk = line_of(_GP3_STORAGE, instance.replace("i-0", "vol-1"), tags)  # the lake knows no such volume
        yield _steady(disk, hours, _ROOT_DISK_GIB / _MONTH_HOURS)
        talking = hours[month.random.random(len(hours)) < _TALKING]
        sent = month.random.exponential(8.0, len(talking))
        yield Charge(line_of(_ZONE_TRANSFER, instance, tags), talking, sent)


def _instance(resource: str, kind: InstanceType, zone: str, *, spot: bool, tags: Mapping[str, str]) -> LineItem:
    """An hour of an instance: Spot, or On-Demand that a Savings Plan pays for."""
    product = instance_product(kind)
    if spot:
        meter = Meter(product, f"SpotUsage:{kind.name}", "RunInstances:SV038", kind.spot_price, "Hrs")
        return line_of(meter, resource, tags, spot=True)
    meter = Meter(product, f"BoxUsage:{kind.name}", "RunInstances", kind.on_demand_price, "Hrs")
    rate = kind.on_demand_price * _PLAN_RATE
    terms = PlanCover(PLAN, rate, rate)
    return line_of(meter, resource, tags, zone=zone, line_type="SavingsPlanCoveredUsage", terms=terms)


def _uplift(month: Month) -> Iterator[Charge]:
    """The vCPU-hours and GB-hours of each job on the EMR runtime, as EMR meters them."""
    runs = month.runs
    start, end = runs.minutes
    members = np.bincount(month.lane[month.lane >= 0], minlength=month.lanes)
    for number, (workload, lane) in enumerate(zip(runs.workloads, runs.lane, strict=True)):
        if workload.is_emr:
            hours = runs.hours(number)
            ran = (end - start)[lane, hours] / 60 * members[lane] * 0.9
            for meter, size in _UPLIFT:
                line = line_of(meter, _emr_arn(month, number), {})
                yield Charge(line, hours, ran * getattr(workload, size))


def _emr_arn(month: Month, number: int) -> str:
    """The ARN that uplift of a job is billed under."""
    runs, id_ = month.runs, month.runs.ids[number]
    owner = f"arn:aws:emr-containers:{REGION}:{month.cluster.account_id}:"
    if runs.workloads[number].kind != "job_run":
        return f"{owner}/sparkoperator/{id_}"
    return f"{owner}/virtualclusters/{virtual_cluster_id(month.number, runs.namespaces[number])}/jobruns/{id_}"


def _volumes(month: Month) -> Iterator[Charge]:
    """The volumes of drivers, for as long as their jobs run."""
    runs, ids = month.runs, month.volume_ids
    start, end = runs.minutes
    with_volume = set(month.lane[month.has_volume].tolist())
    for number, lane in enumerate(runs.lane.tolist()):
        if lane in with_volume:
            hours = runs.hours(number)
            tags = {
                f"user_kubernetes_io_cluster_{month.cluster.name}": "owned",
                "user_kubernetes_io_created_for_pv_name": ids[number].replace("vol-0", "pvc-"),
            }
            used = VOLUME_GIB * (end - start)[lane, hours] / 60 / _MONTH_HOURS
            yield Charge(line_of(_GP3_STORAGE, ids[number], tags), hours, used)


def _cluster(month: Month) -> Iterator[Charge]:
    """The control plane, the way to the internet, and what takes back what the Savings Plan covers."""
    hours, cluster = np.arange(HOURS), month.cluster
    yield _steady(line_of(_CONTROL_PLANE, cluster.arn, {}), hours)
    (gateway,) = identifiers("nat-0", 16, 1, "gateway", month.number)
    arn = f"arn:aws:ec2:{REGION}:{cluster.account_id}:natgateway/{gateway}"
    tags = {"user_eks_cluster_name": cluster.name}
    yield _steady(line_of(_GATEWAY_HOURS, arn, tags), hours)
    yield Charge(line_of(_GATEWAY_BYTES, arn, tags), hours, month.random.exponential(40.0, HOURS))
    kind = month.instances.kinds[0]
    meter = Meter(instance_product(kind), f"BoxUsage:{kind.name}", "RunInstances", -kind.on_demand_price, "Hrs")
    yield _steady(line_of(meter, None, {}, line_type="SavingsPlanNegation", terms=PlanNegation(PLAN)), hours)


def _steady(line: LineItem, hours: Numbers, amount: float = 1.0) -> Charge:
    return Charge(line, hours, np.full(len(hours), amount))
