"""What AWS charges in us-east-1, and how Kubecost splits a node's price into cores, memory and GPUs."""

from dataclasses import dataclass

FARGATE_VCPU_HOUR = 0.04048
FARGATE_GB_HOUR = 0.004445
UPLIFT_VCPU_HOUR = 0.01012
UPLIFT_GB_HOUR = 0.00111125
GP3_GB_MONTH = 0.08
S3_GB_MONTH = 0.023
LOAD_BALANCER_HOUR = 0.0225
LCU_HOUR = 0.006
EKS_CLUSTER_HOUR = 0.10
NAT_GATEWAY_HOUR = 0.045
NAT_GATEWAY_GB = 0.045
REGIONAL_TRANSFER_GB = 0.01
AUTO_MODE_FEE = 0.12
"""EKS Auto Mode's fee as a part of the instance's On-Demand price."""

SAVINGS_PLAN = {"g5": 0.68, "m5": 0.73, "m6i": 0.72, "fargate": 0.8}
"""A Compute Savings Plan's rate (one year, nothing upfront) as a part of the On-Demand price, by instance family."""
RESERVED_M6I_XLARGE_HOUR = 0.127
ENTERPRISE_DISCOUNT = 0.06
"""What the organisation's agreement with AWS takes off every charge but tax, as a part of it."""

KUBECOST_HOURS_IN_MONTH = 730
KUBECOST_LOCAL_DISK_GIB_MONTH = 0.04
KUBECOST_CROSS_ZONE_GIB = 0.01
KUBECOST_CROSS_REGION_GIB = 0.01
KUBECOST_INTERNET_GIB = 0.143


@dataclass(frozen=True)
class UnitPrices:
    """USD per hour of one core, one GiB of memory and one GPU."""

    cpu: float
    ram_gib: float
    gpu: float


KUBECOST_DEFAULTS = UnitPrices(cpu=0.031611, ram_gib=0.004237, gpu=0.95)
"""The ratio of Kubecost's split. Source: https://github.com/opencost/opencost configs/aws.json"""

FARGATE = UnitPrices(cpu=FARGATE_VCPU_HOUR, ram_gib=FARGATE_GB_HOUR, gpu=0)


def split(hourly_cost: float, cpu: float, ram_gib: float, gpu: float) -> UnitPrices:
    """Split a node's USD per hour by the ratio of Kubecost's default prices, so that the parts make the whole."""
    by_default = KUBECOST_DEFAULTS.cpu * cpu + KUBECOST_DEFAULTS.ram_gib * ram_gib + KUBECOST_DEFAULTS.gpu * gpu
    scale = hourly_cost / by_default
    return UnitPrices(
        cpu=KUBECOST_DEFAULTS.cpu * scale,
        ram_gib=KUBECOST_DEFAULTS.ram_gib * scale,
        gpu=KUBECOST_DEFAULTS.gpu * scale,
    )
