"""What is taken from the bill or put upon it after the usage: credits, a refund, tax."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pipeline.demo.bill.compute import EC2, EMR, instance_product
from pipeline.demo.bill.lines import ANALYTICS, MONTH, LineItem, Product
from pipeline.demo.bill.services import NAT, S3, cluster_tag, nat_gateway_arn
from pipeline.demo.estate.cluster import Span
from pipeline.demo.estate.estate import Estate
from pipeline.demo.estate.nodes import CORE, M5_XLARGE
from pipeline.window import HOUR

_TAXED = Product("AmazonEC2", None, None, EC2)
_TAX_RATE = 0.06


def credit_lines(estate: Estate) -> Iterator[LineItem]:
    """One for EMR on EKS, which has no resource; one for an instance of the cluster; one that is not the cluster's."""
    yield LineItem(
        span=MONTH,
        product=EMR,
        usage_type="EMR-EKS-EC2-vCPUHours",
        operation="StartJobRun",
        amount=1.0,
        rate=-1.5,
        unit="",
        description="EMR on EKS proof of concept credit",
        line_class="credit",
        line_type="Credit",
    )
    yield LineItem(
        span=_second_hour(estate),
        product=instance_product(M5_XLARGE),
        usage_type=f"BoxUsage:{M5_XLARGE.name}",
        operation="RunInstances",
        amount=1.0,
        rate=-0.25,
        unit="",
        description="Credit for impaired instance connectivity",
        line_class="credit",
        resource_id=next(node.provider_id for node in estate.nodes if node.pool == CORE),
        line_type="Credit",
    )
    yield LineItem(
        span=MONTH,
        product=S3,
        usage_type="TimedStorage-ByteHrs",
        operation="StandardStorage",
        amount=1.0,
        rate=-0.9,
        unit="",
        description="Amazon S3 storage credit",
        line_class="credit",
        in_scope=False,
        line_type="Credit",
    )


def refund_line(estate: Estate) -> LineItem:
    """Traffic of the NAT gateway that AWS had counted twice."""
    return LineItem(
        span=_second_hour(estate),
        product=NAT,
        usage_type="NatGateway-Bytes",
        operation="NatGateway",
        amount=1.0,
        rate=-0.04,
        unit="",
        description="Refund for NAT Gateway data processing charged in error",
        line_class="refund",
        resource_id=nat_gateway_arn(estate),
        line_type="Refund",
        tags=cluster_tag(estate),
    )


def tax_line(lines: Sequence[LineItem]) -> LineItem:
    """The month's tax on EC2 after discounts: no resource, and the whole month for its time."""
    taxed = (line for line in lines if line.account == ANALYTICS and line.product.code == "AmazonEC2")
    return LineItem(
        span=MONTH,
        product=_TAXED,
        usage_type="",
        operation="",
        amount=1.0,
        rate=round(_TAX_RATE * sum(line.kept * line.unblended_cost for line in taxed), 2),
        unit="",
        description="Tax for product code AmazonEC2",
        line_class="tax",
        in_scope=False,
        line_type="Tax",
        tax_type="USSalesTax",
    )


def _second_hour(estate: Estate) -> Span:
    start: datetime = estate.history.start + HOUR
    return Span(start, start + HOUR)
