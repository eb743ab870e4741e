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
-- The bill, by both bases, is added up before it is known by which of them a payer's period goes: to know that first,
-- as cur_line_items does, is to read the net costs twice.
bill_bases AS (
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        cost_basis,
        COUNT(*) AS bill_lines,
        SUM(CAST(effective_cost AS decimal(38, 12))) AS effective_cost,
        SUM(CAST(billed_cost AS decimal(38, 12))) AS billed_cost,
        MAX(CASE WHEN has_net_cost THEN 'net_amortized' ELSE 'amortized' END) AS widest_basis
    FROM cur_line_costs
    GROUP BY 1, 2, 3, 4, 5
),
bill AS (
    SELECT
        *,
        MAX(widest_basis) OVER (PARTITION BY payer_account_id, billing_period) AS basis
    FROM bill_bases
),
-- Both sides stand below each other, so that a class that only one of them knows is seen.
sides AS (
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        CAST(CASE WHEN part = 'allocated' THEN effective_cost ELSE 0e0 END AS decimal(38, 12)) AS allocated_cost,
        CAST(CASE WHEN part = 'idle' THEN effective_cost ELSE 0e0 END AS decimal(38, 12)) AS idle_cost,
        CAST(CASE WHEN part = 'shared' THEN effective_cost ELSE 0e0 END AS decimal(38, 12)) AS shared_cost,
        CAST(CASE WHEN part = 'unattributed' THEN effective_cost ELSE 0e0 END AS decimal(38, 12)) AS unattributed_cost,
        CAST(CASE WHEN part = 'out_of_scope' THEN effective_cost ELSE 0e0 END AS decimal(38, 12)) AS out_of_scope_cost,
        CAST(0 AS decimal(38, 12)) AS bill_effective_cost,
        CAST(billed_cost AS decimal(38, 12)) AS attributed_billed_cost,
        CAST(0 AS decimal(38, 12)) AS bill_billed_cost,
        CAST(0 AS bigint) AS bill_lines
    FROM attributed
    UNION ALL
    SELECT
        billing_period,
        payer_account_id,
        line_class,
        currency,
        CAST(0 AS decimal(38, 12)) AS allocated_cost,
        CAST(0 AS decimal(38, 12)) AS idle_cost,
        CAST(0 AS decimal(38, 12)) AS shared_cost,
        CAST(0 AS decimal(38, 12)) AS unattributed_cost,
        CAST(0 AS decimal(38, 12)) AS out_of_scope_cost,
        effective_cost AS bill_effective_cost,
        CAST(0 AS decimal(38, 12)) AS attributed_billed_cost,
        billed_cost AS bill_billed_cost,
        bill_lines
    FROM bill
    WHERE cost_basis = basis
)

SELECT
    billing_period,
    payer_account_id,
    line_class,
    currency,
    CAST(SUM(bill_lines) AS bigint) AS bill_lines,
    CAST(SUM(allocated_cost) AS double) AS allocated_cost,
    CAST(SUM(idle_cost) AS double) AS idle_cost,
    CAST(SUM(shared_cost) AS double) AS shared_cost,
    CAST(SUM(unattributed_cost) AS double) AS unattributed_cost,
    CAST(SUM(out_of_scope_cost) AS double) AS out_of_scope_cost,
    CAST(SUM(bill_effective_cost) AS double) AS bill_effective_cost,
    CAST(
        SUM(
            bill_effective_cost
            - allocated_cost
            - idle_cost
            - shared_cost
            - unattributed_cost
            - out_of_scope_cost
        ) AS double
    ) AS difference,
    CAST(SUM(attributed_billed_cost) AS double) AS attributed_billed_cost,
    CAST(SUM(bill_billed_cost) AS double) AS bill_billed_cost
FROM sides
GROUP BY 1, 2, 3, 4
