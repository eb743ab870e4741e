-- One row per billing period, payer, invoice and currency that classifying gave or took lines or money.
-- severity: error
-- needs: bill
-- tolerance: 1e-6 USD, because decimals add up without loss once each line is rounded to 12 places; lines are counted.
WITH
-- What an invoice charges is the sum of its lines' unblended cost; split cost allocation data charges nothing.
sides AS (
    SELECT
        billing_period,
        payer_account_id,
        invoice_id,
        currency,
        1 AS bill_lines,
        0 AS classified_lines,
        CAST(
            CASE WHEN operation IN ('EKSPod-EC2', 'ECSTask-EC2') THEN 0e0 ELSE unblended_cost END AS decimal(38, 12)
        ) AS bill_cost,
        CAST(0 AS decimal(38, 12)) AS classified_cost
    FROM cur_lines
    UNION ALL
    SELECT
        billing_period,
        payer_account_id,
        invoice_id,
        currency,
        0 AS bill_lines,
        CASE WHEN line_class IS NULL THEN 0 ELSE 1 END AS classified_lines,
        CAST(0 AS decimal(38, 12)) AS bill_cost,
        CAST(billed_cost AS decimal(38, 12)) AS classified_cost
    FROM cur_line_items
),
invoices AS (
    SELECT
        billing_period,
        payer_account_id,
        invoice_id,
        currency,
        SUM(bill_lines) AS bill_lines,
        SUM(classified_lines) AS classified_lines,
        CAST(COALESCE(SUM(bill_cost), 0) AS double) AS bill_cost,
        CAST(COALESCE(SUM(classified_cost), 0) AS double) AS classified_cost
    FROM sides
    GROUP BY 1, 2, 3, 4
)

SELECT
    CAST(date_parse(billing_period || '-01', '%Y-%m-%d') AS date) AS usage_date,
    billing_period,
    payer_account_id,
    invoice_id,
    currency,
    bill_lines,
    classified_lines,
    bill_cost,
    classified_cost
FROM invoices
WHERE bill_lines <> classified_lines OR ABS(bill_cost - classified_cost) > 1e-6
