import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import requests

from pipeline.demo.estate.estate import Estate, TrueCost, build_estate
from pipeline.demo.kubecost.api import serving
from pipeline.models import Allocation, Asset
from pipeline.window import Window

HOUR = Window.hour(datetime(2026, 10, 13, 10, tzinfo=UTC))
DAY = Window(datetime(2026, 10, 14, tzinfo=UTC), datetime(2026, 10, 15, tzinfo=UTC))
PLAIN = {"idle": "false", "shareTenancyCosts": "false", "accumulate": "false", "external": "false"}


def words(text: str) -> set[str]:
    return set(text.split())


# What a real server of Kubecost 2.4's code base sends.
ALLOCATION_FIELDS = words("""
    name properties window start end minutes cpuCores cpuCoreRequestAverage cpuCoreUsageAverage cpuCoreHours cpuCost
    cpuCostAdjustment cpuCostIdle cpuEfficiency gpuCount gpuRequestAverage gpuUsageAverage gpuHours gpuCost
    gpuCostAdjustment gpuCostIdle gpuEfficiency networkTransferBytes networkReceiveBytes networkCost
    networkCrossZoneCost networkCrossRegionCost networkInternetCost networkCostAdjustment loadBalancerCost
    loadBalancerCostAdjustment pvBytes pvByteHours pvCost pvs pvCostAdjustment ramBytes ramByteRequestAverage
    ramByteUsageAverage ramByteHours ramCost ramCostAdjustment ramCostIdle ramEfficiency externalCost sharedCost
    totalCost totalEfficiency rawAllocationOnly lbAllocations
""")
PROPERTIES = words("""
    cluster node container controller controllerKind namespace pod services providerID labels namespaceLabels
""")
COMMON_ASSET_FIELDS = words("type properties labels window start end minutes totalCost")
ASSET_FIELDS = {
    "Node": words("""
        nodeType pool cpuCores ramBytes cpuCoreHours ramByteHours GPUHours cpuBreakdown ramBreakdown preemptible
        discount cpuCost gpuCost gpuCount ramCost adjustment
    """),
    "Disk": words("""
        byteHours bytes byteHoursUsed byteUsageMax breakdown adjustment storageClass volumeName claimName
        claimNamespace
    """),
    "LoadBalancer": words("adjustment private ip"),
    "ClusterManagement": words(""),
}


@pytest.fixture(scope="module")
def estate() -> Estate:
    return build_estate()


@pytest.fixture(scope="module")
def url(estate: Estate) -> Iterator[str]:
    with serving(estate) as base:
        yield base


def get(url: str, path: str, **query: str) -> requests.Response:
    return requests.get(f"{url}{path}", params=query, timeout=30)


def allocations(url: str, window: Window, **options: str) -> dict[str, Any]:
    answer = get(url, "/model/allocation", window=str(window), **(options or PLAIN))
    answer.raise_for_status()
    (rows,) = answer.json()["data"]
    return rows  # type: ignore[no-any-return]


def assets(url: str, window: Window) -> dict[str, Any]:
    answer = get(url, "/model/assets", window=str(window))
    answer.raise_for_status()
    (found,) = answer.json()["data"]
    return found  # type: ignore[no-any-return]


def true_in(estate: Estate, window: Window) -> dict[tuple[str, str, str], TrueCost]:
    return {
        (cost.namespace, cost.pod, cost.container): cost
        for cost in estate.true_costs()
        if window.start <= cost.window_start < window.end
    }


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    of = row["properties"]
    return of["namespace"], of["pod"], of["container"]


def test_the_envelope_is_kubecosts(url: str) -> None:
    answer = get(url, "/model/allocation", window=str(HOUR))
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"code", "data"}
    assert answer.json()["code"] == 200


def test_allocations_have_the_fields_of_a_real_server_and_no_others(url: str) -> None:
    rows = allocations(url, HOUR)
    for name, row in rows.items():
        assert row["name"] == name
        missing = {"rawAllocationOnly"} if "__unmounted__" in name else set()
        assert set(row) == ALLOCATION_FIELDS - missing
        assert set(row["properties"]) <= PROPERTIES


