-- One row per cluster and stretch of time without rows between the cluster's first and last window.
-- severity: warn
-- tolerance: none, because windows are whole hours or days and must meet.
WITH
windows AS (
    SELECT DISTINCT cluster_arn, window_start, window_end
    FROM allocations
),
-- The latest end so far, not the previous row's: a 24-hour window covers the hours inside it.
stretches AS (
    SELECT
        cluster_arn,
        MAX(window_end) OVER (
            PARTITION BY cluster_arn
            ORDER BY window_start, window_end
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS missing_from,
        window_start AS missing_until
    FROM windows
)

SELECT
    CAST(missing_from AS date) AS usage_date,
    cluster_arn,
    missing_from,
    missing_until,
    date_diff('hour', missing_from, missing_until) AS missing_hours
FROM stretches
WHERE missing_from < missing_until
