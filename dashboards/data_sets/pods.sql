-- One row per pod or none, run, cost center, day and cost category, of the last 35 days.
-- Uplift, idle and all other cost without a pod are rows, too: a cost center adds up to what it is elsewhere.
SELECT
    usage_date,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    cost_center,
    COALESCE(virtual_cluster_name, virtual_cluster_id, 'none') AS virtual_cluster,
    COALESCE(workload_name, workload_id, 'no workload') AS workload_name,
    COALESCE(workload_id, 'none') AS workload_id,
    COALESCE(pod, 'no pod: ' || cost_category) AS pod,
    cost_category,
    COALESCE(spark_role, 'none') AS spark_role,
    COALESCE(instance_type, 'none') AS instance_type,
    COALESCE(capacity_type, 'none') AS capacity_type,
    currency,
    SUM(effective_cost) AS effective_cost,
    SUM(cpu_core_hours) AS cpu_core_hours,
    SUM(cpu_core_request_hours) AS cpu_core_request_hours,
    SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
    SUM(ram_gib_request_hours) AS ram_gib_request_hours,
    SUM(ram_gib_usage_hours) AS ram_gib_usage_hours
FROM cost_center_pods
WHERE usage_date BETWEEN date_add('day', -35, current_date) AND current_date
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
