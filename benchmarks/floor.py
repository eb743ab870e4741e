"""The least that collecting an hour can cost: two GETs, msgspec, Arrow, zstd Parquet, three PUTs, and no thought.

It plans nothing, reads no settings, knows one way to submit a job, and copies labels into columns.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import urllib3

from pipeline.tables import ALLOCATIONS, LABELS, NODES, VOLUMES, Table

GIB = float(1 << 30)
KEPT = ("app_kubernetes_io_name", "queue", "team", "yunikorn_apache_org_queue")
OF_LABEL = {
    "workload_id": "emr_containers_amazonaws_com_job_id",
    "workload_name": "spark_app_name",
    "virtual_cluster_id": "emr_containers_amazonaws_com_virtual_cluster_id",
    "job_run_id": "emr_containers_amazonaws_com_job_id",
    "emr_internal_id": "eks_subscription_amazonaws_com_emr_internal_id",
    "spark_app_id": "spark_app_selector",
    "spark_app_name": "spark_app_name",
    "spark_role": "spark_role",
}


class _Wire(msgspec.Struct, rename="camel", gc=False):
    pass


class Volume(_Wire):
    byte_hours: float
    cost: float
    provider_id: str = msgspec.field(name="providerID")


class Properties(_Wire):
    node: str | None = None
    namespace: str | None = None
    pod: str | None = None
    container: str | None = None
    controller: str | None = None
    controller_kind: str | None = None
    name: str | None = None
    provider_id: str | None = msgspec.field(default=None, name="providerID")
    labels: dict[str, str] = {}


class Allocation(_Wire):
    properties: Properties
    start: datetime
    end: datetime
    minutes: float
    cpu_core_hours: float
    cpu_core_request_average: float
    cpu_core_usage_average: float
    ram_byte_hours: float
    ram_byte_request_average: float
    ram_byte_usage_average: float
    gpu_hours: float
    pv_byte_hours: float
    network_transfer_bytes: float
    network_receive_bytes: float
    cpu_cost: float
    cpu_cost_adjustment: float
    ram_cost: float
    ram_cost_adjustment: float
    gpu_cost: float
    gpu_cost_adjustment: float
    pv_cost: float
    pv_cost_adjustment: float
    network_cost: float
    network_cost_adjustment: float
    network_cross_zone_cost: float
    network_cross_region_cost: float
    network_internet_cost: float
    load_balancer_cost: float
    load_balancer_cost_adjustment: float
    shared_cost: float
    total_cost: float
    pvs: dict[str, Volume] | None = None


class Asset(_Wire):
    type: str
    properties: Properties
    labels: dict[str, str]
    node_type: str
    pool: str
    minutes: float
    cpu_core_hours: float
    ram_byte_hours: float
    total_cost: float
    gpu_hours: float = msgspec.field(name="GPUHours")


class Allocations(msgspec.Struct):
    data: list[dict[str, Allocation]]


class Assets(msgspec.Struct):
    data: list[dict[str, Asset]]


def main(kubecost: str, lake: str, start: str) -> None:
    """Move the hour that begins at *start* from *kubecost* to *lake*, both as addresses."""
    since = datetime.fromisoformat(start).astimezone(UTC)
    until = since + timedelta(hours=1)
    query = f"window={since:%Y-%m-%dT%H:%M:%SZ},{until:%Y-%m-%dT%H:%M:%SZ}&accumulate=false&idle=false"
    (assets,) = _get(f"{kubecost}/model/assets?{query}", Assets).data
    nodes = {asset.properties.provider_id: asset for asset in assets.values() if asset.type == "Node"}
    (rows,) = _get(f"{kubecost}/model/allocation?{query}", Allocations).data
    common: dict[str, object] = {"cluster_name": "benchmark", "account_id": "111122223333", "region": "us-east-1"}
    common |= {"cluster_arn": "arn:aws:eks:us-east-1:111122223333:cluster/benchmark"}
    common |= {"window_start": since, "window_end": until, "collected_at": until}
    s3 = boto3.client("s3")
    for table, columns in (
        (VOLUMES, _volume_columns(list(rows.values()))),
        (NODES, _node_columns(list(nodes.values()))),
        (ALLOCATIONS, _allocation_columns(list(rows.values()), nodes)),
    ):
        _put(s3, lake, f"{table.name}/usage_date={since:%Y-%m-%d}/floor.parquet", _arrow(table, columns, common))


def _get(url: str, kind: type[Any]) -> Any:  # noqa: ANN401
    return msgspec.json.decode(urllib3.request("GET", url).data, type=kind)


def _put(s3: Any, lake: str, key: str, rows: pa.Table) -> None:  # noqa: ANN401
    bucket, _, prefix = lake.removeprefix("s3://").partition("/")
    body = BytesIO()
    pq.write_table(rows, body, compression="zstd")
    body.seek(0)
    s3.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=body)


def _arrow(table: Table, columns: dict[str, Any], common: dict[str, Any]) -> pa.Table:
    count = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.repeat(pa.scalar(common.get(field.name), field.type), count)  # NULL where labels alone say nothing
        for field in table.schema
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _allocation_columns(rows: Sequence[Allocation], nodes: dict[str | None, Asset]) -> dict[str, Any]:
    of = [row.properties for row in rows]
    labels = [properties.labels for properties in of]
    on = [nodes.get(properties.provider_id) for properties in of]
    return {
        "namespace": [p.namespace for p in of],
        "pod": [p.pod for p in of],
        "container": [p.container for p in of],
        "controller_kind": [p.controller_kind for p in of],
        "controller_name": [p.controller for p in of],
        "node": [p.node for p in of],
        "instance_id": [p.provider_id for p in of],
        "provider_id": [p.provider_id for p in of],
        **_node_labels([node.labels if node else {} for node in on]),
        "instance_type": [node.node_type if node else None for node in on],
        "node_pool": [node.pool if node else None for node in on],
        "workload_kind": ["job_run" if OF_LABEL["job_run_id"] in one else "other" for one in labels],
        **{column: [one.get(label) for one in labels] for column, label in OF_LABEL.items()},
        "labels": pa.array([[(key, one[key]) for key in KEPT if key in one] for one in labels], LABELS),
        "started_at": [row.start for row in rows],
        "ended_at": [row.end for row in rows],
        **_figures(rows),
    }


def _figures(rows: Sequence[Allocation]) -> dict[str, list[float]]:
    def each(figure: Callable[[Allocation], float]) -> list[float]:
        return [figure(row) for row in rows]

    return {
        "minutes": each(lambda row: row.minutes),
        "cpu_core_hours": each(lambda row: row.cpu_core_hours),
        "cpu_core_request_hours": each(lambda row: row.cpu_core_request_average * row.minutes / 60),
        "cpu_core_usage_hours": each(lambda row: row.cpu_core_usage_average * row.minutes / 60),
        "ram_gib_hours": each(lambda row: row.ram_byte_hours / GIB),
        "ram_gib_request_hours": each(lambda row: row.ram_byte_request_average / GIB * row.minutes / 60),
        "ram_gib_usage_hours": each(lambda row: row.ram_byte_usage_average / GIB * row.minutes / 60),
        "gpu_hours": each(lambda row: row.gpu_hours),
        "pv_gib_hours": each(lambda row: row.pv_byte_hours / GIB),
        "network_transfer_bytes": each(lambda row: row.network_transfer_bytes),
        "network_receive_bytes": each(lambda row: row.network_receive_bytes),
        "cpu_cost": each(lambda row: row.cpu_cost + row.cpu_cost_adjustment),
        "ram_cost": each(lambda row: row.ram_cost + row.ram_cost_adjustment),
        "gpu_cost": each(lambda row: row.gpu_cost + row.gpu_cost_adjustment),
        "pv_cost": each(lambda row: row.pv_cost + row.pv_cost_adjustment),
        "network_cost": each(lambda row: row.network_cost + row.network_cost_adjustment),
        "network_cross_zone_cost": each(lambda row: row.network_cross_zone_cost),
        "network_cross_region_cost": each(lambda row: row.network_cross_region_cost),
        "network_internet_cost": each(lambda row: row.network_internet_cost),
        "load_balancer_cost": each(lambda row: row.load_balancer_cost + row.load_balancer_cost_adjustment),
        "shared_cost": each(lambda row: row.shared_cost),
        "total_cost": each(lambda row: row.total_cost),
    }


def _node_labels(of: Sequence[dict[str, str]]) -> dict[str, list[str | None]]:
    return {
        "capacity_type": [labels.get("karpenter_sh_capacity_type", "unknown") for labels in of],
        "availability_zone": [labels.get("topology_kubernetes_io_zone") for labels in of],
    }


def _node_columns(nodes: Sequence[Asset]) -> dict[str, Any]:
    return {
        "node": [node.properties.name for node in nodes],
        "instance_id": [node.properties.provider_id for node in nodes],
        "provider_id": [node.properties.provider_id for node in nodes],
        **_node_labels([node.labels for node in nodes]),
        "instance_type": [node.node_type for node in nodes],
        "node_pool": [node.pool for node in nodes],
        "minutes": [node.minutes for node in nodes],
        "cpu_core_hours": [node.cpu_core_hours for node in nodes],
        "ram_gib_hours": [node.ram_byte_hours / GIB for node in nodes],
        "gpu_hours": [node.gpu_hours for node in nodes],
        "total_cost": [node.total_cost for node in nodes],
    }


def _volume_columns(rows: Sequence[Allocation]) -> dict[str, Any]:
    shares = [(row.properties, key, share) for row in rows for key, share in (row.pvs or {}).items()]
    return {
        "volume_id": [share.provider_id for _, _, share in shares],
        "volume_name": [key.rpartition("name=")[2] for _, key, _ in shares],
        "namespace": [of.namespace for of, _, _ in shares],
        "pod": [of.pod for of, _, _ in shares],
        "gib_hours": [share.byte_hours / GIB for _, _, share in shares],
        "cost": [share.cost for _, _, share in shares],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
