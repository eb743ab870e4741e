-- One row per interactive endpoint, day, cost category, cost state, Spark role and capacity type.
SELECT
    usage_date,
    billing_period,
    account_id,
    cluster_arn,
    cluster_name,
    virtual_cluster_id,
    workload_id AS endpoint_id,
    workload_name AS endpoint_name,
    cost_category,
    cost_state,
    spark_role,
    capacity_type,
    currency,
    effective_cost,
    billed_cost,
    list_cost,
    savings,
    pods,
    pod_hours,
    cpu_core_hours,
    ram_gib_hours,
    gpu_hours,
    cpu_efficiency,
    ram_efficiency,
    total_efficiency
FROM job_run_costs
WHERE workload_kind = 'interactive_endpoint'
