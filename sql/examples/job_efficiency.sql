-- Which jobs leave most of what they request unused?
-- A row per job name, or ID of a run without one: vCPU- and GiB-hours that were requested and not used, the shares that
-- were used, and the lowest share that Kubecost saw of the hours that EMR metered for a run's day (far below 1 it looks
-- too seldom).
-- Change the month in the WHERE.
SELECT
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    workload_kind,
    -- The Spark Operator adds the nanosecond to the names of a schedule's runs.
    COALESCE(regexp_replace(workload_name, '-[0-9]{19}$', ''), workload_id) AS workload_name,
    COUNT(DISTINCT workload_id) AS runs,
    SUM(cpu_core_request_hours) AS vcpu_hours_requested,
    SUM(cpu_core_request_hours) - SUM(cpu_core_usage_hours) AS vcpu_hours_unused,
    SUM(cpu_core_usage_hours) / NULLIF(SUM(cpu_core_request_hours), 0e0) AS cpu_efficiency,
    SUM(ram_gib_request_hours) - SUM(ram_gib_usage_hours) AS gib_hours_unused,
    SUM(ram_gib_usage_hours) / NULLIF(SUM(ram_gib_request_hours), 0e0) AS ram_efficiency,
    MIN(observed_ratio) AS lowest_observed_ratio
FROM job_run_efficiency
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3
ORDER BY vcpu_hours_unused DESC NULLS LAST
LIMIT 20
