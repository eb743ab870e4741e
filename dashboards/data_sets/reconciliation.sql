-- One row per month, payer, class of the bill's lines and currency: where each part of the bill went.
-- The only data set that reads the bill.
SELECT
    CAST(billing_period || '-01' AS date) AS month,
    COALESCE(payer_account_id, 'unknown') AS payer_account_id,
    line_class,
    currency,
    bill_lines,
    allocated_cost,
    idle_cost,
    shared_cost,
    unattributed_cost,
    out_of_scope_cost,
    bill_effective_cost,
    difference
FROM bill_reconciliation
WHERE billing_period BETWEEN date_format(date_add('month', -13, date_trunc('month', current_date)), '%Y-%m') AND date_format(current_date, '%Y-%m')
