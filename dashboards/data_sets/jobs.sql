-- One row per run of a workload, day, cost center and EMR release.
WITH
-- A run over midnight is one of each of its days.
runs AS (
    SELECT
        usage_date,
        cluster_arn,
        cluster_name,
        cost_center,
        virtual_cluster_id,
        virtual_cluster_name,
        workload_kind,
        workload_id,
        workload_name,
        currency,
        SUM(effective_cost) AS effective_cost,
        SUM(list_cost) AS list_cost,
        SUM(savings) AS savings,
        SUM(CASE WHEN cost_category = 'emr_uplift' THEN effective_cost END) AS uplift_cost,
        SUM(pod_hours) AS pod_hours,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours
    FROM cost_center_pods
    WHERE workload_id IS NOT NULL
        AND usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),
releases AS (
    SELECT cluster_arn, job_run_id, MAX(release_label) AS release_label, MAX(state) AS state
    FROM job_runs
    GROUP BY 1, 2
)

SELECT
    runs.usage_date,
    COALESCE(runs.cluster_name, 'unknown') AS cluster_name,
    runs.cost_center,
    COALESCE(runs.virtual_cluster_name, runs.virtual_cluster_id, 'none') AS virtual_cluster,
    runs.workload_kind,
    COALESCE(runs.workload_name, 'no name') AS workload_name,
    runs.workload_id,
    COALESCE(releases.release_label, 'unknown') AS release_label,
    COALESCE(releases.state, 'unknown') AS state,
    runs.currency,
    runs.effective_cost,
    runs.list_cost,
    runs.savings,
    runs.uplift_cost,
    runs.pod_hours,
    runs.cpu_core_hours,
    runs.cpu_core_request_hours,
    runs.cpu_core_usage_hours,
    runs.ram_gib_request_hours,
    runs.ram_gib_usage_hours
FROM runs
LEFT JOIN releases
    ON runs.workload_kind = 'job_run'
    AND runs.cluster_arn = releases.cluster_arn
    AND runs.workload_id = releases.job_run_id
