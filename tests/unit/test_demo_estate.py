from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.demo.estate.cluster import GIB, Capacity, Demand, Node, Placement, Span
from pipeline.demo.estate.estate import Estate, TrueCost, build_estate
from pipeline.demo.estate.metering import container_uses, unmounted_uses
from pipeline.demo.estate.nodes import FARGATE_PROFILE, fargate_size
from pipeline.demo.estate.scheduler import schedule
from pipeline.demo.estate.timetable import EMPTY_NODE, HISTORY, pods
from pipeline.window import Window

KINDS = {
    "job_run",
    "interactive_endpoint",
    "spark_operator",
    "spark_submit",
    "spark",
    "flink",
    "platform",
    "other",
}
ON_EMR = KINDS - {"spark", "platform", "other"}


@pytest.fixture(scope="module")
def estate() -> Estate:
    return build_estate()


@pytest.fixture(scope="module")
def costs(estate: Estate) -> tuple[TrueCost, ...]:
    return estate.true_costs()


def by_node(estate: Estate) -> Iterator[tuple[Node, list[Placement]]]:
    placements = defaultdict(list)
    for placement in estate.placements:
        placements[placement.node.name].append(placement)
    for node in estate.nodes:
        yield node, placements[node.name]


def test_two_builds_are_equal(estate: Estate) -> None:
    again = build_estate()
    assert again == estate
    assert again.true_costs() == estate.true_costs()
    assert again.true_uplift() == estate.true_uplift()


def test_the_history_is_46_hours_and_nothing_lies_outside_of_it(estate: Estate) -> None:
    lives = [node.life for node in estate.nodes] + [placement.pod.life for placement in estate.placements]
    assert len(estate.windows()) == 46
    assert all(estate.history.start <= life.start < life.end <= estate.history.end for life in lives)


def test_everything_starts_and_ends_on_a_whole_minute(estate: Estate) -> None:
    spans = [node.life for node in estate.nodes] + [placement.pod.life for placement in estate.placements]
    assert all(moment.second == moment.microsecond == 0 for span in spans for moment in (span.start, span.end))


def test_every_pod_runs_on_a_node_of_the_estate_that_lives_as_long(estate: Estate) -> None:
    nodes = {node.name: node for node in estate.nodes}
    assert len(nodes) == len(estate.nodes)
    for placement in estate.placements:
        life = nodes[placement.node.name].life
        assert life.start <= placement.pod.life.start < placement.pod.life.end <= life.end


def test_every_pod_of_the_timetable_is_placed_in_the_pool_that_it_asks_for(estate: Estate) -> None:
    placed = {placement.pod.uid: placement for placement in estate.placements}
    assert len(placed) == len(estate.placements)
    for pod in pods():
        assert placed[pod.uid].pod == pod
        assert placed[pod.uid].node.pool == pod.pool


def test_pods_never_take_more_than_their_node_has(estate: Estate) -> None:
    for node, placements in by_node(estate):
        for moment in {placement.pod.life.start for placement in placements}:
            running = [p.pod for p in placements if p.pod.life.start <= moment < p.pod.life.end]
            assert node.capacity.holds(sum((pod.peak for pod in running), Capacity(0, 0))), (node.name, moment)


def test_a_pod_larger_than_its_pool_is_refused(estate: Estate) -> None:
    driver = next(p.pod for p in estate.placements if p.pod.role == "driver" and p.pod.pool.instance_type)
    huge = replace(driver, containers=(replace(driver.containers[0], cpu=Demand(64, 1)),))
    with pytest.raises(ValueError, match="larger than the instances of spark-drivers"):
        schedule([huge], [driver.pool], HISTORY)


def test_the_unit_prices_of_a_node_make_its_price(estate: Estate) -> None:
    for node in estate.nodes:
        size, prices = node.capacity, node.prices
        parts = size.cpu * prices.cpu + size.ram / GIB * prices.ram_gib + size.gpu * prices.gpu
        assert parts == pytest.approx(node.hourly_cost, rel=1e-12)


