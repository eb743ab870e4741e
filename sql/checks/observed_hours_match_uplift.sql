-- One row per cluster and day whose job runs' hours, as Kubecost saw them, fall short of what EMR metered.
-- severity: warn
-- needs: bill
-- tolerance: a median of 0.9, because a server that looks every 60 seconds sees about 98 % of the hours that
-- jobs held, and one that looks every 5 minutes may see less than 80 %.
WITH
-- Endpoints and Flink run whole hours through, and so show nothing of how often the server looks.
days AS (
    SELECT
        usage_date,
        cluster_arn,
        COUNT(*) AS job_run_hours,
        array_sort(array_agg(observed_ratio)) AS ratios
    FROM job_run_hours
    WHERE observed_ratio IS NOT NULL AND workload_kind NOT IN ('interactive_endpoint', 'flink')
    GROUP BY 1, 2
),
medians AS (
    SELECT
        usage_date,
        cluster_arn,
        job_run_hours,
        (
            element_at(ratios, (cardinality(ratios) + 1) / 2)
            + element_at(ratios, (cardinality(ratios) + 2) / 2)
        ) / 2e0 AS median_observed_ratio
    FROM days
)

SELECT
    usage_date,
    cluster_arn,
    job_run_hours,
    median_observed_ratio,
    CAST(
        'Kubecost looks too rarely: set PROMETHEUS_QUERY_RESOLUTION_SECONDS=60 on OpenCost, '
        || 'ETL_RESOLUTION_SECONDS=60 on Kubecost.' AS varchar
    ) AS advice
FROM medians
WHERE median_observed_ratio < 9e-1
