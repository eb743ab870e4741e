-- One row per workload with an ID, day and finding: what is worth a look, and what it cost.
WITH
-- Beside the ledger's rows, Kubecost's estimate of traffic between zones: the ledger's estimated rows do not
-- tell it from the rest of the network.
facts AS (
    SELECT
        usage_date,
        cluster_arn,
        workload_kind,
        workload_id,
        currency,
        workload_name,
        virtual_cluster_id,
        COALESCE(namespace, '') || '/' || pod AS pod_key,
        cost_category = 'compute' AS is_compute,
        spark_role IN ('driver', 'jobmanager') AND capacity_type = 'spot' AS is_driver_on_spot,
        spark_role IN ('executor', 'taskmanager') AND capacity_type = 'on_demand' AS is_executor_on_demand,
        cost_category = 'network' AND cost_state = 'estimated' AS is_estimated_network,
        cost_category = 'network' AND LOWER(usage_type) LIKE '%datatransfer-regional-bytes'
            AS is_between_zones,
        availability_zone,
        effective_cost,
        cpu_core_hours,
        cpu_core_request_hours,
        cpu_core_usage_hours,
        ram_gib_hours,
        ram_gib_request_hours,
        ram_gib_usage_hours,
        gpu_hours,
        CAST(NULL AS double) AS estimated_zone_cost
    FROM cost_ledger
    WHERE workload_id IS NOT NULL
    UNION ALL
    SELECT
        usage_date,
        cluster_arn,
        workload_kind,
        workload_id,
        CAST('USD' AS varchar) AS currency,
        workload_name,
        virtual_cluster_id,
        CAST(NULL AS varchar) AS pod_key,
        FALSE AS is_compute,
        FALSE AS is_driver_on_spot,
        FALSE AS is_executor_on_demand,
        FALSE AS is_estimated_network,
        FALSE AS is_between_zones,
        CAST(NULL AS varchar) AS availability_zone,
        CAST(NULL AS double) AS effective_cost,
        CAST(NULL AS double) AS cpu_core_hours,
        CAST(NULL AS double) AS cpu_core_request_hours,
        CAST(NULL AS double) AS cpu_core_usage_hours,
        CAST(NULL AS double) AS ram_gib_hours,
        CAST(NULL AS double) AS ram_gib_request_hours,
        CAST(NULL AS double) AS ram_gib_usage_hours,
        CAST(NULL AS double) AS gpu_hours,
        network_cross_zone_cost AS estimated_zone_cost
    FROM pod_hours
    WHERE workload_id IS NOT NULL AND network_cross_zone_cost <> 0e0
),
days AS (
    SELECT
        usage_date,
        cluster_arn,
        workload_kind,
        workload_id,
        currency,
        MAX(workload_name) AS workload_name,
        MAX(virtual_cluster_id) AS virtual_cluster_id,
        SUM(effective_cost) AS effective_cost,
        SUM(CASE WHEN is_compute THEN effective_cost END) AS compute_cost,
        COUNT(DISTINCT CASE WHEN is_compute AND is_driver_on_spot THEN pod_key END) AS drivers_on_spot,
        SUM(CASE WHEN is_compute AND is_driver_on_spot THEN effective_cost END) AS driver_on_spot_cost,
        COUNT(DISTINCT CASE WHEN is_compute AND is_executor_on_demand THEN pod_key END)
            AS executors_on_demand,
        SUM(CASE WHEN is_compute AND is_executor_on_demand THEN effective_cost END)
            AS executor_on_demand_cost,
        COUNT(DISTINCT CASE WHEN is_compute THEN availability_zone END) AS zones,
        CASE
            WHEN COUNT_IF(is_between_zones) > 0 AND COUNT_IF(is_estimated_network) = 0
                THEN SUM(CASE WHEN is_between_zones THEN effective_cost END)
            ELSE SUM(estimated_zone_cost)
        END AS zone_cost,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(cpu_core_usage_hours) / NULLIF(SUM(cpu_core_request_hours), 0e0) AS cpu_efficiency,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(ram_gib_usage_hours) / NULLIF(SUM(ram_gib_request_hours), 0e0) AS ram_efficiency,
        COALESCE(SUM(gpu_hours), 0e0) AS gpu_hours
    FROM facts
    GROUP BY 1, 2, 3, 4, 5
),
inventory AS (
    SELECT
        cluster_arn,
        job_run_id,
        MAX(state) AS state,
        MAX(failure_reason) AS failure_reason
    FROM job_runs
    GROUP BY 1, 2
),
-- Memory's part of compute, and the total efficiency, are weighed as the ledger splits an instance's cost,
-- 9 : 1. A GPU takes most of that cost first, and nobody says how much of it was used: left out here.
runs AS (
    SELECT
        days.*,
        COALESCE(days.workload_name, names.workload_name) AS name,
        inventory.state,
        inventory.failure_reason,
        CASE
            WHEN days.gpu_hours = 0e0
                THEN (
                    9e0 * days.cpu_core_hours * days.cpu_efficiency
                    + days.ram_gib_hours * days.ram_efficiency
                ) / NULLIF(9e0 * days.cpu_core_hours + days.ram_gib_hours, 0e0)
        END AS total_efficiency,
        CASE
            WHEN days.gpu_hours = 0e0
                THEN days.compute_cost * days.ram_gib_hours
                    / NULLIF(9e0 * days.cpu_core_hours + days.ram_gib_hours, 0e0)
        END AS memory_cost
    FROM days
    LEFT JOIN inventory
        ON days.workload_kind = 'job_run'
        AND days.cluster_arn = inventory.cluster_arn
        AND days.workload_id = inventory.job_run_id
    LEFT JOIN workload_names AS names
        ON days.cluster_arn = names.cluster_arn
        AND days.workload_kind = names.workload_kind
        AND days.workload_id = names.workload_id
),
-- Thresholds: less than half used, of at least one vCPU-hour or 4 GiB-hours; below that nothing is won.
candidates AS (
    SELECT
        runs.*,
        CAST(findings.finding AS varchar) AS finding,
        CASE findings.finding
            WHEN 'driver_on_spot' THEN runs.drivers_on_spot > 0
            WHEN 'executors_on_demand' THEN runs.executors_on_demand > 0
            WHEN 'failed_run' THEN runs.state = 'FAILED'
            WHEN 'cancelled_run' THEN runs.state = 'CANCELLED'
            WHEN 'low_efficiency' THEN runs.total_efficiency < 5e-1 AND runs.cpu_core_request_hours >= 1e0
            WHEN 'over_requested_memory' THEN runs.ram_efficiency < 5e-1 AND runs.ram_gib_request_hours >= 4e0
            WHEN 'pods_across_zones' THEN runs.zones > 1
        END AS is_found
    FROM runs
    CROSS JOIN (
        VALUES
            ('driver_on_spot'),
            ('executors_on_demand'),
            ('failed_run'),
            ('cancelled_run'),
            ('low_efficiency'),
            ('over_requested_memory'),
            ('pods_across_zones')
    ) AS findings (finding)
)