def test_spot_costs_about_two_thirds_less_than_on_demand(estate: Estate) -> None:
    spot = [node for node in estate.nodes if node.pool.capacity_type == "spot"]
    for node in spot:
        assert node.pool.instance_type is not None
        assert node.hourly_cost / node.pool.instance_type.on_demand_price == pytest.approx(0.35, abs=0.01)
    assert spot


def test_pods_and_idle_capacity_make_the_cost_of_each_node_in_each_hour(estate: Estate) -> None:
    for window in estate.windows():
        taken: dict[str, list[Capacity]] = defaultdict(list)
        charged: dict[str, float] = defaultdict(float)
        for use in container_uses(estate, window):
            name = use.placement.node.name
            taken[name].append(Capacity(use.cpu.allocated, use.ram.allocated, use.gpu_hours))
            charged[name] += use.cost.cpu + use.cost.ram + use.cost.gpu
        for node in estate.nodes:
            life = node.life.within(window)
            hours = life.hours if life else 0
            used = sum(taken[node.name], Capacity(0, 0))
            idle = (
                (node.capacity.cpu * hours - used.cpu) * node.prices.cpu
                + (node.capacity.ram * hours - used.ram) / GIB * node.prices.ram_gib
                + (node.capacity.gpu * hours - used.gpu) * node.prices.gpu
            )
            assert idle > -1e-9
            assert charged[node.name] + idle == pytest.approx(node.hourly_cost * hours, abs=1e-9)


def test_a_day_is_the_sum_of_its_hours(estate: Estate, costs: tuple[TrueCost, ...]) -> None:
    day = Window(estate.windows()[20].start, estate.windows()[20].start + timedelta(days=1))
    assert day.start.hour == 0
    whole = sum(use.cost.total for use in container_uses(estate, day))
    whole += sum(use.cost.total for use in unmounted_uses(estate, day))
    hours = sum(cost.total_cost for cost in costs if day.start <= cost.window_start < day.end)
    assert whole == pytest.approx(hours, rel=1e-12)


def test_volumes_cost_their_price_whoever_mounts_them(estate: Estate, costs: tuple[TrueCost, ...]) -> None:
    price_per_hour = 0.08 / 730
    expected = sum(volume.gib * volume.life.hours * price_per_hour for volume in estate.volumes)
    assert sum(cost.storage_cost for cost in costs) == pytest.approx(expected, rel=1e-12)


def test_a_load_balancer_costs_its_price_however_many_pods_serve_it(costs: tuple[TrueCost, ...]) -> None:
    served = {(cost.namespace, cost.pod) for cost in costs if cost.load_balancer_cost}
    assert len(served) == 2
    assert sum(cost.load_balancer_cost for cost in costs) == pytest.approx(46 * 0.0225, rel=1e-12)


def test_every_kind_of_workload_occurs_and_every_one_costs_something(costs: tuple[TrueCost, ...]) -> None:
    total: dict[str, float] = defaultdict(float)
    for cost in costs:
        total[cost.workload_kind] += cost.total_cost
    assert set(total) == KINDS
    assert min(total.values()) > 0


def test_only_platform_and_other_have_no_id(costs: tuple[TrueCost, ...]) -> None:
    assert {cost.workload_kind for cost in costs if cost.workload_id is None} == {"platform", "other"}


def test_ids_are_those_of_the_labels(estate: Estate) -> None:
    for pod in (placement.pod for placement in estate.placements):
        labels, found = pod.labels, pod.workload
        internal = labels.get("eks-subscription.amazonaws.com/emr.internal.id")
        expected = {
            "job_run": labels.get("emr-containers.amazonaws.com/job.id"),
            "spark_operator": internal,
            "spark_submit": internal,
            "flink": internal,
            "spark": labels.get("sparkoperator.k8s.io/submission-id", labels.get("spark-app-selector")),
            "interactive_endpoint": labels.get(
                "emr-containers.amazonaws.com/managed-endpoint-id",
                labels.get("app.kubernetes.io/name", "").removeprefix("jeg-"),
            ),
        }
        assert found.id == expected.get(found.kind)
        assert found.virtual_cluster_id == labels.get("emr-containers.amazonaws.com/virtual-cluster-id")


