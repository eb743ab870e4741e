-- One row per month of a statement, billing period, cost center, cost category, cost state and currency.
-- A closed month is what was closed. What its bill has changed since is an adjustment of the first month after it that
-- is still open.
WITH
next_months AS (
    SELECT
        substr(CAST(CAST(date_add('month', 1, CAST(MAX(closed_month) || '-01' AS date)) AS date) AS varchar), 1, 7)
            AS next_month
    FROM closed_months
),
costs AS (
    SELECT
        closed_month AS statement_month,
        billing_period,
        TRUE AS is_closed,
        cost_center,
        cost_category,
        cost_state,
        currency,
        factor,
        effective_cost,
        distributed_cost,
        charged_cost,
        savings
    FROM closed_ledger
    UNION ALL
    SELECT
        costs.billing_period AS statement_month,
        costs.billing_period,
        FALSE AS is_closed,
        costs.cost_center,
        costs.cost_category,
        costs.cost_state,
        costs.currency,
        costs.factor,
        costs.effective_cost,
        costs.distributed_cost,
        costs.charged_cost,
        costs.savings
    FROM cost_center_costs AS costs
    LEFT JOIN closed_months ON costs.billing_period = closed_months.closed_month
    WHERE closed_months.closed_month IS NULL
    UNION ALL
    SELECT
        next_months.next_month AS statement_month,
        adjustments.billing_period,
        FALSE AS is_closed,
        adjustments.cost_center,
        adjustments.cost_category,
        adjustments.cost_state,
        adjustments.currency,
        adjustments.factor,
        adjustments.effective_cost,
        adjustments.distributed_cost,
        adjustments.charged_cost,
        adjustments.savings
    FROM closed_month_adjustments AS adjustments
    CROSS JOIN next_months
)

SELECT
    statement_month,
    billing_period,
    is_closed,
    cost_center,
    cost_category,
    cost_state,
    currency,
    MAX(factor) AS factor,
    SUM(effective_cost) AS effective_cost,
    SUM(distributed_cost) AS distributed_cost,
    SUM(charged_cost) AS charged_cost,
    SUM(savings) AS savings
FROM costs
GROUP BY 1, 2, 3, 4, 5, 6, 7