def test_assets_have_the_fields_of_a_real_server_and_no_others(url: str) -> None:
    seen = set()
    for asset in assets(url, HOUR).values():
        optional = {"pool"} if "pool" not in asset else set()
        assert set(asset) == COMMON_ASSET_FIELDS | ASSET_FIELDS[asset["type"]] - optional
        seen.add(asset["type"])
    assert seen == set(ASSET_FIELDS)


def test_the_products_own_models_read_every_hour(url: str, estate: Estate) -> None:
    for window in estate.windows():
        rows = msgspec.convert(allocations(url, window), dict[str, Allocation])
        nodes = msgspec.convert(assets(url, window), dict[str, Asset])
        assert {(row.window.start, row.window.end) for row in rows.values()} == {(window.start, window.end)}
        assert any(row.properties and row.properties.provider_id for row in rows.values())
        assert any(asset.type == "Node" for asset in nodes.values())


def test_costs_are_the_true_ones_rounded_to_five_decimals(url: str, estate: Estate) -> None:
    truth = true_in(estate, HOUR)
    rows = {key(row): row for row in allocations(url, HOUR).values()}
    assert set(rows) == set(truth)
    for container, row in rows.items():
        cost = truth[container]
        assert row["cpuCost"] == round(cost.cpu_cost, 5)
        assert row["ramCost"] == round(cost.ram_cost, 5)
        assert row["gpuCost"] == round(cost.gpu_cost, 5)
        assert row["pvCost"] == round(cost.storage_cost, 5)
        assert row["networkCost"] == round(cost.network_cost, 5)
        assert row["loadBalancerCost"] == round(cost.load_balancer_cost, 5)
        assert row["totalCost"] == round(cost.total_cost, 5)


def test_a_day_holds_what_its_hours_hold(url: str, estate: Estate) -> None:
    whole = sum(row["totalCost"] for row in allocations(url, DAY).values())
    true = sum(cost.total_cost for cost in estate.true_costs() if DAY.start <= cost.window_start < DAY.end)
    assert whole == pytest.approx(true, abs=0.01)


def test_whole_numbers_have_no_point_and_others_at_most_five_decimals(url: str) -> None:
    text = get(url, "/model/allocation", window=str(HOUR), **PLAIN).text
    hours = re.findall(r'"(?:minutes|cpuCoreHours|ramCost|totalCost)":([^,]+),', text)
    assert hours
    assert not [number for number in hours if number.endswith(".0")]
    assert max(len(number.partition(".")[2]) for number in hours if "e" not in number) == 5


def test_assets_are_rounded_to_six_decimals(url: str, estate: Estate) -> None:
    lives = {node.name: node for node in estate.nodes}
    nodes = [asset for asset in assets(url, HOUR).values() if asset["type"] == "Node"]
    for asset in nodes:
        node = lives[asset["properties"]["name"]]
        life = node.life.within(HOUR)
        assert life is not None
        assert asset["totalCost"] == round(node.hourly_cost * life.hours, 6)
    assert len(nodes) == sum(node.life.overlaps(HOUR) for node in estate.nodes)


def test_labels_are_sanitised_and_hold_only_the_node_labels_that_kubecost_includes(url: str) -> None:
    spot_nodes = {asset["properties"]["name"] for asset in assets(url, HOUR).values() if asset.get("preemptible") == 1}
    executors = [
        row["properties"]
        for row in allocations(url, HOUR).values()
        if row["properties"].get("labels", {}).get("spark_role") == "executor"
        and row["properties"]["node"] in spot_nodes
    ]
    assert executors
    for of in executors:
        assert not [label for label in of["labels"] if re.search(r"[^A-Za-z0-9_]", label)]
        assert not [label for label in of["labels"] if "capacity" in label.lower() or "karpenter" in label]
        assert of["labels"]["topology_kubernetes_io_region"] == "us-east-1"
        assert of["labels"]["node_kubernetes_io_instance_type"]
        assert of["labels"]["team"] == of["namespaceLabels"]["team"]


