-- Where do instances stand idle, and what would that have cost at list prices?
-- A row per node pool, instance type and capacity: what pods had of the instances, what nobody had, how much of that
-- lay on nodes without any pod, its list price (the bill has none for Spot), and the idle share.
-- Change the month in the WHERE.
SELECT
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    COALESCE(node_pool, 'no pool') AS node_pool,
    COALESCE(instance_type, 'unknown') AS instance_type,
    COALESCE(capacity_type, 'unknown') AS capacity_type,
    SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS pods_cost,
    SUM(CASE WHEN cost_category = 'idle' THEN effective_cost ELSE 0e0 END) AS idle_cost,
    SUM(CASE WHEN cost_category = 'idle' AND reason = 'empty_node' THEN effective_cost ELSE 0e0 END)
        AS empty_nodes_cost,
    SUM(CASE WHEN cost_category = 'idle' THEN list_cost END) AS idle_list_cost,
    SUM(CASE WHEN cost_category = 'idle' THEN effective_cost ELSE 0e0 END) / NULLIF(SUM(effective_cost), 0e0)
        AS idle_share,
    currency
FROM cost_ledger
WHERE cost_category IN ('compute', 'idle')
    AND usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3, 4, currency
HAVING SUM(effective_cost) <> 0e0
ORDER BY idle_cost DESC, pods_cost DESC
