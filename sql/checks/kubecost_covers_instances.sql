-- One row per cluster and day of whose billed instance-hours Kubecost saw too few.
-- severity: warn
-- needs: bill
-- tolerance: 95 %, because a server that looks every 5 minutes misses up to one look at either end of an instance's
-- life; an hour without Kubecost is 4 % of a day, and its cost is unattributed.
WITH
clusters AS (
    SELECT DISTINCT
        cluster_arn AS listed_arn,
        split_part(cluster_arn, ':', 5)
            || ':' || split_part(cluster_arn, ':', 4)
            || ':' || split_part(cluster_arn, '/', 2) AS listed_key
    FROM virtual_clusters
),
charges AS (
    SELECT
        shares.usage_date,
        COALESCE(shares.owner_arn, shares.tagged_arn, clusters.listed_arn) AS cluster_arn,
        shares.usage_amount,
        -- Without a node's own row, its pods prove that somebody looked.
        CASE
            WHEN shares.nodes > 0
                THEN shares.usage_amount * LEAST(shares.node_hours / NULLIF(shares.billed_hours, 0e0), 1e0)
            WHEN shares.pods > 0 THEN shares.usage_amount
            ELSE 0e0
        END AS seen_hours
    FROM resource_shares AS shares
    LEFT JOIN clusters ON shares.owning_cluster_key = clusters.listed_key
    WHERE shares.side = 'charge' AND shares.line_class = 'compute'
),
days AS (
    SELECT
        usage_date,
        cluster_arn,
        SUM(usage_amount) AS billed_hours,
        COALESCE(SUM(seen_hours), 0e0) AS seen_hours
    FROM charges
    WHERE cluster_arn IS NOT NULL
    GROUP BY 1, 2
)

SELECT
    usage_date,
    cluster_arn,
    billed_hours,
    seen_hours,
    seen_hours / billed_hours AS coverage
FROM days
WHERE seen_hours < 95e-2 * billed_hours
