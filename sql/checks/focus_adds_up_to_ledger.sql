-- One row per day, cost category and currency whose charges in FOCUS are not the ledger's rows and costs.
-- severity: error
-- tolerance: 1e-6 USD, because both add the same doubles in another order.
WITH
sides AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        1 AS ledger_rows,
        0 AS focus_rows,
        CAST(effective_cost AS decimal(38, 12)) AS ledger_cost,
        CAST(0 AS decimal(38, 12)) AS focus_cost,
        CAST(COALESCE(billed_cost, 0e0) AS decimal(38, 12))
            - CAST(COALESCE(negated_cost, 0e0) AS decimal(38, 12)) AS ledger_billed,
        CAST(0 AS decimal(38, 12)) AS focus_billed
    FROM cost_ledger
    UNION ALL
    SELECT
        x_UsageDate AS usage_date,
        x_CostComponent AS cost_category,
        BillingCurrency AS currency,
        0 AS ledger_rows,
        1 AS focus_rows,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(EffectiveCost AS decimal(38, 12)) AS focus_cost,
        CAST(0 AS decimal(38, 12)) AS ledger_billed,
        CAST(BilledCost AS decimal(38, 12)) AS focus_billed
    FROM emr_costs_focus
),
days AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        SUM(ledger_rows) AS ledger_rows,
        SUM(focus_rows) AS focus_rows,
        CAST(SUM(ledger_cost) AS double) AS ledger_cost,
        CAST(SUM(focus_cost) AS double) AS focus_cost,
        CAST(SUM(ledger_billed) AS double) AS ledger_billed,
        CAST(SUM(focus_billed) AS double) AS focus_billed
    FROM sides
    GROUP BY 1, 2, 3
)

SELECT
    usage_date,
    cost_category,
    currency,
    ledger_rows,
    focus_rows,
    ledger_cost,
    focus_cost,
    ledger_billed,
    focus_billed
FROM days
WHERE ledger_rows <> focus_rows
    OR ABS(ledger_cost - focus_cost) > 1e-6
    OR ABS(ledger_billed - focus_billed) > 1e-6
