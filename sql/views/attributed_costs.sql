-- One row per cost category and window of a pod or mounted volume, or per charge as far as no pod has it.
-- Charges that are no cost of our clusters are here, too: is_in_scope says which they are.
WITH
-- A cluster of which a whole day is missing is still ours.
clusters AS (
    SELECT DISTINCT
        cluster_arn AS listed_arn,
        split_part(cluster_arn, ':', 5)
            || ':' || split_part(cluster_arn, ':', 4)
            || ':' || split_part(cluster_arn, '/', 2) AS listed_key
    FROM virtual_clusters
),
-- The tags of which a cost center takes the bill's other lines, by the policy that says so: one row of each.
claims AS (
    SELECT
        closed_month,
        array_agg(CAST(ROW(tag_key, tag_value) AS ROW(tag_key varchar, tag_value varchar))) AS claimed_tags
    FROM policy_other_services
    GROUP BY 1
),
-- A node has no part, and so no row in the end: it says how large the resource was.
parts AS (
    SELECT *
    FROM (
        VALUES
            ('pod', 'compute'), ('pod', 'network'), ('pod', 'storage'), ('pod', 'load_balancer'),
            ('pod', 'shared'), ('pod', 'emr_uplift'), ('volume', 'storage'), ('charge', 'charge')
    ) AS parts (of_side, part)
),
entries AS (
    SELECT
        shares.*,
        clusters.listed_arn,
        CAST(parts.part AS varchar) AS part,
        -- Whether the bill has this part of the entry's resource.
        CASE
            WHEN parts.part IN ('compute', 'shared') THEN shares.compute_charges > 0
            WHEN parts.part = 'network' THEN shares.compute_charges + shares.network_charges > 0
            WHEN parts.part = 'load_balancer' THEN shares.balancer_charges > 0 AND shares.pods_balancer_cost > 0e0
            WHEN parts.part = 'storage' AND shares.side = 'volume' THEN shares.storage_charges > 0
            WHEN parts.part = 'charge' THEN TRUE
            ELSE FALSE
        END AS is_billed,
        -- How much of the charge the pods have: a whole but for what doubles cannot hold is a whole.
        CASE
            WHEN shares.side <> 'charge' THEN 0e0
            WHEN shares.is_compute_charge AND shares.pods_share > 1e0 - 1e-12 THEN 1e0
            WHEN shares.is_compute_charge THEN shares.pods_share
            WHEN shares.is_network_charge AND shares.pods_bytes > 0e0 THEN 1e0
            WHEN shares.is_storage_charge AND shares.mounts > 0 THEN 1e0
            WHEN shares.is_balancer_charge AND shares.pods_balancer_cost > 0e0 THEN 1e0
            ELSE 0e0
        END AS given_share,
        shares.side <> 'charge' OR shares.is_emr_on_eks OR shares.owner_arn IS NOT NULL
            OR shares.tagged_arn IS NOT NULL OR clusters.listed_arn IS NOT NULL AS is_of_cluster,
        COALESCE(
            cardinality(
                filter(
                    claims.claimed_tags,
                    claim -> element_at(shares.tags, claim.tag_key) = claim.tag_value
                )
            ) > 0,
            FALSE
        ) AS is_tag_claimed
    FROM resource_shares AS shares
    LEFT JOIN parts ON shares.side = parts.of_side
    LEFT JOIN clusters ON shares.owning_cluster_key = clusters.listed_key
    LEFT JOIN closed_months ON substr(CAST(shares.usage_date AS varchar), 1, 7) = closed_months.closed_month
    LEFT JOIN claims ON COALESCE(closed_months.closed_month, 'open') = COALESCE(claims.closed_month, 'open')
),
-- Whatever is our clusters' is so whoever claims it: so no line comes twice.
scoped AS (
    SELECT
        entries.*,
        is_of_cluster OR is_tag_claimed AS is_in_scope,
        is_tag_claimed AND NOT is_of_cluster AS is_other_service
    FROM entries
),
costs AS (
    SELECT
        *,
        CASE part
            WHEN 'compute' THEN cpu_cost + ram_cost + gpu_cost
            WHEN 'network' THEN network_cost
            WHEN 'load_balancer' THEN load_balancer_cost
            WHEN 'shared' THEN shared_cost
            WHEN 'storage' THEN CASE WHEN side = 'pod' AND mounts_of_cluster > 0 THEN 0e0 ELSE storage_cost END
            ELSE 0e0
        END AS kubecost_cost,
        -- Of an hour without a line, EMR's published prices in us-east-1 stand in for those of the day's other lines:
        -- https://aws.amazon.com/emr/pricing/
        CASE
            WHEN part = 'emr_uplift' AND billed_workload_key IS NOT NULL AND NOT uplift_has_come
                THEN COALESCE(cpu_core_request_hours, 0e0) * COALESCE(vcpu_hour_rate, 1.012e-2)
                    + COALESCE(ram_gib_request_hours, 0e0) * COALESCE(gb_hour_rate, 1.11125e-3)
            ELSE 0e0
        END AS uplift_estimate,
        CASE part
            WHEN 'compute' THEN compute_effective * (cpu_share + ram_share + gpu_share)
            -- An instance without a line for traffic had none that is charged for.
            WHEN 'network' THEN COALESCE(network_effective, 0e0) * network_share
            WHEN 'load_balancer' THEN balancer_effective * balancer_share
            WHEN 'storage' THEN storage_effective * volume_share
            WHEN 'shared' THEN 0e0
            WHEN 'charge' THEN effective_cost * (1e0 - given_share)
        END AS billed_effective,
        CASE part
            WHEN 'compute' THEN compute_billed * (cpu_share + ram_share + gpu_share)
            WHEN 'network' THEN COALESCE(network_billed, 0e0) * network_share
            WHEN 'load_balancer' THEN balancer_billed * balancer_share
            WHEN 'storage' THEN storage_billed * volume_share
            WHEN 'shared' THEN 0e0
            WHEN 'charge' THEN billed_cost * (1e0 - given_share)
        END AS billed_billed,
        CASE part
            WHEN 'compute' THEN compute_list * (cpu_share + ram_share + gpu_share)
            WHEN 'network' THEN COALESCE(network_list, 0e0) * network_share
            WHEN 'load_balancer' THEN balancer_list * balancer_share
            WHEN 'storage' THEN storage_list * volume_share
            WHEN 'shared' THEN 0e0
            WHEN 'charge' THEN list_cost * (1e0 - given_share)
        END AS billed_list,
        -- Of the billed cost, what the negation of a Savings Plan takes back. That is a line without a
        -- resource, so that it is in no cluster's costs.
        CASE part
            WHEN 'compute' THEN compute_negated * (cpu_share + ram_share + gpu_share)
            WHEN 'charge' THEN negated_cost * (1e0 - given_share)
            ELSE 0e0
        END AS billed_negated,
        CAST(
            CASE
                WHEN side <> 'charge' THEN part
                WHEN is_other_service THEN 'other_service'
                WHEN line_class = 'tax' THEN 'tax'
                WHEN line_class IN ('credit', 'refund', 'discount') THEN 'credit'
                WHEN line_class IN ('commitment', 'commitment_unused') THEN 'commitment_unused'
                WHEN line_class = 'emr_uplift' THEN 'emr_uplift'
                WHEN line_class = 'control_plane' THEN 'control_plane'
                WHEN line_class = 'load_balancer' THEN 'load_balancer'
                WHEN line_class = 'compute' AND pods + nodes > 0 THEN 'idle'
                WHEN is_compute_charge THEN 'unattributed'
                WHEN is_network_charge AND resource_id LIKE 'i-%' THEN 'network'
                WHEN is_storage_charge AND volume_name IS NOT NULL THEN 'storage'
                ELSE 'shared'
            END AS varchar
        ) AS category,
        CAST(
            CASE
                WHEN is_emr_on_eks AND known_workload_kind IS NULL THEN 'no_pod'
                WHEN side <> 'charge' OR is_emr_on_eks OR is_other_service THEN reason
                WHEN line_class = 'compute' AND pods > 0 THEN 'spare'
                WHEN line_class = 'compute' AND nodes > 0 THEN 'empty_node'
                WHEN is_compute_charge THEN 'no_kubecost_data'
                WHEN is_network_charge AND resource_id LIKE 'i-%' THEN 'no_traffic_data'
                WHEN is_storage_charge AND volume_name IS NOT NULL THEN 'no_pod'
                WHEN is_storage_charge THEN 'root_disk'
                WHEN is_balancer_charge THEN 'no_pod'
                WHEN line_class IN ('instance_other', 'network', 'other') THEN line_class
            END AS varchar
        ) AS why
    FROM scoped
)

