-- Does the ledger equal the bill, to the cent?
-- A row per payer and class of the bill's lines: what workloads have of it, idle, shared and unattributed cost, what is
-- no cost of ours, and the bill itself. The difference is zero but for rounding.
-- Change the month in the WHERE. This one reads the bill itself, the whole month of it.
SELECT
    billing_period,
    payer_account_id,
    line_class,
    bill_lines,
    allocated_cost,
    idle_cost,
    shared_cost,
    unattributed_cost,
    out_of_scope_cost,
    bill_effective_cost AS bill,
    difference,
    currency
FROM bill_reconciliation
WHERE billing_period = '2026-10'
ORDER BY payer_account_id, bill DESC, line_class
