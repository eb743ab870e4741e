-- One row per billed EMR on EKS resource, usage type, cost category and hour.
WITH
-- A job run's ARN ends in /virtualclusters/VC/jobruns/ID, an interactive endpoint's in
-- /virtualclusters/VC/endpoints/ID. What runs without StartJobRun is billed under the EMR runtime's own ID,
-- as /KIND/ID.
lines AS (
    SELECT
        *,
        NULLIF(split_part(resource_id, '/', 2), '') AS arn_kind,
        NULLIF(split_part(resource_id, '/', 3), '') AS arn_id,
        split_part(resource_id, '/', 4) AS arn_child_kind,
        NULLIF(split_part(resource_id, '/', 5), '') AS arn_child_id,
        CAST(
            CASE
                WHEN line_class = 'tax' THEN 'tax'
                WHEN line_class IN ('credit', 'refund', 'discount') THEN 'credit'
                WHEN line_class = 'commitment_unused' THEN 'commitment_unused'
                ELSE 'emr_uplift'
            END AS varchar
        ) AS cost_category
    FROM cur_line_items
    WHERE is_emr_on_eks
),
identified AS (
    SELECT
        *,
        CASE WHEN arn_kind = 'virtualclusters' THEN arn_id END AS virtual_cluster_id,
        CASE WHEN arn_kind = 'virtualclusters' AND arn_child_kind = 'jobruns' THEN arn_child_id END
            AS job_run_id,
        CASE WHEN arn_kind = 'virtualclusters' AND arn_child_kind = 'endpoints' THEN arn_child_id END
            AS interactive_endpoint_id,
        CASE WHEN arn_kind <> 'virtualclusters' THEN COALESCE(arn_id, arn_kind) END AS emr_internal_id,
        CAST(CASE WHEN LOWER(usage_type) LIKE '%fargate%' THEN 'fargate' ELSE 'unknown' END AS varchar)
            AS capacity_type,
        CAST(CASE WHEN invoice_id IS NULL THEN 'provisional' ELSE 'final' END AS varchar) AS cost_state,
        -- A credit or a negation repeats the amount of the usage it takes back.
        CASE WHEN line_class = 'emr_uplift' THEN usage_amount ELSE 0e0 END AS metered_amount
    FROM lines
)

SELECT
    payer_account_id,
    usage_account_id,
    billing_period,
    usage_date,
    usage_start,
    usage_end,
    resource_id,
    usage_type,
    region,
    virtual_cluster_id,
    job_run_id,
    interactive_endpoint_id,
    emr_internal_id,
    COALESCE(job_run_id, interactive_endpoint_id, emr_internal_id) AS workload_id,
    capacity_type,
    cost_category,
    cost_state,
    cost_basis,
    currency,
    SUM(CASE WHEN LOWER(usage_type) LIKE '%vcpuhours' THEN metered_amount ELSE 0e0 END) AS vcpu_hours,
    SUM(CASE WHEN LOWER(usage_type) LIKE '%gbhours' THEN metered_amount ELSE 0e0 END) AS gb_hours,
    SUM(effective_cost) AS effective_cost,
    SUM(billed_cost) AS billed_cost,
    SUM(list_cost) AS list_cost
FROM identified
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19
