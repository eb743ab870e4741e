-- One row per month, cluster, cost center and cost category: what it cost, cost before, and will have cost at its end.
WITH
days AS (
    SELECT
        usage_date,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        SUM(effective_cost) AS effective_cost,
        SUM(distributed_cost) AS distributed_cost,
        SUM(charged_cost) AS charged_cost
    FROM cost_center_costs
    WHERE usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
    GROUP BY 1, 2, 3, 4, 5
),
bounds AS (
    SELECT
        *,
        CAST(date_trunc('month', usage_date) AS date) AS month,
        CAST(date_add('month', 1, usage_date) AS date) AS day_after_a_month,
        -- What comes once a month comes on no later day again.
        cost_category NOT IN ('credit', 'tax') AS is_daily,
        MIN(CASE WHEN cost_category NOT IN ('credit', 'tax') THEN usage_date END) OVER (PARTITION BY cluster_name)
            AS first_day,
        MAX(usage_date) OVER () AS newest_day,
        CAST(date_add('month', 1, date_trunc('month', MAX(usage_date) OVER ())) AS date) AS newest_month_end
    FROM days
),
-- Each day counts for its own month, and as the day before for the next one; those of the newest week also stand for
-- the days that are still to come. The newest day is not whole, unless its month is over.
entries AS (
    SELECT
        month,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        effective_cost,
        distributed_cost,
        charged_cost,
        CASE
            WHEN usage_date < newest_day OR newest_month_end <= current_date THEN effective_cost ELSE 0e0
        END AS whole_days_cost,
        0e0 AS cost_before,
        CASE
            WHEN usage_date < newest_day OR newest_month_end <= current_date THEN effective_cost
            WHEN first_day < newest_day OR NOT is_daily THEN 0e0
        END AS forecast_cost
    FROM bounds
    UNION ALL
    SELECT
        CAST(date_trunc('month', day_after_a_month) AS date) AS month,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        0e0 AS effective_cost,
        0e0 AS distributed_cost,
        0e0 AS charged_cost,
        0e0 AS whole_days_cost,
        effective_cost AS cost_before,
        0e0 AS forecast_cost
    FROM bounds
    WHERE day_after_a_month < newest_day
        OR date_add('month', 1, date_trunc('month', day_after_a_month)) <= current_date
    UNION ALL
    SELECT
        CAST(date_trunc('month', newest_day) AS date) AS month,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        0e0 AS effective_cost,
        0e0 AS distributed_cost,
        0e0 AS charged_cost,
        0e0 AS whole_days_cost,
        0e0 AS cost_before,
        effective_cost
            / LEAST(7, date_diff('day', first_day, newest_day))
            * date_diff('day', newest_day, newest_month_end) AS forecast_cost
    FROM bounds
    WHERE newest_month_end > current_date
        AND usage_date >= date_add('day', -7, newest_day)
        AND usage_date < newest_day
        AND is_daily
),
months AS (
    SELECT
        month,
        cluster_name,
        cost_center,
        cost_category,
        currency,
        SUM(effective_cost) AS effective_cost,
        SUM(distributed_cost) AS distributed_cost,
        SUM(charged_cost) AS charged_cost,
        SUM(whole_days_cost) AS whole_days_cost,
        SUM(cost_before) AS cost_before,
        SUM(forecast_cost) AS forecast_cost
    FROM entries
    GROUP BY 1, 2, 3, 4, 5
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
    cost_category,
    currency,
    effective_cost,
    distributed_cost,
    charged_cost,
    -- A cluster that cost nothing over these days of the month before is not compared: all of it would be an increase.
    CASE WHEN is_compared THEN whole_days_cost END AS compared_cost,
    CASE WHEN is_compared THEN cost_before END AS cost_before,
    forecast_cost
FROM comparisons
