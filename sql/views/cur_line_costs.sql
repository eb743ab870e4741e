-- One row per line of the bill and cost basis, with its one class and what it costs by that basis.
WITH
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
        COALESCE(regexp_like(usage_type, '(^|-)SpotUsage(:|$)'), FALSE) AS is_spot,
        regexp_extract(usage_type, '(?:^|-)(?:Box|Spot|Dedicated|HostBox|Host)Usage(?::|$)(.*)', 1)
            AS metered_instance_type
    FROM cur_lines
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
                -- What a reservation cost upfront; a report without resource IDs has no ARN of it.
                WHEN line_type = 'Fee' AND (reservation_arn IS NOT NULL OR usage_type LIKE '%HeavyUsage%')
                    THEN 'commitment'
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
),
-- What nobody used of a commitment, before discounts, and what a Savings Plan costs after and before them.
commitments AS (
    SELECT
        *,
        plan_total_commitment - COALESCE(plan_used_commitment, 0e0) AS plan_unused_cost,
        COALESCE(net_plan_recurring_fee + COALESCE(net_plan_upfront_fee, 0e0), net_plan_upfront_fee)
            / NULLIF(COALESCE(plan_recurring_fee, 0e0) + COALESCE(plan_upfront_fee, 0e0), 0e0)
            AS plan_net_share,
        COALESCE(unused_upfront_fee + COALESCE(unused_recurring_fee, 0e0), unused_recurring_fee)
            AS reservation_unused_cost,
        COALESCE(net_unused_upfront_fee + COALESCE(net_unused_recurring_fee, 0e0), net_unused_recurring_fee)
            AS net_reservation_unused_cost
    FROM classified
),
-- Each line twice, before and after the discounts that its payer has agreed with AWS: those stand in columns of their
-- own, 0 or NULL where there are none.
bases AS (
    SELECT
        commitments.*,
        bases.cost_basis,
        bases.cost_basis = 'net_amortized' AS is_net
    FROM commitments
    CROSS JOIN (VALUES ('amortized'), ('net_amortized')) AS bases (cost_basis)
),
-- Net where the line says its net cost. AWS says what a plan costs net, but not what its unused part does: that has
-- the plan's own discount, so that used and unused add up to the plan.
valued AS (
    SELECT
        *,
        COALESCE(CASE WHEN is_net THEN net_unblended_cost END, unblended_cost) AS uncovered_cost,
        COALESCE(CASE WHEN is_net THEN net_plan_effective_cost END, plan_effective_cost) AS plan_cost,
        COALESCE(CASE WHEN is_net THEN plan_unused_cost * plan_net_share END, plan_unused_cost)
            AS unused_plan_cost,
        COALESCE(CASE WHEN is_net THEN net_reservation_effective_cost END, reservation_effective_cost)
            AS reservation_cost,
        COALESCE(CASE WHEN is_net THEN net_reservation_unused_cost END, reservation_unused_cost)
            AS unused_reservation_cost,
        COALESCE(CASE WHEN is_net THEN net_split_used_cost END, split_used_cost)
            + COALESCE(CASE WHEN is_net THEN net_split_unused_cost END, split_unused_cost, 0e0) AS pod_cost
    FROM bases
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
    TRY_CAST(vcpu AS double) AS vcpu,
    TRY_CAST(REPLACE(regexp_extract(memory, '^([0-9.,]+) GiB$', 1), ',', '') AS double) AS memory_gib,
    is_spot,
    cluster_tag,
    CAST(map_filter(tags, (tag, value) -> value <> '') AS map(varchar, varchar)) AS tags,
    usage_amount,
    usage_unit,
    sku,
    COALESCE(plan_arn, reservation_arn) AS commitment_arn,
    currency,
    -- Split cost allocation data repeats, pod by pod, money that other lines bill.
    CASE WHEN line_class = 'split_cost' THEN 0e0 ELSE unblended_cost END AS billed_cost,
    -- Amortized by line type: what covered usage really cost, and of a commitment only what nobody used. NULL
    -- where the report does not say it: https://docs.aws.amazon.com/cur/latest/userguide/cur-sp.html
    CASE
        WHEN line_class IN ('split_cost', 'commitment') THEN 0e0
        -- The net costs of the other lines have the discount in them.
        WHEN line_class = 'discount' AND is_net THEN COALESCE(net_unblended_cost, 0e0)
        WHEN line_type = 'SavingsPlanCoveredUsage' THEN plan_cost
        WHEN line_type = 'SavingsPlanRecurringFee' THEN unused_plan_cost
        WHEN line_type = 'DiscountedUsage' THEN reservation_cost
        WHEN line_type = 'RIFee' THEN unused_reservation_cost
        WHEN line_type = 'Refund' AND product_code LIKE '%SavingsPlans'
            AND description LIKE 'Refund for one-time fee for Savings Plan ID%' THEN 0e0
        ELSE uncovered_cost
    END AS effective_cost,
    -- The report has 0 for the On-Demand price of Spot: not known, not nothing.
    CASE
        WHEN line_class = 'split_cost' THEN 0e0
        WHEN is_spot THEN NULLIF(public_on_demand_cost, 0e0)
        ELSE public_on_demand_cost
    END AS list_cost,
    CAST(cost_basis AS varchar) AS cost_basis,
    -- If any line has one, all of that payer and period go by theirs: a net cost of 0 is then a cost.
    COALESCE(
        payer_account_id IS NOT NULL AND (
            net_unblended_cost <> 0e0 OR net_plan_effective_cost <> 0e0 OR net_reservation_effective_cost <> 0e0
        ),
        FALSE
    ) AS has_net_cost,
    CASE WHEN line_class = 'split_cost' THEN split_parent_resource_id END AS split_parent_resource_id,
    CASE WHEN line_class = 'split_cost' THEN pod_cost END AS split_cost
FROM valued
