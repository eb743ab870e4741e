-- One row per row of the ledger, in the columns of FOCUS 1.2; those that FOCUS does not know begin with x_.
WITH
-- As AWS names them: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
regions AS (
    SELECT *
    FROM (
        VALUES
            ('af-south-1', 'Africa (Cape Town)'),
            ('ap-east-1', 'Asia Pacific (Hong Kong)'),
            ('ap-east-2', 'Asia Pacific (Taipei)'),
            ('ap-northeast-1', 'Asia Pacific (Tokyo)'),
            ('ap-northeast-2', 'Asia Pacific (Seoul)'),
            ('ap-northeast-3', 'Asia Pacific (Osaka)'),
            ('ap-south-1', 'Asia Pacific (Mumbai)'),
            ('ap-south-2', 'Asia Pacific (Hyderabad)'),
            ('ap-southeast-1', 'Asia Pacific (Singapore)'),
            ('ap-southeast-2', 'Asia Pacific (Sydney)'),
            ('ap-southeast-3', 'Asia Pacific (Jakarta)'),
            ('ap-southeast-4', 'Asia Pacific (Melbourne)'),
            ('ap-southeast-5', 'Asia Pacific (Malaysia)'),
            ('ap-southeast-6', 'Asia Pacific (New Zealand)'),
            ('ap-southeast-7', 'Asia Pacific (Thailand)'),
            ('ca-central-1', 'Canada (Central)'),
            ('ca-west-1', 'Canada West (Calgary)'),
            ('cn-north-1', 'China (Beijing)'),
            ('cn-northwest-1', 'China (Ningxia)'),
            ('eu-central-1', 'Europe (Frankfurt)'),
            ('eu-central-2', 'Europe (Zurich)'),
            ('eu-north-1', 'Europe (Stockholm)'),
            ('eu-south-1', 'Europe (Milan)'),
            ('eu-south-2', 'Europe (Spain)'),
            ('eu-west-1', 'Europe (Ireland)'),
            ('eu-west-2', 'Europe (London)'),
            ('eu-west-3', 'Europe (Paris)'),
            ('eusc-de-east-1', 'AWS European Sovereign Cloud (Germany)'),
            ('il-central-1', 'Israel (Tel Aviv)'),
            ('me-central-1', 'Middle East (UAE)'),
            ('me-south-1', 'Middle East (Bahrain)'),
            ('me-west-1', 'Middle East (Saudi Arabia)'),
            ('mx-central-1', 'Mexico (Central)'),
            ('sa-east-1', 'South America (Sao Paulo)'),
            ('sa-west-1', 'South America (Chile)'),
            ('us-east-1', 'US East (N. Virginia)'),
            ('us-east-2', 'US East (Ohio)'),
            ('us-gov-east-1', 'AWS GovCloud (US-East)'),
            ('us-gov-west-1', 'AWS GovCloud (US-West)'),
            ('us-west-1', 'US West (N. California)'),
            ('us-west-2', 'US West (Oregon)')
    ) AS names (region_id, region_name)
),
-- FOCUS allows a service one category only. So EC2's volumes and traffic, which AWS bills under EC2's own
-- product code, are services of their own here.
services AS (
    SELECT *
    FROM (
        VALUES
            ('AmazonCloudWatch', 'Amazon CloudWatch', 'Management and Governance', 'Observability'),
            ('AmazonDynamoDB', 'Amazon DynamoDB', 'Databases', 'NoSQL Databases'),
            ('AmazonEBS', 'Amazon Elastic Block Store', 'Storage', 'Block Storage'),
            ('AmazonEC2', 'Amazon Elastic Compute Cloud', 'Compute', 'Virtual Machines'),
            ('AmazonEKS', 'Amazon Elastic Kubernetes Service', 'Compute', 'Containers'),
            ('AmazonS3', 'Amazon Simple Storage Service', 'Storage', 'Object Storage'),
            ('AmazonVPC', 'Amazon Virtual Private Cloud', 'Networking', 'Network Infrastructure'),
            ('AWSELB', 'Elastic Load Balancing', 'Networking', 'Application Networking'),
            ('AWSFargate', 'AWS Fargate', 'Compute', 'Serverless Compute'),
            ('ComputeSavingsPlans', 'Savings Plans for AWS Compute', 'Compute', 'Other (Compute)'),
            ('ElasticMapReduce', 'Amazon EMR', 'Analytics', 'Data Processing')
    ) AS names (service_code, service_name, service_category, service_subcategory)
),
-- An estimate has no line of the bill, and so no class of one.
classes AS (
    SELECT
        *,
        COALESCE(line_class, cost_category) AS charge_class,
        COALESCE(line_class, cost_category) = 'commitment_unused' AS is_unused,
        COALESCE(line_class, cost_category) IN ('compute', 'idle') AND cost_state <> 'estimated'
            AND instance_id IS NOT NULL AS is_instance_share
    FROM cost_ledger
),
charges AS (
    SELECT
        *,
        CAST(
            CASE
                WHEN charge_class = 'tax' THEN 'Tax'
                WHEN charge_class = 'credit' THEN 'Credit'
                WHEN charge_class IN ('refund', 'discount') THEN 'Adjustment'
                ELSE 'Usage'
            END AS varchar
        ) AS charge_category,
        CASE
            WHEN charge_class = 'fargate' OR (charge_class = 'compute' AND capacity_type = 'fargate')
                THEN CAST('AWSFargate' AS varchar)
            WHEN charge_class IN ('compute', 'idle', 'instance_other') THEN CAST('AmazonEC2' AS varchar)
            WHEN charge_class = 'emr_uplift' THEN CAST('ElasticMapReduce' AS varchar)
            WHEN charge_class = 'storage' THEN CAST('AmazonEBS' AS varchar)
            WHEN charge_class = 'network' THEN CAST('AmazonVPC' AS varchar)
            WHEN charge_class = 'load_balancer' THEN CAST('AWSELB' AS varchar)
            WHEN charge_class = 'control_plane' THEN CAST('AmazonEKS' AS varchar)
            ELSE product_code
        END AS service_code,
        COALESCE(
            resource_id,
            CASE WHEN charge_class IN ('compute', 'idle', 'instance_other', 'network') THEN instance_id END
        ) AS origin_id,
        -- What a Savings Plan covers is billed by the plan's own fee, and nothing takes it back here.
        COALESCE(billed_cost, 0e0) - COALESCE(negated_cost, 0e0) AS invoiced_cost,
        -- The day is among them, so that a filter on the day reads that day alone.
        SUM(effective_cost) OVER (
            PARTITION BY
                usage_date, charge_period_start, charge_period_end, cluster_arn, account_id, region,
                instance_id, currency, is_instance_share
        ) AS origin_cost
    FROM classes
),
measured AS (
    SELECT
        *,
        CASE WHEN charge_category = 'Usage' THEN COALESCE(usage_amount, cpu_core_hours) END AS quantity,
        CASE WHEN charge_category = 'Usage' AND NOT is_unused THEN COALESCE(cpu_core_hours, usage_amount) END
            AS consumed_quantity,
        CAST(
            CASE
                WHEN LOWER(usage_type) LIKE '%vcpu%hours%' THEN 'vCPU-Hours'
                WHEN regexp_like(LOWER(usage_type), 'gb-?hours') THEN 'GB-Hours'
                WHEN usage_type LIKE '%P-IOPS%' THEN 'IOPS-Months'
                WHEN usage_type LIKE '%P-Throughput%' THEN 'GiBps-Months'
                WHEN regexp_like(usage_type, 'EBS:(Volume|Snapshot)') THEN 'GB-Months'
                WHEN usage_type LIKE '%Bytes' THEN 'GB'
                WHEN usage_type LIKE '%LCUUsage' THEN 'LCU-Hours'
                WHEN charge_class IN ('compute', 'idle', 'control_plane', 'commitment_unused') THEN 'Hours'
                WHEN usage_type LIKE '%Hours' OR usage_type LIKE '%LoadBalancerUsage' THEN 'Hours'
                ELSE 'Units'
            END AS varchar
        ) AS metered_unit,
        CASE WHEN is_instance_share THEN effective_cost / NULLIF(origin_cost, 0e0) END AS allocated_ratio,
        -- What a commitment covers has no price of its own but the public one, as far as the bill tells.
        CASE
            WHEN charge_category <> 'Usage' THEN invoiced_cost
            WHEN commitment_arn IS NOT NULL AND NOT is_unused THEN COALESCE(list_cost, effective_cost)
            ELSE effective_cost
        END AS contracted_cost
    FROM charges
),
priced AS (
    SELECT
        *,
        CASE
            WHEN charge_category = 'Usage' THEN COALESCE(list_cost, contracted_cost)
            ELSE contracted_cost
        END AS public_cost,
        -- A price is that of one unit; a credit, and usage without a quantity, has none.
        CASE WHEN quantity > 0e0 THEN quantity END AS priced_quantity,
        CASE
            WHEN is_instance_share THEN CAST('chargeback:compute' AS varchar)
            WHEN pod IS NULL OR service_code IN ('AWSFargate', 'ElasticMapReduce') THEN CAST(NULL AS varchar)
            WHEN cost_state = 'estimated' THEN 'kubecost:' || charge_class
            ELSE 'chargeback:' || charge_class
        END AS allocated_method
    FROM measured
)

