-- One row per month that was closed.
SELECT
    closed_month,
    MAX(closed_at) AS closed_at,
    MAX(currency) AS currency,
    SUM(effective_cost) AS effective_cost,
    SUM(distributed_cost) AS distributed_cost,
    SUM(charged_cost) AS charged_cost,
    SUM(CASE WHEN billing_period <> closed_month THEN charged_cost ELSE 0e0 END) AS adjusted_cost
FROM closed_ledger
GROUP BY 1
