-- One row per billed resource, usage type and class that a cost center's tag claims, and day.
WITH
-- No row where no tag claims anything: then the bill need not be read.
claims AS (
    SELECT array_agg(CAST(ROW(tag_key, tag_value) AS ROW(tag_key varchar, tag_value varchar))) AS tags
    FROM policy_other_services
    HAVING COUNT(*) > 0
),
-- The ledger takes a cluster's lines by their resource or the cluster's tag, and EMR on EKS by its name.
-- Instances, volumes, load balancers and clusters are left to it altogether: it knows which of them are ours.
-- Split cost allocation data repeats money of other lines.
claimed AS (
    SELECT lines.*
    FROM cur_line_items AS lines
    CROSS JOIN claims
    WHERE cardinality(
            filter(claims.tags, claim -> element_at(lines.tags, claim.tag_key) = claim.tag_value)
        ) > 0
        AND lines.cluster_tag IS NULL
        AND COALESCE(lines.is_emr_on_eks, FALSE) = FALSE
        AND lines.line_class NOT IN (
            'split_cost', 'emr_uplift', 'fargate', 'control_plane', 'compute', 'instance_other', 'storage',
            'load_balancer'
        )
        AND NOT regexp_like(
            COALESCE(lines.resource_id, ''),
            '^(i|vol|eni)-|:(instance|volume|network-interface)/|:(eks|emr-containers|elasticloadbalancing):'
        )
)

SELECT
    payer_account_id,
    usage_account_id,
    billing_period,
    usage_date,
    region,
    product_code,
    usage_type,
    line_class,
    resource_id,
    invoice_id,
    tags,
    currency,
    cost_basis,
    CAST('other_service' AS varchar) AS cost_category,
    CAST(CASE WHEN invoice_id IS NULL THEN 'provisional' ELSE 'final' END AS varchar) AS cost_state,
    MIN(usage_start) AS usage_start,
    MAX(usage_end) AS usage_end,
    SUM(usage_amount) AS usage_amount,
    SUM(effective_cost) AS effective_cost,
    SUM(billed_cost) AS billed_cost,
    SUM(list_cost) AS list_cost
FROM claimed
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
