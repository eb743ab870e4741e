import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.kubecost import Kubecost
from pipeline.models import Allocation, Asset, Cluster, Properties, VolumeShare, WindowAnswer, WireWindow
from pipeline.rows import WindowRows, window_rows
from pipeline.tables import ALLOCATIONS, LAKE_TABLES, NODES, VOLUMES, Table
from pipeline.window import HOUR, Window, parse_instant
from tests.captures import HOURS, capture, instead, opencost, serving
from tests.conftest import CLUSTER_ARN

CLUSTER = Cluster.from_arn(CLUSTER_ARN)
COLLECTED_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEN = Window.hour(datetime(2026, 11, 19, 10, tzinfo=UTC))
GIB = 1 << 30

CAPTURED = [(server, hour) for server, hours in HOURS.items() for hour in hours]
FINE_GRID = ("opencost-2026-05-resolution-60s", "19T10")


@cache
def captured(server: str, hour: str) -> WindowAnswer:
    answering = opencost("opencost-2026-05" if (server, hour) == FINE_GRID else server)
    if (server, hour) == FINE_GRID:  # only its allocations were captured
        answering = instead("/allocation", capture(f"{server}/allocation-2026-11-{hour}.json").answer, answering)
    with serving(answering) as upstream:
        return Kubecost(upstream.url).window(Window.hour(parse_instant(f"2026-11-{hour}Z")))


def document(server: str, hour: str) -> list[dict[str, Any]]:
    """The captured rows as they came."""
    body = capture(f"{server}/allocation-2026-11-{hour}.json").answer.body
    return list(json.loads(body)["data"][0].values())


def made(answer: WindowAnswer, labels: tuple[str, ...] = ()) -> WindowRows:
    return window_rows(answer, CLUSTER, labels, COLLECTED_AT)


def answer(*allocations: Allocation, nodes: tuple[Asset, ...] = ()) -> WindowAnswer:
    return WindowAnswer(TEN, allocations, nodes, "kubecost")


def allocation(properties: Properties | None = None, **facts: Any) -> Allocation:
    return Allocation(name="row", window=WireWindow(TEN.start, TEN.end), properties=properties, **facts)


def node(name: str = "ip-10-0-0-1.ec2.internal", provider_id: str | None = "i-0a1b2c3d", **facts: Any) -> Asset:
    return Asset(type="Node", properties=Properties(name=name, provider_id=provider_id), **facts)


def rows(found: WindowRows, table: Table = ALLOCATIONS) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = found.tables[table].to_pylist()
    return listed


