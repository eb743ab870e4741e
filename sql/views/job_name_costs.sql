-- One row per workload name, kind, namespace and day: what its runs cost, and what is usual for it.
WITH
-- Pods first: a run lasts as long as that of its pods that runs longest, its driver as a rule.
pods AS (
    SELECT
        usage_date,
        account_id,
        cluster_arn,
        workload_kind,
        workload_id,
        currency,
        pod,
        MAX(cluster_name) AS cluster_name,
        MAX(namespace) AS namespace,
        -- The Spark Operator adds the nanosecond to the names of a schedule's runs.
        MAX(CAST(regexp_replace(workload_name, '-[0-9]{19}$', '') AS varchar)) AS workload_name,
        SUM(effective_cost) AS effective_cost,
        SUM(list_cost) AS list_cost,
        SUM(
            CASE
                WHEN COALESCE(line_class, '') NOT IN ('tax', 'credit', 'refund') THEN list_cost - effective_cost
            END
        ) AS savings,
        SUM(minutes) AS minutes,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(ram_gib_hours) AS ram_gib_hours
    FROM cost_ledger
    WHERE workload_id IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
runs AS (
    SELECT
        usage_date,
        account_id,
        cluster_arn,
        workload_kind,
        workload_id,
        currency,
        MAX(cluster_name) AS cluster_name,
        MAX(namespace) AS namespace,
        MAX(workload_name) AS workload_name,
        SUM(effective_cost) AS effective_cost,
        SUM(list_cost) AS list_cost,
        SUM(savings) AS savings,
        MAX(minutes) / 6e1 AS run_hours,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(ram_gib_hours) AS ram_gib_hours
    FROM pods
    GROUP BY 1, 2, 3, 4, 5, 6
),
days AS (
    SELECT
        runs.usage_date,
        runs.account_id,
        runs.cluster_arn,
        runs.workload_kind,
        COALESCE(runs.namespace, names.namespace) AS namespace,
        COALESCE(runs.workload_name, names.workload_name) AS workload_name,
        runs.currency,
        MAX(runs.cluster_name) AS cluster_name,
        COUNT(*) AS runs,
        SUM(runs.run_hours) AS run_hours,
        SUM(runs.cpu_core_hours) AS cpu_core_hours,
        SUM(runs.ram_gib_hours) AS ram_gib_hours,
        SUM(runs.effective_cost) AS effective_cost,
        SUM(runs.list_cost) AS list_cost,
        SUM(runs.savings) AS savings
    FROM runs
    LEFT JOIN workload_names AS names
        ON runs.cluster_arn = names.cluster_arn
        AND runs.workload_kind = names.workload_kind
        AND runs.workload_id = names.workload_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
-- These windows look across days: a query that asks for a median reads all days, whatever day it is about.
histories AS (
    SELECT
        *,
        array_agg(effective_cost) OVER (
            PARTITION BY account_id, cluster_arn, workload_kind, namespace, workload_name, currency
            ORDER BY usage_date
            RANGE BETWEEN INTERVAL '7' DAY PRECEDING AND INTERVAL '1' DAY PRECEDING
        ) AS costs_7_days,
        array_agg(effective_cost) OVER (
            PARTITION BY account_id, cluster_arn, workload_kind, namespace, workload_name, currency
            ORDER BY usage_date
            RANGE BETWEEN INTERVAL '28' DAY PRECEDING AND INTERVAL '1' DAY PRECEDING
        ) AS costs_28_days
    FROM days
),
ordered AS (
    SELECT
        *,
        array_sort(costs_7_days) AS ordered_7_days,
        array_sort(costs_28_days) AS ordered_28_days
    FROM histories
),
-- Of the days on which the name ran, today not among them; fewer than three show nothing that is usual.
medians AS (
    SELECT
        *,
        CASE
            WHEN cardinality(ordered_7_days) >= 3
                THEN (
                    element_at(ordered_7_days, (cardinality(ordered_7_days) + 1) / 2)
                    + element_at(ordered_7_days, (cardinality(ordered_7_days) + 2) / 2)
                ) / 2e0
        END AS median_cost_7_days,
        CASE
            WHEN cardinality(ordered_28_days) >= 3
                THEN (
                    element_at(ordered_28_days, (cardinality(ordered_28_days) + 1) / 2)
                    + element_at(ordered_28_days, (cardinality(ordered_28_days) + 2) / 2)
                ) / 2e0
        END AS median_cost_28_days
    FROM ordered
)

SELECT
    usage_date,
    account_id,
    cluster_arn,
    cluster_name,
    workload_kind,
    namespace,
    workload_name,
    currency,
    -- A run over midnight is one of each of its days.
    runs,
    run_hours,
    cpu_core_hours,
    ram_gib_hours,
    effective_cost,
    list_cost,
    savings,
    effective_cost / runs AS cost_per_run,
    effective_cost / NULLIF(run_hours, 0e0) AS cost_per_run_hour,
    effective_cost / NULLIF(cpu_core_hours, 0e0) AS cost_per_vcpu_hour,
    median_cost_7_days,
    median_cost_28_days,
    effective_cost / NULLIF(median_cost_7_days, 0e0) AS cost_to_median_7_days,
    effective_cost / NULLIF(median_cost_28_days, 0e0) AS cost_to_median_28_days
FROM medians
