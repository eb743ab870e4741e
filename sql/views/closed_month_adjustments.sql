-- One row per closed billing period, cost center, cluster, day and cost category that costs something else by now.
WITH
-- What it costs now, and against it what was closed and what has been adjusted already: neither side may lose a row.
sides AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        cost_state AS state_now,
        cost_state,
        factor,
        effective_cost,
        billed_cost,
        list_cost,
        distributed_cost,
        charged_cost,
        savings
    FROM cost_center_costs
    WHERE billing_period IN (SELECT closed_month FROM closed_months)
    UNION ALL
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        CAST(NULL AS varchar) AS state_now,
        cost_state,
        factor,
        -effective_cost AS effective_cost,
        -billed_cost AS billed_cost,
        -list_cost AS list_cost,
        -distributed_cost AS distributed_cost,
        -charged_cost AS charged_cost,
        -savings AS savings
    FROM closed_ledger
),
sums AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        -- That of the least settled cost; of what the bill no longer has, that which it had.
        CAST(
            CASE
                WHEN COUNT(state_now) = 0 THEN MIN(cost_state)
                WHEN MAX(CASE WHEN state_now = 'estimated' THEN 1 ELSE 0 END) = 1 THEN 'estimated'
                WHEN MAX(CASE WHEN state_now = 'provisional' THEN 1 ELSE 0 END) = 1 THEN 'provisional'
                ELSE 'final'
            END AS varchar
        ) AS cost_state,
        -- A month of which the ledger has nothing left was deleted, and has not become free of charge.
        SUM(COUNT(state_now)) OVER (PARTITION BY billing_period) AS rows_now,
        MAX(factor) AS factor,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(distributed_cost) AS distributed_cost,
        SUM(charged_cost) AS charged_cost,
        SUM(savings) AS savings
    FROM sides
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)

SELECT
    usage_date,
    billing_period,
    account_id,
    cluster_arn,
    cluster_name,
    cost_center,
    cost_category,
    cost_state,
    currency,
    factor,
    effective_cost,
    billed_cost,
    list_cost,
    distributed_cost,
    charged_cost,
    savings
FROM sums
-- What lies below is what doubles cannot hold. It is not lost: what is adjusted later starts from what was closed.
WHERE rows_now > 0
    AND (ABS(effective_cost) >= 1e-6 OR ABS(distributed_cost) >= 1e-6 OR ABS(charged_cost) >= 1e-6)
