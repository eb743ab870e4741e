-- One row per day, cluster and reason: the hours that EMR charged uplift for, and those that Kubecost saw requested.
SELECT
    usage_date,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    COALESCE(reason, 'compared') AS reason,
    COUNT(*) AS job_hours,
    SUM(cpu_core_request_hours) AS cpu_core_request_hours,
    SUM(vcpu_hours) AS vcpu_hours
FROM job_run_hours
WHERE usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
GROUP BY 1, 2, 3
