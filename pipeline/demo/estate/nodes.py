"""The sources of nodes that the estate has, and what a node of each looks like to Kubernetes."""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil

from pipeline.demo.estate.cluster import GIB, Capacity, InstanceType, Node, Pod, Pool, Span
from pipeline.demo.estate.identifiers import chance, hexadecimal
from pipeline.demo.estate.prices import FARGATE, FARGATE_GB_HOUR, FARGATE_VCPU_HOUR, UnitPrices, split

REGION = "us-east-1"
ROOT_DISK_GIB = 80
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")

_KIB = 1024
M5_XLARGE = InstanceType("m5.xlarge", Capacity(4, 15_896_988 * _KIB), 0.192, 0.0672)
_M5_2XLARGE = InstanceType("m5.2xlarge", Capacity(8, 32_408_160 * _KIB), 0.384, 0.1344, gib=32)
_R5_2XLARGE = InstanceType("r5.2xlarge", Capacity(8, 65_033_700 * _KIB), 0.504, 0.1764, gib=64)
M6I_XLARGE = InstanceType("m6i.xlarge", Capacity(4, 15_896_064 * _KIB), 0.192, 0.0672)
_R6G_2XLARGE = InstanceType("r6g.2xlarge", Capacity(8, 65_042_348 * _KIB), 0.4032, 0.1411, "arm64", gib=64)
_G5_XLARGE = InstanceType("g5.xlarge", Capacity(4, 15_895_480 * _KIB, 1), 1.006, 0.3521)

CORE = Pool("core", "managed_node_group", "on_demand", M5_XLARGE, ZONES, always_on=4)
SPARK_SPOT = Pool("spark-spot", "managed_node_group", "spot", _R5_2XLARGE, ZONES[1:], always_on=2)
DRIVERS = Pool("spark-drivers", "karpenter", "on_demand", M6I_XLARGE, ZONES[:2])
EXECUTORS = Pool("spark-executors", "karpenter", "spot", _R6G_2XLARGE, ZONES[1:])
RECLAIMED = Pool("spark-executors", "karpenter", "spot", _R6G_2XLARGE, ZONES[:1], linger=timedelta(0))
"""As EXECUTORS, for the pods that AWS takes the instance away from: it ends with them."""
GPU = Pool("gpu", "karpenter", "on_demand", _G5_XLARGE, ZONES[2:])
GENERAL_PURPOSE = Pool("general-purpose", "auto_mode", "on_demand", _M5_2XLARGE, ZONES[2:], always_on=1)
FARGATE_PROFILE = Pool("emr", "fargate", "fargate", None, ZONES[:2])

_FARGATE_SIZES = {0.25: range(1, 3), 0.5: range(1, 5), 1.0: range(2, 9), 2.0: range(4, 17), 4.0: range(8, 31)}
"""GiB that Fargate offers for a number of vCPU.

Source: https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-configuration.html
"""
_FARGATE_SYSTEM_GIB = 0.25


def instance(pool: Pool, number: int, life: Span) -> Node:
    """The *number*th EC2 instance that *pool* ever launched."""
    kind = _type_of(pool)
    zone = pool.zones[number % len(pool.zones)]
    key = (pool.name, *pool.zones, number)
    subnet = chance("subnet", pool.name, *pool.zones).randrange(128)
    name = _host_name(zone, subnet, 10 + number)  # one address after the other: no two nodes ever share a name
    price = kind.spot_price if pool.capacity_type == "spot" else kind.on_demand_price
    return Node(
        name=name,
        provider_id=f"i-0{hexadecimal(16, 'instance', *key)}",
        pool=pool,
        zone=zone,
        capacity=kind.capacity,
        hourly_cost=price,
        prices=split(price, kind.capacity.cpu, kind.capacity.ram / GIB, kind.capacity.gpu),
        labels=_instance_labels(name, zone, pool, kind),
        life=life,
    )


