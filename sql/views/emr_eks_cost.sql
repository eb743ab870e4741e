-- One row per job, virtual cluster, category and day.
SELECT
    job_id,
    vc_id,
    SUM(totalcost) AS cost,
    CAST('compute' AS varchar) AS category,
    usage_date
FROM compute_cost
GROUP BY 1, 2, 5

UNION ALL

SELECT
    workload_id AS job_id,
    virtual_cluster_id AS vc_id,
    SUM(effective_cost) AS cost,
    CAST('emr-uplift' AS varchar) AS category,
    usage_date
FROM emr_uplift
WHERE cost_category = 'emr_uplift'
GROUP BY 1, 2, 5
