from dataclasses import replace

import pytest

from tests.scenario_pods import JOB, ON_DEMAND, SPOT, core_hours, cost, driver, executor, on_fargate, runner, told
from tests.scenarios import RunningNode, rows_of


def test_a_job_on_fargate_has_no_instance_and_keeps_every_row() -> None:
    rows = rows_of([runner(node=on_fargate(1)), driver(node=on_fargate(2)), executor(1, node=on_fargate(3))])
    assert told(rows, "job_run_id", "capacity_type", "instance_id") == {(JOB, "fargate", None)}
    assert told(rows, "provider_id") == {(on_fargate(n).provider_id,) for n in (1, 2, 3)}


@pytest.mark.parametrize("how", ["profile of the namespace", "selector label", "pod template"])
def test_a_driver_on_ec2_and_its_executors_on_fargate_are_one_job_on_two_capacities(how: str) -> None:
    said = {
        "profile of the namespace": {},
        "selector label": {"eks.amazonaws.com/fargate-profile": "executors", "runs-on": "fargate"},
        "pod template": {"eks.amazonaws.com/fargate-profile": "executors"},
    }[how]
    bare = replace(on_fargate(7), labels={})
    worker = replace(executor(1, node=bare), labels={**executor(1).labels, **said})
    rows = rows_of([driver(), worker])
    assert told(rows, "job_run_id", "spark_role", "capacity_type") == {
        (JOB, "driver", "on_demand"),
        (JOB, "executor", "fargate"),
    }


def test_a_fargate_node_is_told_by_the_pods_profile_even_where_no_node_is_known() -> None:
    worker = executor(1)
    worker = replace(worker, node=None, labels={**worker.labels, "eks.amazonaws.com/fargate-profile": "executors"})
    assert told(rows_of([driver(), worker]), "spark_role", "capacity_type") == {
        ("driver", "on_demand"),
        ("executor", "fargate"),
    }


def test_rows_whose_nodes_have_no_asset_survive_with_what_their_own_labels_say() -> None:
    hybrid = RunningNode("mi-0123456789abcdef0", "eks-hybrid:///us-west-2/analytics/mi-0123456789abcdef0")
    nameless = RunningNode("ip-10-0-9-9.ec2.internal", None)
    pods = [driver(), executor(1), executor(2, node=hybrid), executor(3, node=nameless)]
    rows = rows_of(pods, nodes=[ON_DEMAND])
    assert told(rows, "node", "instance_id", "instance_type", "capacity_type", "node_pool") == {
        (ON_DEMAND.name, ON_DEMAND.provider_id, "m5.2xlarge", "on_demand", "core"),
        (SPOT.name, SPOT.provider_id, "r6g.2xlarge", "unknown", None),
        (hybrid.name, None, None, "unknown", None),
        (nameless.name, None, None, "unknown", None),
    }
    assert core_hours(rows) == 5
    assert cost(rows) == pytest.approx(5 * (0.032 + 4 * 0.0042))


def test_a_whole_provider_id_meets_the_part_of_it() -> None:
    whole = replace(SPOT, provider_id=f"aws:///us-east-1b/{SPOT.provider_id}")
    by_row = rows_of([executor(1, node=whole)], nodes=[SPOT])
    by_asset = rows_of([executor(1)], nodes=[whole])
    for rows in (by_row, by_asset):
        assert told(rows, "instance_id", "provider_id", "capacity_type") == {
            (SPOT.provider_id, SPOT.provider_id, "spot")
        }


def test_an_instance_on_several_assets_is_one_instance() -> None:
    renamed = replace(SPOT, name="ip-10-0-2-99.ec2.internal")
    rows = rows_of([executor(1), executor(2)], nodes=[SPOT, renamed])
    assert told(rows, "instance_id", "capacity_type") == {(SPOT.provider_id, "spot")}
    assert core_hours(rows) == 2


def test_a_row_with_a_provider_id_meets_the_node_of_its_name_that_has_none() -> None:
    nameless = replace(SPOT, provider_id=None)
    rows = rows_of([driver(), executor(1)], nodes=[ON_DEMAND, nameless])
    assert told(rows, "spark_role", "instance_id", "capacity_type", "node_pool") == {
        ("driver", ON_DEMAND.provider_id, "on_demand", "core"),
        ("executor", SPOT.provider_id, "spot", "spark-exec"),
    }


def test_a_row_never_meets_a_node_of_its_name_that_has_another_provider_id() -> None:
    replaced = replace(SPOT, provider_id="i-0b0000000000000ff")
    rows = rows_of([executor(1)], nodes=[replaced])
    assert told(rows, "instance_id", "capacity_type", "node_pool") == {(SPOT.provider_id, "unknown", None)}


def test_a_pod_with_a_fargate_profiles_label_on_an_instance_is_not_on_fargate() -> None:
    labelled = driver()
    labelled = replace(labelled, labels={**labelled.labels, "eks.amazonaws.com/fargate-profile": "emr"})
    assert told(rows_of([labelled]), "instance_id", "capacity_type") == {(ON_DEMAND.provider_id, "on_demand")}
