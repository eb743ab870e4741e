-- One row per instance, hour and pod or rest that has less than nothing of the instance, or more than all of it.
-- severity: error
-- needs: bill
-- tolerance: a millionth of the instance's cost, because shares are doubles; a nanodollar where it costs 0.
WITH
sides AS (
    SELECT
        usage_date,
        instance_id,
        line_class,
        currency,
        charge_period_start,
        charge_period_end,
        CASE WHEN pod IS NULL THEN '' ELSE COALESCE(namespace, '') || '/' || pod END AS part,
        effective_cost
    FROM attributed_costs
    WHERE line_class IN ('compute', 'network') AND cost_state <> 'estimated' AND instance_id LIKE 'i-%'
),
placed AS (
    SELECT
        *,
        CASE
            WHEN MAX(date_diff('hour', charge_period_start, charge_period_end)) OVER (
                PARTITION BY usage_date, instance_id
            ) > 1 THEN CAST(usage_date AS timestamp)
            ELSE date_trunc('hour', charge_period_start)
        END AS hour_start
    FROM sides
),
parts AS (
    SELECT
        usage_date,
        instance_id,
        line_class,
        currency,
        hour_start,
        part,
        SUM(effective_cost) AS part_cost
    FROM placed
    GROUP BY 1, 2, 3, 4, 5, 6
),
-- A line that takes money back makes the whole negative: its parts are then, too.
wholes AS (
    SELECT
        *,
        SUM(part_cost) OVER (
            PARTITION BY usage_date, instance_id, line_class, currency, hour_start
        ) AS instance_cost
    FROM parts
)

SELECT
    usage_date,
    instance_id,
    hour_start,
    line_class,
    currency,
    NULLIF(part, '') AS pod,
    part_cost,
    instance_cost
FROM wholes
WHERE part_cost < LEAST(instance_cost, 0e0) - 1e-9 - 1e-6 * ABS(instance_cost)
    OR part_cost > GREATEST(instance_cost, 0e0) + 1e-9 + 1e-6 * ABS(instance_cost)