SELECT
    window_start AS charge_period_start,
    window_end AS charge_period_end,
    usage_date,
    COALESCE(
        billing_period,
        CASE WHEN is_billed THEN slot_billing_period END,
        date_format(window_start, '%Y-%m')
    ) AS billing_period,
    COALESCE(payer_account_id, CASE WHEN is_billed THEN slot_payer END) AS payer_account_id,
    account_id,
    COALESCE(cluster_arn, owner_arn, CASE WHEN is_emr_on_eks THEN workload_cluster_arn END, tagged_arn, listed_arn)
        AS cluster_arn,
    COALESCE(
        cluster_name,
        owner_name,
        CASE WHEN is_emr_on_eks THEN workload_cluster_name END,
        split_part(COALESCE(tagged_arn, listed_arn), '/', 2)
    ) AS cluster_name,
    region,
    category AS cost_category,
    CAST(
        CASE
            WHEN NOT is_billed THEN 'estimated'
            WHEN side = 'charge' AND invoice_id IS NOT NULL THEN 'final'
            WHEN side = 'charge' OR is_open THEN 'provisional'
            ELSE 'final'
        END AS varchar
    ) AS cost_state,
    CASE WHEN is_billed THEN COALESCE(cost_basis, slot_basis) ELSE CAST('estimated' AS varchar) END AS cost_basis,
    CASE
        WHEN side = 'charge' THEN line_class
        WHEN NOT is_billed THEN NULL
        WHEN part = 'compute' AND capacity_type = 'fargate' THEN CAST('fargate' AS varchar)
        ELSE part
    END AS line_class,
    CASE WHEN side = 'charge' THEN invoice_id WHEN is_billed THEN NULLIF(oldest_invoice, '') END
        AS invoice_id,
    CASE
        WHEN side <> 'charge' THEN workload_kind
        WHEN NOT is_emr_on_eks OR workload_id IS NULL THEN NULL
        WHEN known_workload_kind IS NOT NULL THEN known_workload_kind
        WHEN job_run_id IS NOT NULL THEN CAST('job_run' AS varchar)
        WHEN virtual_cluster_id IS NOT NULL THEN CAST('interactive_endpoint' AS varchar)
        ELSE CAST('other' AS varchar)
    END AS workload_kind,
    workload_id,
    CASE WHEN is_emr_on_eks THEN known_workload_name ELSE workload_name END AS workload_name,
    COALESCE(virtual_cluster_id, CASE WHEN is_emr_on_eks THEN known_virtual_cluster_id END) AS virtual_cluster_id,
    job_run_id,
    COALESCE(emr_internal_id, CASE WHEN is_emr_on_eks THEN known_emr_internal_id END) AS emr_internal_id,
    CASE WHEN is_emr_on_eks THEN known_spark_app_id ELSE spark_app_id END AS spark_app_id,
    COALESCE(namespace, CASE WHEN is_emr_on_eks THEN known_namespace END) AS namespace,
    pod,
    controller_kind,
    controller_name,
    COALESCE(node, CASE WHEN side = 'charge' THEN known_node END) AS node,
    COALESCE(node_pool, CASE WHEN side = 'charge' THEN known_node_pool END) AS node_pool,
    availability_zone,
    spark_role,
    instance_id,
    COALESCE(instance_type, billed_instance_type) AS instance_type,
    -- Where Kubecost's answers do not say it, the bill may.
    COALESCE(NULLIF(capacity_type, 'unknown'), known_capacity_type, billed_capacity_type, capacity_type)
        AS capacity_type,
    CASE WHEN is_emr_on_eks THEN known_labels ELSE labels END AS labels,
    COALESCE(tags, CASE WHEN is_billed AND part IN ('compute', 'network', 'storage') THEN slot_tags END) AS tags,
    CASE
        WHEN side = 'charge' OR NOT is_billed THEN resource_id
        WHEN side = 'volume' THEN billed_resource_key
        WHEN part = 'compute' THEN compute_resource
    END AS resource_id,
    product_code,
    usage_type,
    usage_amount * (1e0 - given_share) AS usage_amount,
    CASE WHEN is_billed THEN billed_effective ELSE kubecost_cost + uplift_estimate END AS effective_cost,
    CASE WHEN is_billed THEN billed_billed END AS billed_cost,
    CASE WHEN is_billed THEN billed_list END AS list_cost,
    CASE WHEN is_billed THEN billed_negated END AS negated_cost,
    COALESCE(commitment_arn, CASE WHEN is_billed AND part = 'compute' THEN compute_commitment END)
        AS commitment_arn,
    COALESCE(currency, CASE WHEN is_billed THEN slot_currency END, CAST('USD' AS varchar)) AS currency,
    CAST(
        CASE
            WHEN why IS NOT NULL OR side = 'charge' OR is_billed THEN why
            WHEN part = 'emr_uplift' AND window_start <= newest_uplift THEN 'no_bill_line'
            WHEN part <> 'emr_uplift' AND kubecost_cost <> 0e0 AND window_start <= newest_compute THEN 'no_bill_line'
        END AS varchar
    ) AS reason,
    CASE
        WHEN part <> 'compute' THEN NULL
        WHEN is_billed THEN compute_effective * cpu_share
        ELSE cpu_cost
    END AS cpu_cost,
    CASE
        WHEN part <> 'compute' THEN NULL
        WHEN is_billed THEN compute_effective * ram_share
        ELSE ram_cost
    END AS ram_cost,
    CASE
        WHEN part <> 'compute' THEN NULL
        WHEN is_billed THEN compute_effective * gpu_share
        ELSE gpu_cost
    END AS gpu_cost,
    kubecost_cost,
    CASE WHEN part = 'compute' THEN minutes END AS minutes,
    CASE WHEN part = 'compute' THEN cpu_core_hours END AS cpu_core_hours,
    CASE WHEN part = 'compute' THEN cpu_core_request_hours END AS cpu_core_request_hours,
    CASE WHEN part = 'compute' THEN cpu_core_usage_hours END AS cpu_core_usage_hours,
    CASE WHEN part = 'compute' THEN ram_gib_hours END AS ram_gib_hours,
    CASE WHEN part = 'compute' THEN ram_gib_request_hours END AS ram_gib_request_hours,
    CASE WHEN part = 'compute' THEN ram_gib_usage_hours END AS ram_gib_usage_hours,
    CASE WHEN part = 'compute' THEN gpu_hours END AS gpu_hours,
    is_in_scope,
    is_emr_on_eks
FROM costs
-- A pod keeps its compute row even where that is 0: it ran, and a report of its hours must find it.
WHERE (side = 'charge' AND given_share < 1e0)
    OR part = 'compute'
    OR side <> 'charge' AND (
        CASE WHEN is_billed THEN billed_effective ELSE kubecost_cost + uplift_estimate END <> 0e0
        OR kubecost_cost <> 0e0
    )
