-- One row per virtual cluster or none, day, cost category, cost state, Spark role and capacity type.
SELECT
    usage_date,
    billing_period,
    account_id,
    cluster_arn,
    cluster_name,
    virtual_cluster_id,
    cost_category,
    cost_state,
    spark_role,
    capacity_type,
    currency,
    SUM(effective_cost) AS effective_cost,
    SUM(billed_cost) AS billed_cost,
    SUM(list_cost) AS list_cost
FROM cost_ledger
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
