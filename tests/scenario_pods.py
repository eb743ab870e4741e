"""The nodes and the pods of job runs that most scenarios are made of, and what is looked for in their rows."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.scenarios import RunningNode, RunningPod

JOB = "00000008k7cyoqlkw55"
OTHER_JOB = "0000000q56xbnfko3t1"
VIRTUAL_CLUSTER = "a1b2c3d4e5f6g7h8i9j0k1l2m"

ON_DEMAND = RunningNode(
    "ip-10-0-1-10.ec2.internal",
    "i-0a0000000000000a1",
    {
        "eks.amazonaws.com/capacityType": "ON_DEMAND",
        "eks.amazonaws.com/nodegroup": "core",
        "node.kubernetes.io/instance-type": "m5.2xlarge",
        "topology.kubernetes.io/zone": "us-east-1a",
    },
)
SPOT = RunningNode(
    "ip-10-0-2-20.ec2.internal",
    "i-0b0000000000000b2",
    {
        "karpenter.sh/capacity-type": "spot",
        "karpenter.sh/nodepool": "spark-exec",
        "node.kubernetes.io/instance-type": "r6g.2xlarge",
        "topology.kubernetes.io/zone": "us-east-1b",
    },
    preemptible=1.0,
)
ANOTHER_SPOT = replace(SPOT, name="ip-10-0-2-21.ec2.internal", provider_id="i-0b0000000000000b3")


def on_fargate(number: int) -> RunningNode:
    """Every pod on Fargate is a node of its own."""
    return RunningNode(
        f"fargate-ip-10-0-3-{number}.ec2.internal",
        f"4111620e2d-a7063bdd5d9036367c86cb4742d14e{number:02}",
        {"eks.amazonaws.com/compute-type": "fargate", "topology.kubernetes.io/zone": "us-east-1c"},
    )


def of_job(job: str = JOB, **labels: str) -> dict[str, str]:
    return {
        "emr-containers.amazonaws.com/job.id": job,
        "emr-containers.amazonaws.com/virtual-cluster-id": VIRTUAL_CLUSTER,
        "emr-containers.amazonaws.com/resource.type": "job.run",
        "eks-subscription.amazonaws.com/emr.internal.id": job,
        **labels,
    }


def runner(job: str = JOB, node: RunningNode = ON_DEMAND, **facts: Any) -> RunningPod:
    labels = of_job(job, **{"emr-containers.amazonaws.com/component": "job.submitter", "job-name": job})
    containers = ("job-runner", "emr-container-fluentd")
    return RunningPod("emr-orders", f"{job}-ml5gh", node, labels, containers, controller=("job", job), **facts)


def driver(job: str = JOB, node: RunningNode = ON_DEMAND, **facts: Any) -> RunningPod:
    labels = of_job(
        job,
        **{
            "spark-role": "driver",
            "emr-containers.amazonaws.com/component": "driver",
            "spark-app-selector": f"spark-{job}",
            "spark-app-name": "orders-nightly",
        },
    )
    containers = ("spark-kubernetes-driver", "emr-container-fluentd")
    return RunningPod("emr-orders", f"spark-{job}-driver", node, labels, containers, **facts)


def executor(number: int, job: str = JOB, node: RunningNode = SPOT, **facts: Any) -> RunningPod:
    """An executor of a release that does not label executors with the application's name."""
    labels = of_job(
        job,
        **{
            "spark-role": "executor",
            "emr-containers.amazonaws.com/component": "executor",
            "spark-app-selector": f"spark-{job}",
            "spark-exec-id": str(number),
        },
    )
    return RunningPod("emr-orders", f"orders-nightly-{job[-6:]}-exec-{number}", node, labels, **facts)


def told(rows: Iterable[dict[str, Any]], *columns: str) -> set[tuple[Any, ...]]:
    return {tuple(row[column] for column in columns) for row in rows}


def cost(rows: Iterable[dict[str, Any]]) -> float:
    return math.fsum(row["total_cost"] for row in rows)


def core_hours(rows: Iterable[dict[str, Any]]) -> float:
    return math.fsum(row["cpu_core_hours"] for row in rows)
