"""What the estate's instances, disks, Fargate pods and EMR jobs add to the bill."""

from collections.abc import Iterator

from pipeline.demo.bill.lines import MONTH, LineItem, Product
from pipeline.demo.estate.cluster import GIB, InstanceType, Node, Pod, Span
from pipeline.demo.estate.estate import Estate, TrueUplift
from pipeline.demo.estate.identifiers import chance, hexadecimal
from pipeline.demo.estate.nodes import ROOT_DISK_GIB
from pipeline.demo.estate.prices import (
    AUTO_MODE_FEE,
    FARGATE_GB_HOUR,
    FARGATE_VCPU_HOUR,
    GP3_GB_MONTH,
    SAVINGS_PLAN,
    UPLIFT_GB_HOUR,
    UPLIFT_VCPU_HOUR,
)

EC2 = "Amazon Elastic Compute Cloud"
EKS = Product("AmazonEKS", "AmazonEKS", "Compute", "Amazon Elastic Kubernetes Service")

_GP3 = Product("AmazonEC2", "AmazonEC2", "Storage", EC2, attributes={"volume_api_name": "gp3"})
EMR = Product("ElasticMapReduce", "ElasticMapReduce", "EMR Containers", "Amazon EMR")
NORMALIZATION = {"large": 4.0, "xlarge": 8.0, "2xlarge": 16.0}
_OPERATIONS = {"jobruns": "StartJobRun", "endpoints": "CreateManagedEndpoint"}
"""By the kind of resource in the ARN; what has no virtual cluster goes by the kind itself."""