def test_plain_spark_runs_with_and_without_a_submission_id(costs: tuple[TrueCost, ...]) -> None:
    ids = {cost.workload_id for cost in costs if cost.workload_kind == "spark"}
    assert {str(workload_id).startswith("spark-") for workload_id in ids} == {True, False}


def test_every_workload_is_named_by_one_of_its_pods_in_every_hour_that_it_runs(estate: Estate) -> None:
    for window in estate.windows():
        stated = defaultdict(set)
        for pod in (p.pod for p in estate.placements if p.pod.life.overlaps(window)):
            stated[pod.workload].add(pod.labels.get("spark-app-name") or pod.labels.get("app"))
        for workload, names in stated.items():
            assert workload.name is None or workload.name in names, (window, workload)


def test_both_virtual_clusters_run_jobs_of_several_names(costs: tuple[TrueCost, ...]) -> None:
    names = defaultdict(set)
    for cost in costs:
        if cost.workload_kind == "job_run":
            names[cost.virtual_cluster_id].add(cost.workload_name)
    assert sorted(names.values(), key=len) == [
        {"risk-scores", "risk-train"},
        {"orders-hourly", "orders-nightly", "orders-backfill", "returns-hourly"},
    ]


def test_every_way_to_get_capacity_occurs(estate: Estate) -> None:
    assert {(node.pool.provisioner, node.pool.capacity_type) for node in estate.nodes} == {
        ("managed_node_group", "on_demand"),
        ("managed_node_group", "spot"),
        ("karpenter", "on_demand"),
        ("karpenter", "spot"),
        ("auto_mode", "on_demand"),
        ("fargate", "fargate"),
    }
    assert any(node.capacity.gpu for node in estate.nodes)


def test_the_cluster_is_of_a_size_that_an_hour_can_show(estate: Estate) -> None:
    for window in estate.windows():
        assert 7 <= sum(node.life.overlaps(window) for node in estate.nodes) <= 25
        assert 60 <= sum(1 for _ in container_uses(estate, window)) <= 180


def test_a_job_run_consists_of_a_submitter_a_driver_and_executors_with_log_sidecars(estate: Estate) -> None:
    of_job = [p.pod for p in estate.placements if p.pod.workload.name == "orders-backfill"]
    assert Counter(pod.role for pod in of_job) == {"submitter": 1, "driver": 1, "executor": 3}
    assert all("emr-container-fluentd" in [c.name for c in pod.containers] for pod in of_job)


def test_a_job_runs_over_midnight_and_replaces_the_executors_that_a_spot_loss_ended(estate: Estate) -> None:
    midnight = estate.windows()[20].start
    executors = [
        placement
        for placement in estate.placements
        if placement.pod.workload.name == "orders-nightly"
        and placement.pod.role == "executor"
        and abs(placement.pod.life.start - midnight) < timedelta(hours=2)
    ]
    end = max(placement.pod.life.end for placement in executors)
    lost = [placement for placement in executors if placement.pod.life.end < end]
    assert len(executors) == 12
    assert len(lost) == 3
    assert all(placement.pod.life.start < midnight < placement.pod.life.end for placement in lost)
    assert {placement.node.life.end for placement in lost} == {placement.pod.life.end for placement in lost}
    assert {placement.node.pool.capacity_type for placement in lost} == {"spot"}
    assert sum(placement.pod.life.start > lost[0].pod.life.end for placement in executors) == 3


def test_one_node_is_paid_for_and_never_has_a_pod(estate: Estate) -> None:
    empty = [node for node, placements in by_node(estate) if not placements]
    assert [node.life for node in empty] == [EMPTY_NODE]
    assert empty[0].life.hours == 1


def test_fargate_runs_one_pod_on_each_of_its_machines_and_no_daemon_set(estate: Estate) -> None:
    for node, placements in by_node(estate):
        if node.pool is FARGATE_PROFILE:
            assert [placement.pod.life for placement in placements] == [node.life]
            assert not node.provider_id.startswith("i-")


