-- One row per invoice that does not charge what finance says it does, or that the bill does not have.
-- severity: error
-- needs: bill
-- tolerance: 0.01 in the bill's currency, because AWS rounds on the invoice.
WITH
lines AS (
    SELECT
        billing_period,
        invoice_id,
        COUNT(*) AS bill_lines,
        CAST(SUM(CAST(billed_cost AS decimal(38, 12))) AS double) AS billed_cost
    FROM cur_line_items
    WHERE billing_period IN (SELECT billing_period FROM policy_invoices)
    GROUP BY 1, 2
)

SELECT
    CAST(date_parse(invoices.billing_period || '-01', '%Y-%m-%d') AS date) AS usage_date,
    invoices.line AS policy_line,
    invoices.billing_period,
    invoices.invoice_id,
    invoices.total AS invoice_total,
    lines.billed_cost,
    lines.bill_lines
FROM policy_invoices AS invoices
LEFT JOIN lines ON invoices.billing_period = lines.billing_period AND invoices.invoice_id = lines.invoice_id
WHERE lines.billed_cost IS NULL OR ABS(invoices.total - lines.billed_cost) > 0.01
