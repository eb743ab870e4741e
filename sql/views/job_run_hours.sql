-- One row per run of a workload on the EMR runtime and hour, or day where pods or bill know only days.
WITH
-- The two witnesses of a run's hours: Kubecost, which looks every one to five minutes, and the uplift, which
-- EMR meters to the second. The uplift's ARN says whose it is, even where the bill leaves out the Region.
-- EMR's GB is Kubernetes' GiB, as it is for Fargate, of whose price the uplift is a quarter.
witnesses AS (
    SELECT
        usage_date,
        account_id,
        region,
        cluster_arn,
        cluster_name,
        window_start AS period_start,
        window_end AS period_end,
        workload_kind,
        COALESCE(
            job_run_id,
            CASE WHEN workload_kind = 'interactive_endpoint' THEN workload_id END,
            emr_internal_id
        ) AS workload_id,
        workload_name,
        virtual_cluster_id,
        job_run_id,
        cpu_core_request_hours,
        ram_gib_request_hours,
        CAST(NULL AS double) AS vcpu_hours,
        CAST(NULL AS double) AS gb_hours,
        1 AS pod_rows,
        0 AS uplift_rows
    FROM pod_hours
    WHERE job_run_id IS NOT NULL OR emr_internal_id IS NOT NULL OR workload_kind = 'interactive_endpoint'
    UNION ALL
    SELECT
        usage_date,
        NULLIF(split_part(resource_id, ':', 5), '') AS account_id,
        NULLIF(split_part(resource_id, ':', 4), '') AS region,
        CAST(NULL AS varchar) AS cluster_arn,
        CAST(NULL AS varchar) AS cluster_name,
        usage_start AS period_start,
        usage_end AS period_end,
        CAST(
            CASE
                WHEN job_run_id IS NOT NULL THEN 'job_run'
                WHEN interactive_endpoint_id IS NOT NULL THEN 'interactive_endpoint'
            END AS varchar
        ) AS workload_kind,
        workload_id,
        CAST(NULL AS varchar) AS workload_name,
        virtual_cluster_id,
        job_run_id,
        CAST(NULL AS double) AS cpu_core_request_hours,
        CAST(NULL AS double) AS ram_gib_request_hours,
        vcpu_hours,
        gb_hours,
        0 AS pod_rows,
        1 AS uplift_rows
    FROM emr_uplift
    WHERE cost_category = 'emr_uplift' AND workload_id IS NOT NULL
),
-- A window and no join, so that a query of one day reads that day of each side, once.
placed AS (
    SELECT
        usage_date,
        account_id,
        region,
        workload_id,
        period_start,
        period_end,
        virtual_cluster_id,
        job_run_id,
        cpu_core_request_hours,
        ram_gib_request_hours,
        vcpu_hours,
        gb_hours,
        pod_rows,
        uplift_rows,
        COALESCE(
            cluster_arn, MAX(cluster_arn) OVER (PARTITION BY usage_date, account_id, region, workload_id)
        ) AS cluster_arn,
        COALESCE(
            cluster_name, MAX(cluster_name) OVER (PARTITION BY usage_date, account_id, region, workload_id)
        ) AS cluster_name,
        MAX(workload_kind) OVER (PARTITION BY usage_date, account_id, region, workload_id) AS workload_kind,
        MAX(workload_name) OVER (PARTITION BY usage_date, account_id, region, workload_id) AS workload_name,
        MAX(date_diff('hour', period_start, period_end)) OVER (
            PARTITION BY usage_date, account_id, region, workload_id
        ) AS longest_hours
    FROM witnesses
),
periods AS (
    SELECT
        usage_date,
        account_id,
        region,
        cluster_arn,
        workload_id,
        CAST(
            CASE
                WHEN longest_hours > 1 THEN date_trunc('day', period_start)
                ELSE date_trunc('hour', period_start)
            END AS timestamp
        ) AS charge_period_start,
        longest_hours,
        MAX(period_end) AS charge_period_end,
        MAX(cluster_name) AS cluster_name,
        MAX(workload_kind) AS workload_kind,
        MAX(workload_name) AS workload_name,
        MAX(virtual_cluster_id) AS virtual_cluster_id,
        MAX(job_run_id) AS job_run_id,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(vcpu_hours) AS vcpu_hours,
        SUM(gb_hours) AS gb_hours,
        SUM(pod_rows) AS pod_rows,
        SUM(uplift_rows) AS uplift_rows
    FROM placed
    GROUP BY 1, 2, 3, 4, 5, 6, 7
)

SELECT
    usage_date,
    charge_period_start,
    charge_period_end,
    account_id,
    region,
    cluster_arn,
    cluster_name,
    COALESCE(workload_kind, CAST('other' AS varchar)) AS workload_kind,
    workload_id,
    workload_name,
    virtual_cluster_id,
    job_run_id,
    cpu_core_request_hours,
    ram_gib_request_hours,
    vcpu_hours,
    gb_hours,
    CASE WHEN longest_hours <= 24 THEN cpu_core_request_hours / NULLIF(vcpu_hours, 0e0) END
        AS observed_ratio,
    CASE WHEN longest_hours <= 24 THEN ram_gib_request_hours / NULLIF(gb_hours, 0e0) END
        AS observed_memory_ratio,
    -- Why there is no observed_ratio.
    CAST(
        CASE
            WHEN uplift_rows = 0 THEN 'no_uplift'
            WHEN pod_rows = 0 THEN 'no_pod'
            WHEN longest_hours > 24 THEN 'monthly_bill'
            WHEN vcpu_hours = 0e0 THEN 'no_vcpu_hours'
            WHEN cpu_core_request_hours IS NULL THEN 'no_request'
        END AS varchar
    ) AS reason
FROM periods
