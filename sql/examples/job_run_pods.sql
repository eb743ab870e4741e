-- Which pods of a job run cost most, and where did they run?
-- A row per pod with its role, instance type, capacity and zone: its vCPU- and GiB-hours, the shares of its requests
-- that it used, and what it cost. EMR's uplift is charged to the run, not to a pod, and is not in it.
-- Change the run's ID and the days on which it ran in the WHERE: without days, all days are read.
SELECT
    pod_name,
    COALESCE("properties.labels.spark_role", 'unknown') AS spark_role,
    COALESCE("properties.labels.node_kubernetes_io_instance_type", 'none') AS instance_type,
    COALESCE(capacity_type, 'unknown') AS capacity_type,
    COALESCE("properties.labels.topology_kubernetes_io_zone", 'unknown') AS availability_zone,
    SUM(cpucorehours) AS vcpu_hours,
    SUM(rambytehours) / 1073741824e0 AS gib_hours,
    SUM(cpucoreusageaverage * minutes) / NULLIF(SUM(cpucorerequestaverage * minutes), 0e0) AS cpu_efficiency,
    SUM(rambyteusageaverage * minutes) / NULLIF(SUM(rambyterequestaverage * minutes), 0e0) AS ram_efficiency,
    SUM(totalcost) AS cost
FROM compute_cost
WHERE job_id = '00000006m9a4czo0ozo'
    AND usage_date >= DATE '2026-10-14' AND usage_date < DATE '2026-10-16'
GROUP BY 1, 2, 3, 4, 5
ORDER BY cost DESC, pod_name
