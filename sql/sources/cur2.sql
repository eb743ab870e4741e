-- One row per line of the bill, with the same columns for every kind of report.
-- This is a Cost and Usage Report 2.0. A column that its table lacks becomes NULL when the view is made; so
-- what is no text is cast here. Empty or NULL is what a report does not know: both become NULL.
SELECT
    NULLIF(bill_payer_account_id, '') AS payer_account_id,
    NULLIF(line_item_usage_account_id, '') AS usage_account_id,
    billing_period,
    CAST(line_item_usage_start_date AS timestamp) AS usage_start,
    CAST(line_item_usage_end_date AS timestamp) AS usage_end,
    NULLIF(bill_invoice_id, '') AS invoice_id,
    NULLIF(line_item_line_item_type, '') AS line_type,
    NULLIF(line_item_line_item_description, '') AS description,
    NULLIF(line_item_product_code, '') AS product_code,
    NULLIF(product_product_family, '') AS product_family,
    NULLIF(product_servicecode, '') AS service_code,
    NULLIF(line_item_usage_type, '') AS usage_type,
    NULLIF(line_item_operation, '') AS operation,
    NULLIF(line_item_resource_id, '') AS resource_id,
    COALESCE(
        NULLIF(product_region_code, ''),
        NULLIF(element_at(CAST(product AS map(varchar, varchar)), 'region'), '')
    ) AS region,
    NULLIF(line_item_availability_zone, '') AS availability_zone,
    NULLIF(product_instance_type, '') AS instance_type,
    NULLIF(element_at(CAST(product AS map(varchar, varchar)), 'vcpu'), '') AS vcpu,
    NULLIF(element_at(CAST(product AS map(varchar, varchar)), 'memory'), '') AS memory,
    -- A tag that AWS sets keeps the prefix `aws`, one that a person, Karpenter or the load balancers' controller sets
    -- gets `user`.
    COALESCE(
        NULLIF(element_at(CAST(resource_tags AS map(varchar, varchar)), 'aws_eks_cluster_name'), ''),
        NULLIF(element_at(CAST(resource_tags AS map(varchar, varchar)), 'user_eks_cluster_name'), ''),
        NULLIF(element_at(CAST(resource_tags AS map(varchar, varchar)), 'user_eks_eks_cluster_name'), ''),
        NULLIF(element_at(CAST(resource_tags AS map(varchar, varchar)), 'user_elbv2_k8s_aws_cluster'), '')
    ) AS cluster_tag,
    CAST(resource_tags AS map(varchar, varchar)) AS tags,
    CAST(line_item_usage_amount AS double) AS usage_amount,
    NULLIF(pricing_unit, '') AS usage_unit,
    NULLIF(product_sku, '') AS sku,
    NULLIF(line_item_currency_code, '') AS currency,
    CAST(line_item_unblended_cost AS double) AS unblended_cost,
    CAST(line_item_net_unblended_cost AS double) AS net_unblended_cost,
    CAST(pricing_public_on_demand_cost AS double) AS public_on_demand_cost,
    NULLIF(savings_plan_savings_plan_a_r_n, '') AS plan_arn,
    CAST(savings_plan_savings_plan_effective_cost AS double) AS plan_effective_cost,
    CAST(savings_plan_net_savings_plan_effective_cost AS double) AS net_plan_effective_cost,
    CAST(savings_plan_total_commitment_to_date AS double) AS plan_total_commitment,
    CAST(savings_plan_used_commitment AS double) AS plan_used_commitment,
    CAST(savings_plan_recurring_commitment_for_billing_period AS double) AS plan_recurring_fee,
    CAST(savings_plan_net_recurring_commitment_for_billing_period AS double) AS net_plan_recurring_fee,
    CAST(savings_plan_amortized_upfront_commitment_for_billing_period AS double) AS plan_upfront_fee,
    CAST(savings_plan_net_amortized_upfront_commitment_for_billing_period AS double) AS net_plan_upfront_fee,
    NULLIF(reservation_reservation_a_r_n, '') AS reservation_arn,
    CAST(reservation_effective_cost AS double) AS reservation_effective_cost,
    CAST(reservation_net_effective_cost AS double) AS net_reservation_effective_cost,
    CAST(reservation_unused_amortized_upfront_fee_for_billing_period AS double) AS unused_upfront_fee,
    CAST(reservation_net_unused_amortized_upfront_fee_for_billing_period AS double) AS net_unused_upfront_fee,
    CAST(reservation_unused_recurring_fee AS double) AS unused_recurring_fee,
    CAST(reservation_net_unused_recurring_fee AS double) AS net_unused_recurring_fee,
    NULLIF(split_line_item_parent_resource_id, '') AS split_parent_resource_id,
    CAST(split_line_item_split_cost AS double) AS split_used_cost,
    CAST(split_line_item_net_split_cost AS double) AS net_split_used_cost,
    CAST(split_line_item_unused_cost AS double) AS split_unused_cost,
    CAST(split_line_item_net_unused_cost AS double) AS net_split_unused_cost
FROM ${cur_table}
