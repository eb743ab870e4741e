-- How does the cost of one job develop, day by day?
-- A row per day on which runs of that name ran: how many and how long, what they cost, and what a run, an hour of a run
-- and a vCPU-hour cost.
-- Change the name and the days in the WHERE.
SELECT
    usage_date,
    cluster_name,
    COALESCE(namespace, 'no namespace') AS namespace,
    workload_name,
    runs,
    run_hours,
    effective_cost AS cost,
    cost_per_run,
    cost_per_run_hour,
    cost_per_vcpu_hour,
    savings,
    currency
FROM job_name_costs
WHERE workload_name = 'orders-nightly'
    AND usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
ORDER BY usage_date, cluster_name, namespace
