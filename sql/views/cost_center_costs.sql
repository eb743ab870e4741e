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
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(distributed_cost) AS distributed_cost
    FROM cost_center_entries
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
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
    (sums.effective_cost + sums.distributed_cost) * COALESCE(markups.factor, 1e0) AS charged_cost
FROM sums
LEFT JOIN policy_markups AS markups ON sums.cost_center = markups.cost_center
