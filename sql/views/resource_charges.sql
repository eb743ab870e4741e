-- One row per billed resource, hour or longer period, usage type, kind of charge and set of tags.
WITH
-- Split cost allocation data repeats what other lines bill.
charges AS (
    SELECT
        usage_date,
        billing_period,
        payer_account_id,
        usage_account_id AS account_id,
        region,
        usage_start AS charge_period_start,
        usage_end AS charge_period_end,
        line_class,
        is_emr_on_eks,
        product_code,
        usage_type,
        resource_id,
        invoice_id,
        currency,
        cost_basis,
        cluster_tag,
        is_spot,
        -- Lines without a resource may be anybody's: only their tags tell whose.
        tags,
        MAX(availability_zone) AS availability_zone,
        MAX(instance_type) AS instance_type,
        MAX(vcpu) AS vcpu,
        MAX(memory_gib) AS memory_gib,
        SUM(usage_amount) AS usage_amount,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(
            CASE
                WHEN line_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN billed_cost
                ELSE 0e0
            END
        ) AS negated_cost,
        MAX(commitment_arn) AS commitment_arn
    FROM cur_line_items
    WHERE line_class <> 'split_cost'
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
),
-- A pod on Fargate is arn:aws:eks:us-east-1:111122223333:pod/CLUSTER/NAMESPACE/POD/UID, a cluster
-- arn:aws:eks:us-east-1:111122223333:cluster/CLUSTER.
named AS (
    SELECT
        *,
        CASE WHEN regexp_like(resource_id, '^arn:[^:]+:eks:[^:]*:\d+:pod/') THEN resource_id END AS pod_arn,
        COALESCE(
            regexp_extract(resource_id, '^arn:[^:]+:eks:[^:]*:\d+:(?:cluster|pod)/([^/]+)', 1),
            cluster_tag
        ) AS billed_cluster,
        -- Kubernetes tags what it makes kubernetes.io/cluster/NAME = owned. Two such tags name no one cluster.
        regexp_extract(
            array_join(
                map_keys(
                    map_filter(tags, (tag, value) -> tag LIKE 'user_kubernetes_io_cluster_%' AND value = 'owned')
                ),
                ','
            ),
            '^user_kubernetes_io_cluster_([^,]+)$',
            1
        ) AS owning_cluster,
        -- A job run's ARN ends in /virtualclusters/VC/jobruns/ID, an interactive endpoint's in
        -- /virtualclusters/VC/endpoints/ID. What runs without StartJobRun is billed under the EMR runtime's
        -- own ID, as /KIND/ID.
        CASE WHEN is_emr_on_eks THEN NULLIF(split_part(resource_id, '/', 2), '') END AS emr_kind,
        CASE WHEN is_emr_on_eks THEN NULLIF(split_part(resource_id, '/', 3), '') END AS emr_id,
        CASE WHEN is_emr_on_eks THEN NULLIF(split_part(resource_id, '/', 4), '') END AS emr_child_kind,
        CASE WHEN is_emr_on_eks THEN NULLIF(split_part(resource_id, '/', 5), '') END AS emr_child_id
    FROM charges
),
identified AS (
    SELECT
        *,
        split_part(pod_arn, '/', 3) AS namespace,
        split_part(pod_arn, '/', 4) AS pod,
        account_id || ':' || region || ':' || billed_cluster AS cluster_key,
        -- A tag's key has small letters, and _ for what is neither letter nor digit: only those can be compared.
        account_id || ':' || region || ':'
            || regexp_replace(LOWER(COALESCE(billed_cluster, owning_cluster)), '[^a-z0-9]', '') AS plain_cluster_key,
        CASE WHEN emr_kind = 'virtualclusters' THEN emr_id END AS virtual_cluster_id,
        CASE WHEN emr_kind = 'virtualclusters' AND emr_child_kind = 'jobruns' THEN emr_child_id END
            AS job_run_id,
        CASE WHEN emr_kind = 'virtualclusters' AND emr_child_kind = 'endpoints' THEN emr_child_id END
            AS interactive_endpoint_id,
        CASE WHEN emr_kind <> 'virtualclusters' THEN COALESCE(emr_id, emr_kind) END AS emr_internal_id
    FROM named
)

SELECT
    usage_date,
    billing_period,
    payer_account_id,
    account_id,
    region,
    charge_period_start,
    charge_period_end,
    line_class,
    is_emr_on_eks,
    product_code,
    usage_type,
    resource_id,
    invoice_id,
    currency,
    cost_basis,
    billed_cluster AS cluster_name,
    cluster_key,
    plain_cluster_key,
    CASE WHEN pod_arn IS NULL THEN resource_id ELSE cluster_key || '/' || namespace || '/' || pod END
        AS resource_key,
    CAST(element_at(tags, 'user_kubernetes_io_created_for_pv_name') AS varchar) AS volume_name,
    namespace,
    pod,
    virtual_cluster_id,
    job_run_id,
    interactive_endpoint_id,
    emr_internal_id,
    COALESCE(job_run_id, interactive_endpoint_id, emr_internal_id) AS billed_workload_id,
    availability_zone,
    instance_type,
    vcpu,
    memory_gib,
    CAST(
        CASE
            WHEN line_class = 'fargate' OR LOWER(usage_type) LIKE '%fargate%' THEN 'fargate'
            WHEN line_class <> 'compute' THEN 'unknown'
            WHEN is_spot THEN 'spot'
            ELSE 'on_demand'
        END AS varchar
    ) AS capacity_type,
    tags,
    usage_amount,
    effective_cost,
    billed_cost,
    list_cost,
    negated_cost,
    commitment_arn
FROM identified
