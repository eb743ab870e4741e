-- One row per cost center, cluster, day, cost category, cost state, Spark role and capacity type.
WITH
-- A distributed cost is no single role's and no single capacity's.
sums AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        cost_center,
        cost_category,
        cost_state,
        spark_role,
        capacity_type,
        currency,
        policy_month,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(distributed_cost) AS distributed_cost,
        SUM(savings) AS savings,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours,
        SUM(gpu_hours) AS gpu_hours
    FROM cost_center_entries
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
)

SELECT
    sums.usage_date,
    sums.billing_period,
    sums.account_id,
    sums.cluster_arn,
    sums.cluster_name,
    sums.cost_center,
    sums.cost_category,
    sums.cost_state,
    sums.spark_role,
    sums.capacity_type,
    sums.currency,
    sums.effective_cost,
    sums.billed_cost,
    sums.list_cost,
    sums.distributed_cost,
    COALESCE(markups.factor, 1e0) AS factor,
    (sums.effective_cost + sums.distributed_cost) * COALESCE(markups.factor, 1e0) AS charged_cost,
    sums.savings,
    sums.cpu_core_hours,
    sums.cpu_core_usage_hours,
    sums.ram_gib_hours,
    sums.ram_gib_usage_hours,
    sums.gpu_hours
FROM sums
LEFT JOIN policy_markups AS markups
    ON sums.cost_center = markups.cost_center
    AND COALESCE(sums.policy_month, 'open') = COALESCE(markups.closed_month, 'open')
