-- One row per job run or interactive endpoint that EMR lists, with its name and namespace there.
WITH
listed AS (
    SELECT
        cluster_arn,
        CAST('job_run' AS varchar) AS workload_kind,
        job_run_id AS workload_id,
        name,
        namespace
    FROM job_runs
    UNION ALL
    SELECT
        cluster_arn,
        CAST('interactive_endpoint' AS varchar) AS workload_kind,
        managed_endpoint_id AS workload_id,
        name,
        namespace
    FROM managed_endpoints
)

SELECT
    cluster_arn,
    workload_kind,
    workload_id,
    MAX(name) AS workload_name,
    MAX(namespace) AS namespace
FROM listed
GROUP BY 1, 2, 3
