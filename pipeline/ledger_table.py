"""The columns of what `refresh` computes and `close` keeps: what Parquet files, tables in Glue and the docs say."""

import pyarrow as pa

from pipeline.tables import DOUBLE, INTEGER, LABELS, PARTITION_KEY, TABLES, TEXT, TIMESTAMP, Column, Table

COST_LEDGER = Table(
    "cost_ledger",
    "cost category and charge period of a pod on a node or of a volume, or per charge as far as no pod has it",
    (),
    (
        Column("charge_period_start", TIMESTAMP, "Start of the hour, or of the longer period, UTC, inclusive"),
        Column("charge_period_end", TIMESTAMP, "Its end, UTC, exclusive"),
        Column("billing_period", TEXT, "Month of the bill that has the charge, as 2026-10"),
        Column("payer_account_id", TEXT, "AWS account that pays the bill; NULL while there is no line"),
        Column("account_id", TEXT, "AWS account that the charge is for"),
        Column("cluster_arn", TEXT, "ARN of the EKS cluster"),
        Column("cluster_name", TEXT, "Name of the EKS cluster"),
        Column("region", TEXT, "AWS Region"),
        Column(
            "cost_category",
            TEXT,
            "compute, emr_uplift, storage, network, load_balancer, control_plane, idle, shared, commitment_unused, "
            "credit, tax, other_service or unattributed",
        ),
        Column("cost_state", TEXT, "estimated (no bill yet), provisional (no invoice yet) or final"),
        Column("cost_basis", TEXT, "net_amortized, amortized or estimated"),
        Column("line_class", TEXT, "Class of the bill's lines, see cur_line_items; NULL for an estimate"),
        Column("invoice_id", TEXT, "ID of the invoice; NULL before there is one"),
        Column("workload_kind", TEXT, "Kind of the workload, see allocations; NULL for cost that no workload has"),
        Column("workload_id", TEXT, "ID of the workload, see allocations"),
        Column("workload_name", TEXT, "What a person calls the workload"),
        Column("virtual_cluster_id", TEXT, "EMR on EKS virtual cluster ID"),
        Column("job_run_id", TEXT, "EMR on EKS job run ID (StartJobRun)"),
        Column("emr_internal_id", TEXT, "The EMR runtime's own ID of the application"),
        Column("spark_app_id", TEXT, "Spark application ID (spark-app-selector)"),
        Column("namespace", TEXT, "Kubernetes namespace"),
        Column("pod", TEXT, "Pod name"),
        Column("controller_kind", TEXT, "Kind of the pod's controller, lower case"),
        Column("controller_name", TEXT, "Name of the pod's controller"),
        Column("node", TEXT, "Kubernetes node name"),
        Column("node_pool", TEXT, "EKS managed node group, or Karpenter node pool"),
        Column("availability_zone", TEXT, "Availability Zone of the node"),
        Column("spark_role", TEXT, "submitter, driver, executor, gateway, jobmanager or taskmanager"),
        Column("instance_id", TEXT, "EC2 instance ID, i-…; NULL for Fargate and hybrid nodes"),
        Column("instance_type", TEXT, "EC2 instance type"),
        Column("capacity_type", TEXT, "on_demand, spot, fargate or unknown"),
        Column("labels", LABELS, "Pod, namespace and node labels of the allow-list, keys as upstream gives them"),
        Column("tags", LABELS, "AWS tags of the billed resource, keys as the bill has them"),
        Column("resource_id", TEXT, "ID or ARN of the billed resource"),
        Column("product_code", TEXT, "AWS product of the charge; NULL for a pod's part of it"),
        Column("usage_type", TEXT, "What was metered; NULL for a pod's part of it"),
        Column("usage_amount", DOUBLE, "How much of it, in the unit of the usage type"),
        Column("effective_cost", DOUBLE, "Amortized cost, in the currency of the bill"),
        Column("billed_cost", DOUBLE, "Unblended cost; NULL for an estimate"),
        Column("list_cost", DOUBLE, "On-Demand cost; NULL for an estimate, and where the bill does not say it"),
        Column("negated_cost", DOUBLE, "Of the billed cost, what a Savings Plan's negation takes back"),
        Column("commitment_arn", TEXT, "ARN of the Savings Plan or reservation that covered the usage"),
        Column("currency", TEXT, "Currency of the costs, as USD"),
        Column("reason", TEXT, "Why the cost is idle, shared, unattributed or still estimated"),
        Column("cpu_cost", DOUBLE, "Of a pod's compute, the part for CPU"),
        Column("ram_cost", DOUBLE, "Of a pod's compute, the part for memory"),
        Column("gpu_cost", DOUBLE, "Of a pod's compute, the part for GPUs"),
        Column("kubecost_cost", DOUBLE, "Upstream's estimate of the same, USD"),
        Column("minutes", DOUBLE, "Minutes that the pod ran; on its compute row only, as all hours are"),
        Column("cpu_core_hours", DOUBLE, "vCPU-hours: the larger of request and usage, over time"),
        Column("cpu_core_request_hours", DOUBLE, "vCPU-hours requested"),
        Column("cpu_core_usage_hours", DOUBLE, "vCPU-hours used"),
        Column("ram_gib_hours", DOUBLE, "GiB-hours: the larger of request and usage, over time"),
        Column("ram_gib_request_hours", DOUBLE, "GiB-hours requested"),
        Column("ram_gib_usage_hours", DOUBLE, "GiB-hours used"),
        Column("gpu_hours", DOUBLE, "GPU-hours"),
    ),
)
"""The table that `refresh` fills; who fills it orders its rows."""

