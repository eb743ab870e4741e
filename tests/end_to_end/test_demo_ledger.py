"""The ledger of the demo, row by row, against what its bill truly means and what AWS's split cost data says."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy

from pipeline.demo.bill.truth import TrueBill, true_bill
from pipeline.demo.estate.estate import build_estate

Key = tuple[Any, ...]
ROUNDED = 2e-6
"""USD by which a pod's hour may differ: Kubecost rounds hours to 5 decimals, and a GPU costs 0.33 USD an hour."""


@pytest.fixture(scope="module")
def truth() -> TrueBill:
    return true_bill(build_estate())


def told(engine: sqlalchemy.Engine, query: str) -> dict[Key, float]:
    """The rows of a query whose last column is a cost, by the others; times are UTC."""
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql(query).all()]
    found = {tuple(map(_in_utc, key)): cost for *key, cost in rows}
    assert len(found) == len(rows)
    return found


def _in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def test_every_pod_costs_in_every_hour_what_it_truly_cost(engine: sqlalchemy.Engine, truth: TrueBill) -> None:
    true: dict[Key, float] = defaultdict(float)
    for of in truth.pod_hours:
        key = (of.window_start, of.placement.pod.namespace, of.placement.pod.name)
        true[*key, "compute"] += of.compute_cost
        true[*key, "storage"] += of.storage_cost
        true[*key, "network"] += of.network_cost
        true[*key, "load_balancer"] += of.load_balancer_cost
    found = told(
        engine,
        """
        SELECT charge_period_start, namespace, pod, cost_category, SUM(effective_cost) AS cost
        FROM cost_ledger
        WHERE pod IS NOT NULL
        GROUP BY 1, 2, 3, 4
        """,
    )
    assert {key: cost for key, cost in found.items() if cost} == pytest.approx(
        {key: cost for key, cost in true.items() if cost}, abs=ROUNDED
    )
    assert sum(found.values()) == pytest.approx(sum(true.values()), abs=1e-3)


def test_every_instance_hour_is_its_pods_and_what_stood_idle(engine: sqlalchemy.Engine, truth: TrueBill) -> None:
    found = told(
        engine,
        """
        SELECT charge_period_start, instance_id, SUM(effective_cost) AS cost
        FROM cost_ledger
        WHERE line_class = 'compute'
        GROUP BY 1, 2
        """,
    )
    true = {(of.window_start, of.instance_id): of.charged.effective_cost for of in truth.instance_hours}
    assert found == pytest.approx(true, abs=1e-12)
    idle = told(
        engine,
        """
        SELECT charge_period_start, instance_id, reason, SUM(effective_cost) AS cost
        FROM cost_ledger
        WHERE cost_category = 'idle'
        GROUP BY 1, 2, 3
        """,
    )
    spare = {(of.window_start, of.instance_id, of.idle_reason): of.idle_cost for of in truth.instance_hours}
    assert idle == pytest.approx({key: cost for key, cost in spare.items() if key in idle}, abs=ROUNDED)
    assert all(cost < ROUNDED for key, cost in spare.items() if key not in idle), "full instances have no idle row"


def test_every_volume_is_the_pods_that_mounted_it_and_the_rest(engine: sqlalchemy.Engine, truth: TrueBill) -> None:
    found = told(
        engine,
        """
        SELECT charge_period_start, resource_id, SUM(effective_cost) AS cost
        FROM cost_ledger
        WHERE cost_category = 'storage'
        GROUP BY 1, 2
        """,
    )
    assert found == pytest.approx(
        {(of.window_start, of.volume_id): of.effective_cost for of in truth.volume_hours}, abs=1e-12
    )


def test_every_class_of_line_is_in_the_ledger_or_out_of_scope(engine: sqlalchemy.Engine, truth: TrueBill) -> None:
    allocated = "allocated_cost + idle_cost + shared_cost + unattributed_cost"
    inside = told(engine, f"SELECT line_class, {allocated} FROM bill_reconciliation")
    outside = told(engine, "SELECT line_class, out_of_scope_cost FROM bill_reconciliation")
    for in_scope, found in ((True, inside), (False, outside)):
        true = {
            (total.line_class,): total.charged.effective_cost for total in truth.totals() if total.in_scope == in_scope
        }
        assert {key: cost for key, cost in found.items() if key in true} == pytest.approx(true, abs=1e-9)
        assert sum(abs(cost) for key, cost in found.items() if key not in true) < 1e-9


def test_awss_split_cost_data_says_the_same_of_pods_with_one_container(engine: sqlalchemy.Engine) -> None:
    """On Demand; the bill says no size of Spot instances, where we go by what Kubernetes sees of their memory."""
    split = told(
        engine,
        """
        SELECT line_item_usage_start_date, split_part(line_item_resource_id, '/', 3) AS namespace,
            split_part(line_item_resource_id, '/', 4) AS pod, SUM(split_line_item_net_split_cost) AS cost
        FROM cur_data
        WHERE line_item_operation = 'EKSPod-EC2'
        GROUP BY 1, 2, 3
        """,
    )
    ours = told(
        engine,
        """
        SELECT ledger.charge_period_start, ledger.namespace, ledger.pod, containers.containers,
            ledger.capacity_type, SUM(ledger.effective_cost) AS cost
        FROM cost_ledger AS ledger
        JOIN (
            SELECT window_start, namespace, pod, COUNT(DISTINCT container) AS containers
            FROM allocations
            WHERE instance_id IS NOT NULL
            GROUP BY 1, 2, 3
        ) AS containers
            ON ledger.charge_period_start = containers.window_start
            AND ledger.namespace = containers.namespace
            AND ledger.pod = containers.pod
        WHERE ledger.cost_category = 'compute'
        GROUP BY 1, 2, 3, 4, 5
        """,
    )
    differences: dict[Key, list[float]] = defaultdict(list)
    for (*pod, containers, capacity_type), cost in ours.items():
        differences[capacity_type, containers > 1].append(cost - split[tuple(pod)])
    assert sum(map(len, differences.values())) == len(split)
    alike = differences["on_demand", False]
    assert len(alike) > 1000
    assert max(map(abs, alike)) < 1e-6
    assert min(differences["on_demand", True]) > -1e-6, "Kubecost takes the larger of each container, AWS of the pod"
    assert max(map(abs, differences["spot", False])) < 1e-3
