-- One row per workload with an ID and day: its hours, how much of them it used, and what EMR metered.
WITH
-- The ledger's hours are those that are charged; the witnesses' are those that each saw, where both did.
sides AS (
    SELECT
        usage_date,
        account_id,
        cluster_arn,
        workload_kind,
        workload_id,
        cluster_name,
        workload_name,
        virtual_cluster_id,
        job_run_id,
        COALESCE(namespace, '') || '/' || pod AS pod_key,
        minutes,
        cpu_core_hours,
        cpu_core_request_hours,
        cpu_core_usage_hours,
        ram_gib_hours,
        ram_gib_request_hours,
        ram_gib_usage_hours,
        gpu_hours,
        CAST(NULL AS double) AS observed_core_hours,
        CAST(NULL AS double) AS metered_vcpu_hours,
        CAST(NULL AS double) AS observed_gib_hours,
        CAST(NULL AS double) AS metered_gb_hours
    FROM cost_ledger
    WHERE cost_category = 'compute' AND workload_id IS NOT NULL
    UNION ALL
    SELECT
        usage_date,
        account_id,
        cluster_arn,
        workload_kind,
        workload_id,
        cluster_name,
        workload_name,
        virtual_cluster_id,
        job_run_id,
        CAST(NULL AS varchar) AS pod_key,
        CAST(NULL AS double) AS minutes,
        CAST(NULL AS double) AS cpu_core_hours,
        CAST(NULL AS double) AS cpu_core_request_hours,
        CAST(NULL AS double) AS cpu_core_usage_hours,
        CAST(NULL AS double) AS ram_gib_hours,
        CAST(NULL AS double) AS ram_gib_request_hours,
        CAST(NULL AS double) AS ram_gib_usage_hours,
        CAST(NULL AS double) AS gpu_hours,
        CASE WHEN observed_ratio IS NOT NULL THEN cpu_core_request_hours END AS observed_core_hours,
        CASE WHEN observed_ratio IS NOT NULL THEN vcpu_hours END AS metered_vcpu_hours,
        CASE WHEN observed_memory_ratio IS NOT NULL THEN ram_gib_request_hours END AS observed_gib_hours,
        CASE WHEN observed_memory_ratio IS NOT NULL THEN gb_hours END AS metered_gb_hours
    FROM job_run_hours
),
days AS (
    SELECT
        usage_date,
        cluster_arn,
        workload_kind,
        workload_id,
        MAX(account_id) AS account_id,
        MAX(cluster_name) AS cluster_name,
        MAX(workload_name) AS workload_name,
        MAX(virtual_cluster_id) AS virtual_cluster_id,
        MAX(job_run_id) AS job_run_id,
        COUNT(DISTINCT pod_key) AS pods,
        SUM(minutes) / 6e1 AS pod_hours,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours,
        SUM(gpu_hours) AS gpu_hours,
        SUM(observed_core_hours) / SUM(metered_vcpu_hours) AS observed_ratio,
        SUM(observed_gib_hours) / SUM(metered_gb_hours) AS observed_memory_ratio
    FROM sides
    GROUP BY 1, 2, 3, 4
),
-- From the summed hours, never averaged. NULL where nothing was requested and nothing used, for which
-- compute_cost says 0, as the blog does.
efficiencies AS (
    SELECT
        *,
        CASE
            WHEN cpu_core_request_hours > 0e0 THEN cpu_core_usage_hours / cpu_core_request_hours
            WHEN cpu_core_usage_hours > 0e0 THEN 1e0
        END AS cpu_efficiency,
        CASE
            WHEN ram_gib_request_hours > 0e0 THEN ram_gib_usage_hours / ram_gib_request_hours
            WHEN ram_gib_usage_hours > 0e0 THEN 1e0
        END AS ram_efficiency
    FROM days
)

SELECT
    days.usage_date,
    days.account_id,
    days.cluster_arn,
    days.cluster_name,
    days.workload_kind,
    days.workload_id,
    COALESCE(days.workload_name, names.workload_name) AS workload_name,
    days.virtual_cluster_id,
    days.job_run_id,
    days.pods,
    days.pod_hours,
    days.cpu_core_hours,
    days.cpu_core_request_hours,
    days.cpu_core_usage_hours,
    days.ram_gib_hours,
    days.ram_gib_request_hours,
    days.ram_gib_usage_hours,
    days.gpu_hours,
    days.cpu_efficiency,
    days.ram_efficiency,
    -- Weighed as the ledger splits an instance's cost: a vCPU-hour counts as much as 9 GiB-hours.
    (
        CASE WHEN days.cpu_core_hours > 0e0 THEN 9e0 * days.cpu_core_hours * days.cpu_efficiency ELSE 0e0 END
        + CASE WHEN days.ram_gib_hours > 0e0 THEN days.ram_gib_hours * days.ram_efficiency ELSE 0e0 END
    ) / NULLIF(9e0 * days.cpu_core_hours + days.ram_gib_hours, 0e0) AS total_efficiency,
    days.observed_ratio,
    days.observed_memory_ratio
FROM efficiencies AS days
-- Pods of endpoints carry no name.
LEFT JOIN workload_names AS names
    ON days.cluster_arn = names.cluster_arn
    AND days.workload_kind = names.workload_kind
    AND days.workload_id = names.workload_id