SELECT
    usage_date,
    cluster_arn,
    workload_kind,
    workload_id,
    name AS workload_name,
    virtual_cluster_id,
    finding,
    -- What the run, or the part of it that the finding is about, cost; NULL where nobody knows.
    CASE finding
        WHEN 'driver_on_spot' THEN driver_on_spot_cost
        WHEN 'executors_on_demand' THEN executor_on_demand_cost
        WHEN 'low_efficiency' THEN compute_cost
        WHEN 'over_requested_memory' THEN memory_cost
        WHEN 'pods_across_zones' THEN zone_cost
        ELSE effective_cost
    END AS cost,
    -- At most this much, and never to be added up: findings of one run are about the same money. NULL where
    -- nothing bounds it: a driver on Spot is a risk, and what Spot would have cost is on no bill.
    CASE finding
        WHEN 'failed_run' THEN effective_cost
        WHEN 'cancelled_run' THEN effective_cost
        WHEN 'low_efficiency' THEN compute_cost * (1e0 - total_efficiency)
        WHEN 'over_requested_memory' THEN memory_cost * (1e0 - ram_efficiency)
        WHEN 'pods_across_zones' THEN zone_cost
    END AS potential_savings,
    currency,
    CAST(
        CASE finding
            WHEN 'driver_on_spot' THEN CAST(drivers_on_spot AS varchar) || ' driver pods on Spot'
            WHEN 'executors_on_demand' THEN CAST(executors_on_demand AS varchar) || ' executor pods On-Demand'
            WHEN 'low_efficiency'
                THEN CAST(CAST(round(1e2 * total_efficiency) AS bigint) AS varchar) || ' % of requests used'
            WHEN 'over_requested_memory'
                THEN CAST(CAST(round(1e2 * ram_efficiency) AS bigint) AS varchar) || ' % of requested memory used'
            WHEN 'pods_across_zones' THEN CAST(zones AS varchar) || ' Availability Zones'
            ELSE COALESCE(failure_reason, state)
        END AS varchar
    ) AS detail
FROM candidates
WHERE is_found
