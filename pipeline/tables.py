"""The tables of the lake: one schema that makes Parquet files, Glue columns, their comments and the docs."""

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
DOUBLE = pa.float64()
TIMESTAMP = pa.timestamp("ms")
LABELS = pa.map_(pa.string(), pa.string())

PARTITION_KEY = "usage_date"


@dataclass(frozen=True)
class Column:
    """One column: its name, its type in Arrow, and what an analyst reads about it in Athena."""

    name: str
    type: pa.DataType
    comment: str
    required: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the lake, partitioned by `usage_date`: the *grain* of a row, and the *order* of the rows."""

    name: str
    grain: str
    order: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Parquet schema; `usage_date` is not in it, the object's key carries it."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in self.columns])


_CLUSTER_ARN = Column("cluster_arn", TEXT, "ARN of the EKS cluster", required=True)
_WINDOW = (
    Column("window_start", TIMESTAMP, "Start of the window, UTC, inclusive", required=True),
    Column("window_end", TIMESTAMP, "End of the window, UTC, exclusive", required=True),
)
_COLLECTED_AT = Column("collected_at", TIMESTAMP, "When the row was fetched from upstream, UTC", required=True)
_INSTANCE = (
    Column("instance_id", TEXT, "EC2 instance ID, i-…; NULL for Fargate and hybrid nodes, see provider_id"),
    Column("instance_type", TEXT, "EC2 instance type; NULL where the node has none"),
    Column("capacity_type", TEXT, "on_demand, spot, fargate or unknown", required=True),
    Column("availability_zone", TEXT, "Availability Zone of the node"),
    Column("node_pool", TEXT, "EKS managed node group, or Karpenter node pool (provisioner in its old API)"),
    Column(
        "provider_id",
        TEXT,
        "The node's provider ID as upstream gives it: instance ID, Fargate ID, hybrid URI",
    ),
)

ALLOCATIONS = Table(
    "allocations",
    "container, node, window",
    ("window_start", "workload_id", "namespace", "pod", "container", "node"),
    (
        _CLUSTER_ARN,
        Column("cluster_name", TEXT, "Name of the EKS cluster", required=True),
        Column("account_id", TEXT, "AWS account of the EKS cluster", required=True),
        Column("region", TEXT, "AWS Region of the EKS cluster", required=True),
        *_WINDOW,
        Column("namespace", TEXT, "Kubernetes namespace; __unmounted__ for volumes without a claim"),
        Column("pod", TEXT, "Pod name"),
        Column("container", TEXT, "Container name; __unmounted__ for cost that no pod has"),
        Column(
            "controller_kind",
            TEXT,
            "Kind of the pod's controller, lower case; Spark drivers and executors have none",
        ),
        Column("controller_name", TEXT, "Name of the pod's controller"),
        Column("node", TEXT, "Kubernetes node name; NULL where upstream knows no node"),
        *_INSTANCE,
        Column(
            "workload_kind",
            TEXT,
            "job_run, interactive_endpoint, spark_operator, spark_submit, spark, flink, platform or other",
            required=True,
        ),
        Column(
            "workload_id",
            TEXT,
            "Job run, endpoint, EMR internal, submission or application ID; NULL for platform and other",
        ),
        Column("workload_name", TEXT, "What a person calls the workload"),
        Column("virtual_cluster_id", TEXT, "EMR on EKS virtual cluster ID"),
        Column("job_run_id", TEXT, "EMR on EKS job run ID (StartJobRun)"),
        Column("emr_internal_id", TEXT, "The EMR runtime's own ID of the application"),
        Column("spark_app_id", TEXT, "Spark application ID (spark-app-selector)"),
        Column("spark_app_name", TEXT, "Spark application name"),
        Column("spark_role", TEXT, "submitter, driver, executor, gateway, jobmanager or taskmanager"),
        Column("labels", LABELS, "Pod, namespace and node labels of the allow-list, keys as upstream gives them"),
        Column(
            "started_at",
            TIMESTAMP,
            "When the container began to run inside the window, on upstream's time grid, UTC",
        ),
        Column("ended_at", TIMESTAMP, "When it stopped inside the window, on upstream's time grid, UTC"),
        Column("minutes", DOUBLE, "Minutes between the two"),
        Column("cpu_core_hours", DOUBLE, "vCPU-hours: the larger of request and usage, over time"),
        Column("cpu_core_request_hours", DOUBLE, "vCPU-hours requested"),
        Column("cpu_core_usage_hours", DOUBLE, "vCPU-hours used"),
        Column("ram_gib_hours", DOUBLE, "GiB-hours: the larger of request and usage, over time"),
        Column("ram_gib_request_hours", DOUBLE, "GiB-hours requested"),
        Column("ram_gib_usage_hours", DOUBLE, "GiB-hours used"),
        Column("gpu_hours", DOUBLE, "GPU-hours"),
        Column("pv_gib_hours", DOUBLE, "GiB-hours of persistent volumes"),
        Column("network_transfer_bytes", DOUBLE, "Bytes sent"),
        Column("network_receive_bytes", DOUBLE, "Bytes received"),
        Column("cpu_cost", DOUBLE, "Upstream's estimate for CPU, its adjustment included, USD"),
        Column("ram_cost", DOUBLE, "Upstream's estimate for memory, its adjustment included, USD"),
        Column("gpu_cost", DOUBLE, "Upstream's estimate for GPUs, its adjustment included, USD"),
        Column("pv_cost", DOUBLE, "Upstream's estimate for persistent volumes, its adjustment included, USD"),
        Column("network_cost", DOUBLE, "Upstream's estimate for network traffic, its adjustment included, USD"),
        Column("network_cross_zone_cost", DOUBLE, "Part of network_cost: between Availability Zones, USD"),
        Column("network_cross_region_cost", DOUBLE, "Part of network_cost: between Regions, USD"),
        Column("network_internet_cost", DOUBLE, "Part of network_cost: to the internet, USD"),
        Column(
            "load_balancer_cost",
            DOUBLE,
            "Upstream's estimate for load balancers, its adjustment included, USD",
        ),
        Column("shared_cost", DOUBLE, "Cost that upstream shared out to this container; 0 as we ask, USD"),
        Column("total_cost", DOUBLE, "Upstream's total, USD; its parts are rounded to 5 decimals one by one"),
        _COLLECTED_AT,
    ),
)

NODES = Table(
    "nodes",
    "node, window",
    ("window_start", "node", "provider_id"),
    (
        _CLUSTER_ARN,
        *_WINDOW,
        Column("node", TEXT, "Kubernetes node name"),
        *_INSTANCE,
        Column("minutes", DOUBLE, "Minutes that the node ran inside the window"),
        Column("cpu_core_hours", DOUBLE, "vCPU-hours of capacity"),
        Column("ram_gib_hours", DOUBLE, "GiB-hours of capacity"),
        Column("gpu_hours", DOUBLE, "GPU-hours of capacity"),
        Column("total_cost", DOUBLE, "Upstream's estimate for the node, its adjustment included, USD"),
        _COLLECTED_AT,
    ),
)

VOLUMES = Table(
    "volumes",
    "volume, pod or none, window",
    ("window_start", "volume_name", "namespace", "pod", "volume_id"),
    (
        _CLUSTER_ARN,
        *_WINDOW,
        Column("volume_id", TEXT, "EBS volume ID, vol-…; NULL where upstream does not say"),
        Column("volume_name", TEXT, "Name of the PersistentVolume", required=True),
        Column("namespace", TEXT, "Namespace of the pod or claim"),
        Column("pod", TEXT, "Pod that mounted the volume; NULL where none did"),
        Column("gib_hours", DOUBLE, "GiB-hours that the pod had of the volume"),
        Column("cost", DOUBLE, "Upstream's estimate, its adjustment included, USD"),
        _COLLECTED_AT,
    ),
)

LAKE_TABLES = (VOLUMES, NODES, ALLOCATIONS)
"""In the order in which a day is written: a window counts as collected once `allocations` has it."""
