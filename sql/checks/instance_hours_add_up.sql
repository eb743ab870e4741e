-- One row per instance and hour whose pods, idle and unattributed rest are not what the bill charges for it.
-- severity: error
-- needs: bill
-- tolerance: a millionth of the charge, because shares are doubles; a nanodollar where the charge is 0.
WITH
sides AS (
    SELECT
        usage_date,
        resource_id AS instance_id,
        currency,
        usage_start AS period_start,
        usage_end AS period_end,
        effective_cost AS bill_effective,
        billed_cost AS bill_billed,
        list_cost AS bill_list,
        CAST(NULL AS double) AS parts_effective,
        CAST(NULL AS double) AS parts_billed,
        CAST(NULL AS double) AS parts_list
    FROM cur_line_items
    WHERE line_class = 'compute' AND resource_id LIKE 'i-%'
    UNION ALL
    SELECT
        usage_date,
        instance_id,
        currency,
        charge_period_start AS period_start,
        charge_period_end AS period_end,
        CAST(NULL AS double) AS bill_effective,
        CAST(NULL AS double) AS bill_billed,
        CAST(NULL AS double) AS bill_list,
        effective_cost AS parts_effective,
        billed_cost AS parts_billed,
        list_cost AS parts_list
    FROM attributed_costs
    WHERE line_class = 'compute' AND cost_state <> 'estimated' AND instance_id LIKE 'i-%'
),
-- Where pods or bill know only days, the instance adds up by the day. Instances that are nobody's here have no parts:
-- the reconciliation with the bill has their sums.
placed AS (
    SELECT
        *,
        COUNT(parts_effective) OVER (PARTITION BY usage_date, instance_id) AS parts,
        CASE
            WHEN MAX(date_diff('hour', period_start, period_end)) OVER (PARTITION BY usage_date, instance_id) > 1
                THEN CAST(usage_date AS timestamp)
            ELSE date_trunc('hour', period_start)
        END AS hour_start
    FROM sides
),
hours AS (
    SELECT
        usage_date,
        instance_id,
        hour_start,
        currency,
        CAST(COALESCE(SUM(CAST(bill_effective AS decimal(38, 12))), 0) AS double) AS bill_effective,
        CAST(COALESCE(SUM(CAST(parts_effective AS decimal(38, 12))), 0) AS double) AS parts_effective,
        CAST(COALESCE(SUM(CAST(bill_billed AS decimal(38, 12))), 0) AS double) AS bill_billed,
        CAST(COALESCE(SUM(CAST(parts_billed AS decimal(38, 12))), 0) AS double) AS parts_billed,
        CAST(COALESCE(SUM(CAST(bill_list AS decimal(38, 12))), 0) AS double) AS bill_list,
        CAST(COALESCE(SUM(CAST(parts_list AS decimal(38, 12))), 0) AS double) AS parts_list
    FROM placed
    WHERE parts > 0
    GROUP BY 1, 2, 3, 4
)

SELECT
    usage_date,
    instance_id,
    hour_start,
    currency,
    bill_effective,
    parts_effective,
    bill_billed,
    parts_billed,
    bill_list,
    parts_list
FROM hours
WHERE ABS(bill_effective - parts_effective) > 1e-9 + 1e-6 * ABS(bill_effective)
    OR ABS(bill_billed - parts_billed) > 1e-9 + 1e-6 * ABS(bill_billed)
    OR ABS(bill_list - parts_list) > 1e-9 + 1e-6 * ABS(bill_list)
