-- One row per billing period, payer, line class and currency of which ledger and out of scope are not the bill.
-- severity: error
-- needs: bill
-- tolerance: a millionth of the class, because shares are doubles; a ten-thousandth of a cent where it costs 0.
SELECT
    CAST(date_parse(billing_period || '-01', '%Y-%m-%d') AS date) AS usage_date,
    billing_period,
    payer_account_id,
    line_class,
    currency,
    bill_effective_cost,
    difference,
    bill_billed_cost,
    attributed_billed_cost
FROM bill_reconciliation
WHERE ABS(difference) > 1e-6 + 1e-6 * ABS(bill_effective_cost)
    OR ABS(bill_billed_cost - attributed_billed_cost) > 1e-6 + 1e-6 * ABS(bill_billed_cost)
