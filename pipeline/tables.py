"""The tables of the lake: one schema that makes Parquet files, Glue columns, their comments and the docs."""

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
DOUBLE = pa.float64()
INTEGER = pa.int64()
BOOLEAN = pa.bool_()
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
    """One table of the lake: the *grain* of a row, the *order* of the rows, and whether `usage_date` partitions it."""

    name: str
    grain: str
    order: tuple[str, ...]
    columns: tuple[Column, ...]
    partitioned: bool = True

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
        Column("node", TEXT, "Kubernetes node name; one of several if the pod was made again; NULL where unknown"),
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
            "Job run, endpoint, EMR internal, submission or application ID, else namespace/name; "
            "NULL for platform and other",
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
        Column("workload_reason", TEXT, "headroom for a placeholder that holds capacity free; NULL for all others"),
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
        Column("labels", LABELS, "The node's labels of the allow-list, keys as upstream gives them"),
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

_VIRTUAL_CLUSTER_ID = Column("virtual_cluster_id", TEXT, "ID of the EMR on EKS virtual cluster", required=True)
_STATE_DETAILS = Column("state_details", TEXT, "What EMR says about the state")
_FAILURE_REASON = Column(
    "failure_reason", TEXT, "INTERNAL_ERROR, USER_ERROR, VALIDATION_ERROR or CLUSTER_UNAVAILABLE; NULL without failure"
)
_NAMESPACE = Column("namespace", TEXT, "Kubernetes namespace of the virtual cluster")
_RELEASE_LABEL = Column("release_label", TEXT, "EMR release, such as emr-7.5.0-latest")
_EXECUTION_ROLE_ARN = Column("execution_role_arn", TEXT, "ARN of the IAM role that the job's code has")
_TAGS = Column("tags", LABELS, "The resource's tags in AWS", required=True)
_LAST_CHANGE_SEEN = Column(
    "collected_at", TIMESTAMP, "When EMR was first seen to say what the row says, UTC", required=True
)

VIRTUAL_CLUSTERS = Table(
    "virtual_clusters",
    "virtual cluster of EMR on EKS, as it was last seen",
    ("created_at", "arn"),
    (
        _CLUSTER_ARN,
        _VIRTUAL_CLUSTER_ID,
        Column("arn", TEXT, "ARN of the virtual cluster", required=True),
        Column("name", TEXT, "Name of the virtual cluster"),
        _NAMESPACE,
        Column("state", TEXT, "RUNNING, TERMINATING, TERMINATED or ARRESTED", required=True),
        Column("created_at", TIMESTAMP, "When the virtual cluster was created, UTC", required=True),
        _TAGS,
        _LAST_CHANGE_SEEN,
    ),
    partitioned=False,
)

JOB_RUNS = Table(
    "job_runs",
    "job run of EMR on EKS, as it was last seen",
    ("created_at", "arn"),
    (
        _CLUSTER_ARN,
        _VIRTUAL_CLUSTER_ID,
        Column("job_run_id", TEXT, "ID of the job run (StartJobRun)", required=True),
        Column("arn", TEXT, "ARN of the job run", required=True),
        Column("name", TEXT, "Name of the job run; NULL where it was given none"),
        _NAMESPACE,
        Column(
            "state",
            TEXT,
            "PENDING, SUBMITTED, RUNNING, CANCEL_PENDING, or in the end COMPLETED, FAILED or CANCELLED",
            required=True,
        ),
        _STATE_DETAILS,
        _FAILURE_REASON,
        Column("created_at", TIMESTAMP, "When the job run was created, UTC", required=True),
        Column("finished_at", TIMESTAMP, "When it ended, UTC; NULL before that"),
        _RELEASE_LABEL,
        _EXECUTION_ROLE_ARN,
        Column("created_by", TEXT, "ARN of the user or role that started it"),
        _TAGS,
        _LAST_CHANGE_SEEN,
    ),
    partitioned=False,
)

MANAGED_ENDPOINTS = Table(
    "managed_endpoints",
    "interactive endpoint of EMR on EKS, as it was last seen",
    ("created_at", "arn"),
    (
        _CLUSTER_ARN,
        _VIRTUAL_CLUSTER_ID,
        Column("managed_endpoint_id", TEXT, "ID of the endpoint: workload_id of its pods", required=True),
        Column("arn", TEXT, "ARN of the endpoint", required=True),
        Column("name", TEXT, "Name of the endpoint"),
        _NAMESPACE,
        Column("endpoint_type", TEXT, "Kind of endpoint, such as JUPYTER_ENTERPRISE_GATEWAY"),
        Column(
            "state",
            TEXT,
            "CREATING, ACTIVE, TERMINATING, TERMINATED or TERMINATED_WITH_ERRORS",
            required=True,
        ),
        _STATE_DETAILS,
        _FAILURE_REASON,
        Column("created_at", TIMESTAMP, "When the endpoint was created, UTC", required=True),
        _RELEASE_LABEL,
        _EXECUTION_ROLE_ARN,
        _TAGS,
        _LAST_CHANGE_SEEN,
    ),
    partitioned=False,
)

