-- One row per day, pod or workload, cost category and state of which the ledger's table says otherwise than its view.
-- severity: error
-- tolerance: 1e-6 USD, because doubles are added in another order each time; rows are counted, names must be the same.
WITH
sides AS (
    SELECT
        usage_date,
        cluster_arn,
        cost_category,
        cost_state,
        workload_kind,
        workload_id,
        workload_name,
        virtual_cluster_id,
        namespace,
        pod,
        node,
        node_pool,
        instance_id,
        capacity_type,
        reason,
        currency,
        1 AS ledger_rows,
        0 AS rows_now,
        CAST(effective_cost AS decimal(38, 12)) AS ledger_cost,
        CAST(0 AS decimal(38, 12)) AS cost_now
    FROM cost_ledger
    UNION ALL
    SELECT
        usage_date,
        cluster_arn,
        cost_category,
        cost_state,
        workload_kind,
        workload_id,
        workload_name,
        virtual_cluster_id,
        namespace,
        pod,
        node,
        node_pool,
        instance_id,
        capacity_type,
        reason,
        currency,
        0 AS ledger_rows,
        1 AS rows_now,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(effective_cost AS decimal(38, 12)) AS cost_now
    FROM cost_ledger_live
),
compared AS (
    SELECT
        usage_date,
        cluster_arn,
        cost_category,
        cost_state,
        workload_kind,
        workload_id,
        workload_name,
        virtual_cluster_id,
        namespace,
        pod,
        node,
        node_pool,
        instance_id,
        capacity_type,
        reason,
        currency,
        SUM(ledger_rows) AS ledger_rows,
        SUM(rows_now) AS rows_now,
        CAST(COALESCE(SUM(ledger_cost), 0) AS double) AS ledger_cost,
        CAST(COALESCE(SUM(cost_now), 0) AS double) AS cost_now
    FROM sides
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
)

SELECT
    usage_date,
    cluster_arn,
    cost_category,
    cost_state,
    workload_kind,
    workload_id,
    workload_name,
    namespace,
    pod,
    instance_id,
    reason,
    currency,
    ledger_rows,
    rows_now,
    ledger_cost,
    cost_now
FROM compared
WHERE ledger_rows <> rows_now OR ABS(ledger_cost - cost_now) > 1e-6
