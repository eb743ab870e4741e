"""The estate's bill of October 2026 as a CUR 2.0 export, with lines that are not the cluster's own among them."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.demo.bill.columns import CUR_2
from pipeline.demo.bill.compute import (
    EC2,
    EKS,
    fargate_lines,
    instance_lines,
    instance_product,
    uplift_lines,
    volume_lines,
)
from pipeline.demo.bill.lines import ANALYTICS, MONTH, WEBSITE, LineItem, Product
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

_TRANSFER = Product("AmazonEC2", "AWSDataTransfer", "Data Transfer", EC2)
_NAT = Product("AmazonEC2", "AmazonEC2", "NAT Gateway", EC2)
_BALANCER = Product("AWSELB", "AWSELB", "Load Balancer-Network", "Elastic Load Balancing")
_S3 = Product("AmazonS3", "AmazonS3", "Storage", "Amazon Simple Storage Service")
_TAXED = Product("AmazonEC2", None, None, EC2)

_LCUS = 0.6
_LAKE_GB = 5_200
_TAX_RATE = 0.06
_BYTES_PER_GB = 1e9


def line_items(estate: Estate) -> pa.Table:
    """Bill *estate*: one row per line, hour by hour, then the tax of the month."""
    uplift = [line for of in estate.true_uplift() for line in uplift_lines(of)]
    hours = [Span(window.start, window.end) for window in estate.windows()]
    others = [line for hour in hours for line in _hour(estate, hour)]
    hourly = sorted([*uplift, *others], key=lambda line: line.span)  # stable: within the hour as they were made
    return pa.Table.from_pylist([line.row() for line in (*hourly, _tax(hourly))], schema=CUR_2)


def _hour(estate: Estate, hour: Span) -> Iterator[LineItem]:
    """A line's interval is the whole hour, however much of it was used."""
    yield from instance_lines(estate, hour)
    yield from volume_lines(estate, hour)
    yield from fargate_lines(estate, hour)
    yield from _zone_transfer(estate, hour)
    yield from _nat_gateway(estate, hour)
    for balancer in estate.load_balancers:
        yield from _load_balancer(balancer, hour)
    yield _control_plane(estate, hour)
    yield _lake(hour)
    yield _website(hour)


def _zone_transfer(estate: Estate, hour: Span) -> Iterator[LineItem]:
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
                resource_id=instance,
            )


def _nat_gateway(estate: Estate, hour: Span) -> Iterator[LineItem]:
    gateway = f"nat-0{hexadecimal(16, 'nat gateway')}"
    arn = f"arn:aws:ec2:{estate.region}:{estate.account_id}:natgateway/{gateway}"
    met = ((p.pod.traffic.internet, used.minutes) for p in estate.placements if (used := p.pod.life.within(hour)))
    gigabytes = sum(internet * minutes for internet, minutes in met) / _BYTES_PER_GB
    for meter, amount, rate, unit in (
        ("Hours", hour.hours, NAT_GATEWAY_HOUR, "Hrs"),
        ("Bytes", gigabytes, NAT_GATEWAY_GB, "GB"),
    ):
        yield LineItem(
            span=hour,
            product=_NAT,
            usage_type=f"NatGateway-{meter}",
            operation="NatGateway",
            amount=amount,
            rate=rate,
            unit=unit,
            description=f"${rate} per {unit} of NAT Gateway {meter}",
            resource_id=arn,
        )


def _load_balancer(balancer: LoadBalancer, hour: Span) -> Iterator[LineItem]:
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
            resource_id=balancer.arn,
        )


def _control_plane(estate: Estate, hour: Span) -> LineItem:
    return LineItem(
        span=hour,
        product=EKS,
        usage_type="USE1-AmazonEKS-Hours:perCluster",
        operation="CreateOperation",
        amount=hour.hours,
        rate=EKS_CLUSTER_HOUR,
        unit="Hours",
        description=f"Amazon EKS cluster usage in {estate.region}",
        resource_id=estate.arn,
    )


def _lake(hour: Span) -> LineItem:
    """The account's own bucket: in the account, not in the cluster."""
    return LineItem(
        span=hour,
        product=_S3,
        usage_type="TimedStorage-ByteHrs",
        operation="StandardStorage",
        amount=_LAKE_GB * hour.hours / MONTH.hours,
        rate=S3_GB_MONTH,
        unit="GB-Mo",
        description=f"${S3_GB_MONTH} per GB - first 50 TB / month of storage used",
        resource_id="acme-analytics-lake",
    )


def _website(hour: Span) -> LineItem:
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
        resource_id=f"i-0{hexadecimal(16, 'website')}",
        account=WEBSITE,
        zone=ZONES[0],
    )


def _tax(lines: Sequence[LineItem]) -> LineItem:
    """The month's tax on EC2: no resource, and the whole month for its time."""
    taxed = (line for line in lines if line.account == ANALYTICS and line.product.code == "AmazonEC2")
    return LineItem(
        span=MONTH,
        product=_TAXED,
        usage_type="",
        operation="",
        amount=1,
        rate=round(_TAX_RATE * sum(line.unblended_cost for line in taxed), 2),
        unit="",
        description="Tax for product code AmazonEC2",
        line_type="Tax",
        tax_type="USSalesTax",
    )
