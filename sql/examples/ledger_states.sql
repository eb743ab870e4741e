-- How much of the month is estimated, provisional or final?
-- A row per day: what Kubecost estimates because the bill does not have it yet, what the bill has without an invoice,
-- what is invoiced, and up to which hour the bill has that day's instances.
-- Change the month in the WHERE.
SELECT
    usage_date,
    SUM(CASE WHEN cost_state = 'estimated' THEN effective_cost ELSE 0e0 END) AS estimated_cost,
    SUM(CASE WHEN cost_state = 'provisional' THEN effective_cost ELSE 0e0 END) AS provisional_cost,
    SUM(CASE WHEN cost_state = 'final' THEN effective_cost ELSE 0e0 END) AS final_cost,
    SUM(effective_cost) AS cost,
    MAX(CASE WHEN cost_state <> 'estimated' AND cost_category IN ('compute', 'idle') THEN charge_period_end END)
        AS instances_billed_until,
    currency
FROM cost_ledger
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY usage_date, currency
ORDER BY usage_date
