-- One row per pod or none, workload or none, cost center, day, cost category, cost state, capacity type and reason.
WITH
-- Not every pod of a workload knows its name, so a name tells rows apart only where there is no ID.
costs AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        cost_center,
        workload_kind,
        workload_id,
        CASE WHEN workload_id IS NULL THEN workload_name END AS name_without_id,
        virtual_cluster_id,
        namespace,
        pod,
        spark_role,
        instance_type,
        capacity_type,
        cost_category,
        cost_state,
        reason,
        currency,
        -- The Spark Operator adds the nanosecond to the names of a schedule's runs.
        MAX(CAST(regexp_replace(workload_name, '-[0-9]{19}$', '') AS varchar)) AS workload_name,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(savings) AS savings,
        SUM(minutes) / 6e1 AS pod_hours,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours
    FROM ledger_cost_centers
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19
),
virtual_cluster_names AS (
    SELECT cluster_arn, virtual_cluster_id, MAX(name) AS name
    FROM virtual_clusters
    GROUP BY 1, 2
)

SELECT
    costs.usage_date,
    costs.billing_period,
    costs.account_id,
    costs.cluster_arn,
    costs.cluster_name,
    costs.cost_center,
    costs.virtual_cluster_id,
    virtual_cluster_names.name AS virtual_cluster_name,
    costs.workload_kind,
    costs.workload_id,
    COALESCE(
        MAX(costs.workload_name) OVER (
            PARTITION BY
                costs.usage_date,
                costs.account_id,
                costs.cluster_arn,
                costs.workload_kind,
                costs.workload_id,
                costs.name_without_id
        ),
        -- Pods of endpoints carry no name, and uplift without pods has none.
        names.workload_name
    ) AS workload_name,
    costs.namespace,
    costs.pod,
    costs.spark_role,
    costs.instance_type,
    costs.capacity_type,
    costs.cost_category,
    costs.cost_state,
    costs.reason,
    costs.currency,
    costs.effective_cost,
    costs.billed_cost,
    costs.list_cost,
    costs.savings,
    costs.pod_hours,
    costs.cpu_core_hours,
    costs.cpu_core_request_hours,
    costs.cpu_core_usage_hours,
    costs.ram_gib_hours,
    costs.ram_gib_request_hours,
    costs.ram_gib_usage_hours
FROM costs
LEFT JOIN virtual_cluster_names
    ON costs.cluster_arn = virtual_cluster_names.cluster_arn
    AND costs.virtual_cluster_id = virtual_cluster_names.virtual_cluster_id
LEFT JOIN workload_names AS names
    ON costs.cluster_arn = names.cluster_arn
    AND costs.workload_kind = names.workload_kind
    AND costs.workload_id = names.workload_id
