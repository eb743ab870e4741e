-- One row per workload or none, day, cost category, cost state, Spark role and capacity type.
WITH
-- Not every pod of a workload knows its name (a job run's submitter does not), so a name tells rows apart
-- only where there is no ID.
costs AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        workload_kind,
        workload_id,
        virtual_cluster_id,
        job_run_id,
        CASE WHEN workload_id IS NULL THEN workload_name END AS name_without_id,
        cost_category,
        cost_state,
        spark_role,
        capacity_type,
        currency,
        MAX(workload_name) AS workload_name,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost
    FROM cost_ledger
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
)

SELECT
    usage_date,
    billing_period,
    account_id,
    cluster_arn,
    cluster_name,
    workload_kind,
    workload_id,
    MAX(workload_name) OVER (
        PARTITION BY usage_date, cluster_arn, workload_kind, workload_id, name_without_id
    ) AS workload_name,
    virtual_cluster_id,
    job_run_id,
    cost_category,
    cost_state,
    spark_role,
    capacity_type,
    currency,
    effective_cost,
    billed_cost,
    list_cost
FROM costs
