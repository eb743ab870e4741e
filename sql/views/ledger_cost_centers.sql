-- One row per row of cost_ledger, with its cost center and the rule of the policy that gives it.
WITH
-- All rules of a policy in one row, first the one that decides: so no ledger row is lost or met twice.
policies AS (
    SELECT
        closed_month,
        array_agg(
            CAST(
                ROW(
                    policy, line, priority, cost_center, cluster, virtual_cluster_id, namespace,
                    workload_name, node_pool, label_key, label_value, tag_key, tag_value
                ) AS ROW(
                    policy varchar, line bigint, priority bigint, cost_center varchar, cluster varchar,
                    virtual_cluster_id varchar, namespace varchar, workload_name varchar, node_pool varchar,
                    label_key varchar, label_value varchar, tag_key varchar, tag_value varchar
                )
            )
            ORDER BY policy_rank, priority, line
        ) AS rules
    FROM policy_rules
    GROUP BY 1
),
node_labels AS (
    SELECT usage_date, cluster_arn, node, max_by(labels, window_start) AS labels
    FROM nodes
    GROUP BY 1, 2, 3
),
-- What the bill charges for the instance itself: its pods' shares, its idle, and what no pod of it caused. A
-- Fargate pod has no instance.
charges AS (
    SELECT
        ledger.*,
        (ledger.instance_id IS NOT NULL OR ledger.node IS NOT NULL)
            AND COALESCE(ledger.capacity_type, '') <> 'fargate'
            AND (ledger.cost_category = 'compute' OR ledger.pod IS NULL) AS is_of_instance,
        node_labels.labels AS node_labels,
        closed_months.closed_month AS policy_month
    FROM cost_ledger AS ledger
    LEFT JOIN node_labels
        ON ledger.usage_date = node_labels.usage_date
        AND ledger.cluster_arn = node_labels.cluster_arn
        AND ledger.node = node_labels.node
    -- The days of a closed month keep the policy that they were closed with.
    LEFT JOIN closed_months ON substr(CAST(ledger.usage_date AS varchar), 1, 7) = closed_months.closed_month
),
fitted AS (
    SELECT
        charges.*,
        filter(
            policy.rules,
            rule -> (rule.policy <> 'sole_tenancy' OR charges.is_of_instance)
                AND (rule.policy <> 'other_services' OR charges.cost_category = 'other_service')
                AND (rule.cluster IS NULL OR rule.cluster IN (charges.cluster_name, charges.cluster_arn))
                AND (
                    rule.virtual_cluster_id IS NULL
                    OR rule.virtual_cluster_id = charges.virtual_cluster_id
                )
                AND (rule.namespace IS NULL OR rule.namespace = charges.namespace)
                AND (
                    rule.workload_name IS NULL
                    OR rule.workload_name = charges.workload_name
                    OR (
                        rule.workload_name LIKE '%*'
                        AND starts_with(
                            charges.workload_name,
                            substr(rule.workload_name, 1, length(rule.workload_name) - 1)
                        )
                    )
                )
                AND (rule.node_pool IS NULL OR rule.node_pool = charges.node_pool)
                AND (
                    rule.label_key IS NULL
                    OR rule.label_value = CASE
                        WHEN rule.policy = 'sole_tenancy'
                            THEN element_at(charges.node_labels, rule.label_key)
                        ELSE element_at(charges.labels, rule.label_key)
                    END
                )
                AND (rule.tag_key IS NULL OR element_at(charges.tags, rule.tag_key) = rule.tag_value)
        ) AS rules
    FROM charges
    LEFT JOIN policies AS policy
        ON COALESCE(charges.policy_month, 'open') = COALESCE(policy.closed_month, 'open')
),
decided AS (
    SELECT *, element_at(rules, 1) AS rule
    FROM fitted
)

SELECT
    charge_period_start,
    charge_period_end,
    usage_date,
    billing_period,
    payer_account_id,
    account_id,
    cluster_arn,
    cluster_name,
    region,
    cost_category,
    cost_state,
    cost_basis,
    line_class,
    invoice_id,
    workload_kind,
    workload_id,
    workload_name,
    virtual_cluster_id,
    job_run_id,
    emr_internal_id,
    spark_app_id,
    namespace,
    pod,
    controller_kind,
    controller_name,
    node,
    node_pool,
    availability_zone,
    spark_role,
    instance_id,
    instance_type,
    capacity_type,
    labels,
    tags,
    resource_id,
    product_code,
    usage_type,
    usage_amount,
    effective_cost,
    billed_cost,
    list_cost,
    negated_cost,
    -- Only where both are known: what is not known is no saving, and a tax or a credit has no list price.
    CASE
        WHEN COALESCE(line_class, '') NOT IN ('tax', 'credit', 'refund') THEN list_cost - effective_cost
    END AS savings,
    commitment_arn,
    currency,
    reason,
    cpu_cost,
    ram_cost,
    gpu_cost,
    kubecost_cost,
    minutes,
    cpu_core_hours,
    cpu_core_request_hours,
    cpu_core_usage_hours,
    ram_gib_hours,
    ram_gib_request_hours,
    ram_gib_usage_hours,
    gpu_hours,
    COALESCE(CAST(rule.cost_center AS varchar), CAST('unassigned' AS varchar)) AS cost_center,
    CAST(rule.policy AS varchar) AS policy,
    CAST(rule.line AS bigint) AS policy_line,
    policy_month,
    -- Another rule of the same file and priority that would give the row to another cost center.
    CAST(
        element_at(
            filter(
                rules,
                rival -> rival.policy = rule.policy
                    AND rival.priority = rule.priority
                    AND rival.cost_center <> rule.cost_center
            ),
            1
        ).line AS bigint
    ) AS rival_line
FROM decided