def instance_lines(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """Each instance, the disk that it boots from, and what EKS Auto Mode takes for running it."""
    for node in estate.nodes:
        used, kind = node.life.within(hour), node.pool.instance_type
        if used and kind:
            tags = {"aws_eks_cluster_name": estate.name, "user_node_pool": node.pool.name}
            yield _instance(node, kind, used, hour, tags)
            yield _gp3(_root_disk(node), ROOT_DISK_GIB, used, hour, tags)
            if node.pool.provisioner == "auto_mode":
                yield _auto_mode_fee(node, kind, used, hour, tags)


def volume_lines(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """The volumes behind persistent volumes, mounted or not."""
    for volume in estate.volumes:
        used = volume.life.within(hour)
        if used:
            claim = {"user_kubernetes_io_created_for_pv_name": volume.name}
            tags = {f"user_kubernetes_io_cluster_{estate.name}": "owned", **claim}
            yield _gp3(volume.volume_id, volume.gib, used, hour, tags)


def fargate_lines(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """Two lines for each Fargate pod: vCPU and memory as Fargate provides them, not as the pod requests them."""
    for placement in estate.placements:
        used = placement.pod.life.within(hour)
        if used and placement.node.pool.provisioner == "fargate":
            size = placement.node.capacity
            arn = pod_arn(estate, placement.pod)
            vcpu, gb = size.cpu * used.hours, size.ram / GIB * used.hours
            yield _fargate("vCPU-Hours:perCPU", arn, vcpu, FARGATE_VCPU_HOUR, hour)
            yield _fargate("GB-Hours", arn, gb, FARGATE_GB_HOUR, hour)


def uplift_lines(of: TrueUplift) -> Iterator[LineItem]:
    """Two lines for a resource's hour on the EMR runtime: vCPU-hours and GB-hours."""
    kind = of.resource_arn.split("/")[-2]
    capacity = "FARGATE" if of.on_fargate else "EC2"
    for meter, amount, rate in (
        ("vCPUHours", of.vcpu_hours, UPLIFT_VCPU_HOUR),
        ("GBHours", of.gb_hours, UPLIFT_GB_HOUR),
    ):
        yield LineItem(
            span=Span(of.window_start, of.window_end),
            product=EMR,
            usage_type=f"EMR-EKS-{capacity}-{meter}",
            operation=_OPERATIONS.get(kind, kind),
            amount=amount,
            rate=rate,
            unit=meter,
            description=f"${rate} per {meter} of EMR on EKS on {capacity} in US East (N. Virginia)",
            line_class="emr_uplift",
            resource_id=of.resource_arn,
        )


def instance_product(kind: InstanceType) -> Product:
    """An instance type as the price list describes it."""
    return Product(
        code="AmazonEC2",
        service_code="AmazonEC2",
        family="Compute Instance",
        name=EC2,
        instance_type=kind.name,
        instance_family=kind.family,
        attributes={
            "instance_type_family": kind.family,
            "memory": f"{kind.gib} GiB",
            "operating_system": "Linux",
            "tenancy": "Shared",
            "vcpu": str(kind.capacity.cpu),
        },
    )


def pod_arn(estate: Estate, pod: Pod) -> str:
    """The ARN by which the bill knows a pod, on Fargate and in split cost allocation data."""
    return f"arn:aws:eks:{estate.region}:{estate.account_id}:pod/{estate.name}/{pod.namespace}/{pod.name}/{pod.uid}"


def plan_rate(family: str, on_demand_rate: float) -> float:
    """USD that a Compute Savings Plan takes for a unit that costs *on_demand_rate*."""
    return on_demand_rate * SAVINGS_PLAN[family]


def _instance(node: Node, kind: InstanceType, used: Span, hour: Span, tags: dict[str, str]) -> LineItem:
    spot = node.pool.capacity_type == "spot"
    market = "SpotUsage" if spot else "BoxUsage"
    wording = "Linux/UNIX Spot Instance-hour in" if spot else "On Demand Linux"
    return LineItem(
        span=hour,
        product=instance_product(kind),
        usage_type=f"{market}:{kind.name}",
        operation=f"RunInstances:SV{chance('spot', node.zone).randrange(100):03}" if spot else "RunInstances",
        amount=used.hours,
        rate=node.hourly_cost,
        unit="Hrs",
        description=f"{kind.name} {wording} US East (N. Virginia)",
        line_class="compute",
        resource_id=node.provider_id,
        zone=node.zone,
        spot=spot,
        normalization_factor=None if spot else NORMALIZATION[kind.name.partition(".")[2]],
        tags=tags,
        plan_rate=None if spot else plan_rate(kind.family, node.hourly_cost),
    )


def _gp3(volume_id: str, gib: int, used: Span, hour: Span, tags: dict[str, str]) -> LineItem:
    """GB-months: a month has as many hours as October has, where Kubecost takes 730 for every month."""
    return LineItem(
        span=hour,
        product=_GP3,
        usage_type="EBS:VolumeUsage.gp3",
        operation="CreateVolume-Gp3",
        amount=gib * used.hours / MONTH.hours,
        rate=GP3_GB_MONTH,
        unit="GB-Mo",
        description=f"${GP3_GB_MONTH} per GB-month of General Purpose (gp3) provisioned storage",
        line_class="storage",
        resource_id=volume_id,
        tags=tags,
    )


def _auto_mode_fee(node: Node, kind: InstanceType, used: Span, hour: Span, tags: dict[str, str]) -> LineItem:
    rate = round(kind.on_demand_price * AUTO_MODE_FEE, 5)
    return LineItem(
        span=hour,
        product=EKS,
        usage_type=f"USE1-EKS-Auto:{kind.name}",
        operation="EKSAutoUsage",
        amount=used.hours,
        rate=rate,
        unit="Hours",
        description=f"${rate} per hour of {kind.name} under EKS Auto Mode",
        line_class="control_plane",
        resource_id=node.provider_id,
        tags=tags,
    )


def _fargate(meter: str, arn: str, amount: float, rate: float, hour: Span) -> LineItem:
    return LineItem(
        span=hour,
        product=EKS,
        usage_type=f"USE1-Fargate-{meter}",
        operation="FargatePod",
        amount=amount,
        rate=rate,
        unit="hours",
        description=f"AWS Fargate - {meter} - US East (N. Virginia)",
        line_class="fargate",
        resource_id=arn,
        plan_rate=plan_rate("fargate", rate),
    )


def _root_disk(node: Node) -> str:
    return f"vol-0{hexadecimal(16, 'root disk', node.provider_id)}"