def only_row(of: Allocation, *nodes: Asset, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    (row,) = rows(made(answer(of, nodes=nodes), labels))
    return row


def key(of: dict[str, Any]) -> tuple[Any, ...]:
    return of.get("node"), of["namespace"], of["pod"], of["container"]


@pytest.mark.parametrize(("server", "hour"), CAPTURED)
def test_every_captured_container_is_one_row_with_its_quantities_in_our_units(server: str, hour: str) -> None:
    found = {key(row): row for row in rows(made(captured(server, hour)))}
    expected = document(server, hour)
    assert len(found) == len(expected)
    for one in expected:
        row, run_hours = found[key(one["properties"])], one["minutes"] / 60
        assert row["minutes"] == one["minutes"]
        assert row["cpu_core_hours"] == one["cpuCoreHours"]
        assert row["cpu_core_request_hours"] == pytest.approx(one["cpuCoreRequestAverage"] * run_hours)
        assert row["cpu_core_usage_hours"] == pytest.approx(one["cpuCoreUsageAverage"] * run_hours)
        assert row["ram_gib_hours"] == pytest.approx(one["ramByteHours"] / GIB)
        assert row["ram_gib_request_hours"] == pytest.approx(one["ramByteRequestAverage"] / GIB * run_hours)
        assert row["ram_gib_usage_hours"] == pytest.approx(one["ramByteUsageAverage"] / GIB * run_hours)
        assert row["pv_gib_hours"] == pytest.approx(one["pvByteHours"] / GIB)
        assert row["gpu_hours"] == one["gpuHours"]
        assert row["total_cost"] == one["totalCost"]
        assert row["started_at"].replace(tzinfo=UTC) == parse_instant(one["start"])
        assert row["ended_at"].replace(tzinfo=UTC) == parse_instant(one["end"])


@pytest.mark.parametrize(("server", "hour"), CAPTURED)
def test_no_cent_and_no_core_hour_of_a_captured_window_is_lost(server: str, hour: str) -> None:
    found, expected = made(captured(server, hour)), document(server, hour)
    assert found.estimated_cost == pytest.approx(math.fsum(row["totalCost"] for row in expected), rel=1e-12)
    assert found.core_hours == pytest.approx(math.fsum(row["cpuCoreHours"] for row in expected), rel=1e-12)
    volumes = math.fsum(row["cost"] for row in rows(found, VOLUMES))
    shares = [share for row in expected for share in (row.get("pvs") or {}).values()]
    assert volumes == pytest.approx(math.fsum(share["cost"] for share in shares), rel=1e-12)


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_every_row_says_which_cluster_window_and_run_it_is_of(table: Table) -> None:
    found = made(captured("opencost-2026-05", "19T10"))
    assert found.tables[table].schema == table.schema
    expected = {"cluster_arn": CLUSTER_ARN, "window_start": TEN.start, "window_end": TEN.end}
    expected |= {"collected_at": COLLECTED_AT}
    if table is ALLOCATIONS:
        expected |= {"account_id": "111122223333", "region": "us-east-1", "cluster_name": "analytics-prod"}
    for name, value in expected.items():
        naive = value.replace(tzinfo=None) if isinstance(value, datetime) else value
        assert set(found.tables[table][name].to_pylist()) == {naive}


def test_costs_include_their_adjustments() -> None:
    kinds = ("cpu", "ram", "gpu", "pv", "network", "load_balancer")
    facts: dict[str, Any] = {f"{kind}_cost": 10.0 + n for n, kind in enumerate(kinds)}
    facts |= {f"{kind}_cost_adjustment": -0.5 * n for n, kind in enumerate(kinds)}
    row = only_row(allocation(**facts, total_cost=67.5, network_internet_cost=3.0))
    assert [row[f"{kind}_cost"] for kind in kinds] == [10.0, 10.5, 11.0, 11.5, 12.0, 12.5]
    assert (row["total_cost"], row["network_internet_cost"]) == (67.5, 3.0)


def test_what_upstream_leaves_out_is_null_and_never_zero() -> None:
    row = only_row(allocation())
    stated = {"workload_kind": "other", "capacity_type": "unknown"}
    common = {"cluster_arn", "cluster_name", "account_id", "region", "window_start", "window_end", "collected_at"}
    assert {name: value for name, value in row.items() if value is not None and name not in common} == stated


def test_an_adjustment_without_its_cost_is_no_cost() -> None:
    assert only_row(allocation(cpu_cost_adjustment=1.0))["cpu_cost"] is None
    assert only_row(allocation(cpu_cost=1.0))["cpu_cost"] == 1.0


def test_an_empty_text_is_null() -> None:
    row = only_row(allocation(Properties(node="", namespace="", pod="", controller="", provider_id="")))
    assert {row[name] for name in ("node", "namespace", "pod", "controller_name", "provider_id")} == {None}


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("hour", ["19T10", "19T20"])
def test_rows_are_in_the_order_of_the_contract_whatever_the_order_of_the_answer(table: Table, hour: str) -> None:
    of = captured("opencost-2026-05", hour)
    backwards = replace(of, allocations=of.allocations[::-1], nodes=of.nodes[::-1])
    found = made(of).tables[table]
    assert found.equals(made(backwards).tables[table])
    order = [tuple((row[name] is None, row[name] or "") for name in table.order[1:]) for row in found.to_pylist()]
    assert order == sorted(order), "nulls last"


def test_two_containers_of_a_pod_share_its_volume_as_one_row() -> None:
    of = Properties(namespace="emr", pod="driver", node="n", container="spark")
    share = VolumeShare(byte_hours=3.0 * GIB, cost=0.25, adjustment=-0.05, provider_id="vol-0a1b")
    containers = [
        allocation(of, pvs={"cluster=analytics:name=pvc-1a2b": share}),
        allocation(
            Properties(namespace="emr", pod="driver", node="n", container="fluentd"),
            pvs={"cluster=analytics:name=pvc-1a2b": share, "cluster=analytics:name=pvc-9": VolumeShare()},
        ),
        allocation(Properties(namespace="emr", pod="other"), pvs={"cluster=analytics:name=pvc-1a2b": share}),
    ]
    found = [
        tuple(row[name] for name in ("volume_name", "volume_id", "namespace", "pod", "gib_hours", "cost"))
        for row in rows(made(answer(*containers)), VOLUMES)
    ]
    assert found == [
        ("pvc-1a2b", "vol-0a1b", "emr", "driver", 6.0, pytest.approx(0.4)),
        ("pvc-1a2b", "vol-0a1b", "emr", "other", 3.0, pytest.approx(0.2)),
        ("pvc-9", None, "emr", "driver", None, None),
    ]


def test_volumes_that_no_pod_mounts_keep_their_rows_and_their_cost() -> None:
    found = made(captured("opencost-2026-05", "19T10"))
    unmounted = [row for row in rows(found) if row["container"] == "__unmounted__"]
    assert {row["namespace"] for row in unmounted} == {"__unmounted__", "data-science"}
    assert all(row["node"] is None and row["labels"] is None for row in unmounted)
    assert {row["workload_kind"] for row in unmounted} == {"other"}
    volumes = [row for row in rows(found, VOLUMES) if row["pod"] is None]
    assert [row["namespace"] for row in volumes] == [None, "data-science"]
    assert {row["volume_id"] for row in volumes} == {None}
    assert [round(row["cost"], 5) for row in volumes] == [0.00219, 0.02192]
    assert sum(row["total_cost"] for row in unmounted) == pytest.approx(0.00219 + 0.02192)


def test_ghosts_of_pods_that_ended_on_the_hour_stay_rows() -> None:
    ghosts = [
        row
        for row in rows(made(captured("opencost-2026-05", "19T20")))
        if row["node"] is None and row["container"] != "__unmounted__"
    ]
    assert {row["namespace"] for row in ghosts} == {"flink"}
    for row in ghosts:
        assert (row["workload_kind"], row["capacity_type"]) == ("other", "unknown")
        assert (row["total_cost"], row["cpu_core_hours"], row["instance_id"]) == (0.0, 0.0, None)


def test_of_an_instance_on_two_assets_the_one_that_ran_longest_speaks() -> None:
    assets = (
        node("old-name", minutes=10.0, node_type="m5.large", total_cost=0.1),
        node("new-name", minutes=50.0, node_type="m6i.large", total_cost=0.5),
    )
    of = allocation(Properties(node="old-name", provider_id="i-0a1b2c3d"), total_cost=1.0)
    found = made(answer(of, nodes=assets))
    assert [row["instance_type"] for row in rows(found)] == ["m6i.large"]
    assert [(row["node"], row["total_cost"]) for row in rows(found, NODES)] == [("new-name", 0.5), ("old-name", 0.1)]


def test_a_node_keeps_its_own_labels_of_the_allow_list_however_the_server_spells_them() -> None:
    assets = (
        node("a", "i-0a1b2c3d", labels={"team": "risk", "kubernetes_io_os": "linux"}),
        node("b", "i-0a1b2c3e", labels={"label_team": "ops", "label_tier": "gold", "tier": "silver"}),
        node("c", "i-0a1b2c3f", labels={"kubernetes_io_os": "linux"}),
        node("d", "i-0a1b2c40"),
    )
    of = allocation(Properties(node="a", provider_id="i-0a1b2c3d", labels={"team": "of the pod"}))
    found = {row["node"]: row["labels"] for row in rows(made(answer(of, nodes=assets), ("tier", "team")), NODES)}
    assert found == {"a": [("team", "risk")], "b": [("team", "ops"), ("tier", "silver")], "c": [], "d": None}


def test_a_node_that_upstream_lists_twice_is_counted_once() -> None:
    assets = (node(minutes=30.0, total_cost=0.5), node(minutes=60.0, total_cost=1.0))
    found = made(answer(allocation(Properties(node="n", provider_id="i-0a1b2c3d")), nodes=assets))
    assert [row["total_cost"] for row in rows(found, NODES)] == [1.0]
    assert len(rows(found)) == 1


def test_without_provider_ids_containers_find_their_nodes_by_name() -> None:
    of = [allocation(Properties(node=name), total_cost=1.0) for name in ("n1", "n1", "n2")]
    found = made(answer(*of, nodes=(node("n1", "i-0a1b2c3d", node_type="m5.large"),)))
    assert [(row["node"], row["instance_id"]) for row in rows(found)] == [
        ("n1", "i-0a1b2c3d"),
        ("n1", "i-0a1b2c3d"),
        ("n2", None),
    ]
    assert (found.joined_by_name, found.nodes_unmatched) == (2, 1)


def test_a_container_whose_node_has_no_asset_keeps_its_row_and_its_instance() -> None:
    labels = {"karpenter_sh_capacity_type": "spot"}
    of = allocation(Properties(node="n1", provider_id="i-0a1b2c3d", labels=labels), total_cost=1.0)
    found = made(answer(of, of, nodes=(node("n1", "i-99999999"),)))
    assert [(row["instance_id"], row["capacity_type"]) for row in rows(found)] == [("i-0a1b2c3d", "spot")] * 2
    assert (found.nodes_unmatched, found.joined_by_name) == (1, 0), "a name is no proof where there is an ID"


def test_rows_of_one_pod_name_are_attributed_by_their_own_labels() -> None:
    job = {"emr_containers_amazonaws_com_job_id": "00000008k7cyoqlkw55"}
    of = [
        allocation(Properties(node="n1", namespace="emr", pod="p", container=container, labels=labels))
        for container, labels in (("a", job), ("b", {}), ("c", job))
    ]
    found = {row["container"]: row["job_run_id"] for row in rows(made(answer(*of)))}
    assert found == {"a": "00000008k7cyoqlkw55", "b": None, "c": "00000008k7cyoqlkw55"}


def test_only_labels_of_the_allow_list_are_kept_in_the_order_of_their_keys() -> None:
    labels = {"team": "sales", "queue": "root.sales", "app": "x", "spark_role": "driver"}
    of = allocation(Properties(labels=labels))
    assert only_row(of, labels=("team", "queue", "team", "absent"))["labels"] == [
        ("queue", "root.sales"),
        ("team", "sales"),
    ]
    assert only_row(of)["labels"] == []
    assert only_row(allocation(Properties()), labels=("team",))["labels"] is None


@pytest.mark.parametrize(
    ("server", "hour", "grid"),
    [
        *((server, hour, timedelta(minutes=5)) for server, hour in CAPTURED if hour != "19T03"),
        (*FINE_GRID, timedelta(minutes=1)),
        ("opencost-2026-05", "19T03", None),
    ],
)
def test_the_grid_of_a_captured_window_is_the_servers_resolution(
    server: str, hour: str, grid: timedelta | None
) -> None:
    assert made(captured(server, hour)).grid == grid


@pytest.mark.parametrize(
    ("minutes", "grid"),
    [
        ([60.0, 60.0], None),
        ([None, 60.0], None),
        ([60.0, 35.0], timedelta(minutes=5)),
        ([2.5, 60.0], timedelta(minutes=5)),
        ([35.0, 36.0], timedelta(minutes=1)),
        ([59.0], timedelta(minutes=1)),
    ],
)
def test_the_grid_is_what_the_minutes_lie_on(minutes: list[float | None], grid: timedelta | None) -> None:
    assert made(answer(*(allocation(minutes=of) for of in minutes))).grid == grid


def test_an_answer_without_rows_makes_empty_tables() -> None:
    found = made(answer())
    assert [found.tables[table].num_rows for table in LAKE_TABLES] == [0, 0, 0]
    assert (found.core_hours, found.estimated_cost, found.grid) == (0.0, 0.0, None)


names = st.none() | st.sampled_from(["", "n1", "n2", "n3"])
provider_ids = st.none() | st.sampled_from(["", "i-0a1b2c3d", "i-99999999", "4111620e2d-a706"])
costs = st.none() | st.floats(0, 1e6, allow_nan=False)


@st.composite
def allocations(draw: st.DrawFn) -> Allocation:
    of = Properties(
        node=draw(names),
        provider_id=draw(provider_ids),
        namespace=draw(st.sampled_from(["emr", "kube-system", "__unmounted__"])),
        pod=draw(st.sampled_from(["driver", "executor", "__unmounted__"])),
        container=draw(st.sampled_from(["spark", "fluentd", "__unmounted__"])),
        labels=draw(st.none() | st.dictionaries(st.sampled_from(["spark_role", "team"]), st.sampled_from(["", "x"]))),
    )
    shares = st.builds(VolumeShare, byte_hours=costs, cost=costs)
    volumes = st.none() | st.dictionaries(st.sampled_from(["cluster=a:name=pvc-1", "cluster=a:name=pvc-2"]), shares)
    return allocation(draw(st.none() | st.just(of)), total_cost=draw(costs), pvs=draw(volumes))


def total(values: Any) -> float:
    """The exact sum of what is known: it does not depend on the order."""
    return math.fsum(value for value in values if value is not None)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(allocations(), max_size=12),
    st.lists(st.builds(node, names, provider_ids, minutes=costs, labels=st.none()), max_size=4),
)
def test_whatever_matches_or_not_no_row_and_no_cost_is_lost_or_counted_twice(
    of: list[Allocation], nodes: list[Asset]
) -> None:
    found = made(answer(*of, nodes=tuple(nodes)))
    assert len(rows(found)) == len(of)
    assert total(row["total_cost"] for row in rows(found)) == total(one.total_cost for one in of)
    shares = total(share.cost for one in of for share in (one.pvs or {}).values())
    assert total(row["cost"] for row in rows(found, VOLUMES)) == pytest.approx(shares, rel=1e-12)
    asked = {(asset.properties.name, asset.properties.provider_id) for asset in nodes if asset.properties}
    assert len(rows(found, NODES)) == len(asked)


def test_a_day_window_is_marked_as_one() -> None:
    day = Window(TEN.start - 10 * HOUR, TEN.start + 14 * HOUR)
    found = made(WindowAnswer(day, (allocation(minutes=1440.0),), (), "opencost"))
    (row,) = rows(found)
    assert row["window_end"] - row["window_start"] == timedelta(days=1)
    assert found.grid is None, "it ran through the whole window"
    assert isinstance(found.tables[ALLOCATIONS], pa.Table)
