-- One row per month and workload name: what it cost, and what it cost over the same days of the month before.
WITH
days AS (
    SELECT
        usage_date,
        cluster_name,
        cost_center,
        COALESCE(virtual_cluster_name, virtual_cluster_id, 'none') AS virtual_cluster,
        workload_name,
        workload_id IS NOT NULL AS is_workload,
        currency,
        SUM(effective_cost) AS effective_cost,
        COUNT(DISTINCT workload_id) AS runs
    FROM cost_center_pods
    WHERE usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
bounds AS (
    SELECT *, MAX(usage_date) OVER () AS newest_day
    FROM days
),
-- Each day counts for its own month, and as the day before for the next one. The newest day is not whole, unless its
-- month is over, and no day is compared with it.
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
    WHERE bounds.is_workload
        AND (
            CAST(date_add('month', sides.later, bounds.usage_date) AS date) < bounds.newest_day
            OR date_add('month', sides.later + 1, date_trunc('month', bounds.usage_date)) <= current_date
        )
),
months AS (
    SELECT
        month,
        cluster_name,
        cost_center,
        virtual_cluster,
        workload_name,
        currency,
        SUM(cost) AS cost,
        SUM(cost_before) AS cost_before,
        CAST(SUM(runs) AS bigint) AS runs,
        CAST(SUM(runs_before) AS bigint) AS runs_before
    FROM sides
    GROUP BY 1, 2, 3, 4, 5, 6
),
comparisons AS (
    SELECT
        *,
        SUM(cost_before) OVER (PARTITION BY month, cluster_name, currency) <> 0e0 AS is_compared
    FROM months
)

SELECT
    month,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    cost_center,
    virtual_cluster,
    COALESCE(workload_name, 'no name') AS workload_name,
    currency,
    cost,
    cost_before,
    -- Where no job of a cluster ran over these days of the month before, all of it would be an increase.
    CASE WHEN is_compared THEN cost - cost_before END AS increase,
    runs,
    runs_before
FROM comparisons
