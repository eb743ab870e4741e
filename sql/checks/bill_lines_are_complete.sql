-- One row per day and kind of bill lines without an account, a time, a currency or a cost.
-- severity: error
-- needs: bill
-- tolerance: none, because a line that says too little is left out of sums without a word. Covered usage
-- and fees lack their effective cost where the export's query leaves out columns of plans or reservations.
SELECT
    COALESCE(usage_date, CAST(date_parse(billing_period || '-01', '%Y-%m-%d') AS date)) AS usage_date,
    billing_period,
    line_type,
    line_class,
    COUNT(*) AS bill_lines,
    COUNT(currency) AS lines_with_currency,
    COUNT(billed_cost) AS lines_with_billed_cost,
    COUNT(effective_cost) AS lines_with_effective_cost
FROM cur_line_items
WHERE payer_account_id IS NULL
    OR usage_account_id IS NULL
    OR usage_start IS NULL
    OR usage_end IS NULL
    OR line_type IS NULL
    OR currency IS NULL
    OR billed_cost IS NULL
    OR effective_cost IS NULL
GROUP BY 1, 2, 3, 4
