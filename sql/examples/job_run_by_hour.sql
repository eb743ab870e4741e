-- What did one job run cost, hour by hour?
-- A row per hour of the run: its executors, the vCPU-hours of all its pods, the parts of its cost, and what it had come
-- to by then.
-- Change the run's ID and the days on which it ran in the WHERE: without days, all days are read.
SELECT
    charge_period_start,
    COUNT(DISTINCT CASE WHEN spark_role = 'executor' THEN pod END) AS executors,
    SUM(cpu_core_hours) AS vcpu_hours,
    SUM(CASE WHEN cost_category = 'compute' THEN effective_cost ELSE 0e0 END) AS compute_cost,
    SUM(CASE WHEN cost_category = 'emr_uplift' THEN effective_cost ELSE 0e0 END) AS emr_uplift,
    SUM(CASE WHEN cost_category NOT IN ('compute', 'emr_uplift') THEN effective_cost ELSE 0e0 END) AS other_cost,
    SUM(effective_cost) AS cost,
    SUM(SUM(effective_cost)) OVER (PARTITION BY currency ORDER BY charge_period_start) AS cost_so_far,
    currency
FROM cost_ledger
WHERE workload_id = '00000006m9a4czo0ozo'
    AND usage_date >= DATE '2026-10-14' AND usage_date < DATE '2026-10-16'
GROUP BY charge_period_start, currency
ORDER BY charge_period_start
