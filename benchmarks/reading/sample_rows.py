"""The same pods as the AWS sample keeps them: a CSV file for every hour, Kubecost's answer flattened into columns.

What it does with an answer is in https://github.com/aws-samples/emr-on-eks-cost-tracking-solution, in scrap/scrap.py.
"""

from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

_GIB = float(1 << 30)
_NOTHING = (
    "cpuCostAdjustment",
    "gpuCount",
    "gpuHours",
    "gpuCost",
    "gpuCostAdjustment",
    "networkCrossRegionCost",
    "networkInternetCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "pvCostAdjustment",
    "ramCostAdjustment",
    "externalCost",
    "sharedCost",
)

COLUMNS = (
    "start",
    "end",
    "minutes",
    "cpuCores",
    "cpuCoreRequestAverage",
    "cpuCoreUsageAverage",
    "cpuCoreHours",
    "cpuCost",
    "cpuCostAdjustment",
    "cpuEfficiency",
    "gpuCount",
    "gpuHours",
    "gpuCost",
    "gpuCostAdjustment",
    "networkTransferBytes",
    "networkReceiveBytes",
    "networkCost",
    "networkCrossZoneCost",
    "networkCrossRegionCost",
    "networkInternetCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "pvBytes",
    "pvByteHours",
    "pvCost",
    "pvs",
    "pvCostAdjustment",
    "ramBytes",
    "ramByteRequestAverage",
    "ramByteUsageAverage",
    "ramByteHours",
    "ramCost",
    "ramCostAdjustment",
    "ramEfficiency",
    "externalCost",
    "sharedCost",
    "totalCost",
    "totalEfficiency",
    "properties.cluster",
    "properties.container",
    "properties.namespace",
    "instance_id",
    "properties.labels.emr_containers_amazonaws_com_component",
    "emr_eks_subscription_id",
    "properties.labels.spark_role",
    "submission_type",
    "spark_version",
    "capacity_type",
    "pod_name",
    "job_id",
    "vc_id",
)
"""In the sample's order."""


def hour_file(rows: pa.Table) -> bytes:
    """The sample's file of an hour with these *rows* of `allocations`; it has only pods of EMR on EKS.

    Somewhat smaller than the sample's own: it says nothing of a pod's volumes.
    """
    is_kept = pc.and_(pc.is_valid(rows["emr_internal_id"]), pc.not_equal(rows["container"], "emr-container-fluentd"))
    kept = rows.filter(is_kept)
    columns = {**_figures(kept), **_words(kept)}
    body = BytesIO()
    options = pa.csv.WriteOptions(quoting_style="none")
    pa.csv.write_csv(pa.table({name: columns[name] for name in COLUMNS}), body, options)
    return body.getvalue()


def _figures(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    hours = pc.divide(rows["minutes"], 60.0)

    def per_hour(column: str) -> pa.ChunkedArray:
        return pc.divide(rows[column], hours)

    def in_bytes(values: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.multiply(values, _GIB)

    def part(used: str, asked: str) -> pa.ChunkedArray:
        return pc.divide(rows[used], rows[asked])

    nothing = pa.repeat(0.0, rows.num_rows)
    cpu = part("cpu_core_usage_hours", "cpu_core_request_hours")
    ram = part("ram_gib_usage_hours", "ram_gib_request_hours")
    return {
        **dict.fromkeys(_NOTHING, nothing),
        "minutes": rows["minutes"],
        "cpuCores": per_hour("cpu_core_hours"),
        "cpuCoreRequestAverage": per_hour("cpu_core_request_hours"),
        "cpuCoreUsageAverage": per_hour("cpu_core_usage_hours"),
        "cpuCoreHours": rows["cpu_core_hours"],
        "cpuCost": rows["cpu_cost"],
        "cpuEfficiency": cpu,
        "networkTransferBytes": rows["network_transfer_bytes"],
        "networkReceiveBytes": rows["network_receive_bytes"],
        "networkCost": rows["network_cost"],
        "networkCrossZoneCost": rows["network_cross_zone_cost"],
        "pvBytes": in_bytes(per_hour("pv_gib_hours")),
        "pvByteHours": in_bytes(rows["pv_gib_hours"]),
        "pvCost": rows["pv_cost"],
        "ramBytes": in_bytes(per_hour("ram_gib_hours")),
        "ramByteRequestAverage": in_bytes(per_hour("ram_gib_request_hours")),
        "ramByteUsageAverage": in_bytes(per_hour("ram_gib_usage_hours")),
        "ramByteHours": in_bytes(rows["ram_gib_hours"]),
        "ramCost": rows["ram_cost"],
        "ramEfficiency": ram,
        "totalCost": rows["total_cost"],
        "totalEfficiency": pc.divide(pc.add(cpu, ram), 2.0),
    }


def _words(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    def always(text: str | None) -> pa.Array:
        return pa.repeat(pa.scalar(text, pa.string()), rows.num_rows)

    def chosen(is_run: str, is_none: str) -> pa.ChunkedArray:
        return pc.if_else(pc.is_valid(rows["job_run_id"]), is_run, is_none)

    return {
        "start": _instant(rows["started_at"]),
        "end": _instant(rows["ended_at"]),
        "pvs": always(None),
        "properties.cluster": always("cluster-one"),
        "properties.container": rows["container"],
        "properties.namespace": rows["namespace"],
        "instance_id": rows["instance_id"],
        "properties.labels.emr_containers_amazonaws_com_component": rows["spark_role"],
        "emr_eks_subscription_id": pc.if_else(pc.is_valid(rows["job_run_id"]), None, rows["emr_internal_id"]),
        "properties.labels.spark_role": rows["spark_role"],
        "submission_type": chosen("start_job_run", "spark_operator"),
        "spark_version": always("3.5.1-amzn-1"),
        "capacity_type": rows["capacity_type"],
        "pod_name": rows["pod"],
        "job_id": rows["job_run_id"],
        "vc_id": rows["virtual_cluster_id"],
    }


def _instant(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """As Kubecost writes it."""
    return pc.strftime(values.cast(pa.timestamp("s")), "%Y-%m-%dT%H:%M:%SZ")