OUT_OF_SCOPE_COSTS = Table(
    "out_of_scope_costs",
    "charge of the bill that no cluster has anything to do with; one a day of each account and class, if nothing of it "
    "could be ours",
    (),
    tuple(
        column
        for column in COST_LEDGER.columns
        if column.name
        in {
            "charge_period_start",
            "charge_period_end",
            "billing_period",
            "payer_account_id",
            "account_id",
            "region",
            "line_class",
            "invoice_id",
            "product_code",
            "usage_type",
            "resource_id",
            "tags",
            "usage_amount",
            "effective_cost",
            "billed_cost",
            "list_cost",
            "currency",
        }
    ),
)
"""What `refresh` finds beside the ledger, so that ledger and this table together are the bill."""

SCOPES = {COST_LEDGER.name: "ledger", OUT_OF_SCOPE_COSTS.name: "out_of_scope"}
"""What the partition key `scope` says of the rows of a table that `refresh` fills."""

RUN = Column("run", TEXT, "The refresh that wrote the rows; a query has to name it: WHERE run = '…'")
SCOPE = Column("scope", TEXT, f"{' or '.join(SCOPES.values())}: whose rows they are")

COST_LEDGER_RUNS = Table(
    "cost_ledger_runs",
    "run of `refresh` and row that it wrote, of the ledger or out of scope, as long as its files are kept",
    (),
    COST_LEDGER.columns,
)

CLOSED_LEDGER_RUNS = Table(
    "closed_ledger_runs",
    "run of `close` and row that it copied, whether or not the month was closed with it: what was is in closed_ledger",
    (),
    (
        Column(PARTITION_KEY, pa.date32(), "UTC day of the cost"),
        *COST_LEDGER.columns,
        Column("cost_center", TEXT, "Cost center that the policy of then gave it to"),
        Column("policy", TEXT, "File of the policy whose rule decided; NULL where none did"),
        Column("policy_line", INTEGER, "Line of that file"),
        Column("entry", TEXT, "direct; taken or given, as cost_distribution has it; or adjustment"),
        Column("pool", TEXT, "Pool of cost that was distributed, see cost_distribution"),
        Column("distributed_cost", DOUBLE, "What distribution gives to the cost center or takes from it"),
        Column("factor", DOUBLE, "What the cost center's cost was multiplied by"),
        Column("charged_cost", DOUBLE, "Effective and distributed cost, times the factor"),
        Column("savings", DOUBLE, "List cost less effective cost, where both are known"),
    ),
)
"""What `close` copies: rows of the ledger with their cost centers, entries of its distribution, and adjustments."""

CLOSED_MONTH = Column("closed_month", TEXT, "Month that was closed, as 2026-10: whose statement has the row")
CLOSING_RUN = Column("run", TEXT, "The run of `close` that copied it")

CLOSED_MONTHS = Table(
    "closed_months",
    "month that was closed",
    (CLOSED_MONTH.name,),
    (
        Column(CLOSED_MONTH.name, TEXT, "Month that was closed, as 2026-10", required=True),
        Column(CLOSING_RUN.name, TEXT, "The run of `close` whose copy stands", required=True),
        Column("closed_at", TIMESTAMP, "When the month was closed, UTC", required=True),
        Column("currency", TEXT, "Currency of the costs, as USD", required=True),
        Column("effective_cost", DOUBLE, "Direct cost of all cost centers", required=True),
        Column("distributed_cost", DOUBLE, "What distribution gave and took; it comes to nothing", required=True),
        Column("charged_cost", DOUBLE, "What all cost centers were charged, adjustments included", required=True),
        Column("adjusted_cost", DOUBLE, "Of that, what is of months closed before", required=True),
    ),
    partitioned=False,
)
"""A row of it closes a month: it is written once, and nothing of the month changes any more."""

LEDGER_TABLES = (COST_LEDGER, OUT_OF_SCOPE_COSTS, COST_LEDGER_RUNS, CLOSED_LEDGER_RUNS, CLOSED_MONTHS)

PUBLISHED_TABLES = (*TABLES, *LEDGER_TABLES)
"""Every table that `publish` declares."""
