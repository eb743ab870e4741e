-- One row per run, day and finding: what is worth a look, what it cost, and whose it is.
WITH
-- A run that two cost centers share is the one's that has more of it.
costs AS (
    SELECT
        usage_date,
        cluster_arn,
        workload_kind,
        workload_id,
        cost_center,
        MAX(cluster_name) AS cluster_name,
        MAX(virtual_cluster_name) AS virtual_cluster_name,
        SUM(effective_cost) AS effective_cost
    FROM cost_center_pods
    WHERE workload_id IS NOT NULL
        AND usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
    GROUP BY 1, 2, 3, 4, 5
),
owners AS (
    SELECT
        usage_date,
        cluster_arn,
        workload_kind,
        workload_id,
        MAX(cluster_name) AS cluster_name,
        MAX(virtual_cluster_name) AS virtual_cluster_name,
        CAST(max_by(cost_center, effective_cost) AS varchar) AS cost_center
    FROM costs
    GROUP BY 1, 2, 3, 4
)

SELECT
    findings.usage_date,
    COALESCE(owners.cluster_name, 'unknown') AS cluster_name,
    COALESCE(owners.cost_center, 'unassigned') AS cost_center,
    COALESCE(owners.virtual_cluster_name, findings.virtual_cluster_id, 'none') AS virtual_cluster,
    -- The Spark Operator adds the nanosecond to the names of a schedule's runs.
    COALESCE(CAST(regexp_replace(findings.workload_name, '-[0-9]{19}$', '') AS varchar), 'no name') AS workload_name,
    findings.workload_id,
    findings.finding,
    findings.detail,
    findings.currency,
    findings.cost,
    findings.potential_savings
FROM job_run_findings AS findings
LEFT JOIN owners
    ON findings.usage_date = owners.usage_date
    AND findings.cluster_arn = owners.cluster_arn
    AND findings.workload_kind = owners.workload_kind
    AND findings.workload_id = owners.workload_id
WHERE findings.usage_date BETWEEN date_add('month', -13, date_trunc('month', current_date)) AND current_date
