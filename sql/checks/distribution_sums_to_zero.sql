-- One row per day, cluster, pool and currency of which more is given than taken, or less.
-- severity: error
-- tolerance: 1e-6 USD, because shares of a pool are doubles and are added in any order.
WITH
entries AS (
    SELECT
        usage_date,
        cluster_arn,
        pool,
        currency,
        CAST(CASE WHEN entry = 'taken' THEN distributed_cost ELSE 0e0 END AS decimal(38, 12)) AS taken,
        CAST(CASE WHEN entry = 'taken' THEN 0e0 ELSE distributed_cost END AS decimal(38, 12)) AS given
    FROM cost_distribution
)

SELECT
    usage_date,
    cluster_arn,
    pool,
    currency,
    CAST(SUM(taken) AS double) AS taken,
    CAST(SUM(given) AS double) AS given
FROM entries
GROUP BY 1, 2, 3, 4
HAVING ABS(CAST(SUM(taken) AS double) + CAST(SUM(given) AS double)) > 1e-6
