-- One row per pod of a Spark or Flink workload, node and window.
WITH
-- Upstream's averages are over the minutes that the pod ran, not over the window.
pods AS (
    SELECT
        *,
        COALESCE(job_run_id, workload_id) AS job_id,
        NULLIF(minutes, 0e0) / 6e1 AS hours,
        cpu_cost + ram_cost + gpu_cost + pv_cost + network_cost + load_balancer_cost AS pod_cost,
        -- Kubecost's definition: usage over request, and 1 where something was used without a request.
        CASE
            WHEN cpu_core_request_hours > 0e0 THEN cpu_core_usage_hours / cpu_core_request_hours
            WHEN cpu_core_usage_hours > 0e0 THEN 1e0
            ELSE 0e0
        END AS cpu_share_used,
        CASE
            WHEN ram_gib_request_hours > 0e0 THEN ram_gib_usage_hours / ram_gib_request_hours
            WHEN ram_gib_usage_hours > 0e0 THEN 1e0
            ELSE 0e0
        END AS ram_share_used
    FROM pod_hours
    WHERE workload_kind NOT IN ('platform', 'other')
),
weighed AS (
    SELECT
        *,
        CASE
            WHEN cpu_cost + ram_cost > 0e0
                THEN (cpu_share_used * cpu_cost + ram_share_used * ram_cost) / (cpu_cost + ram_cost)
            ELSE 0e0
        END AS total_share_used
    FROM pods
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
    network_cross_zone_cost AS networkcrosszonecost,
    network_cross_region_cost AS networkcrossregioncost,
    network_internet_cost AS networkinternetcost,
    load_balancer_cost AS loadbalancercost,
    pv_gib_hours * 1073741824e0 / hours AS pvbytes,
    pv_gib_hours * 1073741824e0 AS pvbytehours,
    pv_cost AS pvcost,
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
    capacity_type,
    cluster_name AS "properties.cluster",
    node AS "properties.node",
    namespace AS "properties.namespace",
    pod AS "properties.pod",
    provider_id AS "properties.providerid",
    controller_name AS "properties.controller",
    controller_kind AS "properties.controllerkind",
    instance_type AS "properties.labels.node_kubernetes_io_instance_type",
    spark_role AS "properties.labels.spark_role",
    spark_app_name AS "properties.labels.spark_app_name",
    job_run_id AS "properties.labels.emr_containers_amazonaws_com_job_id",
    virtual_cluster_id AS "properties.labels.emr_containers_amazonaws_com_virtual_cluster_id",
    availability_zone AS "properties.labels.topology_kubernetes_io_zone",
    window_start AS "window.start",
    window_end AS "window.end",
    usage_date
FROM weighed
