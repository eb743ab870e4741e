-- What did each team cost, by the label `team` of its pods?
-- A row per value of the label, and one for what has no such label: platform, idle, the control plane. The sum is the
-- ledger's.
-- Change the month in the WHERE, and the label to any of those that CHARGEBACK_LABELS keeps.
SELECT
    COALESCE(element_at(labels, 'team'), 'no team') AS team,
    COUNT(DISTINCT workload_id) AS workloads,
    SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS compute_cost,
    SUM(CASE WHEN cost_category = 'emr_uplift' THEN effective_cost ELSE 0e0 END) AS emr_uplift,
    SUM(CASE WHEN cost_category IN ('storage', 'network', 'load_balancer') THEN effective_cost ELSE 0e0 END)
        AS storage_and_network_cost,
    SUM(CASE WHEN cost_category = 'idle' THEN effective_cost ELSE 0e0 END) AS idle_cost,
    SUM(effective_cost) AS cost,
    SUM(effective_cost) / NULLIF(SUM(SUM(effective_cost)) OVER (PARTITION BY currency), 0e0) AS share,
    currency
FROM cost_ledger
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, currency
ORDER BY cost DESC
