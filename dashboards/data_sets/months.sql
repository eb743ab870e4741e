-- One row per month, cluster and cost center, with what the month will have cost at its end.
WITH
days AS (
    SELECT
        CAST(date_trunc('month', usage_date) AS date) AS month,
        usage_date,
        cluster_name,
        cost_center,
        currency,
        SUM(effective_cost) AS effective_cost,
        SUM(distributed_cost) AS distributed_cost,
        SUM(charged_cost) AS charged_cost
    FROM cost_center_costs
    WHERE usage_date >= date_add('month', -13, date_trunc('month', current_date))
    GROUP BY 1, 2, 3, 4, 5
),
-- The newest day is not whole yet.
bounds AS (
    SELECT
        *,
        MIN(usage_date) OVER (PARTITION BY cluster_name, month) AS first_day,
        MAX(usage_date) OVER (PARTITION BY cluster_name) AS newest_day
    FROM days
),
months AS (
    SELECT
        month,
        cluster_name,
        cost_center,
        currency,
        MIN(first_day) AS first_day,
        MAX(newest_day) AS newest_day,
        CAST(date_add('month', 1, month) AS date) AS month_end,
        SUM(effective_cost) AS effective_cost,
        SUM(distributed_cost) AS distributed_cost,
        SUM(charged_cost) AS charged_cost,
        SUM(CASE WHEN usage_date < newest_day THEN effective_cost ELSE 0e0 END) AS cost_of_whole_days
    FROM bounds
    GROUP BY 1, 2, 3, 4
)

SELECT
    month,
    COALESCE(cluster_name, 'unknown') AS cluster_name,
    cost_center,
    currency,
    effective_cost,
    distributed_cost,
    charged_cost,
    -- A month that is over has cost what it has cost. Any other goes on as its whole days were on average; on its first
    -- day nobody knows.
    CASE
        WHEN newest_day >= month_end THEN effective_cost
        WHEN newest_day > first_day
            THEN cost_of_whole_days
                + cost_of_whole_days / date_diff('day', first_day, newest_day) * date_diff('day', newest_day, month_end)
    END AS forecast_cost
FROM months
