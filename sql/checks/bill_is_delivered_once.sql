-- One row per payer and day whose metered lines stand in the bill more than once.
-- severity: error
-- needs: bill
-- stops: let the table show the newest execution of the export only, as `publish --cur-location` does
-- tolerance: a tenth of the day's lines, because two lines of one hour may be alike by chance; if the table
-- shows two executions of one export, nearly all lines are there twice, but with another identity each.
WITH
-- What is metered by the hour on one resource; without resource IDs all lines of a type are alike.
metered AS (
    SELECT
        payer_account_id,
        usage_account_id,
        usage_date,
        usage_start,
        resource_id,
        usage_type,
        operation,
        line_type,
        commitment_arn,
        usage_amount,
        billed_cost,
        COUNT(*) AS bill_lines
    FROM cur_line_items
    WHERE line_class IN ('compute', 'emr_uplift', 'fargate', 'control_plane') AND resource_id IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
)

SELECT
    usage_date,
    payer_account_id,
    SUM(bill_lines) AS metered_lines,
    SUM(bill_lines - 1) AS repeated_lines
FROM metered
GROUP BY 1, 2
HAVING SUM(bill_lines - 1) * 10 >= SUM(bill_lines)
