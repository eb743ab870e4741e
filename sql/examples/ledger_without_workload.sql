-- Which cost has no workload, and why?
-- A row per cost category and reason of what no job or service caused: spare capacity, control plane, volumes that
-- nobody mounted, credits, and whatever the bill has and Kubecost never saw (unattributed).
-- Change the month in the WHERE.
SELECT
    cost_category,
    COALESCE(reason, 'none') AS reason,
    COALESCE(product_code, 'unknown') AS product_code,
    COUNT(DISTINCT resource_id) AS resources,
    SUM(effective_cost) AS cost,
    currency
FROM cost_ledger
WHERE (workload_kind IS NULL OR reason = 'unmounted')
    AND usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3, currency
ORDER BY cost DESC
