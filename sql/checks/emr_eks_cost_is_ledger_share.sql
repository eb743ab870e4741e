-- One row per day and category whose emr_eks_cost is not compute_cost, or not the ledger without the rest of it.
-- severity: error
-- tolerance: 1e-6 USD, because both sides add the same doubles in another order.
WITH
-- The rest: pods of the platform and of others, and every category that no pod of a job caused by itself.
ledger AS (
    SELECT
        usage_date,
        CAST(CASE WHEN cost_category = 'emr_uplift' THEN 'emr-uplift' ELSE 'compute' END AS varchar)
            AS category,
        CAST(effective_cost AS decimal(38, 12)) AS ledger_cost,
        CASE
            WHEN cost_category = 'emr_uplift' THEN CAST(0 AS decimal(38, 12))
            WHEN cost_category NOT IN ('compute', 'storage', 'network', 'load_balancer')
                OR COALESCE(workload_kind, 'other') IN ('platform', 'other')
                OR pod IS NULL
                THEN CAST(effective_cost AS decimal(38, 12))
            ELSE CAST(0 AS decimal(38, 12))
        END AS rest_cost,
        CAST(0 AS decimal(38, 12)) AS emr_eks_cost,
        CAST(0 AS decimal(38, 12)) AS pods_cost
    FROM cost_ledger
),
jobs AS (
    SELECT
        usage_date,
        category,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(0 AS decimal(38, 12)) AS rest_cost,
        CAST(cost AS decimal(38, 12)) AS emr_eks_cost,
        CAST(CASE WHEN category = 'emr-uplift' THEN cost ELSE 0e0 END AS decimal(38, 12)) AS pods_cost
    FROM emr_eks_cost
),
pods AS (
    SELECT
        usage_date,
        CAST('compute' AS varchar) AS category,
        CAST(0 AS decimal(38, 12)) AS ledger_cost,
        CAST(0 AS decimal(38, 12)) AS rest_cost,
        CAST(0 AS decimal(38, 12)) AS emr_eks_cost,
        CAST(totalcost AS decimal(38, 12)) AS pods_cost
    FROM compute_cost
),
sides AS (
    SELECT * FROM ledger
    UNION ALL
    SELECT * FROM jobs
    UNION ALL
    SELECT * FROM pods
),
days AS (
    SELECT
        usage_date,
        category,
        CAST(SUM(ledger_cost) AS double) AS ledger_cost,
        CAST(SUM(rest_cost) AS double) AS rest_cost,
        CAST(SUM(emr_eks_cost) AS double) AS emr_eks_cost,
        CAST(SUM(pods_cost) AS double) AS compute_cost
    FROM sides
    GROUP BY 1, 2
)

SELECT usage_date, category, ledger_cost, rest_cost, emr_eks_cost, compute_cost
FROM days
WHERE ABS(ledger_cost - rest_cost - emr_eks_cost) > 1e-6 OR ABS(emr_eks_cost - compute_cost) > 1e-6