def test_nodes_carry_all_their_labels_and_a_pool_only_in_a_node_group(url: str) -> None:
    nodes = [asset for asset in assets(url, HOUR).values() if asset["type"] == "Node"]
    assert {asset.get("pool") for asset in nodes} == {"core", "spark-spot", None}
    for asset in nodes:
        assert ("pool" in asset) == ("eks_amazonaws_com_nodegroup" in asset["labels"])
        keys = ("eks_amazonaws_com_capacityType", "karpenter_sh_capacity_type")
        spot = {"SPOT", "spot"} & {asset["labels"].get(key) for key in keys}
        assert asset["preemptible"] == (1 if spot else 0)


def test_a_fargate_pod_has_a_node_without_a_type(url: str) -> None:
    window = Window.hour(datetime(2026, 10, 13, 11, tzinfo=UTC))
    nodes = {asset["properties"]["name"]: asset for asset in assets(url, window).values() if asset["type"] == "Node"}
    fargate = {name: asset for name, asset in nodes.items() if name.startswith("fargate-ip-")}
    assert len(fargate) == 5
    assert {asset["nodeType"] for asset in fargate.values()} == {""}
    assert all(re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]{32}", a["properties"]["providerID"]) for a in fargate.values())
    on_fargate = [row for row in allocations(url, window).values() if row["properties"].get("node") in fargate]
    assert {row["properties"]["labels"]["eks_amazonaws_com_fargate_profile"] for row in on_fargate} == {"emr"}


def test_an_instance_id_stands_on_the_node_and_on_its_root_disk(url: str) -> None:
    found = assets(url, HOUR)
    ids = [asset["properties"].get("providerID") for asset in found.values() if asset["type"] == "Node"]
    disks = {asset["properties"].get("providerID") for asset in found.values() if asset["type"] == "Disk"}
    assert set(ids) <= disks
    assert len(set(ids)) == len(ids)


def test_unmounted_volumes_have_a_row_without_node_and_labels(url: str) -> None:
    rows = {name: row for name, row in allocations(url, HOUR).items() if "__unmounted__" in name}
    assert set(rows) == {
        "analytics//__unmounted__/__unmounted__/__unmounted__",
        "analytics//notebooks/notebooks-unmounted-pvcs/__unmounted__",
    }
    for row in rows.values():
        assert set(row["properties"]) == {"cluster", "namespace", "pod", "container"}
        assert {share["providerID"] for share in row["pvs"].values()} == {""}
        assert row["pvCost"] == row["totalCost"] > 0


def test_volumes_of_pods_name_the_ebs_volume_and_are_not_rounded(url: str) -> None:
    shares = [
        share
        for name, row in allocations(url, HOUR).items()
        if "__unmounted__" not in name
        for share in (row["pvs"] or {}).values()
    ]
    assert shares
    assert all(share["providerID"].startswith("vol-") for share in shares)
    assert any(share["cost"] != round(share["cost"], 5) for share in shares)


def test_adjustments_are_zero_in_hourly_sets(url: str) -> None:
    for row in allocations(url, HOUR).values():
        assert {value for field, value in row.items() if field.endswith("Adjustment")} == {0}


def test_the_empty_node_has_an_asset_and_no_allocation(url: str) -> None:
    window = Window.hour(datetime(2026, 10, 13, 16, tzinfo=UTC))
    nodes = {a["properties"]["name"] for a in assets(url, window).values() if a["type"] == "Node"}
    used = {row["properties"].get("node") for row in allocations(url, window).values()}
    assert len(nodes - used) == 1


def test_idle_is_a_row_of_costs_unless_it_is_declined(url: str) -> None:
    rows = allocations(url, HOUR, shareTenancyCosts="false")
    assert set(rows) - set(allocations(url, HOUR)) == {"__idle__"}
    nodes = sum(a["totalCost"] for a in assets(url, HOUR).values() if a["type"] == "Node")
    compute = sum(row["cpuCost"] + row["ramCost"] + row["gpuCost"] for row in rows.values())
    assert compute == pytest.approx(nodes, abs=1e-3)
    assert rows["__idle__"]["cpuCoreHours"] == 0


def test_tenancy_costs_are_shared_out_unless_they_are_declined(url: str) -> None:
    shared = allocations(url, HOUR, idle="false")
    plain = allocations(url, HOUR)
    tenancy = sum(
        asset["totalCost"]
        for asset in assets(url, HOUR).values()
        if asset["type"] == "ClusterManagement" or asset.get("storageClass") == "__local__"
    )
    assert sum(row["sharedCost"] for row in shared.values()) == pytest.approx(tenancy, abs=1e-3)
    more = sum(row["totalCost"] for row in shared.values()) - sum(row["totalCost"] for row in plain.values())
    assert more == pytest.approx(tenancy, abs=1e-3)


