-- One row per payer and billing period whose lines are in several currencies.
-- severity: error
-- needs: bill
-- stops: have the export deliver one currency for each payer and period
-- tolerance: none, because amounts in two currencies have no sum.
SELECT
    CAST(date_parse(billing_period || '-01', '%Y-%m-%d') AS date) AS usage_date,
    billing_period,
    payer_account_id,
    MIN(currency) AS one_currency,
    MAX(currency) AS other_currency
FROM cur_lines
GROUP BY billing_period, payer_account_id
HAVING MIN(currency) <> MAX(currency)
