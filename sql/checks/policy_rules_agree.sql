-- One row per day and pair of rules of one priority that both fit a cost, for different cost centers.
-- severity: error
-- tolerance: none, because which of the two gets the cost must not hang on the order of lines.
SELECT
    usage_date,
    policy,
    policy_line,
    rival_line,
    cost_center,
    currency,
    COUNT(*) AS ledger_rows,
    SUM(effective_cost) AS effective_cost
FROM ledger_cost_centers
WHERE rival_line IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6
