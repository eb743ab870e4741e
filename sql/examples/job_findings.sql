-- What about our jobs is worth a look, and what could it save at most?
-- A row per finding and job name, or ID of a run without one: in how many runs it was found, what the part of them cost
-- that it is about, an upper bound of what could be saved, and the dearest of the runs with what was found there. Two
-- findings of one job are about the same money: do not add them up.
-- Change the month in the WHERE.
WITH
named AS (
    SELECT
        finding,
        workload_kind,
        -- The Spark Operator adds the nanosecond to the names of a schedule's runs.
        COALESCE(regexp_replace(workload_name, '-[0-9]{19}$', ''), workload_id) AS workload_name,
        workload_id,
        cost,
        potential_savings,
        detail,
        currency
    FROM job_run_findings
    WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
),
places AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY finding, workload_kind, workload_name, currency
            ORDER BY ROUND(cost, 6) DESC NULLS LAST, workload_id
        ) AS place
    FROM named
)

SELECT
    finding,
    workload_kind,
    workload_name,
    COUNT(DISTINCT workload_id) AS runs,
    SUM(cost) AS cost,
    SUM(potential_savings) AS potential_savings,
    MAX(CASE WHEN place = 1 THEN workload_id END) AS dearest_run,
    MAX(CASE WHEN place = 1 THEN detail END) AS detail,
    currency
FROM places
GROUP BY 1, 2, 3, currency
ORDER BY potential_savings DESC NULLS LAST, cost DESC NULLS LAST
LIMIT 20
