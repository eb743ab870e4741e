-- Did an EMR release make jobs cheaper or dearer?
-- A row per job name and release that it ran on: how many runs and when, and what a run and a vCPU-hour cost on it.
-- Compare costs per run where the runs do the same work.
-- Change the days in the WHERE: some before the new release, some after it.
WITH
releases AS (
    SELECT cluster_arn, job_run_id, MAX(release_label) AS release_label
    FROM job_runs
    GROUP BY 1, 2
)

SELECT
    COALESCE(costs.cluster_name, 'unknown') AS cluster_name,
    COALESCE(costs.virtual_cluster_id, 'none') AS virtual_cluster_id,
    COALESCE(costs.workload_name, 'no name') AS workload_name,
    COALESCE(releases.release_label, 'unknown') AS release_label,
    MIN(costs.usage_date) AS first_day,
    MAX(costs.usage_date) AS last_day,
    COUNT(DISTINCT costs.workload_id) AS runs,
    SUM(costs.effective_cost) AS cost,
    SUM(costs.effective_cost) / COUNT(DISTINCT costs.workload_id) AS cost_per_run,
    SUM(costs.effective_cost) / NULLIF(SUM(costs.cpu_core_hours), 0e0) AS cost_per_vcpu_hour,
    costs.currency
FROM job_run_costs AS costs
LEFT JOIN releases
    ON costs.cluster_arn = releases.cluster_arn
    AND costs.workload_id = releases.job_run_id
WHERE costs.workload_kind = 'job_run'
    AND costs.usage_date >= DATE '2026-10-01' AND costs.usage_date < DATE '2026-11-01'
GROUP BY 1, 2, 3, 4, costs.currency
ORDER BY cluster_name, virtual_cluster_id, workload_name, first_day, release_label
