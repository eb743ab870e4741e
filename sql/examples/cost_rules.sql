-- Why is this cost charged to that cost center?
-- A row per cost center, rule of the policy, namespace and kind of workload, with its direct cost: the rule is the file
-- and line that decided. What no rule fits is unassigned.
-- Change the month in the WHERE.
SELECT
    cost_center,
    COALESCE(policy || '.csv, line ' || CAST(policy_line AS varchar), 'no rule') AS rule,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    COALESCE(namespace, 'no namespace') AS namespace,
    COALESCE(workload_kind, 'no workload') AS workload_kind,
    SUM(effective_cost) AS cost,
    currency
FROM ledger_cost_centers
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3, 4, 5, currency
ORDER BY cost DESC
