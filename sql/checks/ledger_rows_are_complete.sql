-- One row per day and kind of ledger rows without a cost or a currency, or of no known category or state.
-- severity: error
-- tolerance: none, because a row that no report can place is a row that a report leaves out.
SELECT
    usage_date,
    cost_category,
    cost_state,
    cost_basis,
    workload_kind,
    currency,
    COUNT(*) AS ledger_rows,
    COUNT(effective_cost) AS rows_with_cost
FROM cost_ledger
WHERE usage_date IS NULL
    OR COALESCE(cost_category, '') NOT IN (
        'compute', 'emr_uplift', 'storage', 'network', 'load_balancer', 'control_plane', 'idle', 'shared',
        'commitment_unused', 'credit', 'tax', 'other_service', 'unattributed'
    )
    OR COALESCE(cost_state, '') NOT IN ('estimated', 'provisional', 'final')
    OR COALESCE(cost_basis, '') NOT IN ('estimated', 'amortized', 'net_amortized')
    -- Idle and other cost that no workload caused has no kind.
    OR workload_kind NOT IN (
        'job_run', 'interactive_endpoint', 'spark_operator', 'spark_submit', 'spark', 'flink',
        'platform', 'other'
    )
    OR currency IS NULL
    OR effective_cost IS NULL
    OR is_nan(effective_cost)
GROUP BY 1, 2, 3, 4, 5, 6
