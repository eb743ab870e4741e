-- One row per workload or none, day, cost category, cost state, Spark role and capacity type.
WITH
-- Not every pod of a workload knows its name (a job run's submitter does not), so a name tells rows apart
-- only where there is no ID.
costs AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        workload_kind,
        workload_id,
        virtual_cluster_id,
        job_run_id,
        CASE WHEN workload_id IS NULL THEN workload_name END AS name_without_id,
        cost_category,
        cost_state,
        spark_role,
        capacity_type,
        currency,
        MAX(workload_name) AS workload_name,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        -- Only rows that have both: what is not known is no saving, and a tax or a credit has no list price.
        SUM(
            CASE
                WHEN COALESCE(line_class, '') NOT IN ('tax', 'credit', 'refund') THEN list_cost - effective_cost
            END
        ) AS savings,
        NULLIF(
            COUNT(
                DISTINCT CASE WHEN cost_category = 'compute' THEN COALESCE(namespace, '') || '/' || pod END
            ),
            0
        ) AS pods,
        SUM(minutes) / 6e1 AS pod_hours,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours,
        SUM(gpu_hours) AS gpu_hours
    FROM cost_ledger
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
),
-- From the summed hours, never averaged. NULL where nothing was requested and nothing used, for which
-- compute_cost says 0, as the blog does.
efficiencies AS (
    SELECT
        *,
        CASE
            WHEN cpu_core_request_hours > 0e0 THEN cpu_core_usage_hours / cpu_core_request_hours
            WHEN cpu_core_usage_hours > 0e0 THEN 1e0
        END AS cpu_efficiency,
        CASE
            WHEN ram_gib_request_hours > 0e0 THEN ram_gib_usage_hours / ram_gib_request_hours
            WHEN ram_gib_usage_hours > 0e0 THEN 1e0
        END AS ram_efficiency
    FROM costs
)

SELECT
    costs.usage_date,
    costs.billing_period,
    costs.account_id,
    costs.cluster_arn,
    costs.cluster_name,
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
    costs.virtual_cluster_id,
    costs.job_run_id,
    costs.cost_category,
    costs.cost_state,
    costs.spark_role,
    costs.capacity_type,
    costs.currency,
    costs.effective_cost,
    costs.billed_cost,
    costs.list_cost,
    costs.savings,
    costs.pods,
    costs.pod_hours,
    costs.cpu_core_hours,
    costs.cpu_core_request_hours,
    costs.cpu_core_usage_hours,
    costs.ram_gib_hours,
    costs.ram_gib_request_hours,
    costs.ram_gib_usage_hours,
    costs.gpu_hours,
    costs.cpu_efficiency,
    costs.ram_efficiency,
    -- Weighed as the ledger splits an instance's cost: a vCPU-hour counts as much as 9 GiB-hours.
    (
        CASE WHEN cpu_core_hours > 0e0 THEN 9e0 * cpu_core_hours * cpu_efficiency ELSE 0e0 END
        + CASE WHEN ram_gib_hours > 0e0 THEN ram_gib_hours * ram_efficiency ELSE 0e0 END
    ) / NULLIF(9e0 * cpu_core_hours + ram_gib_hours, 0e0) AS total_efficiency
FROM efficiencies AS costs
LEFT JOIN workload_names AS names
    ON costs.cluster_arn = names.cluster_arn
    AND costs.workload_kind = names.workload_kind
    AND costs.workload_id = names.workload_id