@pytest.mark.parametrize(
    ("cores", "gib", "size"),
    [
        (0.1, 0.5, Capacity(0.25, 1 * GIB)),
        (0.25, 2, Capacity(0.5, 3 * GIB)),
        (1, 3, Capacity(1, 4 * GIB)),
        (2, 2, Capacity(2, 4 * GIB)),
        (2, 7, Capacity(2, 8 * GIB)),
        (2, 16, Capacity(4, 17 * GIB)),
    ],
)
def test_fargate_provides_the_next_size_that_holds_the_pod_and_its_own_share(
    cores: float, gib: float, size: Capacity
) -> None:
    assert fargate_size(Capacity(cores, gib * GIB)) == size


def test_the_uplift_is_that_of_the_requests_of_every_pod_on_the_emr_runtime(estate: Estate) -> None:
    uplift = estate.true_uplift()
    on_emr = [p.pod for p in estate.placements if p.pod.workload.kind in ON_EMR]
    cores = sum(c.cpu.request * pod.life.minutes / 60 for pod in on_emr for c in pod.containers)
    gib = sum(c.ram.request / 2**30 * pod.life.minutes / 60 for pod in on_emr for c in pod.containers)
    assert sum(of.vcpu_hours for of in uplift) == pytest.approx(cores, rel=1e-12)
    assert sum(of.gb_hours for of in uplift) == pytest.approx(gib, rel=1e-12)
    assert sum(of.cost for of in uplift) == pytest.approx(cores * 0.01012 + gib * 0.00111125, rel=1e-12)


def test_the_uplift_has_one_row_per_resource_and_hour(estate: Estate) -> None:
    uplift = estate.true_uplift()
    keys = {(of.window_start, of.resource_arn, of.on_fargate) for of in uplift}
    assert len(keys) == len(uplift)
    assert {of.workload_kind for of in uplift} == ON_EMR
    assert {of.on_fargate for of in uplift} == {True, False}


def test_the_arns_of_job_runs_and_endpoints_name_their_virtual_cluster(estate: Estate) -> None:
    for of in estate.true_uplift():
        prefix, *parts = of.resource_arn.split("/")
        assert prefix == "arn:aws:emr-containers:us-east-1:111122223333:"
        if of.virtual_cluster_id is None:
            assert parts[-1] == of.workload_id
        else:
            kind = {"job_run": "jobruns", "interactive_endpoint": "endpoints"}[of.workload_kind]
            assert parts == ["virtualclusters", of.virtual_cluster_id, kind, of.workload_id]


def test_volumes_without_a_pod_and_without_a_claim_are_real_money(costs: tuple[TrueCost, ...]) -> None:
    unmounted = [cost for cost in costs if cost.container == "__unmounted__"]
    assert {(cost.namespace, cost.pod) for cost in unmounted} == {
        ("__unmounted__", "__unmounted__"),
        ("notebooks", "notebooks-unmounted-pvcs"),
    }
    assert all(cost.node is None and cost.storage_cost == cost.total_cost > 0 for cost in unmounted)


def test_a_container_has_one_row_per_node_and_day(estate: Estate) -> None:
    start = estate.windows()[20].start
    for day in (Span(start - timedelta(days=1), start), Span(start, start + timedelta(days=1))):
        keys = [
            (p.node.name, p.pod.namespace, p.pod.name, container.name)
            for p in estate.placements
            if p.pod.life.overlaps(day)
            for container in p.pod.containers
        ]
        assert len(set(keys)) == len(keys)


def test_rounding_to_five_decimals_leaves_the_cents_of_the_total_alone(
    estate: Estate, costs: tuple[TrueCost, ...]
) -> None:
    uplift = sum(of.cost for of in estate.true_uplift())
    true = sum(cost.total_cost for cost in costs) + uplift
    rows = sum(round(cost.total_cost, 5) for cost in costs) + uplift
    parts = uplift + sum(
        round(part, 5)
        for c in costs
        for part in (c.cpu_cost, c.ram_cost, c.gpu_cost, c.storage_cost, c.network_cost, c.load_balancer_cost)
    )
    assert round(true, 2) == round(rows, 2) == round(parts, 2)
