-- One row per day and currency whose uplift in the ledger is not what the bill's EMR on EKS lines charge.
-- severity: error
-- needs: bill
-- tolerance: 1e-6 USD, because the ledger adds an hour's doubles before they are compared.
WITH
-- Found by the text of the line alone, not by the class that the ledger goes by.
bill AS (
    SELECT
        usage_date,
        currency,
        CAST(effective_cost AS decimal(38, 12)) AS bill_cost,
        CAST(0 AS decimal(38, 12)) AS ledger_cost
    FROM cur_line_items
    WHERE (
        LOWER(usage_type) LIKE '%emr-eks-%'
        OR LOWER(usage_type) LIKE '%fargate-vcpuhours'
        OR LOWER(usage_type) LIKE '%fargate-gbhours'
        OR product_family = 'EMR Containers'
        OR resource_id LIKE '%:emr-containers:%'
    ) AND COALESCE(line_type, '') NOT IN ('Tax', 'Credit', 'Refund', 'RIFee', 'SavingsPlanRecurringFee')
        AND COALESCE(line_type, '') NOT LIKE '%Discount'
),
ledger AS (
    SELECT
        usage_date,
        currency,
        CAST(0 AS decimal(38, 12)) AS bill_cost,
        CAST(effective_cost AS decimal(38, 12)) AS ledger_cost
    FROM cost_ledger
    WHERE cost_category = 'emr_uplift' AND cost_state <> 'estimated'
),
sides AS (
    SELECT * FROM bill
    UNION ALL
    SELECT * FROM ledger
),
days AS (
    SELECT
        usage_date,
        currency,
        CAST(SUM(bill_cost) AS double) AS bill_cost,
        CAST(SUM(ledger_cost) AS double) AS ledger_cost
    FROM sides
    GROUP BY 1, 2
)

SELECT usage_date, currency, bill_cost, ledger_cost
FROM days
WHERE ABS(bill_cost - ledger_cost) > 1e-6