SELECT
    priced.availability_zone AS AvailabilityZone,
    priced.invoiced_cost AS BilledCost,
    COALESCE(priced.payer_account_id, priced.account_id) AS BillingAccountId,
    CAST(NULL AS varchar) AS BillingAccountName,
    CAST(
        CASE WHEN priced.payer_account_id IS NULL THEN 'AWS Account' ELSE 'Management Account' END AS varchar
    ) AS BillingAccountType,
    priced.currency AS BillingCurrency,
    date_add('month', 1, CAST(priced.billing_period || '-01' AS timestamp)) AS BillingPeriodEnd,
    CAST(priced.billing_period || '-01' AS timestamp) AS BillingPeriodStart,
    CAST(NULL AS varchar) AS CapacityReservationId,
    CAST(NULL AS varchar) AS CapacityReservationStatus,
    priced.charge_category AS ChargeCategory,
    CASE
        WHEN priced.line_class = 'refund'
            AND date_format(priced.charge_period_start, '%Y-%m') < priced.billing_period
            THEN CAST('Correction' AS varchar)
    END AS ChargeClass,
    COALESCE(services.service_name, priced.service_code, CAST('Other' AS varchar))
        || ': ' || priced.cost_category
        || COALESCE(' of ' || COALESCE(priced.pod, priced.workload_name, priced.workload_id), '')
        || COALESCE(' on ' || priced.instance_id, '') AS ChargeDescription,
    CAST(
        CASE
            WHEN priced.is_unused THEN 'Recurring'
            WHEN priced.charge_category = 'Usage' THEN 'Usage-Based'
            ELSE 'One-Time'
        END AS varchar
    ) AS ChargeFrequency,
    priced.charge_period_end AS ChargePeriodEnd,
    priced.charge_period_start AS ChargePeriodStart,
    CAST(
        CASE
            WHEN priced.commitment_arn LIKE '%:savingsplans:%' THEN 'Spend'
            WHEN priced.commitment_arn IS NOT NULL THEN 'Usage'
        END AS varchar
    ) AS CommitmentDiscountCategory,
    priced.commitment_arn AS CommitmentDiscountId,
    CAST(NULL AS varchar) AS CommitmentDiscountName,
    CAST(NULL AS double) AS CommitmentDiscountQuantity,
    CAST(
        CASE
            WHEN priced.commitment_arn IS NULL THEN NULL
            WHEN priced.is_unused THEN 'Unused'
            ELSE 'Used'
        END AS varchar
    ) AS CommitmentDiscountStatus,
    CAST(
        CASE
            WHEN priced.commitment_arn LIKE '%:savingsplans:%' THEN 'Savings Plan'
            WHEN priced.commitment_arn IS NOT NULL THEN 'Reserved Instance'
        END AS varchar
    ) AS CommitmentDiscountType,
    CAST(NULL AS varchar) AS CommitmentDiscountUnit,
    priced.consumed_quantity AS ConsumedQuantity,
    CASE
        WHEN priced.consumed_quantity IS NULL THEN CAST(NULL AS varchar)
        WHEN priced.cpu_core_hours IS NOT NULL THEN CAST('vCPU-Hours' AS varchar)
        ELSE priced.metered_unit
    END AS ConsumedUnit,
    priced.contracted_cost AS ContractedCost,
    CASE WHEN priced.contracted_cost >= 0e0 THEN priced.contracted_cost / priced.priced_quantity END
        AS ContractedUnitPrice,
    priced.effective_cost AS EffectiveCost,
    priced.invoice_id AS InvoiceId,
    CAST('AWS' AS varchar) AS InvoiceIssuerName,
    priced.public_cost AS ListCost,
    CASE WHEN priced.public_cost >= 0e0 THEN priced.public_cost / priced.priced_quantity END
        AS ListUnitPrice,
    CAST(
        CASE
            WHEN priced.charge_category <> 'Usage' THEN NULL
            WHEN priced.commitment_arn IS NOT NULL OR priced.is_unused THEN 'Committed'
            WHEN priced.charge_class IN ('compute', 'idle') AND priced.capacity_type = 'spot' THEN 'Dynamic'
            ELSE 'Standard'
        END AS varchar
    ) AS PricingCategory,
    priced.currency AS PricingCurrency,
    CASE WHEN priced.contracted_cost >= 0e0 THEN priced.contracted_cost / priced.priced_quantity END
        AS PricingCurrencyContractedUnitPrice,
    priced.effective_cost AS PricingCurrencyEffectiveCost,
    CASE WHEN priced.public_cost >= 0e0 THEN priced.public_cost / priced.priced_quantity END
        AS PricingCurrencyListUnitPrice,
    priced.quantity AS PricingQuantity,
    CASE
        WHEN priced.quantity IS NULL THEN CAST(NULL AS varchar)
        WHEN priced.usage_amount IS NULL THEN CAST('vCPU-Hours' AS varchar)
        ELSE priced.metered_unit
    END AS PricingUnit,
    CAST('AWS' AS varchar) AS ProviderName,
    CAST('AWS' AS varchar) AS PublisherName,
    priced.region AS RegionId,
    COALESCE(regions.region_name, priced.region) AS RegionName,
    priced.origin_id AS ResourceId,
    CASE
        WHEN priced.origin_id LIKE '%/jobruns/%' THEN priced.workload_name
        WHEN priced.origin_id LIKE 'arn:%:eks:%:cluster/%' THEN priced.cluster_name
        WHEN priced.origin_id LIKE 'arn:%:eks:%:pod/%' THEN priced.pod
    END AS ResourceName,
    CAST(
        CASE
            WHEN priced.origin_id IS NULL THEN NULL
            WHEN priced.origin_id LIKE 'i-%' THEN 'EC2 Instance'
            WHEN priced.origin_id LIKE 'vol-%' THEN 'EBS Volume'
            WHEN priced.origin_id LIKE 'arn:%:eks:%:cluster/%' THEN 'EKS Cluster'
            WHEN priced.origin_id LIKE 'arn:%:eks:%:pod/%' THEN 'EKS Pod'
            WHEN priced.origin_id LIKE 'arn:%:emr-containers:%/jobruns/%' THEN 'EMR Job Run'
            WHEN priced.origin_id LIKE 'arn:%:emr-containers:%/endpoints/%' THEN 'EMR Interactive Endpoint'
            WHEN priced.origin_id LIKE 'arn:%:emr-containers:%' THEN 'EMR Workload'
            WHEN priced.origin_id LIKE 'arn:%:elasticloadbalancing:%' THEN 'Load Balancer'
            ELSE 'AWS Resource'
        END AS varchar
    ) AS ResourceType,
    COALESCE(services.service_category, CAST('Other' AS varchar)) AS ServiceCategory,
    COALESCE(services.service_name, priced.service_code, CAST('Other' AS varchar)) AS ServiceName,
    COALESCE(services.service_subcategory, CAST('Other (Other)' AS varchar)) AS ServiceSubcategory,
    CAST(NULL AS varchar) AS SkuId,
    CAST(NULL AS varchar) AS SkuMeter,
    CAST(NULL AS varchar) AS SkuPriceDetails,
    CAST(NULL AS varchar) AS SkuPriceId,
    priced.account_id AS SubAccountId,
    CAST(NULL AS varchar) AS SubAccountName,
    CASE WHEN priced.account_id IS NOT NULL THEN CAST('AWS Account' AS varchar) END AS SubAccountType,
    json_format(CAST(priced.tags AS json)) AS Tags,
    -- FOCUS 1.3's columns of a split charge, whose ResourceId stays that of what was split.
    CASE
        WHEN priced.allocated_ratio IS NOT NULL
            THEN '{"Elements":[{"AllocatedRatio":' || json_format(CAST(priced.allocated_ratio AS json))
                || COALESCE(
                    ',"UsageUnit":"vCPU-Hours","UsageQuantity":'
                        || json_format(CAST(priced.cpu_core_hours AS json)),
                    ''
                ) || '}]}'
    END AS x_AllocatedMethodDetails,
    priced.allocated_method AS x_AllocatedMethodId,
    CASE
        WHEN priced.allocated_method IS NOT NULL
            THEN priced.cluster_arn || '/' || priced.namespace || '/' || priced.pod
    END AS x_AllocatedResourceId,
    CASE WHEN priced.allocated_method IS NOT NULL THEN priced.pod END AS x_AllocatedResourceName,
    CASE WHEN priced.allocated_method IS NOT NULL THEN json_format(CAST(priced.labels AS json)) END
        AS x_AllocatedTags,
    priced.capacity_type AS x_CapacityType,
    priced.cluster_arn AS x_ClusterArn,
    priced.cluster_name AS x_ClusterName,
    priced.cost_basis AS x_CostBasis,
    priced.cost_category AS x_CostComponent,
    priced.cost_state AS x_CostState,
    priced.cpu_core_hours AS x_CpuCoreHours,
    priced.emr_internal_id AS x_EmrInternalId,
    priced.gpu_hours AS x_GpuHours,
    priced.instance_type AS x_InstanceType,
    priced.job_run_id AS x_JobRunId,
    priced.namespace AS x_Namespace,
    priced.node AS x_Node,
    priced.node_pool AS x_NodePool,
    priced.pod AS x_Pod,
    priced.product_code AS x_ProductCode,
    priced.ram_gib_hours AS x_RamGibHours,
    priced.reason AS x_Reason,
    priced.spark_app_id AS x_SparkAppId,
    priced.spark_role AS x_SparkRole,
    priced.usage_date AS x_UsageDate,
    priced.usage_type AS x_UsageType,
    priced.virtual_cluster_id AS x_VirtualClusterId,
    priced.workload_id AS x_WorkloadId,
    priced.workload_kind AS x_WorkloadKind,
    priced.workload_name AS x_WorkloadName
FROM priced
LEFT JOIN regions ON priced.region = regions.region_id
LEFT JOIN services ON priced.service_code = services.service_code
