"""What the network, load balancers and the control plane add to the bill, and what is not the cluster's at all."""

from collections.abc import Iterator

from pipeline.demo.bill.compute import EC2, EKS, NORMALIZATION, instance_product, plan_rate
from pipeline.demo.bill.lines import MONTH, WEBSITE, LineItem, Product
from pipeline.demo.estate.cluster import LoadBalancer, Span
from pipeline.demo.estate.estate import Estate
from pipeline.demo.estate.identifiers import hexadecimal
from pipeline.demo.estate.nodes import M5_XLARGE, ZONES
from pipeline.demo.estate.prices import (
    EKS_CLUSTER_HOUR,
    LCU_HOUR,
    LOAD_BALANCER_HOUR,
    NAT_GATEWAY_GB,
    NAT_GATEWAY_HOUR,
    REGIONAL_TRANSFER_GB,
    S3_GB_MONTH,
)

NAT = Product("AmazonEC2", "AmazonEC2", "NAT Gateway", EC2)
S3 = Product("AmazonS3", "AmazonS3", "Storage", "Amazon Simple Storage Service")

_TRANSFER = Product("AmazonEC2", "AWSDataTransfer", "Data Transfer", EC2)
_BALANCER = Product("AWSELB", "AWSELB", "Load Balancer-Network", "Elastic Load Balancing")

_LCUS = 0.6
_LAKE_GB = 5_200
_BYTES_PER_GB = 1e9


def zone_transfer_lines(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """What instances sent to other zones: on the instance's own ID, as its hours are."""
    sent: dict[str, float] = {}
    for placement in estate.placements:
        used = placement.pod.life.within(hour)
        if used and placement.node.pool.instance_type:
            node = placement.node.provider_id
            sent[node] = sent.get(node, 0) + placement.pod.traffic.cross_zone * used.minutes / _BYTES_PER_GB
    for instance, gigabytes in sent.items():
        if gigabytes:
            yield LineItem(
                span=hour,
                product=_TRANSFER,
                usage_type="DataTransfer-Regional-Bytes",
                operation="InterZone-Out",
                amount=gigabytes,
                rate=REGIONAL_TRANSFER_GB,
                unit="GB",
                description=f"${REGIONAL_TRANSFER_GB} per GB - regional data transfer between EC2 AZs",
                line_class="network",
                resource_id=instance,
            )


def cluster_tag(estate: Estate) -> dict[str, str]:
    """The tag that people put on what they make for the cluster by hand."""
    return {"user_eks_cluster_name": estate.name}


def nat_gateway_arn(estate: Estate) -> str:
    """The ARN of the cluster's NAT gateway."""
    gateway = f"nat-0{hexadecimal(16, 'nat gateway')}"
    return f"arn:aws:ec2:{estate.region}:{estate.account_id}:natgateway/{gateway}"


def nat_gateway_lines(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """The gateway through which the cluster's pods reach the internet; whoever made it tagged it with the cluster."""
    met = ((p.pod.traffic.internet, used.minutes) for p in estate.placements if (used := p.pod.life.within(hour)))
    gigabytes = sum(internet * minutes for internet, minutes in met) / _BYTES_PER_GB
    for meter, amount, rate, unit in (
        ("Hours", hour.hours, NAT_GATEWAY_HOUR, "Hrs"),
        ("Bytes", gigabytes, NAT_GATEWAY_GB, "GB"),
    ):
        yield LineItem(
            span=hour,
            product=NAT,
            usage_type=f"NatGateway-{meter}",
            operation="NatGateway",
            amount=amount,
            rate=rate,
            unit=unit,
            description=f"${rate} per {unit} of NAT Gateway {meter}",
            line_class="network",
            resource_id=nat_gateway_arn(estate),
            tags=cluster_tag(estate),
        )


def load_balancer_lines(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """Hours and capacity units of each load balancer, with the tags that the AWS Load Balancer Controller sets."""
    for balancer in estate.load_balancers:
        tags = {"user_elbv2_k8s_aws_cluster": estate.name}
        stack = {"user_service_k8s_aws_stack": f"{balancer.namespace}/{balancer.service}"}
        yield from _load_balancer(balancer, hour, tags | stack)


def control_plane_line(estate: Estate, hour: Span) -> LineItem:
    """What EKS takes for running the cluster's control plane."""
    return LineItem(
        span=hour,
        product=EKS,
        usage_type="USE1-AmazonEKS-Hours:perCluster",
        operation="CreateOperation",
        amount=hour.hours,
        rate=EKS_CLUSTER_HOUR,
        unit="Hours",
        description=f"Amazon EKS cluster usage in {estate.region}",
        line_class="control_plane",
        resource_id=estate.arn,
    )


def lake_line(hour: Span) -> LineItem:
    """The account's own bucket: in the account, not in the cluster."""
    return LineItem(
        span=hour,
        product=S3,
        usage_type="TimedStorage-ByteHrs",
        operation="StandardStorage",
        amount=_LAKE_GB * hour.hours / MONTH.hours,
        rate=S3_GB_MONTH,
        unit="GB-Mo",
        description=f"${S3_GB_MONTH} per GB - first 50 TB / month of storage used",
        line_class="other",
        in_scope=False,
        resource_id="acme-analytics-lake",
    )


def website_line(hour: Span) -> LineItem:
    """An instance of another account of the organisation, of a type that the cluster uses too."""
    return LineItem(
        span=hour,
        product=instance_product(M5_XLARGE),
        usage_type=f"BoxUsage:{M5_XLARGE.name}",
        operation="RunInstances",
        amount=hour.hours,
        rate=M5_XLARGE.on_demand_price,
        unit="Hrs",
        description=f"{M5_XLARGE.name} On Demand Linux US East (N. Virginia)",
        line_class="compute",
        in_scope=False,
        resource_id=f"i-0{hexadecimal(16, 'website')}",
        account=WEBSITE,
        zone=ZONES[0],
        normalization_factor=NORMALIZATION["xlarge"],
        plan_rate=plan_rate(M5_XLARGE.family, M5_XLARGE.on_demand_price),
    )


def _load_balancer(balancer: LoadBalancer, hour: Span, tags: dict[str, str]) -> Iterator[LineItem]:
    used = balancer.life.within(hour)
    hours = used.hours if used else 0
    for meter, amount, rate, unit in (
        ("LoadBalancerUsage", hours, LOAD_BALANCER_HOUR, "Hrs"),
        ("LCUUsage", hours * _LCUS, LCU_HOUR, "LCU-Hrs"),
    ):
        yield LineItem(
            span=hour,
            product=_BALANCER,
            usage_type=meter,
            operation="LoadBalancing:Network",
            amount=amount,
            rate=rate,
            unit=unit,
            description=f"${rate} per Network {meter}",
            line_class="load_balancer",
            resource_id=balancer.arn,
            tags=tags,
        )
