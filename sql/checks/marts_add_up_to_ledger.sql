-- One row per mart, day, cost category and currency whose cost is not the ledger's.
-- severity: error
-- tolerance: 1e-6 USD, because marts and ledger add the same doubles in another order.
WITH
ledger AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST(marts.mart AS varchar) AS mart,
        CAST(effective_cost AS decimal(38, 12)) AS ledger_cost,
        CAST(0 AS decimal(38, 12)) AS mart_cost
    FROM cost_ledger
    CROSS JOIN (
        VALUES ('job_run_costs'), ('virtual_cluster_costs'), ('instance_costs')
    ) AS marts (mart)
),
job_runs AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST('job_run_costs' AS varchar) AS mart,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(effective_cost AS decimal(38, 12)) AS mart_cost
    FROM job_run_costs
),
virtual_clusters AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST('virtual_cluster_costs' AS varchar) AS mart,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(effective_cost AS decimal(38, 12)) AS mart_cost
    FROM virtual_cluster_costs
),
instances AS (
    SELECT
        usage_date,
        cost_category,
        currency,
        CAST('instance_costs' AS varchar) AS mart,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(effective_cost AS decimal(38, 12)) AS mart_cost
    FROM instance_costs
),
sides AS (
    SELECT * FROM ledger
    UNION ALL
    SELECT * FROM job_runs
    UNION ALL
    SELECT * FROM virtual_clusters
    UNION ALL
    SELECT * FROM instances
),
days AS (
    SELECT
        usage_date,
        mart,
        cost_category,
        currency,
        CAST(SUM(ledger_cost) AS double) AS ledger_cost,
        CAST(SUM(mart_cost) AS double) AS mart_cost
    FROM sides
    GROUP BY 1, 2, 3, 4
)

SELECT usage_date, mart, cost_category, currency, ledger_cost, mart_cost
FROM days
WHERE ABS(ledger_cost - mart_cost) > 1e-6
