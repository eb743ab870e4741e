-- One row per rule of the policy that gave nothing to its cost center in a month.
-- severity: warn
-- tolerance: none, because a rule that decides nothing is misspelt, outdated, or outdone by those before it.
WITH
months AS (
    SELECT
        date_trunc('month', usage_date) AS usage_date,
        array_agg(DISTINCT policy || ' ' || CAST(policy_line AS varchar)) AS rules
    FROM ledger_cost_centers
    -- A closed month keeps its own rules, which nobody can put right any more.
    WHERE policy_month IS NULL
    GROUP BY 1
),
-- A virtual cluster's name may mean several: the rule is one all the same.
rules AS (
    SELECT
        policy,
        line,
        priority,
        cost_center,
        cluster,
        namespace,
        workload_name,
        node_pool,
        label_key,
        label_value,
        tag_key,
        tag_value,
        MAX(virtual_cluster_id) AS virtual_cluster_id
    FROM policy_rules
    WHERE closed_month IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
)

SELECT
    months.usage_date,
    rules.policy,
    rules.line,
    rules.priority,
    rules.cost_center,
    rules.cluster,
    rules.virtual_cluster_id,
    rules.namespace,
    rules.workload_name,
    rules.node_pool,
    rules.label_key,
    rules.label_value,
    rules.tag_key,
    rules.tag_value
FROM rules
CROSS JOIN months
WHERE NOT COALESCE(contains(months.rules, rules.policy || ' ' || CAST(rules.line AS varchar)), FALSE)