@pytest.mark.parametrize("hours", [-1, 46])
@pytest.mark.parametrize("path", ["/model/allocation", "/model/assets"])
def test_an_hour_outside_of_the_history_is_an_empty_set(url: str, estate: Estate, path: str, hours: int) -> None:
    window = Window.hour(estate.history.start + timedelta(hours=hours))
    assert get(url, path, window=str(window)).json() == {"code": 200, "data": [{}]}


def test_two_hours_are_two_sets_and_an_empty_window_is_none(url: str) -> None:
    two = get(url, "/model/allocation", window="2026-10-13T10:00:00Z,2026-10-13T12:00:00Z", **PLAIN).json()["data"]
    none = get(url, "/model/allocation", window="2026-10-13T10:00:00Z,2026-10-13T10:00:00Z", **PLAIN).json()["data"]
    starts = [{row["window"]["start"] for row in rows.values()} for rows in two]
    assert starts == [{"2026-10-13T10:00:00Z"}, {"2026-10-13T11:00:00Z"}]
    assert none == []


@pytest.mark.parametrize(
    "window",
    [
        "",
        "garbage",
        "2026-10-13T10:00:00+00:00,2026-10-13T11:00:00+00:00",
        "2026-10-13T10:00:00.000Z,2026-10-13T11:00:00.000Z",
        "2026-13-32T10:00:00Z,2026-10-13T11:00:00Z",
    ],
)
def test_a_window_that_is_none_is_a_plain_text_error(url: str, window: str) -> None:
    for path, rest in (("/model/allocation", '"Error: illegal window: [nil, nil)"}'), ("/model/assets", window)):
        answer = get(url, path, window=window)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.startswith(f"Invalid 'window' parameter: illegal window: {window}\n")
        assert answer.text.rstrip("\n").endswith(rest)


def test_a_reversed_window_is_an_error_of_the_server(url: str) -> None:
    answer = get(url, "/model/allocation", window="2026-10-13T11:00:00Z,2026-10-13T10:00:00Z")
    assert answer.status_code == 500
    assert answer.json() == {
        "code": 500,
        "status": "",
        "data": None,
        "message": "Error: illegal window: [2026-10-13T11:00:00+0000, 2026-10-13T10:00:00+0000)",
    }


def test_a_window_off_the_hour_is_not_covered_by_the_store(url: str) -> None:
    answer = get(url, "/model/allocation", window="2026-10-13T10:30:00Z,2026-10-13T11:30:00Z")
    assert answer.status_code == 500
    assert "boundary error: requested [2026-10-13T10:30:00+0000" in answer.json()["message"]


def test_what_would_change_the_shape_of_the_answer_is_refused_by_name(url: str) -> None:
    answer = get(url, "/model/allocation", window=str(HOUR), aggregate="namespace", accumulate="true")
    assert answer.status_code == 400
    assert "['accumulate', 'aggregate']" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/", "/allocation", "/assets", "/healthz"])
def test_outside_of_model_the_user_interface_answers(url: str, path: str) -> None:
    answer = get(url, path, window=str(HOUR))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")


def test_inside_of_model_an_unknown_path_is_not_found(url: str) -> None:
    answer = get(url, "/model/nothing")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


def test_the_cost_model_is_healthy(url: str) -> None:
    answer = get(url, "/model/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


def test_answers_are_compressed_for_those_who_ask(url: str) -> None:
    query = {"window": str(HOUR), **PLAIN}
    address = f"{url}/model/allocation"
    packed = requests.get(address, query, headers={"Accept-Encoding": "gzip"}, timeout=30)
    plain = requests.get(address, query, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 4


def test_two_servers_send_the_same_bytes(url: str) -> None:
    query = {"window": str(HOUR), **PLAIN}
    with serving(build_estate()) as other:
        assert get(other, "/model/allocation", **query).content == get(url, "/model/allocation", **query).content
