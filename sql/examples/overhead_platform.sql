-- What does it cost to keep the clusters running, namespace by namespace?
-- A row per namespace and controller of the platform's pods, one for the control plane, and one for what is shared,
-- such as root disks and NAT gateways; with each one's share of the cluster's overhead.
-- Change the month in the WHERE.
SELECT
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    CASE WHEN workload_kind = 'platform' THEN 'platform' ELSE cost_category END AS part,
    COALESCE(namespace, 'no namespace') AS namespace,
    COALESCE(controller_name, 'no controller') AS controller_name,
    COUNT(DISTINCT pod) AS pods,
    SUM(cpu_core_hours) AS vcpu_hours,
    SUM(effective_cost) AS cost,
    SUM(effective_cost) / NULLIF(SUM(SUM(effective_cost)) OVER (PARTITION BY cluster_name, currency), 0e0)
        AS share_of_overhead,
    currency
FROM cost_ledger
WHERE (workload_kind = 'platform' OR cost_category IN ('control_plane', 'shared'))
    AND usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY cluster_name, 2, 3, 4, currency
ORDER BY cost DESC
