"""What the rows of the invented clusters say in words: names, IDs and labels of instances, jobs and pods."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks.reading.estate import SEATS, Month, Numbers, identifiers, virtual_cluster_id
from pipeline.tables import LABELS

DAEMONS = ("aws-node", "kube-proxy")

_CONTAINERS = ("spark-kubernetes-driver", "emr-container-fluentd", "spark-kubernetes-executor")
_ROLES = ("driver", "driver", "executor")


class Words:
    """Those of one cluster: *instances* and *runs* by number, *pods* of jobs by the job's number and the seat in it."""

    def __init__(self, month: Month) -> None:
        self.instances = _instances(month)
        self.runs = _runs(month)
        self.pods = pa.array(_pods(month))

    def members(self, run: Numbers, member: Numbers) -> dict[str, pa.Array]:
        """What is particular to the containers of jobs: each the *member*th of its *run*."""
        role = pa.array(np.minimum(member, len(_ROLES) - 1))
        return {
            "pod": self.pods.take(pa.array(run * SEATS + member)),
            "container": pa.array(_CONTAINERS).take(role),
            "spark_role": pa.array(_ROLES).take(role),
        }


def _instances(month: Month) -> pa.Table:
    of = month.instances
    capacity = ["spot" if spot else "on_demand" for spot in of.is_spot.tolist()]
    return pa.table(
        {
            "node": of.names,
            "instance_id": of.ids,
            "provider_id": of.ids,
            "instance_type": [kind.name for kind in of.kinds],
            "capacity_type": capacity,
            "availability_zone": of.zones,
            "node_pool": [f"spark-{name.replace('_', '-')}" for name in capacity],
        }
    )


def _runs(month: Month) -> pa.Table:
    rows = list(_run_rows(month))
    names = [name for name in rows[0] if name != "labels"]
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in names}
    return pa.table(columns | {"labels": pa.array([row["labels"] for row in rows], LABELS)})


def _run_rows(month: Month) -> Iterator[dict[str, object]]:
    """What all containers of a job have in common."""
    runs = month.runs
    each = zip(runs.workloads, runs.ids, runs.names, runs.namespaces, runs.application_ids, strict=True)
    for workload, id_, name, namespace, application in each:
        is_run, is_spark = workload.kind == "job_run", workload.kind != "other"
        yield {
            "namespace": namespace,
            "workload_kind": workload.kind,
            "workload_id": id_ if workload.is_emr else application if is_spark else None,
            "workload_name": name,
            "virtual_cluster_id": virtual_cluster_id(month.number, namespace) if is_run else None,
            "job_run_id": id_ if is_run else None,
            "emr_internal_id": id_ if workload.is_emr else None,
            "spark_app_id": application if is_spark else None,
            "spark_app_name": name if is_spark else None,
            "labels": [("app_kubernetes_io_name", name), ("team", namespace)],
        }


def _pods(month: Month) -> list[str]:
    """The names of each job's pods; the sidecar is in the driver's."""
    names = zip(month.runs.names, identifiers("", 16, len(month.runs), "pod", month.number), strict=True)
    executors = range(1, SEATS - 1)
    return [
        pod
        for name, own in names
        for pod in (*[f"{name}-{own}-driver"] * 2, *(f"{name}-{own}-exec-{seat}" for seat in executors))
    ]
