-- Did Kubecost see the hours that EMR metered?
-- A row per cluster and day: vCPU-hours that Kubecost saw requested and those that EMR charged uplift for, of the hours
-- of runs that both have, and their ratio. Below 0.9 Kubecost looks too seldom. Hours that only one of them has, of a
-- run each, are counted.
-- Change the month in the WHERE.
SELECT
    usage_date,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    COUNT(DISTINCT workload_id) AS runs,
    SUM(CASE WHEN observed_ratio IS NOT NULL THEN cpu_core_request_hours END) AS vcpu_hours_seen,
    SUM(CASE WHEN observed_ratio IS NOT NULL THEN vcpu_hours END) AS vcpu_hours_metered,
    SUM(CASE WHEN observed_ratio IS NOT NULL THEN cpu_core_request_hours END)
        / NULLIF(SUM(CASE WHEN observed_ratio IS NOT NULL THEN vcpu_hours END), 0e0) AS observed_ratio,
    COUNT_IF(reason = 'no_uplift') AS run_hours_without_uplift,
    COUNT_IF(reason = 'no_pod') AS run_hours_without_pod
FROM job_run_hours
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2
ORDER BY usage_date, cluster_name
