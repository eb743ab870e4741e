-- One row per cost center, entry, pool, cost category and state, Spark role, capacity type, cluster and day.
-- What a cost center has caused itself is a direct entry, in no pool and for each role and capacity type; what others
-- take of it or give to it are entries of a pool. They stand together so that the ledger is read once.
WITH
-- What is distributed, and how; for which categories and states of the ledger that makes entries.
pools AS (
    SELECT
        kinds.pool,
        kinds.cost_category,
        states.cost_state,
        policy.method,
        policy.owner,
        policy.closed_month
    FROM (
        VALUES
            ('idle', 'idle'),
            ('control_plane', 'control_plane'),
            ('shared', 'shared'),
            ('platform', 'compute'),
            ('platform', 'storage'),
            ('platform', 'network'),
            ('platform', 'load_balancer')
    ) AS kinds (pool, cost_category)
    CROSS JOIN (VALUES ('estimated'), ('provisional'), ('final')) AS states (cost_state)
    LEFT JOIN policy_distribution AS policy ON kinds.pool = policy.pool
    WHERE policy.method <> 'none'
),
-- Beside the pools, none of them: what is direct.
sides AS (
    SELECT pool, cost_category, cost_state, method, owner, closed_month, FALSE AS is_direct
    FROM pools
    UNION ALL
    SELECT
        CAST(NULL AS varchar) AS pool,
        CAST(NULL AS varchar) AS cost_category,
        CAST(NULL AS varchar) AS cost_state,
        CAST(NULL AS varchar) AS method,
        CAST(NULL AS varchar) AS owner,
        CAST(NULL AS varchar) AS closed_month,
        TRUE AS is_direct
),
-- Whoever has an instance to himself bears its idle and its platform pods already: they are in no pool.
rows_by_pool AS (
    SELECT
        *,
        CAST(
            CASE
                WHEN policy = 'sole_tenancy' THEN NULL
                WHEN cost_category IN ('idle', 'control_plane', 'shared') THEN cost_category
                WHEN workload_kind = 'platform'
                    AND cost_category IN ('compute', 'storage', 'network', 'load_balancer') THEN 'platform'
            END AS varchar
        ) AS pool
    FROM ledger_cost_centers
),
costs AS (
    SELECT
        ledger.usage_date,
        ledger.cluster_arn,
        ledger.currency,
        ledger.cost_center,
        ledger.cost_category,
        ledger.cost_state,
        ledger.pool,
        ledger.billing_period,
        ledger.account_id,
        ledger.cluster_name,
        ledger.spark_role,
        ledger.capacity_type,
        ledger.policy_month,
        SUM(ledger.effective_cost) AS effective_cost,
        SUM(ledger.billed_cost) AS billed_cost,
        SUM(ledger.list_cost) AS list_cost,
        SUM(ledger.savings) AS savings,
        SUM(ledger.cpu_core_hours) AS cpu_core_hours,
        SUM(ledger.cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ledger.ram_gib_hours) AS ram_gib_hours,
        SUM(ledger.ram_gib_usage_hours) AS ram_gib_usage_hours,
        SUM(ledger.gpu_hours) AS gpu_hours,
        -- Of what is distributed itself, nobody's share is measured.
        SUM(
            CASE
                WHEN ledger.cost_category = 'compute' AND COALESCE(policy.method, 'none') = 'none'
                    THEN ledger.effective_cost
                ELSE 0e0
            END
        ) AS compute_cost,
        -- Fargate pods leave no instance idle, nor do those on an instance that somebody has to himself.
        SUM(
            CASE
                WHEN ledger.cost_category = 'compute' AND COALESCE(policy.method, 'none') = 'none'
                    AND COALESCE(ledger.capacity_type, '') <> 'fargate'
                    AND COALESCE(ledger.policy, '') <> 'sole_tenancy'
                    THEN ledger.effective_cost
                ELSE 0e0
            END
        ) AS shared_compute_cost
    FROM rows_by_pool AS ledger
    LEFT JOIN policy_distribution AS policy
        ON ledger.pool = policy.pool
        AND COALESCE(ledger.policy_month, 'open') = COALESCE(policy.closed_month, 'open')
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
),
-- What each cost center has of its own and in each pool, and by what its share of the pool is measured.
sided AS (
    SELECT
        costs.usage_date,
        costs.policy_month,
        costs.cluster_arn,
        costs.currency,
        costs.cost_center,
        sides.is_direct,
        sides.pool,
        sides.method,
        sides.owner,
        CASE WHEN sides.is_direct THEN costs.cost_category ELSE sides.cost_category END AS cost_category,
        CASE WHEN sides.is_direct THEN costs.cost_state ELSE sides.cost_state END AS cost_state,
        CASE WHEN sides.is_direct THEN costs.spark_role END AS spark_role,
        CASE WHEN sides.is_direct THEN costs.capacity_type END AS capacity_type,
        CASE WHEN sides.is_direct THEN costs.billing_period END AS direct_billing_period,
        CASE WHEN sides.is_direct THEN costs.account_id END AS direct_account_id,
        CASE WHEN sides.is_direct THEN costs.cluster_name END AS direct_cluster_name,
        costs.billing_period,
        costs.account_id,
        costs.cluster_name,
        costs.compute_cost,
        costs.shared_compute_cost,
        CASE WHEN sides.is_direct THEN costs.effective_cost END AS direct_cost,
        CASE WHEN sides.is_direct THEN costs.billed_cost END AS billed_cost,
        CASE WHEN sides.is_direct THEN costs.list_cost END AS list_cost,
        CASE WHEN sides.is_direct THEN costs.savings END AS savings,
        CASE WHEN sides.is_direct THEN costs.cpu_core_hours END AS cpu_core_hours,
        CASE WHEN sides.is_direct THEN costs.cpu_core_usage_hours END AS cpu_core_usage_hours,
        CASE WHEN sides.is_direct THEN costs.ram_gib_hours END AS ram_gib_hours,
        CASE WHEN sides.is_direct THEN costs.ram_gib_usage_hours END AS ram_gib_usage_hours,
        CASE WHEN sides.is_direct THEN costs.gpu_hours END AS gpu_hours,
        CASE
            WHEN costs.pool = sides.pool
                AND costs.cost_category = sides.cost_category
                AND costs.cost_state = sides.cost_state
                THEN costs.effective_cost
            ELSE 0e0
        END AS pool_cost
    FROM costs
    CROSS JOIN sides
    WHERE sides.is_direct OR COALESCE(sides.closed_month, 'open') = COALESCE(costs.policy_month, 'open')
),
stakes AS (
    SELECT
        usage_date,
        policy_month,
        cluster_arn,
        currency,
        cost_center,
        is_direct,
        pool,
        method,
        owner,
        cost_category,
        cost_state,
        spark_role,
        capacity_type,
        MAX(billing_period) AS billing_period,
        MAX(account_id) AS account_id,
        MAX(cluster_name) AS cluster_name,
        SUM(direct_cost) AS direct_cost,
        SUM(billed_cost) AS billed_cost,
        SUM(list_cost) AS list_cost,
        SUM(savings) AS savings,
        SUM(cpu_core_hours) AS cpu_core_hours,
        SUM(cpu_core_usage_hours) AS cpu_core_usage_hours,
        SUM(ram_gib_hours) AS ram_gib_hours,
        SUM(ram_gib_usage_hours) AS ram_gib_usage_hours,
        SUM(gpu_hours) AS gpu_hours,
        SUM(pool_cost) AS pool_cost,
        GREATEST(SUM(CASE WHEN pool = 'idle' THEN shared_compute_cost ELSE compute_cost END), 0e0) AS caused_cost
    FROM sided
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, direct_billing_period, direct_account_id, direct_cluster_name
),
weighed AS (
    SELECT
        *,
        CASE
            WHEN method = 'proportional' THEN caused_cost
            WHEN method = 'even' AND caused_cost > 0e0 AND cost_center <> 'unassigned' THEN 1e0
            ELSE 0e0
        END AS weight
    FROM stakes
),
shares AS (
    SELECT
        *,
        SUM(pool_cost) OVER (
            PARTITION BY usage_date, cluster_arn, currency, pool, cost_category, cost_state
        ) AS whole_pool_cost,
        SUM(weight) OVER (
            PARTITION BY usage_date, cluster_arn, currency, pool, cost_category, cost_state
        ) AS whole_weight
    FROM weighed
),
-- Where nobody can bear a pool it stays where it lies.
entries AS (
    SELECT
        shares.*,
        kinds.entry,
        CASE
            WHEN kinds.entry = 'given' AND shares.method = 'owner' THEN shares.owner
            ELSE shares.cost_center
        END AS bearer,
        CASE
            WHEN kinds.entry = 'direct' THEN 0e0
            WHEN kinds.entry = 'taken' THEN -shares.pool_cost
            WHEN shares.method = 'owner' THEN shares.pool_cost
            ELSE shares.whole_pool_cost * shares.weight / NULLIF(shares.whole_weight, 0e0)
        END AS distributed_cost
    FROM shares
    CROSS JOIN (VALUES ('direct'), ('taken'), ('given')) AS kinds (entry)
    WHERE shares.is_direct = (kinds.entry = 'direct')
        AND (shares.is_direct OR shares.method = 'owner' OR shares.whole_weight > 0e0)
)

SELECT
    usage_date,
    billing_period,
    account_id,
    cluster_arn,
    cluster_name,
    bearer AS cost_center,
    CAST(entry AS varchar) AS entry,
    CAST(pool AS varchar) AS pool,
    CAST(cost_category AS varchar) AS cost_category,
    CAST(cost_state AS varchar) AS cost_state,
    method,
    spark_role,
    capacity_type,
    currency,
    policy_month,
    CASE WHEN entry = 'direct' THEN direct_cost ELSE 0e0 END AS effective_cost,
    billed_cost,
    list_cost,
    distributed_cost,
    savings,
    cpu_core_hours,
    cpu_core_usage_hours,
    ram_gib_hours,
    ram_gib_usage_hours,
    gpu_hours
FROM entries
WHERE entry = 'direct' OR distributed_cost <> 0e0
