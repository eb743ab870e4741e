-- One row per volume, pod or none, and window.
WITH
-- A pod that was made again under its name may be on two nodes; a volume names the pod, not the node.
pods AS (
    SELECT
        cluster_arn,
        cluster_name,
        account_id,
        region,
        window_start,
        window_end,
        usage_date,
        namespace,
        pod,
        MAX(controller_kind) AS controller_kind,
        MAX(controller_name) AS controller_name,
        MAX(node) AS node,
        MAX(node_pool) AS node_pool,
        MAX(instance_id) AS instance_id,
        MAX(instance_type) AS instance_type,
        MAX(capacity_type) AS capacity_type,
        MAX(availability_zone) AS availability_zone,
        MAX(workload_kind) AS workload_kind,
        MAX(workload_id) AS workload_id,
        MAX(workload_name) AS workload_name,
        MAX(virtual_cluster_id) AS virtual_cluster_id,
        MAX(job_run_id) AS job_run_id,
        MAX(emr_internal_id) AS emr_internal_id,
        MAX(spark_app_id) AS spark_app_id,
        MAX(spark_role) AS spark_role,
        MAX(workload_reason) AS workload_reason,
        min_by(labels, COALESCE(node, '')) AS labels
    FROM allocations
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
)

SELECT
    volumes.cluster_arn,
    -- A cluster's ARN says its account, Region and name: arn:aws:eks:us-east-1:111122223333:cluster/analytics.
    COALESCE(pods.cluster_name, split_part(volumes.cluster_arn, '/', 2)) AS cluster_name,
    COALESCE(pods.account_id, split_part(volumes.cluster_arn, ':', 5)) AS account_id,
    COALESCE(pods.region, split_part(volumes.cluster_arn, ':', 4)) AS region,
    volumes.window_start,
    volumes.window_end,
    volumes.usage_date,
    volumes.volume_id,
    volumes.volume_name,
    volumes.namespace,
    volumes.pod,
    pods.controller_kind,
    pods.controller_name,
    pods.node,
    pods.node_pool,
    pods.instance_id,
    pods.instance_type,
    COALESCE(pods.capacity_type, CAST('unknown' AS varchar)) AS capacity_type,
    pods.availability_zone,
    COALESCE(pods.workload_kind, CAST('other' AS varchar)) AS workload_kind,
    pods.workload_id,
    pods.workload_name,
    pods.virtual_cluster_id,
    pods.job_run_id,
    pods.emr_internal_id,
    pods.spark_app_id,
    pods.spark_role,
    CASE WHEN volumes.pod IS NULL THEN CAST('unmounted' AS varchar) ELSE pods.workload_reason END AS reason,
    pods.labels,
    COALESCE(volumes.gib_hours, 0e0) AS gib_hours,
    COALESCE(volumes.cost, 0e0) AS cost
FROM volumes
LEFT JOIN pods
    ON volumes.usage_date = pods.usage_date
    AND volumes.cluster_arn = pods.cluster_arn
    AND volumes.window_start = pods.window_start
    AND volumes.namespace = pods.namespace
    AND volumes.pod = pods.pod
