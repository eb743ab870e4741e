-- One row per pod of a Spark or Flink workload, node and window.
WITH
-- Upstream's averages are over the minutes that the pod ran, not over the window.
pods AS (
    SELECT
        usage_date,
        cluster_arn,
        cluster_name,
        window_start,
        window_end,
        namespace,
        pod,
        node,
        COALESCE(namespace, '') || '/' || COALESCE(pod, '') || '/' || COALESCE(node, '') AS pod_key,
        MAX(COALESCE(job_run_id, workload_id)) AS job_id,
        MAX(virtual_cluster_id) AS virtual_cluster_id,
        MAX(workload_kind) AS workload_kind,
        MAX(job_run_id) AS job_run_id,
        MAX(spark_app_name) AS spark_app_name,
        MAX(spark_role) AS spark_role,
        MAX(controller_kind) AS controller_kind,
        MAX(controller_name) AS controller_name,
        MAX(provider_id) AS provider_id,
        MAX(instance_id) AS instance_id,
        MAX(instance_type) AS instance_type,
        MAX(capacity_type) AS capacity_type,
        MAX(availability_zone) AS availability_zone,
        MIN(started_at) AS started_at,
        MAX(ended_at) AS ended_at,
        MAX(minutes) AS minutes,
        NULLIF(MAX(minutes), 0e0) / 6e1 AS hours,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_request_hours) AS cpu_core_request_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_request_hours) AS ram_gib_request_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours,
        SUM(gpu_hours) AS gpu_hours,
        SUM(pv_gib_hours) AS pv_gib_hours,
        SUM(network_transfer_bytes) AS network_transfer_bytes,
        SUM(network_receive_bytes) AS network_receive_bytes,
        SUM(network_cost) AS estimated_network_cost,
        SUM(network_cross_zone_cost) AS network_cross_zone_cost,
        SUM(network_cross_region_cost) AS network_cross_region_cost,
        SUM(network_internet_cost) AS network_internet_cost,
        SUM(shared_cost) AS shared_cost
    FROM pod_hours
    WHERE workload_kind NOT IN ('platform', 'other')
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
),
costs AS (
    SELECT
        usage_date,
        cluster_arn,
        charge_period_start,
        COALESCE(namespace, '') || '/' || COALESCE(pod, '') || '/' || COALESCE(node, '') AS pod_key,
        MAX(CASE WHEN cost_category = 'compute' THEN instance_type END) AS billed_instance_type,
        MAX(CASE WHEN cost_category = 'compute' THEN capacity_type END) AS billed_capacity_type,
        SUM(effective_cost) AS pod_cost,
        SUM(cpu_cost) AS cpu_cost,
        SUM(ram_cost) AS ram_cost,
        SUM(gpu_cost) AS gpu_cost,
        SUM(CASE WHEN cost_category = 'storage' THEN effective_cost END) AS storage_cost,
        SUM(CASE WHEN cost_category = 'network' THEN effective_cost END) AS network_cost,
        SUM(CASE WHEN cost_category = 'load_balancer' THEN effective_cost END) AS load_balancer_cost
    FROM cost_ledger
    WHERE pod IS NOT NULL
        AND workload_kind NOT IN ('platform', 'other')
        AND cost_category IN ('compute', 'storage', 'network', 'load_balancer')
    GROUP BY 1, 2, 3, 4
),
costed AS (
    SELECT
        pods.*,
        COALESCE(pods.instance_type, costs.billed_instance_type) AS known_instance_type,
        COALESCE(costs.billed_capacity_type, pods.capacity_type) AS known_capacity_type,
        COALESCE(costs.pod_cost, 0e0) AS pod_cost,
        COALESCE(costs.cpu_cost, 0e0) AS cpu_cost,
        COALESCE(costs.ram_cost, 0e0) AS ram_cost,
        COALESCE(costs.gpu_cost, 0e0) AS gpu_cost,
        COALESCE(costs.storage_cost, 0e0) AS storage_cost,
        COALESCE(costs.network_cost, 0e0) AS network_cost,
        COALESCE(costs.load_balancer_cost, 0e0) AS load_balancer_cost,
        -- The bill knows traffic by the instance; which part of it crossed zones, only Kubecost estimates.
        COALESCE(costs.network_cost / NULLIF(pods.estimated_network_cost, 0e0), 0e0) AS network_ratio,
        -- Kubecost's definition: usage over request, and 1 where something was used without a request.
        CASE
            WHEN pods.cpu_core_request_hours > 0e0 THEN pods.cpu_core_usage_hours / pods.cpu_core_request_hours
            WHEN pods.cpu_core_usage_hours > 0e0 THEN 1e0
            ELSE 0e0
        END AS cpu_share_used,
        CASE
            WHEN pods.ram_gib_request_hours > 0e0 THEN pods.ram_gib_usage_hours / pods.ram_gib_request_hours
            WHEN pods.ram_gib_usage_hours > 0e0 THEN 1e0
            ELSE 0e0
        END AS ram_share_used
    FROM pods
    LEFT JOIN costs
        ON pods.usage_date = costs.usage_date
        AND pods.cluster_arn = costs.cluster_arn
        AND pods.window_start = costs.charge_period_start
        AND pods.pod_key = costs.pod_key
),
weighed AS (
    SELECT
        *,
        CASE
            WHEN cpu_cost + ram_cost > 0e0
                THEN (cpu_share_used * cpu_cost + ram_share_used * ram_cost) / (cpu_cost + ram_cost)
            ELSE 0e0
        END AS total_share_used
    FROM costed
)

