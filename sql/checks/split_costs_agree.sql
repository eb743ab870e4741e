-- One row per cluster and day of whose instances AWS's split cost allocation data gives other pods too much else.
-- severity: warn
-- needs: bill
-- tolerance: a tenth of the cost, because AWS by default goes by requests alone and by the second, we by usage where
-- that is more, and as often as Kubecost looks.
WITH
-- A pod is arn:aws:eks:us-east-1:111122223333:pod/CLUSTER/NAMESPACE/POD/UID, its cluster
-- arn:aws:eks:us-east-1:111122223333:cluster/CLUSTER.
sides AS (
    SELECT
        usage_date,
        split_part(resource_id, ':pod/', 1)
            || ':cluster/' || NULLIF(split_part(resource_id, '/', 2), '') AS cluster_arn,
        split_parent_resource_id AS instance_id,
        date_trunc('hour', usage_start) AS hour_start,
        NULLIF(split_part(resource_id, '/', 3), '') || '/' || NULLIF(split_part(resource_id, '/', 4), '') AS pod_key,
        CAST(
            CASE
                WHEN usage_type LIKE '%vCPU-Hours' THEN 'cpu'
                WHEN usage_type LIKE '%GB-Hours' THEN 'ram'
                ELSE 'gpu'
            END AS varchar
        ) AS part,
        split_cost AS aws_cost,
        CAST(NULL AS double) AS pod_cost
    FROM cur_line_items
    WHERE line_class = 'split_cost' AND resource_id LIKE '%:pod/%' AND usage_start + INTERVAL '1' HOUR >= usage_end
    UNION ALL
    SELECT
        usage_date,
        cluster_arn,
        instance_id,
        date_trunc('hour', charge_period_start) AS hour_start,
        COALESCE(namespace, '') || '/' || pod AS pod_key,
        CAST(parts.part AS varchar) AS part,
        CAST(NULL AS double) AS aws_cost,
        CASE parts.part WHEN 'cpu' THEN cpu_cost WHEN 'ram' THEN ram_cost ELSE gpu_cost END AS pod_cost
    FROM cost_ledger
    CROSS JOIN (VALUES ('cpu'), ('ram'), ('gpu')) AS parts (part)
    WHERE cost_category = 'compute'
        AND cost_state <> 'estimated'
        AND pod IS NOT NULL
        AND charge_period_start + INTERVAL '1' HOUR >= charge_period_end
),
pods AS (
    SELECT
        usage_date,
        cluster_arn,
        instance_id,
        hour_start,
        part,
        pod_key,
        COALESCE(SUM(aws_cost), 0e0) AS aws_cost,
        COALESCE(SUM(pod_cost), 0e0) AS pod_cost
    FROM sides
    GROUP BY 1, 2, 3, 4, 5, 6
),
-- AWS spreads over the pods what none of them had; so ours are compared as parts of what the pods had.
compared AS (
    SELECT
        usage_date,
        cluster_arn,
        aws_cost,
        pod_cost
            * SUM(aws_cost) OVER (PARTITION BY usage_date, instance_id, hour_start, part)
            / NULLIF(SUM(pod_cost) OVER (PARTITION BY usage_date, instance_id, hour_start, part), 0e0) AS our_cost
    FROM pods
),
days AS (
    SELECT
        usage_date,
        cluster_arn,
        SUM(aws_cost) AS compared_cost,
        SUM(ABS(our_cost - aws_cost)) / 2e0 AS moved_cost
    FROM compared
    WHERE our_cost IS NOT NULL
    GROUP BY 1, 2
)

SELECT usage_date, cluster_arn, compared_cost, moved_cost
FROM days
WHERE moved_cost > 1e-1 * compared_cost
