-- One row per cost category and window of a pod on a node, or of a billed EMR on EKS resource and usage type.
WITH
-- CROSS JOIN, so that the pods are read once for all categories. A pod keeps its compute row even where
-- that is 0: it ran, and a report of its hours must find it.
pod_costs AS (
    SELECT
        pods.*,
        CAST(categories.cost_category AS varchar) AS cost_category,
        CASE categories.cost_category
            WHEN 'compute' THEN pods.cpu_cost + pods.ram_cost + pods.gpu_cost
            WHEN 'storage' THEN pods.pv_cost
            WHEN 'network' THEN pods.network_cost
            WHEN 'load_balancer' THEN pods.load_balancer_cost
            WHEN 'shared' THEN pods.shared_cost
        END AS effective_cost
    FROM pod_hours AS pods
    CROSS JOIN (
        VALUES ('compute'), ('storage'), ('network'), ('load_balancer'), ('shared')
    ) AS categories (cost_category)
),
-- Only the pods of the same day: the day is the partition, and without it a query of one day would read them
-- all. MAX, since the submitter's pod knows less than the driver's; the driver's labels speak for all.
workloads AS (
    SELECT
        usage_date,
        COALESCE(
            job_run_id,
            CASE WHEN workload_kind = 'interactive_endpoint' THEN workload_id END,
            emr_internal_id
        ) AS billed_id,
        MAX(cluster_arn) AS cluster_arn,
        MAX(cluster_name) AS cluster_name,
        MAX(workload_kind) AS workload_kind,
        MAX(workload_name) AS workload_name,
        MAX(virtual_cluster_id) AS virtual_cluster_id,
        MAX(namespace) AS namespace,
        MAX(emr_internal_id) AS emr_internal_id,
        MAX(spark_app_id) AS spark_app_id,
        min_by(labels, CASE WHEN spark_role = 'driver' THEN '0' ELSE '1' END || COALESCE(pod, '')) AS labels
    FROM allocations
    WHERE job_run_id IS NOT NULL OR emr_internal_id IS NOT NULL OR workload_kind = 'interactive_endpoint'
    GROUP BY 1, 2
)

SELECT
    window_start AS charge_period_start,
    window_end AS charge_period_end,
    usage_date,
    date_format(window_start, '%Y-%m') AS billing_period,
    account_id,
    cluster_name,
    cost_category,
    CAST('estimated' AS varchar) AS cost_state,
    CAST('estimated' AS varchar) AS cost_basis,
    workload_kind,
    workload_id,
    workload_name,
    virtual_cluster_id,
    job_run_id,
    namespace,
    pod,
    spark_role,
    instance_id,
    instance_type,
    capacity_type,
    effective_cost,
    CAST(NULL AS double) AS billed_cost,
    CAST(NULL AS double) AS list_cost,
    CAST('USD' AS varchar) AS currency,
    workload_reason AS reason,
    cluster_arn,
    region,
    node,
    node_pool,
    availability_zone,
    controller_kind,
    controller_name,
    labels,
    emr_internal_id,
    spark_app_id,
    CAST(NULL AS varchar) AS resource_id,
    CAST(NULL AS varchar) AS usage_type
FROM pod_costs
WHERE cost_category = 'compute' OR effective_cost <> 0e0

UNION ALL

SELECT
    uplift.usage_start AS charge_period_start,
    uplift.usage_end AS charge_period_end,
    uplift.usage_date,
    uplift.billing_period,
    uplift.usage_account_id AS account_id,
    workloads.cluster_name,
    uplift.cost_category,
    uplift.cost_state,
    uplift.cost_basis,
    COALESCE(
        workloads.workload_kind,
        CASE
            WHEN uplift.job_run_id IS NOT NULL THEN CAST('job_run' AS varchar)
            WHEN uplift.interactive_endpoint_id IS NOT NULL THEN CAST('interactive_endpoint' AS varchar)
            ELSE CAST('other' AS varchar)
        END
    ) AS workload_kind,
    uplift.workload_id,
    workloads.workload_name,
    COALESCE(uplift.virtual_cluster_id, workloads.virtual_cluster_id) AS virtual_cluster_id,
    uplift.job_run_id,
    workloads.namespace,
    CAST(NULL AS varchar) AS pod,
    CAST(NULL AS varchar) AS spark_role,
    CAST(NULL AS varchar) AS instance_id,
    CAST(NULL AS varchar) AS instance_type,
    uplift.capacity_type,
    uplift.effective_cost,
    uplift.billed_cost,
    uplift.list_cost,
    uplift.currency,
    CASE WHEN workloads.billed_id IS NULL THEN CAST('no_pod' AS varchar) END AS reason,
    workloads.cluster_arn,
    uplift.region,
    CAST(NULL AS varchar) AS node,
    CAST(NULL AS varchar) AS node_pool,
    CAST(NULL AS varchar) AS availability_zone,
    CAST(NULL AS varchar) AS controller_kind,
    CAST(NULL AS varchar) AS controller_name,
    workloads.labels,
    COALESCE(uplift.emr_internal_id, workloads.emr_internal_id) AS emr_internal_id,
    workloads.spark_app_id,
    uplift.resource_id,
    uplift.usage_type
FROM emr_uplift AS uplift
LEFT JOIN workloads
    ON uplift.usage_date = workloads.usage_date AND uplift.workload_id = workloads.billed_id
