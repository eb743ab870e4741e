-- One row per month and workload name: what it cost, and what it cost over the same days of the month before.
WITH
days AS (
    SELECT
        usage_date,
        cluster_name,
        cost_center,
        COALESCE(virtual_cluster_name, virtual_cluster_id, 'none') AS virtual_cluster,
        workload_name,
        currency,
        SUM(effective_cost) AS effective_cost,
        COUNT(DISTINCT workload_id) AS runs
    FROM cost_center_pods
    WHERE workload_id IS NOT NULL
        AND usage_date >= date_add('month', -13, date_trunc('month', current_date))
    GROUP BY 1, 2, 3, 4, 5, 6
),
-- The newest day is not whole yet, and no day is compared with it.
bounds AS (
    SELECT *, MAX(usage_date) OVER (PARTITION BY cluster_name) AS newest_day
    FROM days
),
-- Each day counts for its own month, and again for the next one as the day before.
sides AS (
    SELECT
        CAST(date_add('month', sides.later, date_trunc('month', bounds.usage_date)) AS date) AS month,
        bounds.cluster_name,
        bounds.cost_center,
        bounds.virtual_cluster,
        bounds.workload_name,
        bounds.currency,
        CASE WHEN sides.later = 0 THEN bounds.effective_cost ELSE 0e0 END AS cost,
        CASE WHEN sides.later = 0 THEN bounds.runs ELSE 0 END AS runs,
        CASE WHEN sides.later = 1 THEN bounds.effective_cost ELSE 0e0 END AS cost_before,
        CASE WHEN sides.later = 1 THEN bounds.runs ELSE 0 END AS runs_before
    FROM bounds
    CROSS JOIN (VALUES (0), (1)) AS sides (later)
    WHERE CAST(date_add('month', sides.later, bounds.usage_date) AS date) < bounds.newest_day
)

SELECT
    month,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    cost_center,
    virtual_cluster,
    COALESCE(workload_name, 'no name') AS workload_name,
    currency,
    SUM(cost) AS cost,
    SUM(cost_before) AS cost_before,
    SUM(cost) - SUM(cost_before) AS increase,
    CAST(SUM(runs) AS bigint) AS runs,
    CAST(SUM(runs_before) AS bigint) AS runs_before
FROM sides
GROUP BY 1, 2, 3, 4, 5, 6
