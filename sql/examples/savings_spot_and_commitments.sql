-- How much runs on Spot, and what did Spot and commitments save?
-- A row per kind of capacity: cost of its pods and of its idle, its share, and what Savings Plans, reservations and
-- discounts saved against list prices. The bill has no list price of Spot, so `spot_savings_estimate` takes what as
-- many vCPU- and GiB-hours of the month's On-Demand pods would have cost at list prices, a vCPU-hour weighed like 9
-- GiB-hours, GPUs left out.
-- Change the month in the WHERE.
WITH
costs AS (
    SELECT
        COALESCE(capacity_type, 'unknown') AS capacity_type,
        currency,
        cost_category,
        effective_cost,
        list_cost,
        savings,
        cpu_core_hours,
        cost_category = 'compute' AND COALESCE(gpu_hours, 0e0) = 0e0 AS is_comparable,
        9e0 * cpu_core_hours + ram_gib_hours AS weighed_hours
    FROM instance_costs
    WHERE cost_category IN ('compute', 'idle')
        AND usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
),
capacities AS (
    SELECT
        capacity_type,
        currency,
        SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS pods_cost,
        SUM(CASE WHEN cost_category = 'idle' THEN effective_cost ELSE 0e0 END) AS idle_cost,
        SUM(effective_cost) AS cost,
        SUM(list_cost) AS list_cost,
        SUM(savings) AS savings,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(CASE WHEN is_comparable THEN effective_cost END) AS comparable_cost,
        SUM(CASE WHEN is_comparable THEN weighed_hours END) AS comparable_hours,
        SUM(CASE WHEN is_comparable AND capacity_type = 'on_demand' THEN list_cost END)
            / NULLIF(SUM(CASE WHEN is_comparable AND list_cost IS NOT NULL THEN weighed_hours END), 0e0)
            AS on_demand_price
    FROM costs
    GROUP BY 1, 2
)

SELECT
    capacity_type,
    pods_cost,
    idle_cost,
    cost,
    cost / NULLIF(SUM(cost) OVER (PARTITION BY currency), 0e0) AS share_of_cost,
    cpu_core_hours / NULLIF(SUM(cpu_core_hours) OVER (PARTITION BY currency), 0e0) AS share_of_vcpu_hours,
    list_cost,
    savings,
    CASE
        WHEN capacity_type = 'spot'
            THEN comparable_hours * MAX(on_demand_price) OVER (PARTITION BY currency) - comparable_cost
    END AS spot_savings_estimate,
    currency
FROM capacities
WHERE cost <> 0e0
ORDER BY cost DESC
