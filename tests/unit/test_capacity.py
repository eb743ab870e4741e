import re
from collections.abc import Callable

import pytest

from pipeline.capacity import Capacity, CapacityType, bare_id, capacity
from pipeline.models import Asset, sanitised
from tests.captures import truth

NODE = "ip-10-0-9-30.ec2.internal"
INSTANCE = "i-02433c41eeaf4504d"
FARGATE = "4111620e2d-a7063bdd5d9036367c86cb4742d14e4e"


def with_prefix(key: str) -> str:
    return f"label_{sanitised(key)}"


def snake_case(key: str) -> str:
    """As kube-state-metrics 2 writes a label: capitals become an underscore and a small letter."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", sanitised(key)).lower()


def snake_case_with_prefix(key: str) -> str:
    return f"label_{snake_case(key)}"


def with_conflict(key: str) -> str:
    """As kube-state-metrics 2 tells labels apart whose names it made equal."""
    return f"label_{snake_case(key)}_conflict2"


SPELLINGS = (sanitised, with_prefix, snake_case, snake_case_with_prefix, with_conflict)

NODES = {
    "managed node group, On-Demand": (
        {"eks.amazonaws.com/capacityType": "ON_DEMAND", "eks.amazonaws.com/nodegroup": "core"},
        (CapacityType.ON_DEMAND, "core"),
    ),
    "managed node group, Spot": (
        {"eks.amazonaws.com/capacityType": "SPOT", "eks.amazonaws.com/nodegroup": "spark-spot"},
        (CapacityType.SPOT, "spark-spot"),
    ),
    "managed node group, Capacity Block": (
        {"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK", "eks.amazonaws.com/nodegroup": "gpu"},
        (CapacityType.ON_DEMAND, "gpu"),
    ),
    "Karpenter v1alpha5": (
        {"karpenter.sh/capacity-type": "spot", "karpenter.sh/provisioner-name": "default"},
        (CapacityType.SPOT, "default"),
    ),
    "Karpenter v1beta1 and v1, On-Demand": (
        {"karpenter.sh/capacity-type": "on-demand", "karpenter.sh/nodepool": "spark-driver"},
        (CapacityType.ON_DEMAND, "spark-driver"),
    ),
    "Karpenter v1, reserved": (
        {"karpenter.sh/capacity-type": "reserved", "karpenter.sh/nodepool": "gpu"},
        (CapacityType.ON_DEMAND, "gpu"),
    ),
    "EKS Auto Mode": (
        {
            "eks.amazonaws.com/compute-type": "auto",
            "karpenter.sh/capacity-type": "spot",
            "karpenter.sh/nodepool": "general-purpose",
        },
        (CapacityType.SPOT, "general-purpose"),
    ),
    "eksctl, self-managed": (
        {"alpha.eksctl.io/instance-lifecycle": "spot", "alpha.eksctl.io/nodegroup-name": "batch"},
        (CapacityType.SPOT, "batch"),
    ),
    "self-managed, Spot": ({"node.kubernetes.io/lifecycle": "spot"}, (CapacityType.SPOT, None)),
    "self-managed, On-Demand": ({"node.kubernetes.io/lifecycle": "normal"}, (CapacityType.ON_DEMAND, None)),
    "self-managed, old Spot": ({"lifecycle": "Ec2Spot"}, (CapacityType.SPOT, None)),
    "self-managed, old On-Demand": ({"lifecycle": "OnDemand"}, (CapacityType.ON_DEMAND, None)),
    "Fargate": ({"eks.amazonaws.com/compute-type": "fargate"}, (CapacityType.FARGATE, None)),
    "hybrid node": ({"eks.amazonaws.com/compute-type": "hybrid"}, (CapacityType.UNKNOWN, None)),
    "hybrid node with a word of its own": (
        {"eks.amazonaws.com/compute-type": "hybrid", "lifecycle": "leased"},
        (CapacityType.UNKNOWN, None),
    ),
    "a word that nobody knows, before one that says it": (
        {"node.kubernetes.io/lifecycle": "burst", "lifecycle": "spot"},
        (CapacityType.SPOT, None),
    ),
    "an old provisioner's name beside the node pool's": (
        {
            "karpenter.sh/capacity-type": "spot",
            "karpenter.sh/nodepool": "new",
            "karpenter.sh/provisioner-name": "old",
        },
        (CapacityType.SPOT, "new"),
    ),
    "a word that nobody knows": ({"karpenter.sh/capacity-type": "borrowed"}, (CapacityType.UNKNOWN, None)),
    "an empty word": ({"eks.amazonaws.com/capacityType": ""}, (CapacityType.UNKNOWN, None)),
    "no label": ({}, (CapacityType.UNKNOWN, None)),
}


def kind_and_pool(found: Capacity) -> tuple[CapacityType, str | None]:
    return found.capacity_type, found.node_pool


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
@pytest.mark.parametrize(("labels", "expected"), NODES.values(), ids=NODES)
def test_every_spelling_of_a_nodes_labels_is_read(
    labels: dict[str, str], expected: tuple[CapacityType, str | None], spelling: Callable[[str], str]
) -> None:
    spelt = {spelling(key): value for key, value in labels.items()}
    found = capacity(NODE, FARGATE if expected[0] is CapacityType.FARGATE else INSTANCE, {}, Asset(labels=spelt))
    assert kind_and_pool(found) == expected, "on the asset"
    if "lifecycle" not in labels:
        found = capacity(NODE, found.provider_id, spelt, None)
        assert kind_and_pool(found) == expected, "on the row, without an asset"


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
def test_every_node_of_the_captured_estate_is_what_it_was(spelling: Callable[[str], str]) -> None:
    for node in truth()["nodes"]:
        asset = Asset(
            labels={spelling(key): value for key, value in node["labels"].items()}, node_type=node["instance_type"]
        )
        found = capacity(node["name"], None, {}, asset)
        assert kind_and_pool(found) == (node["capacity_type"], node["pool"]), node["name"]
        assert (found.instance_type or "") == node["instance_type"]
        assert found.availability_zone == node["zone"]


def test_fargate_is_told_by_the_nodes_name_alone() -> None:
    found = capacity("fargate-ip-10-0-0-135.ec2.internal", FARGATE, {}, None)
    assert found.capacity_type is CapacityType.FARGATE
    assert found.instance_id is None
    assert found.provider_id == FARGATE


def test_fargate_is_told_by_the_pods_profile() -> None:
    assert capacity(None, None, {"eks_amazonaws_com_fargate_profile": "emr"}, None).capacity_type == "fargate"
    assert capacity(None, None, {"eks_amazonaws_com_fargate_profile": ""}, None).capacity_type == "unknown"


@pytest.mark.parametrize(
    "labels",
    [{"eks_amazonaws_com_fargate_profile": "emr"}, {"eks_amazonaws_com_compute_type": "fargate"}],
    ids=lambda labels: next(iter(labels)),
)
@pytest.mark.parametrize("node", [NODE, "fargate-like"])
def test_an_instance_is_never_fargate_whatever_a_pod_on_it_is_labelled(labels: dict[str, str], node: str) -> None:
    spot = Asset(labels={"karpenter_sh_capacity_type": "spot"})
    assert capacity(node, INSTANCE, labels, spot).capacity_type is CapacityType.SPOT
    assert capacity(node, f"aws:///us-east-1a/{INSTANCE}", labels, None).capacity_type is CapacityType.UNKNOWN


def test_a_plain_word_on_a_pod_says_nothing_of_its_node() -> None:
    for spelling in SPELLINGS:
        assert capacity(NODE, INSTANCE, {spelling("lifecycle"): "spot"}, None).capacity_type is CapacityType.UNKNOWN
    asset = Asset(labels={"lifecycle": "OnDemand"})
    assert capacity(NODE, INSTANCE, {"lifecycle": "spot"}, asset).capacity_type is CapacityType.ON_DEMAND


def test_a_row_without_a_node_is_of_unknown_capacity() -> None:
    assert capacity(None, None, {}, None) == Capacity(None, None, CapacityType.UNKNOWN, None, None, None)


def test_the_asset_knows_the_node_better_than_the_row() -> None:
    row = {
        "karpenter_sh_capacity_type": "spot",
        "karpenter_sh_nodepool": "old",
        "node_kubernetes_io_instance_type": "m5.large",
        "topology_kubernetes_io_zone": "us-east-1a",
    }
    asset = Asset(
        labels={
            "label_karpenter_sh_capacity_type": "on-demand",
            "label_karpenter_sh_nodepool": "new",
            "label_topology_kubernetes_io_zone": "us-east-1b",
        },
        node_type="m6i.xlarge",
    )
    assert capacity(NODE, INSTANCE, row, asset) == Capacity(
        INSTANCE, "m6i.xlarge", CapacityType.ON_DEMAND, "us-east-1b", "new", INSTANCE
    )


def test_the_row_fills_what_the_asset_leaves_out() -> None:
    row = {
        "eks_amazonaws_com_capacityType": "SPOT",
        "eks_amazonaws_com_nodegroup": "spark-spot",
        "beta_kubernetes_io_instance_type": "m5.2xlarge",
        "failure_domain_beta_kubernetes_io_zone": "us-east-1c",
    }
    assert capacity(NODE, INSTANCE, row, Asset()) == Capacity(
        INSTANCE, "m5.2xlarge", CapacityType.SPOT, "us-east-1c", "spark-spot", INSTANCE
    )


@pytest.mark.parametrize(
    ("preemptible", "expected"),
    [
        (1.0, CapacityType.SPOT),
        (0.25, CapacityType.SPOT),
        (0.0, CapacityType.UNKNOWN),
        (None, CapacityType.UNKNOWN),
    ],
)
def test_preemptible_says_spot_and_nothing_else(preemptible: float | None, expected: CapacityType) -> None:
    assert capacity(NODE, INSTANCE, {}, Asset(preemptible=preemptible)).capacity_type is expected


def test_a_label_outweighs_preemptible() -> None:
    asset = Asset(labels={"karpenter_sh_capacity_type": "on-demand"}, preemptible=1.0)
    assert capacity(NODE, INSTANCE, {}, asset).capacity_type is CapacityType.ON_DEMAND


def test_the_node_group_is_the_assets_own_field_where_no_label_names_one() -> None:
    assert capacity(NODE, INSTANCE, {}, Asset(pool="core")).node_pool == "core"
    assert capacity(NODE, INSTANCE, {}, Asset(labels={"karpenter_sh_nodepool": "gpu"}, pool="core")).node_pool == "gpu"
    assert capacity(NODE, INSTANCE, {}, Asset(pool="")).node_pool is None


@pytest.mark.parametrize(
    ("provider_id", "instance_id"),
    [
        ("i-02433c41eeaf4504d", "i-02433c41eeaf4504d"),
        ("i-0a1b2c3d", "i-0a1b2c3d"),
        ("4111620e2d-a7063bdd5d9036367c86cb4742d14e4e", None),
        ("eks-hybrid:///us-west-2/analytics/mi-0123456789abcdef0", None),
        ("kind://docker/kind/kind-worker", None),
        ("aws:///us-east-1a", None),
        ("mi-0123456789abcdef0", None),
        ("i-02433c41eeaf4504d\n", None),
        ("i-02433C41EEAF4504D", None),
        ("i-", None),
        ("", None),
        (None, None),
    ],
)
def test_only_what_looks_like_an_ec2_instance_is_an_instance_id(
    provider_id: str | None, instance_id: str | None
) -> None:
    found = capacity(NODE, provider_id, {}, None)
    assert found.instance_id == instance_id
    assert found.provider_id == (provider_id or None)


@pytest.mark.parametrize(
    ("whole", "bare", "instance_id"),
    [
        ("aws:///us-east-1a/i-02433c41eeaf4504d", "i-02433c41eeaf4504d", "i-02433c41eeaf4504d"),
        ("aws://us-east-1/us-east-1-wl1-bos-wlz-1/i-0a1b2c3d", "i-0a1b2c3d", "i-0a1b2c3d"),
        (
            "aws:///us-east-1a/4111620e2d-a7063bdd5d9036367c86cb4742d14e4e/fargate-ip-10-0-0-135.ec2.internal",
            "4111620e2d-a7063bdd5d9036367c86cb4742d14e4e",
            None,
        ),
    ],
)
def test_a_whole_provider_id_is_read_as_the_part_that_most_servers_give(
    whole: str, bare: str, instance_id: str | None
) -> None:
    found = capacity(NODE, whole, {}, None)
    assert (found.provider_id, found.instance_id) == (bare, instance_id)
    assert found == capacity(NODE, bare, {}, None)
    assert bare_id(bare) == bare


def test_of_labels_that_mean_one_thing_the_plainest_that_says_something_speaks() -> None:
    labels = {
        "label_karpenter_sh_nodepool_conflict2": "third",
        "label_karpenter_sh_nodepool_conflict1": "second",
        "label_karpenter_sh_nodepool": "first",
        "label_topology_kubernetes_io_zone_conflict1": "us-east-1b",
        "label_topology_kubernetes_io_zone": "",
    }
    for keys in (list(labels), list(reversed(labels))):
        found = capacity(NODE, INSTANCE, {}, Asset(labels={key: labels[key] for key in keys}))
        assert (found.node_pool, found.availability_zone) == ("first", "us-east-1b")


def test_an_empty_label_of_the_asset_leaves_the_rows_own() -> None:
    asset = Asset(labels={"karpenter_sh_capacity_type": ""})
    assert capacity(NODE, INSTANCE, {"karpenter_sh_capacity_type": "spot"}, asset).capacity_type is CapacityType.SPOT


def test_a_hybrid_node_keeps_its_address_and_has_no_instance() -> None:
    uri = "eks-hybrid:///us-west-2/analytics/mi-0123456789abcdef0"
    asset = Asset(labels={"eks_amazonaws_com_compute_type": "hybrid"}, node_type="", preemptible=0.0)
    assert capacity("mi-0123456789abcdef0", uri, {}, asset) == Capacity(
        None, None, CapacityType.UNKNOWN, None, None, uri
    )
