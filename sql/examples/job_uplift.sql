-- Which part of each job's cost is EMR's uplift?
-- A row per job on the EMR runtime, under its name or, where EMR knows none, its ID: what its pods cost, the uplift,
-- and the uplift's share of both.
-- Change the month in the WHERE.
WITH
inventory AS (
    SELECT job_run_id AS job_id, name
    FROM job_runs
    UNION ALL
    SELECT managed_endpoint_id AS job_id, name
    FROM managed_endpoints
),
names AS (
    SELECT job_id, MAX(name) AS name
    FROM inventory
    GROUP BY 1
)

SELECT
    COALESCE(costs.vc_id, 'none') AS virtual_cluster_id,
    COALESCE(names.name, costs.job_id, 'unknown') AS job,
    COUNT(DISTINCT costs.job_id) AS runs,
    SUM(CASE WHEN costs.category = 'compute' THEN costs.cost ELSE 0e0 END) AS pods_cost,
    SUM(CASE WHEN costs.category = 'emr-uplift' THEN costs.cost ELSE 0e0 END) AS emr_uplift,
    SUM(costs.cost) AS cost,
    SUM(CASE WHEN costs.category = 'emr-uplift' THEN costs.cost ELSE 0e0 END) / NULLIF(SUM(costs.cost), 0e0)
        AS uplift_share
FROM emr_eks_cost AS costs
LEFT JOIN names ON costs.job_id = names.job_id
WHERE costs.usage_date >= DATE '2026-10-01' AND costs.usage_date < DATE '2026-11-01'
GROUP BY 1, 2
HAVING SUM(CASE WHEN costs.category = 'emr-uplift' THEN costs.cost ELSE 0e0 END) <> 0e0
ORDER BY emr_uplift DESC, cost DESC
LIMIT 20
