-- One row per billing period, payer, line class and currency of the bill.
WITH
-- What the ledger holds, and the charges that it leaves out: a line that neither has is missing from their sum. The
-- bill itself is read beside them, and once.
attributed AS (
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        CAST(
            CASE
                WHEN cost_category IN ('idle', 'unattributed') THEN cost_category
                WHEN workload_kind IS NULL AND cost_category <> 'other_service' THEN 'shared'
                ELSE 'allocated'
            END AS varchar
        ) AS part,
        effective_cost,
        billed_cost
    FROM cost_ledger
    WHERE cost_state <> 'estimated'
    UNION ALL
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        CAST('out_of_scope' AS varchar) AS part,
        effective_cost,
        billed_cost
    FROM out_of_scope_costs
),
-- Both sides stand below each other, so that a class that only one of them knows is seen.
sides AS (
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        CASE WHEN part = 'allocated' THEN effective_cost ELSE 0e0 END AS allocated_cost,
        CASE WHEN part = 'idle' THEN effective_cost ELSE 0e0 END AS idle_cost,
        CASE WHEN part = 'shared' THEN effective_cost ELSE 0e0 END AS shared_cost,
        CASE WHEN part = 'unattributed' THEN effective_cost ELSE 0e0 END AS unattributed_cost,
        CASE WHEN part = 'out_of_scope' THEN effective_cost ELSE 0e0 END AS out_of_scope_cost,
        0e0 AS bill_effective_cost,
        billed_cost AS attributed_billed_cost,
        0e0 AS bill_billed_cost,
        0 AS bill_lines
    FROM attributed
    UNION ALL
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        0e0 AS allocated_cost,
        0e0 AS idle_cost,
        0e0 AS shared_cost,
        0e0 AS unattributed_cost,
        0e0 AS out_of_scope_cost,
        effective_cost AS bill_effective_cost,
        0e0 AS attributed_billed_cost,
        billed_cost AS bill_billed_cost,
        1 AS bill_lines
    FROM cur_line_items
)

SELECT
    billing_period,
    payer_account_id,
    line_class,
    currency,
    CAST(SUM(bill_lines) AS bigint) AS bill_lines,
    CAST(SUM(CAST(allocated_cost AS decimal(38, 12))) AS double) AS allocated_cost,
    CAST(SUM(CAST(idle_cost AS decimal(38, 12))) AS double) AS idle_cost,
    CAST(SUM(CAST(shared_cost AS decimal(38, 12))) AS double) AS shared_cost,
    CAST(SUM(CAST(unattributed_cost AS decimal(38, 12))) AS double) AS unattributed_cost,
    CAST(SUM(CAST(out_of_scope_cost AS decimal(38, 12))) AS double) AS out_of_scope_cost,
    CAST(SUM(CAST(bill_effective_cost AS decimal(38, 12))) AS double) AS bill_effective_cost,
    CAST(
        SUM(
            CAST(bill_effective_cost AS decimal(38, 12))
            - CAST(allocated_cost AS decimal(38, 12))
            - CAST(idle_cost AS decimal(38, 12))
            - CAST(shared_cost AS decimal(38, 12))
            - CAST(unattributed_cost AS decimal(38, 12))
            - CAST(out_of_scope_cost AS decimal(38, 12))
        ) AS double
    ) AS difference,
    CAST(SUM(CAST(attributed_billed_cost AS decimal(38, 12))) AS double) AS attributed_billed_cost,
    CAST(SUM(CAST(bill_billed_cost AS decimal(38, 12))) AS double) AS bill_billed_cost
FROM sides
GROUP BY 1, 2, 3, 4
