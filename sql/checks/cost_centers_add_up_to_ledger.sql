-- One row per day, cost category and currency whose cost by cost center is not the ledger's.
-- severity: error
-- tolerance: 1e-6 USD, because the mart and the ledger add the same doubles in another order.
-- Apart from the other marts: engines limit the stages of one query, and this mart has the most.
WITH
sides AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST(effective_cost AS decimal(38, 12)) AS ledger_cost,
        CAST(0 AS decimal(38, 12)) AS mart_cost
    FROM cost_ledger
    UNION ALL
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(effective_cost AS decimal(38, 12)) AS mart_cost
    FROM cost_center_costs
),
days AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST(SUM(ledger_cost) AS double) AS ledger_cost,
        CAST(SUM(mart_cost) AS double) AS mart_cost
    FROM sides
    GROUP BY 1, 2, 3
)

SELECT usage_date, cost_category, currency, ledger_cost, mart_cost
FROM days
WHERE ABS(ledger_cost - mart_cost) > 1e-6
