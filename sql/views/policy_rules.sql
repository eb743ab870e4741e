-- One row per rule that gives cost to a cost center, virtual cluster that it may mean, and closed month that keeps it.
SELECT
    CAST('sole_tenancy' AS varchar) AS policy,
    line,
    -- Who has an instance to himself pays for it whoever ran there, so these rules are asked first.
    1 AS policy_rank,
    priority,
    cost_center,
    cluster,
    CAST(NULL AS varchar) AS virtual_cluster_id,
    CAST(NULL AS varchar) AS namespace,
    CAST(NULL AS varchar) AS workload_name,
    node_pool,
    label_key,
    label_value,
    tag_key,
    tag_value,
    closed_month
FROM policy_sole_tenancy

UNION ALL

SELECT
    CAST('other_services' AS varchar) AS policy,
    line,
    2 AS policy_rank,
    priority,
    cost_center,
    CAST(NULL AS varchar) AS cluster,
    CAST(NULL AS varchar) AS virtual_cluster_id,
    CAST(NULL AS varchar) AS namespace,
    CAST(NULL AS varchar) AS workload_name,
    CAST(NULL AS varchar) AS node_pool,
    CAST(NULL AS varchar) AS label_key,
    CAST(NULL AS varchar) AS label_value,
    tag_key,
    tag_value,
    closed_month
FROM policy_other_services

UNION ALL

-- A virtual cluster may be called by its name, which those that were made again share.
SELECT
    CAST('cost_centers' AS varchar) AS policy,
    rules.line,
    3 AS policy_rank,
    rules.priority,
    rules.cost_center,
    rules.cluster,
    COALESCE(named.virtual_cluster_id, rules.virtual_cluster) AS virtual_cluster_id,
    rules.namespace,
    rules.workload_name,
    CAST(NULL AS varchar) AS node_pool,
    rules.label_key,
    rules.label_value,
    rules.tag_key,
    rules.tag_value,
    rules.closed_month
FROM policy_cost_centers AS rules
LEFT JOIN virtual_clusters AS named ON rules.virtual_cluster = named.name