SELECT
    COALESCE(pod, '') || '/' || COALESCE(job_id, '') || '/' || COALESCE(virtual_cluster_id, '') AS name,
    pod AS pod_name,
    job_id,
    virtual_cluster_id AS vc_id,
    workload_kind AS submission_type,
    started_at AS "start",
    ended_at AS "end",
    minutes,
    cpu_core_hours / hours AS cpucores,
    cpu_core_request_hours / hours AS cpucorerequestaverage,
    cpu_core_usage_hours / hours AS cpucoreusageaverage,
    cpu_core_hours AS cpucorehours,
    cpu_cost AS cpucost,
    cpu_share_used AS cpuefficiency,
    gpu_hours AS gpuhours,
    gpu_cost AS gpucost,
    network_transfer_bytes AS networktransferbytes,
    network_receive_bytes AS networkreceivebytes,
    network_cost AS networkcost,
    network_cross_zone_cost * network_ratio AS networkcrosszonecost,
    network_cross_region_cost * network_ratio AS networkcrossregioncost,
    network_internet_cost * network_ratio AS networkinternetcost,
    load_balancer_cost AS loadbalancercost,
    pv_gib_hours * 1073741824e0 / hours AS pvbytes,
    pv_gib_hours * 1073741824e0 AS pvbytehours,
    storage_cost AS pvcost,
    ram_gib_hours * 1073741824e0 / hours AS rambytes,
    ram_gib_request_hours * 1073741824e0 / hours AS rambyterequestaverage,
    ram_gib_usage_hours * 1073741824e0 / hours AS rambyteusageaverage,
    ram_gib_hours * 1073741824e0 AS rambytehours,
    ram_cost AS ramcost,
    ram_share_used AS ramefficiency,
    shared_cost AS sharedcost,
    pod_cost AS totalcost,
    total_share_used AS totalefficiency,
    cpu_share_used AS cpu_efficiency,
    ram_share_used AS ram_efficiency,
    total_share_used AS total_efficiency,
    instance_id,
    known_capacity_type AS capacity_type,
    cluster_name AS "properties.cluster",
    node AS "properties.node",
    namespace AS "properties.namespace",
    pod AS "properties.pod",
    provider_id AS "properties.providerid",
    controller_name AS "properties.controller",
    controller_kind AS "properties.controllerkind",
    known_instance_type AS "properties.labels.node_kubernetes_io_instance_type",
    spark_role AS "properties.labels.spark_role",
    spark_app_name AS "properties.labels.spark_app_name",
    job_run_id AS "properties.labels.emr_containers_amazonaws_com_job_id",
    virtual_cluster_id AS "properties.labels.emr_containers_amazonaws_com_virtual_cluster_id",
    availability_zone AS "properties.labels.topology_kubernetes_io_zone",
    window_start AS "window.start",
    window_end AS "window.end",
    usage_date
FROM weighed
