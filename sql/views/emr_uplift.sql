-- One row per billed EMR on EKS resource, usage type, cost category and hour.
WITH
charges AS (
    SELECT
        *,
        CAST(
            CASE
                WHEN line_class = 'tax' THEN 'tax'
                WHEN line_class IN ('credit', 'refund', 'discount') THEN 'credit'
                WHEN line_class = 'commitment_unused' THEN 'commitment_unused'
                ELSE 'emr_uplift'
            END AS varchar
        ) AS cost_category,
        CAST(CASE WHEN invoice_id IS NULL THEN 'provisional' ELSE 'final' END AS varchar) AS cost_state,
        -- A credit or a negation repeats the amount of the usage it takes back.
        CASE WHEN line_class = 'emr_uplift' THEN usage_amount ELSE 0e0 END AS metered_amount
    FROM resource_charges
    WHERE is_emr_on_eks
)

SELECT
    payer_account_id,
    account_id AS usage_account_id,
    billing_period,
    usage_date,
    charge_period_start AS usage_start,
    charge_period_end AS usage_end,
    resource_id,
    usage_type,
    region,
    virtual_cluster_id,
    job_run_id,
    interactive_endpoint_id,
    emr_internal_id,
    billed_workload_id AS workload_id,
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
FROM charges
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19
