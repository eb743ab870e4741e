-- One row per line of the bill, from a Cost and Usage Report 2.0.
WITH
-- A report leaves what it does not know empty or NULL: both become NULL here.
bill AS (
    SELECT
        bill_payer_account_id AS payer_account_id,
        line_item_usage_account_id AS usage_account_id,
        billing_period,
        line_item_usage_start_date AS usage_start,
        line_item_usage_end_date AS usage_end,
        NULLIF(bill_invoice_id, '') AS invoice_id,
        NULLIF(line_item_line_item_type, '') AS line_type,
        NULLIF(line_item_line_item_description, '') AS description,
        NULLIF(line_item_product_code, '') AS product_code,
        NULLIF(product_product_family, '') AS product_family,
        NULLIF(product_servicecode, '') AS service_code,
        NULLIF(line_item_usage_type, '') AS usage_type,
        NULLIF(line_item_operation, '') AS operation,
        NULLIF(line_item_resource_id, '') AS resource_id,
        COALESCE(NULLIF(product_region_code, ''), NULLIF(element_at(product, 'region'), '')) AS region,
        NULLIF(line_item_availability_zone, '') AS availability_zone,
        NULLIF(product_instance_type, '') AS instance_type,
        -- A tag that AWS sets keeps the prefix `aws`, one that a person or Karpenter sets gets `user`.
        COALESCE(
            NULLIF(element_at(resource_tags, 'aws_eks_cluster_name'), ''),
            NULLIF(element_at(resource_tags, 'user_eks_cluster_name'), '')
        ) AS cluster_tag,
        resource_tags AS tags,
        TRY_CAST(element_at(product, 'vcpu') AS double) AS vcpu,
        TRY_CAST(regexp_extract(element_at(product, 'memory'), '^[0-9.]+') AS double) AS memory_gib,
        line_item_usage_amount AS usage_amount,
        line_item_currency_code AS currency,
        line_item_unblended_cost AS unblended_cost,
        pricing_public_on_demand_cost AS public_on_demand_cost,
        savings_plan_savings_plan_effective_cost AS plan_effective_cost,
        COALESCE(savings_plan_total_commitment_to_date, 0e0)
            - COALESCE(savings_plan_used_commitment, 0e0) AS plan_unused_cost,
        NULLIF(reservation_reservation_a_r_n, '') AS reservation_arn,
        reservation_effective_cost,
        COALESCE(reservation_unused_amortized_upfront_fee_for_billing_period, 0e0)
            + COALESCE(reservation_unused_recurring_fee, 0e0) AS reservation_unused_cost
    FROM ${cur_table}
),
-- EMR on EKS is known by any of three signs, since an export may lack the family and a credit the usage type;
-- EMR on EC2 and EMR Serverless have the same product code.
named AS (
    SELECT
        *,
        COALESCE(
            product_code = 'ElasticMapReduce' AND (
                regexp_like(LOWER(usage_type), 'emr-eks-|fargate-(vcpu|gb)hours')
                OR product_family = 'EMR Containers'
                OR resource_id LIKE 'arn:%:emr-containers:%'
            ),
            FALSE
        ) AS is_emr_on_eks,
        regexp_extract(usage_type, '(?:^|-)(?:Box|Spot|Dedicated|HostBox|Host)Usage(?::|$)(.*)', 1)
            AS metered_instance_type
    FROM bill
),
-- The first class that fits, in this order: a fee or a discount often looks like the usage it belongs to, and
-- an instance's traffic carries the instance's own ID.
classified AS (
    SELECT
        *,
        CAST(
            CASE
                WHEN operation IN ('EKSPod-EC2', 'ECSTask-EC2') THEN 'split_cost'
                WHEN line_type = 'Tax' THEN 'tax'
                WHEN line_type = 'Credit' THEN 'credit'
                WHEN line_type = 'Refund' THEN 'refund'
                WHEN line_type LIKE '%Discount' THEN 'discount'
                WHEN line_type IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'commitment_unused'
                WHEN line_type IN ('SavingsPlanNegation', 'SavingsPlanUpfrontFee') THEN 'commitment'
                WHEN line_type = 'Fee' AND reservation_arn IS NOT NULL THEN 'commitment'
                WHEN is_emr_on_eks THEN 'emr_uplift'
                WHEN product_code = 'AmazonEKS' AND operation = 'FargatePod' THEN 'fargate'
                WHEN product_code = 'AmazonEKS' THEN 'control_plane'
                WHEN product_code IN ('AmazonVPC', 'AWSDataTransfer') THEN 'network'
                WHEN product_code = 'AmazonEC2' AND (
                    service_code = 'AWSDataTransfer'
                    OR usage_type LIKE '%Bytes'
                    OR usage_type LIKE '%DataXfer%'
                    OR usage_type LIKE '%NatGateway%'
                    OR usage_type LIKE '%ElasticIP:%'
                ) THEN 'network'
                WHEN product_code = 'AmazonEC2' AND metered_instance_type IS NOT NULL THEN 'compute'
                WHEN resource_id LIKE 'i-%' THEN 'instance_other'
                WHEN product_code = 'AmazonEC2' AND regexp_like(usage_type, '(^|-)EBS:') THEN 'storage'
                WHEN product_code = 'AWSELB'
                    OR resource_id LIKE 'arn:%:elasticloadbalancing:%'
                    OR usage_type LIKE '%LoadBalancerUsage'
                    OR usage_type LIKE '%LCUUsage' THEN 'load_balancer'
                ELSE 'other'
            END AS varchar
        ) AS line_class
    FROM named
)

SELECT
    payer_account_id,
    usage_account_id,
    billing_period,
    CAST(usage_start AS date) AS usage_date,
    usage_start,
    usage_end,
    invoice_id,
    line_type,
    line_class,
    is_emr_on_eks,
    product_code,
    product_family,
    usage_type,
    operation,
    resource_id,
    region,
    availability_zone,
    -- Spot lines have no product data; their usage type still names the instance type.
    COALESCE(instance_type, NULLIF(metered_instance_type, '')) AS instance_type,
    vcpu,
    memory_gib,
    COALESCE(usage_type LIKE '%SpotUsage%', FALSE) AS is_spot,
    cluster_tag,
    tags,
    usage_amount,
    currency,
    -- Split cost allocation data repeats, pod by pod, money that other lines bill.
    CASE WHEN line_class = 'split_cost' THEN 0e0 ELSE unblended_cost END AS billed_cost,
    -- Amortized cost by line type, before private discounts: what covered usage really cost, and of a
    -- commitment only what nobody used: https://docs.aws.amazon.com/cur/latest/userguide/cur-sp.html
    CASE
        WHEN line_class = 'split_cost' THEN 0e0
        WHEN line_class = 'commitment' THEN 0e0
        WHEN line_type = 'SavingsPlanCoveredUsage' THEN plan_effective_cost
        WHEN line_type = 'SavingsPlanRecurringFee' THEN plan_unused_cost
        WHEN line_type = 'DiscountedUsage' THEN reservation_effective_cost
        WHEN line_type = 'RIFee' THEN reservation_unused_cost
        WHEN line_type = 'Refund' AND product_code = 'ComputeSavingsPlans'
            AND description LIKE 'Refund for one-time fee for Savings Plan ID%' THEN 0e0
        ELSE unblended_cost
    END AS effective_cost,
    CASE WHEN line_class = 'split_cost' THEN 0e0 ELSE public_on_demand_cost END AS list_cost,
    CAST('amortized' AS varchar) AS cost_basis
FROM classified