def fargate_node(pod: Pod) -> Node:
    """The virtual machine that Fargate starts for *pod* and for as long as it lives."""
    draw = chance("fargate", pod.uid)
    zone = draw.choice(pod.pool.zones)
    name = f"fargate-{_host_name(zone, 128 + draw.randrange(128), draw.randrange(4, 255))}"
    size = fargate_size(pod.requested)
    return Node(
        name=name,
        provider_id=f"{hexadecimal(10, 'fargate task', pod.uid)}-{hexadecimal(32, 'fargate host', pod.uid)}",
        pool=pod.pool,
        zone=zone,
        capacity=size,
        hourly_cost=size.cpu * FARGATE_VCPU_HOUR + size.ram / GIB * FARGATE_GB_HOUR,
        prices=UnitPrices(FARGATE.cpu, FARGATE.ram_gib, FARGATE.gpu),
        labels=_machine_labels(name, zone, "amd64") | {"eks.amazonaws.com/compute-type": "fargate"},
        life=pod.life,
    )


def fargate_size(requested: Capacity) -> Capacity:
    """What Fargate provides and bills for what a pod *requested*, its own quarter of a GiB included."""
    gib = requested.ram / GIB + _FARGATE_SYSTEM_GIB
    cpu, offered = next(
        (cpu, sizes) for cpu, sizes in _FARGATE_SIZES.items() if requested.cpu <= cpu and gib <= sizes[-1]
    )
    return Capacity(cpu, max(ceil(gib), offered[0]) * GIB)


def _type_of(pool: Pool) -> InstanceType:
    if pool.instance_type is None:
        raise ValueError(f"the pool {pool.name} has no instances")
    return pool.instance_type


def _host_name(zone: str, subnet: int, host: int) -> str:
    return f"ip-10-{ZONES.index(zone)}-{subnet}-{host}.ec2.internal"


def _machine_labels(name: str, zone: str, architecture: str) -> dict[str, str]:
    return {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "failure-domain.beta.kubernetes.io/region": REGION,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": zone,
    }


def _instance_labels(name: str, zone: str, pool: Pool, kind: InstanceType) -> Mapping[str, str]:
    own = _managed_labels(pool) if pool.provisioner == "managed_node_group" else _karpenter_labels(pool, kind)
    return (
        _machine_labels(name, zone, kind.architecture)
        | own
        | {
            "beta.kubernetes.io/instance-type": kind.name,
            "k8s.io/cloud-provider-aws": hexadecimal(32, "cloud provider"),
            "node.kubernetes.io/instance-type": kind.name,
            "topology.ebs.csi.aws.com/zone": zone,
        }
    )


def _managed_labels(pool: Pool) -> dict[str, str]:
    return {
        "eks.amazonaws.com/capacityType": pool.capacity_type.upper(),
        "eks.amazonaws.com/nodegroup": pool.name,
        "eks.amazonaws.com/nodegroup-image": f"ami-0{hexadecimal(16, 'image', pool.name)}",
        "eks.amazonaws.com/sourceLaunchTemplateVersion": "2",
    }


def _karpenter_labels(pool: Pool, kind: InstanceType) -> dict[str, str]:
    """Karpenter's labels; EKS Auto Mode runs Karpenter too and keeps instance facts under its own domain."""
    common = {
        "karpenter.sh/capacity-type": pool.capacity_type.replace("_", "-"),
        "karpenter.sh/initialized": "true",
        "karpenter.sh/nodepool": pool.name,
        "karpenter.sh/registered": "true",
    }
    gpu = {"nvidia.com/gpu.present": "true"} if kind.capacity.gpu else {}
    if pool.provisioner == "auto_mode":
        return common | {
            "eks.amazonaws.com/compute-type": "auto",
            "eks.amazonaws.com/instance-category": kind.family[0],
        }
    return (
        common
        | gpu
        | {
            "karpenter.k8s.aws/instance-cpu": str(kind.capacity.cpu),
            "karpenter.k8s.aws/instance-family": kind.family,
        }
    )
