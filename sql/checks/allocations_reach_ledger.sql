-- One row per cluster and day whose allocations do not all stand in the ledger, at what Kubecost made of them.
-- severity: error
-- tolerance: 0.00007 USD a row, because upstream rounds a total, its seven parts and six adjustments to 5 decimals, one
-- by one, and does not round what it says of each volume.
WITH
sides AS (
    SELECT
        usage_date,
        cluster_arn,
        CAST(total_cost AS decimal(38, 12)) AS total_cost,
        CAST(
            COALESCE(cpu_cost, 0e0)
            + COALESCE(ram_cost, 0e0)
            + COALESCE(gpu_cost, 0e0)
            + COALESCE(pv_cost, 0e0)
            + COALESCE(network_cost, 0e0)
            + COALESCE(load_balancer_cost, 0e0)
            + COALESCE(shared_cost, 0e0) AS decimal(38, 12)
        ) AS parts_cost,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        1 AS allocation_rows
    FROM allocations
    UNION ALL
    SELECT
        usage_date,
        cluster_arn,
        CAST(0 AS decimal(38, 12)) AS total_cost,
        CAST(0 AS decimal(38, 12)) AS parts_cost,
        CAST(kubecost_cost AS decimal(38, 12)) AS ledger_cost,
        0 AS allocation_rows
    FROM cost_ledger
),
days AS (
    SELECT
        usage_date,
        cluster_arn,
        SUM(allocation_rows) AS allocation_rows,
        CAST(SUM(total_cost) AS double) AS total_cost,
        CAST(SUM(parts_cost) AS double) AS parts_cost,
        CAST(SUM(ledger_cost) AS double) AS ledger_cost
    FROM sides
    GROUP BY 1, 2
)

SELECT usage_date, cluster_arn, allocation_rows, total_cost, parts_cost, ledger_cost
FROM days
WHERE ABS(parts_cost - ledger_cost) > 1e-6 + 7e-5 * allocation_rows
    OR ABS(total_cost - ledger_cost) > 1e-6 + 7e-5 * allocation_rows
