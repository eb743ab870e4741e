-- One row per job, virtual cluster, category and day.
WITH
job_costs AS (
    SELECT
        usage_date,
        COALESCE(job_run_id, workload_id) AS job_id,
        virtual_cluster_id AS vc_id,
        CAST(CASE WHEN cost_category = 'emr_uplift' THEN 'emr-uplift' ELSE 'compute' END AS varchar) AS category,
        effective_cost
    FROM cost_ledger
    WHERE cost_category = 'emr_uplift'
        OR (
            cost_category IN ('compute', 'storage', 'network', 'load_balancer')
            AND pod IS NOT NULL
            AND workload_kind NOT IN ('platform', 'other')
        )
)

SELECT
    job_id,
    vc_id,
    SUM(effective_cost) AS cost,
    category,
    usage_date
FROM job_costs
GROUP BY 1, 2, 4, 5
