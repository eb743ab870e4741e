-- What did each virtual cluster cost each month, and what stood idle beside it?
-- A row per month and virtual cluster, and one for what is in none: there lie idle and platform, and the sum is the
-- ledger's. `idle_by_compute` is for comparison: the cluster's idle, shared out by the compute on its instances.
-- Change the months in the WHERE.
WITH
costs AS (
    SELECT
        CAST(date_trunc('month', usage_date) AS date) AS month,
        cluster_name,
        currency,
        virtual_cluster_id,
        MAX(virtual_cluster_name) AS virtual_cluster_name,
        SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS compute_cost,
        SUM(CASE WHEN cost_category = 'emr_uplift' THEN effective_cost ELSE 0e0 END) AS emr_uplift,
        SUM(CASE WHEN cost_category = 'idle' THEN effective_cost ELSE 0e0 END) AS idle_cost,
        SUM(effective_cost) AS cost,
        -- A pod on Fargate leaves no instance idle.
        SUM(
            CASE
                WHEN cost_category = 'compute' AND COALESCE(capacity_type, 'unknown') <> 'fargate' THEN effective_cost
                ELSE 0e0
            END
        ) AS instance_cost
    FROM virtual_cluster_costs
    WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
    GROUP BY 1, 2, 3, 4
)

SELECT
    month,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    COALESCE(virtual_cluster_name, 'none') AS virtual_cluster_name,
    COALESCE(virtual_cluster_id, 'none') AS virtual_cluster_id,
    compute_cost,
    emr_uplift,
    cost - compute_cost - emr_uplift - idle_cost AS other_cost,
    idle_cost,
    cost,
    SUM(idle_cost) OVER (PARTITION BY month, cluster_name, currency) * instance_cost
        / NULLIF(SUM(instance_cost) OVER (PARTITION BY month, cluster_name, currency), 0e0) AS idle_by_compute,
    currency
FROM costs
ORDER BY month, cost DESC
