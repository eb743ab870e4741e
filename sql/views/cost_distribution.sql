-- One row per cost center, pool, cost category, cost state, entry (given or taken), cluster and day.
SELECT
    usage_date,
    MAX(billing_period) AS billing_period,
    MAX(account_id) AS account_id,
    cluster_arn,
    MAX(cluster_name) AS cluster_name,
    cost_center,
    pool,
    cost_category,
    cost_state,
    method,
    entry,
    currency,
    SUM(distributed_cost) AS distributed_cost
FROM cost_center_entries
WHERE entry <> 'direct'
GROUP BY 1, 4, 6, 7, 8, 9, 10, 11, 12