INVENTORY_TABLES = (MANAGED_ENDPOINTS, JOB_RUNS, VIRTUAL_CLUSTERS)
"""In the order in which they are written: a virtual cluster that ended is asked no more once its row says so."""

_LINE = Column("line", INTEGER, "Line of the CSV file that says so", required=True)
_CLOSED_MONTH = Column(
    "closed_month", TEXT, "Month that was closed while the line stood, as 2026-10; NULL for what is published now"
)
_PRIORITY = Column("priority", INTEGER, "Of the rules that fit a cost, that with the lowest decides", required=True)
_COST_CENTER = Column("cost_center", TEXT, "The cost center, as reports name it", required=True)
_CLUSTER = Column("cluster", TEXT, "Name or ARN of the EKS cluster; NULL fits any")
_LABEL = (
    Column("label_key", TEXT, "Key of a label, as the lake's labels have it; NULL fits any"),
    Column("label_value", TEXT, "The label's value"),
)
_TAG = (
    Column("tag_key", TEXT, "Key of an AWS tag, as the bill's tags have it; NULL fits any"),
    Column("tag_value", TEXT, "The tag's value"),
)

POLICY_COST_CENTERS = Table(
    "policy_cost_centers",
    "rule that gives a workload's cost to a cost center; what is not NULL must all fit",
    ("line",),
    (
        _LINE,
        _PRIORITY,
        _COST_CENTER,
        _CLUSTER,
        Column("virtual_cluster", TEXT, "ID or name of the EMR on EKS virtual cluster; NULL fits any"),
        Column("namespace", TEXT, "Kubernetes namespace; NULL fits any"),
        Column("workload_name", TEXT, "Name of the workload, or how it begins if a * follows; NULL fits any"),
        *_LABEL,
        *_TAG,
        _CLOSED_MONTH,
    ),
    partitioned=False,
)

POLICY_SOLE_TENANCY = Table(
    "policy_sole_tenancy",
    "rule that gives whole instances, idle included, to a cost center; what is not NULL must all fit",
    ("line",),
    (
        _LINE,
        _PRIORITY,
        _COST_CENTER,
        _CLUSTER,
        Column("node_pool", TEXT, "EKS managed node group, or Karpenter node pool; NULL fits any"),
        *_LABEL,
        *_TAG,
        _CLOSED_MONTH,
    ),
    partitioned=False,
)

POLICY_OTHER_SERVICES = Table(
    "policy_other_services",
    "tag whose lines of the bill a cost center takes although no cluster caused them",
    ("line",),
    (_LINE, _PRIORITY, _COST_CENTER, *_TAG, _CLOSED_MONTH),
    partitioned=False,
)

POLICY_DISTRIBUTION = Table(
    "policy_distribution",
    "pool of cost that cost centers share",
    ("line",),
    (
        _LINE,
        Column("pool", TEXT, "idle, platform, control_plane or shared", required=True),
        Column("method", TEXT, "none, proportional, even or owner", required=True),
        Column("owner", TEXT, "The cost center that bears the pool, of the method owner"),
        _CLOSED_MONTH,
    ),
    partitioned=False,
)

POLICY_MARKUPS = Table(
    "policy_markups",
    "cost center whose charge is not its cost",
    ("line",),
    (
        _LINE,
        _COST_CENTER,
        Column("factor", DOUBLE, "What its cost is multiplied by: over 1 a markup, under 1 a discount", required=True),
        _CLOSED_MONTH,
    ),
    partitioned=False,
)

POLICY_INVOICES = Table(
    "policy_invoices",
    "invoice whose total finance has",
    ("line",),
    (
        _LINE,
        Column("billing_period", TEXT, "Month that the invoice bills, as 2026-10", required=True),
        Column("invoice_id", TEXT, "ID of the invoice, as the bill has it", required=True),
        Column("total", DOUBLE, "What the invoice charges, taxes included, in the bill's currency", required=True),
    ),
    partitioned=False,
)

POLICY_SETTINGS = Table(
    "policy_settings",
    "policy: there is always one",
    ("correct_hours",),
    (
        Column(
            "correct_hours",
            BOOLEAN,
            "Whether a job's hours are scaled to those that its EMR uplift was charged for",
            required=True,
        ),
    ),
    partitioned=False,
)

POLICY_TABLES = (
    POLICY_COST_CENTERS,
    POLICY_SOLE_TENANCY,
    POLICY_OTHER_SERVICES,
    POLICY_DISTRIBUTION,
    POLICY_MARKUPS,
    POLICY_INVOICES,
    POLICY_SETTINGS,
)

KEPT_POLICY_TABLES = tuple(table for table in POLICY_TABLES if _CLOSED_MONTH in table.columns)
"""Whose lines a closed month keeps, whatever is published later."""

TABLES = (*LAKE_TABLES, *INVENTORY_TABLES, *POLICY_TABLES)
