-- What do interactive endpoints cost day by day, and how much of it is used?
-- A row per endpoint and day: its gateway, which runs whether somebody works or not, the sessions' drivers and
-- executors, EMR's uplift and the rest; and the share of requested cores and memory that was used.
-- Change the month in the WHERE.
SELECT
    usage_date,
    COALESCE(endpoint_name, endpoint_id) AS endpoint_name,
    COALESCE(virtual_cluster_id, 'none') AS virtual_cluster_id,
    SUM(CASE WHEN cost_category = 'compute' AND spark_role = 'gateway' THEN effective_cost ELSE 0e0 END)
        AS gateway_cost,
    SUM(
        CASE
            WHEN cost_category = 'compute' AND COALESCE(spark_role, 'unknown') <> 'gateway' THEN effective_cost
            ELSE 0e0
        END
    ) AS sessions_cost,
    SUM(CASE WHEN cost_category = 'emr_uplift' THEN effective_cost ELSE 0e0 END) AS emr_uplift,
    SUM(CASE WHEN cost_category NOT IN ('compute', 'emr_uplift') THEN effective_cost ELSE 0e0 END) AS other_cost,
    SUM(effective_cost) AS cost,
    SUM(cpu_core_hours) AS vcpu_hours,
    -- Weighed as the ledger splits an instance's cost: a vCPU-hour counts as much as 9 GiB-hours.
    SUM(total_efficiency * (9e0 * cpu_core_hours + ram_gib_hours))
        / NULLIF(SUM(CASE WHEN total_efficiency IS NOT NULL THEN 9e0 * cpu_core_hours + ram_gib_hours END), 0e0)
        AS efficiency,
    currency
FROM endpoint_costs
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3, currency
ORDER BY usage_date, cost DESC
