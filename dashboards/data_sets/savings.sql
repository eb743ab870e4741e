-- One row per month, cluster and capacity type: what its instances cost, at list prices too, and what Spot spared.
WITH
costs AS (
    SELECT
        CAST(date_trunc('month', usage_date) AS date) AS month,
        cluster_name,
        COALESCE(capacity_type, 'unknown') AS capacity_type,
        currency,
        SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS pods_cost,
        SUM(CASE WHEN cost_category = 'idle' THEN effective_cost ELSE 0e0 END) AS idle_cost,
        SUM(list_cost) AS list_cost,
        SUM(savings) AS savings,
        SUM(cpu_core_hours) AS cpu_core_hours,
        -- A vCPU-hour weighs as much as 9 GiB-hours; GPUs are left out.
        SUM(
            CASE
                WHEN cost_category = 'compute' AND COALESCE(gpu_hours, 0e0) = 0e0
                    THEN 9e0 * cpu_core_hours + ram_gib_hours
            END
        ) AS weighed_hours,
        SUM(
            CASE WHEN cost_category = 'compute' AND COALESCE(gpu_hours, 0e0) = 0e0 THEN effective_cost END
        ) AS weighed_cost,
        SUM(
            CASE
                WHEN cost_category = 'compute' AND COALESCE(gpu_hours, 0e0) = 0e0 AND capacity_type = 'on_demand'
                    THEN list_cost
            END
        ) AS on_demand_list_cost,
        SUM(
            CASE
                WHEN cost_category = 'compute' AND COALESCE(gpu_hours, 0e0) = 0e0 AND capacity_type = 'on_demand'
                    AND list_cost IS NOT NULL
                    THEN 9e0 * cpu_core_hours + ram_gib_hours
            END
        ) AS on_demand_hours
    FROM instance_costs
    WHERE cost_category IN ('compute', 'idle')
        AND usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
    GROUP BY 1, 2, 3, 4
)

SELECT
    month,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    capacity_type,
    currency,
    pods_cost,
    idle_cost,
    list_cost,
    savings,
    cpu_core_hours,
    -- The bill has no list price of Spot: what as many hours of the month's On-Demand pods would have cost at theirs.
    CASE
        WHEN capacity_type = 'spot'
            THEN weighed_hours
                * SUM(on_demand_list_cost) OVER (PARTITION BY month, cluster_name, currency)
                / NULLIF(SUM(on_demand_hours) OVER (PARTITION BY month, cluster_name, currency), 0e0)
                - weighed_cost
    END AS spot_savings_estimate
FROM costs
