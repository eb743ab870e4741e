-- What did each job run cost, dearest first?
-- A row per workload with the parts of its cost, and what commitments and discounts saved against list prices. Whatever
-- no workload caused has rows, too, so that the sum is the ledger's.
-- Change the month in the WHERE.
SELECT
    COALESCE(workload_kind, 'no workload') AS workload_kind,
    COALESCE(workload_name, 'no name') AS workload_name,
    COALESCE(workload_id, 'no ID') AS workload_id,
    COALESCE(virtual_cluster_id, 'none') AS virtual_cluster_id,
    SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS compute_cost,
    SUM(CASE WHEN cost_category = 'emr_uplift' THEN effective_cost ELSE 0e0 END) AS emr_uplift,
    SUM(CASE WHEN cost_category = 'storage' THEN effective_cost ELSE 0e0 END) AS storage_cost,
    SUM(CASE WHEN cost_category = 'network' THEN effective_cost ELSE 0e0 END) AS network_cost,
    SUM(
        CASE
            WHEN cost_category NOT IN ('compute', 'emr_uplift', 'storage', 'network') THEN effective_cost
            ELSE 0e0
        END
    ) AS other_cost,
    SUM(effective_cost) AS cost,
    SUM(savings) AS savings,
    currency
FROM job_run_costs
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3, 4, currency
ORDER BY cost DESC
