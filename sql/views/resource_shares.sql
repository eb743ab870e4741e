-- One row per pod, mounted volume or node and window, or per charge, with its share of the resource.
WITH
named AS (
    SELECT
        *,
        MIN(CASE WHEN side = 'charge' THEN resource_id END) OVER volume AS first_of_name,
        MAX(CASE WHEN side = 'charge' THEN resource_id END) OVER volume AS last_of_name
    FROM resource_entries
    WINDOW volume AS (PARTITION BY usage_date, account_id, COALESCE(volume_name, resource_key))
),
-- Not every Kubecost gives a volume's ID; then the bill's own tag, the name of the PersistentVolume, leads to it, if
-- only one volume of the account has it.
identified AS (
    SELECT
        *,
        CASE
            WHEN side = 'volume' AND resource_id IS NULL AND first_of_name = last_of_name THEN first_of_name
            ELSE resource_key
        END AS billed_resource_key,
        -- A tag of Kubernetes' own leads to a cluster if it fits only one of the account and Region.
        COALESCE(
            cluster_key,
            CASE WHEN MIN(cluster_key) OVER alike = MAX(cluster_key) OVER alike THEN MAX(cluster_key) OVER alike END
        ) AS owning_cluster_key
    FROM named
    WINDOW alike AS (PARTITION BY usage_date, COALESCE(plain_cluster_key, resource_key))
),
-- A day may be known as 24 hours or as one window, by Kubecost or by the bill: a resource's entries are set against
-- each other by the coarser of the two.
periods AS (
    SELECT
        *,
        CASE
            WHEN MAX(date_diff('hour', window_start, window_end)) OVER (
                PARTITION BY usage_date, billed_resource_key
            ) > 1 THEN CAST(usage_date AS timestamp)
            ELSE date_trunc('hour', window_start)
        END AS slot,
        CASE
            WHEN MAX(
                CASE
                    WHEN side <> 'charge' OR line_class = 'load_balancer'
                        THEN date_diff('hour', window_start, window_end)
                END
            ) OVER (PARTITION BY usage_date, COALESCE(owning_cluster_key, billed_resource_key)) > 1
                THEN CAST(usage_date AS timestamp)
            ELSE date_trunc('hour', window_start)
        END AS slot_of_cluster,
        CASE
            WHEN MAX(
                CASE
                    WHEN side = 'pod' OR line_class = 'emr_uplift'
                        THEN date_diff('hour', window_start, window_end)
                END
            ) OVER (PARTITION BY usage_date, COALESCE(billed_workload_key, billed_resource_key)) > 1
                THEN CAST(usage_date AS timestamp)
            ELSE date_trunc('hour', window_start)
        END AS slot_of_workload,
        COALESCE(billed_workload_key, billed_resource_key) AS workload_key,
        COALESCE(owning_cluster_key, billed_resource_key) AS cluster_or_resource_key,
        side = 'charge' AND line_class IN ('compute', 'fargate') AS is_compute_charge,
        side = 'charge' AND line_class = 'network' AS is_network_charge,
        side = 'charge' AND line_class = 'storage' AS is_storage_charge,
        side = 'charge' AND line_class = 'load_balancer' AS is_balancer_charge,
        side = 'charge' AND line_class = 'emr_uplift' AS is_uplift_charge,
        line_class = 'emr_uplift' AND LOWER(usage_type) LIKE '%vcpuhours' AS is_vcpu_charge,
        line_class = 'emr_uplift' AND LOWER(usage_type) LIKE '%gbhours' AS is_gb_charge
    FROM identified
),
settings AS (
    SELECT COALESCE(bool_or(correct_hours), FALSE) AS correct_hours
    FROM policy_settings
),
-- EMR meters to the second what it charges uplift for, Kubecost looks every one to five minutes: how many of
-- EMR's hours stand for one that Kubecost saw a workload ask for. 1 unless the policy says to go by EMR.
witnessed AS (
    SELECT
        periods.*,
        CASE
            WHEN settings.correct_hours AND capacity_type <> 'fargate'
                THEN COALESCE(
                    NULLIF(SUM(CASE WHEN is_vcpu_charge THEN usage_amount END) OVER workload_slot, 0e0)
                    / NULLIF(SUM(CASE WHEN side = 'pod' THEN cpu_core_request_hours END) OVER workload_slot, 0e0),
                    1e0
                )
            ELSE 1e0
        END AS cpu_factor,
        CASE
            WHEN settings.correct_hours AND capacity_type <> 'fargate'
                THEN COALESCE(
                    NULLIF(SUM(CASE WHEN is_gb_charge THEN usage_amount END) OVER workload_slot, 0e0)
                    / NULLIF(SUM(CASE WHEN side = 'pod' THEN ram_gib_request_hours END) OVER workload_slot, 0e0),
                    1e0
                )
            ELSE 1e0
        END AS ram_factor
    FROM periods
    CROSS JOIN settings
    WINDOW workload_slot AS (PARTITION BY usage_date, workload_key, slot_of_workload)
),
-- What the entries of one resource, workload or cluster say together.
met AS (
    SELECT
        *,
        -- Of the resource on that day: whose it is.
        MAX(CASE WHEN side <> 'charge' THEN cluster_arn END) OVER resource_day AS owner_arn,
        MAX(CASE WHEN side <> 'charge' THEN cluster_name END) OVER resource_day AS owner_name,
        MAX(CASE WHEN side = 'node' THEN node END) OVER resource_day AS known_node,
        MAX(CASE WHEN side = 'node' THEN node_pool END) OVER resource_day AS known_node_pool,
        MAX(CASE WHEN side = 'node' THEN NULLIF(capacity_type, 'unknown') END) OVER resource_day
            AS known_capacity_type,
        MAX(CASE WHEN is_compute_charge THEN NULLIF(capacity_type, 'unknown') END) OVER resource_day
            AS billed_capacity_type,
        MAX(CASE WHEN is_compute_charge THEN instance_type END) OVER resource_day AS billed_instance_type,
        -- Of the resource in that slot: who had it, how large it was, what it cost.
        COUNT(CASE WHEN side = 'pod' THEN 1 END) OVER resource_slot AS pods,
        COUNT(CASE WHEN side = 'node' THEN 1 END) OVER resource_slot AS nodes,
        COUNT(CASE WHEN side = 'volume' THEN 1 END) OVER resource_slot AS mounts,
        SUM(CASE WHEN side = 'pod' THEN cpu_core_hours END) OVER resource_slot AS pods_cpu,
        SUM(CASE WHEN side = 'pod' THEN ram_gib_hours END) OVER resource_slot AS pods_ram,
        SUM(CASE WHEN side = 'pod' THEN gpu_hours END) OVER resource_slot AS pods_gpu,
        COALESCE(SUM(CASE WHEN side = 'pod' THEN cpu_core_hours * (cpu_factor - 1e0) END) OVER resource_slot, 0e0)
            AS missed_cpu,
        COALESCE(SUM(CASE WHEN side = 'pod' THEN ram_gib_hours * (ram_factor - 1e0) END) OVER resource_slot, 0e0)
            AS missed_ram,
        SUM(CASE WHEN side = 'pod' THEN network_bytes END) OVER resource_slot AS pods_bytes,
        SUM(volume_gib_hours) OVER resource_slot AS mounts_gib_hours,
        SUM(CASE WHEN side = 'node' THEN minutes / 6e1 END) OVER resource_slot AS node_hours,
        SUM(CASE WHEN side = 'node' THEN cpu_core_hours END) OVER resource_slot AS node_cpu,
        SUM(CASE WHEN side = 'node' THEN ram_gib_hours END) OVER resource_slot AS node_ram,
        SUM(CASE WHEN side = 'node' THEN gpu_hours END) OVER resource_slot AS node_gpu,
        MAX(vcpu) OVER resource_slot AS billed_vcpu,
        MAX(memory_gib) OVER resource_slot AS billed_gib,
        -- One Spot line of 1.467 hours in an hour has been seen.
        LEAST(
            SUM(CASE WHEN is_compute_charge THEN usage_amount END) OVER resource_slot,
            CAST(MAX(date_diff('hour', window_start, window_end)) OVER resource_slot AS double)
        ) AS billed_hours,
        COUNT(CASE WHEN is_compute_charge THEN 1 END) OVER resource_slot AS compute_charges,
        SUM(CASE WHEN is_compute_charge THEN effective_cost END) OVER resource_slot AS compute_effective,
        SUM(CASE WHEN is_compute_charge THEN billed_cost END) OVER resource_slot AS compute_billed,
        SUM(CASE WHEN is_compute_charge THEN list_cost END) OVER resource_slot AS compute_list,
        SUM(CASE WHEN is_compute_charge THEN negated_cost END) OVER resource_slot AS compute_negated,
        MAX(CASE WHEN is_compute_charge THEN commitment_arn END) OVER resource_slot AS compute_commitment,
        MAX(CASE WHEN is_compute_charge THEN resource_id END) OVER resource_slot AS compute_resource,
        COUNT(CASE WHEN is_network_charge THEN 1 END) OVER resource_slot AS network_charges,
        SUM(CASE WHEN is_network_charge THEN effective_cost END) OVER resource_slot AS network_effective,
        SUM(CASE WHEN is_network_charge THEN billed_cost END) OVER resource_slot AS network_billed,
        SUM(CASE WHEN is_network_charge THEN list_cost END) OVER resource_slot AS network_list,
        COUNT(CASE WHEN is_storage_charge THEN 1 END) OVER resource_slot AS storage_charges,
        SUM(CASE WHEN is_storage_charge THEN effective_cost END) OVER resource_slot AS storage_effective,
        SUM(CASE WHEN is_storage_charge THEN billed_cost END) OVER resource_slot AS storage_billed,
        SUM(CASE WHEN is_storage_charge THEN list_cost END) OVER resource_slot AS storage_list,
        MIN(CASE WHEN side = 'charge' THEN COALESCE(invoice_id, '') END) OVER resource_slot AS oldest_invoice,
        MAX(billing_period) OVER resource_slot AS slot_billing_period,
        MAX(payer_account_id) OVER resource_slot AS slot_payer,
        MAX(currency) OVER resource_slot AS slot_currency,
        MAX(cost_basis) OVER resource_slot AS slot_basis,
        -- A credit of the same usage has none. What is left is decided by the tags' text: the same in every run.
        min_by(
            tags,
            CASE WHEN side <> 'charge' THEN '2' WHEN cardinality(tags) > 0 THEN '0' ELSE '1' END
                || COALESCE(usage_type, '') || COALESCE(json_format(CAST(tags AS json)), '')
        ) OVER resource_slot AS slot_tags,
        -- Of the workload on that day: who it is, for its uplift; and whether its uplift has come.
        MAX(CASE WHEN side = 'pod' THEN cluster_arn END) OVER workload_day AS workload_cluster_arn,
        MAX(CASE WHEN side = 'pod' THEN cluster_name END) OVER workload_day AS workload_cluster_name,
        MAX(CASE WHEN side = 'pod' THEN workload_kind END) OVER workload_day AS known_workload_kind,
        MAX(CASE WHEN side = 'pod' THEN workload_name END) OVER workload_day AS known_workload_name,
        MAX(CASE WHEN side = 'pod' THEN virtual_cluster_id END) OVER workload_day AS known_virtual_cluster_id,
        MAX(CASE WHEN side = 'pod' THEN namespace END) OVER workload_day AS known_namespace,
        MAX(CASE WHEN side = 'pod' THEN emr_internal_id END) OVER workload_day AS known_emr_internal_id,
        MAX(CASE WHEN side = 'pod' THEN spark_app_id END) OVER workload_day AS known_spark_app_id,
        min_by(
            labels,
            CASE WHEN side <> 'pod' THEN '2' WHEN spark_role = 'driver' THEN '0' ELSE '1' END || COALESCE(pod, '')
        ) OVER workload_day AS known_labels,
        COUNT(CASE WHEN is_uplift_charge THEN 1 END) OVER workload_slot AS uplift_charges,
        -- Of the cluster: whether it is one of ours, and what its load balancers cost.
        MAX(CASE WHEN side <> 'charge' THEN cluster_arn END) OVER cluster_day AS tagged_arn,
        COUNT(CASE WHEN is_balancer_charge THEN 1 END) OVER cluster_slot AS balancer_charges,
        SUM(CASE WHEN is_balancer_charge THEN effective_cost END) OVER cluster_slot AS balancer_effective,
        SUM(CASE WHEN is_balancer_charge THEN billed_cost END) OVER cluster_slot AS balancer_billed,
        SUM(CASE WHEN is_balancer_charge THEN list_cost END) OVER cluster_slot AS balancer_list,
        SUM(CASE WHEN side = 'pod' THEN load_balancer_cost END) OVER cluster_slot AS pods_balancer_cost,
        COUNT(CASE WHEN side = 'volume' THEN 1 END) OVER cluster_slot AS mounts_of_cluster,
        -- Of the account on that day: how far the bill has come, and what it charges for EMR on EKS.
        MAX(CASE WHEN is_compute_charge THEN window_start END) OVER account_day AS newest_compute,
        MAX(CASE WHEN is_uplift_charge THEN window_start END) OVER account_day AS newest_uplift,
        SUM(CASE WHEN is_vcpu_charge THEN effective_cost END) OVER account_day
            / NULLIF(SUM(CASE WHEN is_vcpu_charge THEN usage_amount END) OVER account_day, 0e0) AS vcpu_hour_rate,
        SUM(CASE WHEN is_gb_charge THEN effective_cost END) OVER account_day
            / NULLIF(SUM(CASE WHEN is_gb_charge THEN usage_amount END) OVER account_day, 0e0) AS gb_hour_rate
    FROM witnessed
    WINDOW
        resource_day AS (PARTITION BY usage_date, billed_resource_key),
        resource_slot AS (PARTITION BY usage_date, billed_resource_key, slot),
        workload_day AS (PARTITION BY usage_date, workload_key),
        workload_slot AS (PARTITION BY usage_date, workload_key, slot_of_workload),
        cluster_day AS (PARTITION BY usage_date, cluster_or_resource_key),
        cluster_slot AS (PARTITION BY usage_date, cluster_or_resource_key, slot_of_cluster),
        account_day AS (PARTITION BY usage_date, account_id)
),
-- The instance as it was sold; where the bill does not say (Spot), as Kubernetes saw it; else as large as its pods.
sized AS (
    SELECT
        *,
        COALESCE(billed_vcpu * billed_hours, node_cpu / NULLIF(node_hours, 0e0) * billed_hours, pods_cpu, 0e0)
            AS cpu_capacity,
        COALESCE(billed_gib * billed_hours, node_ram / NULLIF(node_hours, 0e0) * billed_hours, pods_ram, 0e0)
            AS ram_capacity,
        COALESCE(node_gpu / NULLIF(node_hours, 0e0) * billed_hours, pods_gpu, 0e0) AS gpu_capacity
    FROM met
),
-- Hours that Kubecost missed are taken from what nobody had of the instance, no further.
filled AS (
    SELECT
        *,
        CASE
            WHEN missed_cpu > GREATEST(cpu_capacity - pods_cpu, 0e0)
                THEN GREATEST(cpu_capacity - pods_cpu, 0e0) / missed_cpu
            ELSE 1e0
        END AS cpu_room,
        CASE
            WHEN missed_ram > GREATEST(ram_capacity - pods_ram, 0e0)
                THEN GREATEST(ram_capacity - pods_ram, 0e0) / missed_ram
            ELSE 1e0
        END AS ram_room
    FROM sized
),
corrected AS (
    SELECT
        *,
        cpu_core_hours * (1e0 + (cpu_factor - 1e0) * cpu_room) AS cpu_taken,
        ram_gib_hours * (1e0 + (ram_factor - 1e0) * ram_room) AS ram_taken,
        pods_cpu + missed_cpu * cpu_room AS pods_cpu_taken,
        pods_ram + missed_ram * ram_room AS pods_ram_taken
    FROM filled
),
-- AWS's weights: one GPU weighs ten vCPUs, one vCPU nine GiB:
-- https://docs.aws.amazon.com/cur/latest/userguide/split-cost-allocation-data.html
weights AS (
    SELECT
        *,
        NULLIF(9e1 * gpu_capacity + 9e0 * cpu_capacity + ram_capacity, 0e0) AS weight,
        NULLIF(GREATEST(cpu_capacity, COALESCE(pods_cpu_taken, 0e0)), 0e0) AS cpu_whole,
        NULLIF(GREATEST(ram_capacity, COALESCE(pods_ram_taken, 0e0)), 0e0) AS ram_whole,
        NULLIF(GREATEST(gpu_capacity, COALESCE(pods_gpu, 0e0)), 0e0) AS gpu_whole
    FROM corrected
),
weighed AS (
    SELECT
        *,
        -- What a unit of each costs, as a part of the resource.
        9e0 * cpu_capacity / weight / cpu_whole AS cpu_unit,
        ram_capacity / weight / ram_whole AS ram_unit,
        9e1 * gpu_capacity / weight / gpu_whole AS gpu_unit
    FROM weights
)

