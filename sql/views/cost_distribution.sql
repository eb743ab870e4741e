-- One row per cost center, pool, cost category, cost state, entry (given or taken), cluster and day.
WITH
-- What is distributed, and how; for which categories and states of the ledger that makes entries.
pools AS (
    SELECT
        kinds.pool,
        kinds.cost_category,
        states.cost_state,
        policy.method,
        policy.owner
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
        MAX(ledger.billing_period) AS billing_period,
        MAX(ledger.account_id) AS account_id,
        MAX(ledger.cluster_name) AS cluster_name,
        SUM(ledger.effective_cost) AS effective_cost,
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
    LEFT JOIN policy_distribution AS policy ON ledger.pool = policy.pool
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
-- What each cost center has in each pool, and by what its share is measured.
stakes AS (
    SELECT
        costs.usage_date,
        costs.cluster_arn,
        costs.currency,
        costs.cost_center,
        pools.pool,
        pools.cost_category,
        pools.cost_state,
        pools.method,
        pools.owner,
        MAX(costs.billing_period) AS billing_period,
        MAX(costs.account_id) AS account_id,
        MAX(costs.cluster_name) AS cluster_name,
        SUM(
            CASE
                WHEN costs.pool = pools.pool
                    AND costs.cost_category = pools.cost_category
                    AND costs.cost_state = pools.cost_state
                    THEN costs.effective_cost
                ELSE 0e0
            END
        ) AS pool_cost,
        GREATEST(
            SUM(CASE WHEN pools.pool = 'idle' THEN costs.shared_compute_cost ELSE costs.compute_cost END),
            0e0
        ) AS caused_cost
    FROM costs
    CROSS JOIN pools
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
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
        sides.entry,
        CASE
            WHEN sides.entry = 'given' AND shares.method = 'owner' THEN shares.owner
            ELSE shares.cost_center
        END AS bearer,
        CASE
            WHEN sides.entry = 'taken' THEN -shares.pool_cost
            WHEN shares.method = 'owner' THEN shares.pool_cost
            ELSE shares.whole_pool_cost * shares.weight / NULLIF(shares.whole_weight, 0e0)
        END AS amount
    FROM shares
    CROSS JOIN (VALUES ('taken'), ('given')) AS sides (entry)
    WHERE shares.method = 'owner' OR shares.whole_weight > 0e0
)

SELECT
    usage_date,
    MAX(billing_period) AS billing_period,
    MAX(account_id) AS account_id,
    cluster_arn,
    MAX(cluster_name) AS cluster_name,
    bearer AS cost_center,
    CAST(pool AS varchar) AS pool,
    CAST(cost_category AS varchar) AS cost_category,
    CAST(cost_state AS varchar) AS cost_state,
    method,
    CAST(entry AS varchar) AS entry,
    currency,
    SUM(amount) AS distributed_cost
FROM entries
WHERE amount <> 0e0
GROUP BY 1, 4, 6, 7, 8, 9, 10, 11, 12
