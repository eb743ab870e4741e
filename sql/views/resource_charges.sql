-- One row per billed resource that may be ours, period, usage type, kind of charge and set of tags; per day of others.
WITH
-- What the lake knows by the ID that the bill has for it.
known AS (
    SELECT usage_date, instance_id AS known_id
    FROM allocations
    UNION ALL
    SELECT usage_date, instance_id AS known_id
    FROM nodes
    UNION ALL
    SELECT usage_date, volume_id AS known_id
    FROM volumes
),
known_ids AS (
    SELECT usage_date, known_id
    FROM known
    GROUP BY 1, 2
),
-- The tags of which a cost center takes the bill's other lines, by the policy that says so: one row of each.
claims AS (
    SELECT
        closed_month,
        array_agg(CAST(ROW(tag_key, tag_value) AS ROW(tag_key varchar, tag_value varchar))) AS claimed_tags
    FROM policy_other_services
    GROUP BY 1
),
-- Split cost allocation data repeats what other lines bill. Nearly all else of a bill has nothing to do with any
-- cluster: what may be ours has an ID that the lake knows, names a cluster, is EMR's, or has a tag of Kubernetes or
-- one that a cost center claims.
lines AS (
    SELECT
        cur_line_items.*,
        COALESCE(is_emr_on_eks OR cluster_tag IS NOT NULL OR known_ids.known_id IS NOT NULL, FALSE)
        OR COALESCE(resource_id LIKE 'arn:%:eks:%', FALSE)
        OR COALESCE(cardinality(map_filter(tags, (tag, value) -> tag LIKE 'user_kubernetes_io_c%')) > 0, FALSE)
        OR COALESCE(
            cardinality(
                filter(claims.claimed_tags, claim -> element_at(tags, claim.tag_key) = claim.tag_value)
            ) > 0,
            FALSE
        ) AS may_be_ours
    FROM cur_line_items
    LEFT JOIN known_ids
        ON cur_line_items.usage_date = known_ids.usage_date
        AND cur_line_items.resource_id = known_ids.known_id
    LEFT JOIN closed_months ON substr(CAST(cur_line_items.usage_date AS varchar), 1, 7) = closed_months.closed_month
    LEFT JOIN claims ON COALESCE(closed_months.closed_month, 'open') = COALESCE(claims.closed_month, 'open')
    WHERE line_class <> 'split_cost'
),
-- All others are one charge a day of each account and class: their sums are out of scope, and their newest hour says
-- how far the bill has come.
keyed AS (
    SELECT
        *,
        CASE WHEN may_be_ours THEN region END AS own_region,
        CASE WHEN may_be_ours THEN usage_start END AS own_start,
        CASE WHEN may_be_ours THEN usage_end END AS own_end,
        CASE WHEN may_be_ours THEN product_code END AS own_product_code,
        CASE WHEN may_be_ours THEN usage_type END AS own_usage_type,
        CASE WHEN may_be_ours THEN resource_id END AS own_resource_id,
        CASE WHEN may_be_ours THEN is_spot END AS own_spot,
        -- Lines without a resource may be anybody's: only their tags tell whose.
        CASE WHEN may_be_ours THEN tags END AS own_tags
    FROM lines
),
charges AS (
    SELECT
        usage_date,
        billing_period,
        payer_account_id,
        usage_account_id AS account_id,
        own_region AS region,
        own_start,
        own_end,
        line_class,
        is_emr_on_eks,
        own_product_code AS product_code,
        own_usage_type AS usage_type,
        own_resource_id AS resource_id,
        invoice_id,
        currency,
        cost_basis,
        cluster_tag,
        own_spot AS is_spot,
        own_tags AS tags,
        MAX(usage_start) AS charge_period_start,
        MAX(usage_end) AS charge_period_end,
        MAX(CASE WHEN may_be_ours THEN availability_zone END) AS availability_zone,
        MAX(CASE WHEN may_be_ours THEN instance_type END) AS instance_type,
        MAX(CASE WHEN may_be_ours THEN vcpu END) AS vcpu,
        MAX(CASE WHEN may_be_ours THEN memory_gib END) AS memory_gib,
        SUM(CASE WHEN may_be_ours THEN usage_amount END) AS usage_amount,
        SUM(effective_cost) AS effective_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(
            CASE
                WHEN line_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN billed_cost
                ELSE 0e0
            END
        ) AS negated_cost,
        MAX(CASE WHEN may_be_ours THEN commitment_arn END) AS commitment_arn
    FROM keyed
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
            WHEN line_class <> 'compute' OR is_spot IS NULL THEN 'unknown'
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
