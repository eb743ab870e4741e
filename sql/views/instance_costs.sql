-- One row per instance type or none, day, cost category, cost state and capacity type.
WITH
costs AS (
    SELECT
        usage_date,
        billing_period,
        account_id,
        cluster_arn,
        cluster_name,
        instance_type,
        cost_category,
        cost_state,
        capacity_type,
        currency,
        split_part(instance_type, '.', 1) AS instance_family,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        -- Only rows that have both: what is not known is no saving, and a tax or a credit has no list price.
        SUM(
            CASE
                WHEN COALESCE(line_class, '') NOT IN ('tax', 'credit', 'refund') THEN list_cost - effective_cost
            END
        ) AS savings,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(gpu_hours) AS gpu_hours
    FROM cost_ledger
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)

SELECT
    usage_date,
    billing_period,
    account_id,
    cluster_arn,
    cluster_name,
    instance_type,
    instance_family,
    -- Graviton has a g after the generation's number; its first generation is called a1, and NVIDIA's Grace is in
    -- what is named after its GPU, such as gb200. What has no instance type (Fargate, uplift) does not say.
    CAST(
        CASE
            WHEN regexp_like(instance_family, '^([a-z]+[0-9]+g|a1$)|-gb[0-9]+') THEN 'arm64'
            WHEN instance_family IS NOT NULL THEN 'x86_64'
        END AS varchar
    ) AS architecture,
    cost_category,
    cost_state,
    capacity_type,
    currency,
    effective_cost,
    billed_cost,
    list_cost,
    savings,
    cpu_core_hours,
    ram_gib_hours,
    gpu_hours
FROM costs
