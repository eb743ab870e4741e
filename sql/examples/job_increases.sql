-- Which ten jobs' costs rose most against the day or the week before?
-- A row per job name with what it cost in the later span and in the one before, and whether there were more runs or
-- dearer ones.
-- Change the three dates of the first SELECT: here a day is compared with the day before; for a week with the week
-- before, write 5, 12 and 19 October.
WITH
days AS (
    SELECT
        cluster_name,
        COALESCE(namespace, 'no namespace') AS namespace,
        COALESCE(workload_name, 'no name') AS workload_name,
        currency,
        usage_date >= DATE '2026-10-14' AS is_later,
        runs,
        effective_cost
    FROM job_name_costs
    WHERE usage_date >= DATE '2026-10-13' AND usage_date < DATE '2026-10-15'
),
spans AS (
    SELECT
        cluster_name,
        namespace,
        workload_name,
        currency,
        SUM(CASE WHEN is_later THEN 0 ELSE runs END) AS runs_before,
        SUM(CASE WHEN is_later THEN runs ELSE 0 END) AS runs,
        SUM(CASE WHEN is_later THEN 0e0 ELSE effective_cost END) AS cost_before,
        SUM(CASE WHEN is_later THEN effective_cost ELSE 0e0 END) AS cost
    FROM days
    GROUP BY 1, 2, 3, 4
)

SELECT
    cluster_name,
    namespace,
    workload_name,
    cost - cost_before AS increase,
    (cost - cost_before) / NULLIF(cost_before, 0e0) AS increase_share,
    cost_before,
    cost,
    runs_before,
    runs,
    cost_before / NULLIF(runs_before, 0) AS cost_per_run_before,
    cost / NULLIF(runs, 0) AS cost_per_run,
    currency
FROM spans
WHERE cost > cost_before
ORDER BY increase DESC
LIMIT 10
