-- One row per day and cluster: how many of its hours Kubecost has told.
WITH
windows AS (
    SELECT usage_date, cluster_name, window_start, window_end, COUNT(*) AS pods
    FROM pod_hours
    WHERE usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
    GROUP BY 1, 2, 3, 4
)

SELECT
    usage_date,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    -- A day holds hours, or one window of 24.
    CAST(SUM(date_diff('hour', window_start, window_end)) AS bigint) AS hours,
    24 - CAST(SUM(date_diff('hour', window_start, window_end)) AS bigint) AS hours_without_pods,
    CAST(SUM(pods) AS bigint) AS pod_windows
FROM windows
GROUP BY 1, 2