SELECT
    side,
    usage_date,
    window_start,
    window_end,
    billed_resource_key,
    volume_name,
    billed_workload_key,
    owning_cluster_key,
    cluster_arn,
    cluster_name,
    payer_account_id,
    account_id,
    region,
    namespace,
    pod,
    controller_kind,
    controller_name,
    node,
    node_pool,
    instance_id,
    instance_type,
    capacity_type,
    availability_zone,
    workload_kind,
    workload_id,
    workload_name,
    virtual_cluster_id,
    job_run_id,
    emr_internal_id,
    spark_app_id,
    spark_role,
    reason,
    labels,
    billing_period,
    line_class,
    is_emr_on_eks,
    product_code,
    usage_type,
    CASE WHEN side = 'volume' AND storage_charges > 0 THEN billed_resource_key ELSE resource_id END AS resource_id,
    invoice_id,
    currency,
    cost_basis,
    tags,
    usage_amount,
    effective_cost,
    billed_cost,
    list_cost,
    negated_cost,
    commitment_arn,
    minutes,
    cpu_core_hours,
    cpu_core_request_hours,
    cpu_core_usage_hours,
    ram_gib_hours,
    ram_gib_request_hours,
    ram_gib_usage_hours,
    gpu_hours,
    cpu_cost,
    ram_cost,
    gpu_cost,
    storage_cost,
    network_cost,
    load_balancer_cost,
    shared_cost,
    is_compute_charge,
    is_network_charge,
    is_storage_charge,
    is_balancer_charge,
    owner_arn,
    owner_name,
    known_node,
    known_node_pool,
    known_capacity_type,
    billed_capacity_type,
    billed_instance_type,
    pods,
    nodes,
    mounts,
    node_hours,
    billed_hours,
    pods_bytes,
    compute_charges,
    compute_effective,
    compute_billed,
    compute_list,
    compute_negated,
    compute_commitment,
    compute_resource,
    network_charges,
    network_effective,
    network_billed,
    network_list,
    storage_charges,
    storage_effective,
    storage_billed,
    storage_list,
    slot_billing_period,
    slot_payer,
    slot_currency,
    slot_basis,
    slot_tags,
    workload_cluster_arn,
    workload_cluster_name,
    known_workload_kind,
    known_workload_name,
    known_virtual_cluster_id,
    known_namespace,
    known_emr_internal_id,
    known_spark_app_id,
    known_labels,
    tagged_arn,
    balancer_charges,
    balancer_effective,
    balancer_billed,
    balancer_list,
    pods_balancer_cost,
    mounts_of_cluster,
    newest_compute,
    newest_uplift,
    vcpu_hour_rate,
    gb_hour_rate,
    -- What no pod asked for and none used cannot be told apart: the pods of such a slot have equal shares, if the
    -- resource was theirs alone.
    CASE
        WHEN capacity_type = 'fargate' AND cpu_whole IS NULL AND ram_whole IS NULL
            THEN 1e0 / NULLIF(CAST(pods AS double), 0e0)
        ELSE COALESCE(cpu_unit * cpu_taken, 0e0)
    END AS cpu_share,
    COALESCE(ram_unit * ram_taken, 0e0) AS ram_share,
    COALESCE(gpu_unit * gpu_hours, 0e0) AS gpu_share,
    CASE
        WHEN capacity_type = 'fargate' AND cpu_whole IS NULL AND ram_whole IS NULL AND pods > 0 THEN 1e0
        ELSE COALESCE(cpu_unit * pods_cpu_taken, 0e0)
            + COALESCE(ram_unit * pods_ram_taken, 0e0)
            + COALESCE(gpu_unit * pods_gpu, 0e0)
    END AS pods_share,
    COALESCE(network_bytes / NULLIF(pods_bytes, 0e0), 0e0) AS network_share,
    CASE
        WHEN mounts_gib_hours > 0e0 THEN volume_gib_hours / mounts_gib_hours
        ELSE 1e0 / NULLIF(CAST(mounts AS double), 0e0)
    END AS volume_share,
    COALESCE(load_balancer_cost / NULLIF(pods_balancer_cost, 0e0), 0e0) AS balancer_share,
    uplift_charges > 0 AS uplift_has_come,
    oldest_invoice,
    oldest_invoice = '' AS is_open
FROM weighed
