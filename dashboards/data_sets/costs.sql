-- One row per day, cost center, virtual cluster, workload name, cost category, cost state, capacity type and reason.
SELECT
    usage_date,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    cost_center,
    COALESCE(virtual_cluster_name, virtual_cluster_id, 'none') AS virtual_cluster,
    COALESCE(workload_kind, 'none') AS workload_kind,
    COALESCE(workload_name, workload_id, 'no workload') AS workload_name,
    cost_category,
    cost_state,
    COALESCE(capacity_type, 'none') AS capacity_type,
    COALESCE(reason, 'no reason') AS reason,
    currency,
    SUM(effective_cost) AS effective_cost,
    SUM(list_cost) AS list_cost,
    SUM(savings) AS savings,
    SUM(cpu_core_hours) AS cpu_core_hours
FROM cost_center_pods
WHERE usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
