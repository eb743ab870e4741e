-- One row per run of a workload on the EMR runtime and hour, or day where pods or bill know only days.
WITH
-- The two witnesses of a run's hours: Kubecost, which looks every one to five minutes, and the uplift, which
-- EMR meters to the second. The uplift's ARN says whose it is, even where the bill leaves out the Region.
-- EMR's GB is Kubernetes' GiB, as it is for Fargate, of whose price the uplift is a quarter.
witnesses AS (
    SELECT
        usage_date,
        cost_category = 'emr_uplift' AS is_uplift,
        CASE WHEN cost_category = 'emr_uplift' THEN NULLIF(split_part(resource_id, ':', 5), '') ELSE account_id END
            AS account_id,
        CASE WHEN cost_category = 'emr_uplift' THEN NULLIF(split_part(resource_id, ':', 4), '') ELSE region END
            AS region,
        cluster_arn,
        cluster_name,
        charge_period_start AS period_start,
        charge_period_end AS period_end,
        -- Of uplift whose pods nobody saw, the kind may be not known.
        CASE WHEN cost_category = 'emr_uplift' THEN NULLIF(workload_kind, 'other') ELSE workload_kind END
            AS workload_kind,
        CASE
            WHEN cost_category = 'emr_uplift' OR workload_kind = 'interactive_endpoint' THEN workload_id
            ELSE COALESCE(job_run_id, emr_internal_id)
        END AS workload_id,
        workload_name,
        virtual_cluster_id,
        job_run_id,
        cpu_core_request_hours,
        ram_gib_request_hours,
        CASE
            WHEN cost_category <> 'emr_uplift' THEN NULL
            WHEN LOWER(usage_type) LIKE '%vcpuhours' THEN usage_amount
            ELSE 0e0
        END AS vcpu_hours,
        CASE
            WHEN cost_category <> 'emr_uplift' THEN NULL
            WHEN LOWER(usage_type) LIKE '%gbhours' THEN usage_amount
            ELSE 0e0
        END AS gb_hours
    FROM cost_ledger
    -- An uplift that is estimated has no line, so nobody has metered it.
    WHERE (cost_category = 'emr_uplift' AND line_class = 'emr_uplift' AND workload_id IS NOT NULL)
        OR (
            cost_category = 'compute'
            AND (job_run_id IS NOT NULL OR emr_internal_id IS NOT NULL OR workload_kind = 'interactive_endpoint')
        )
),
-- A window and no join, so that the ledger is read once.
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
        is_uplift,
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
        COUNT_IF(NOT is_uplift) AS pod_rows,
        COUNT_IF(is_uplift) AS uplift_rows
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
