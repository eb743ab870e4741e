-- One row per line of the bill, with its one class and what it costs.
WITH
-- Whose lines go by their net costs: all of a payer's period, if one of them has any.
net_periods AS (
    SELECT payer_account_id, billing_period
    FROM cur_line_costs
    WHERE has_net_cost
    GROUP BY 1, 2
)

SELECT
    costs.payer_account_id,
    costs.usage_account_id,
    costs.billing_period,
    costs.usage_date,
    costs.usage_start,
    costs.usage_end,
    costs.invoice_id,
    costs.line_type,
    costs.line_class,
    costs.is_emr_on_eks,
    costs.product_code,
    costs.product_family,
    costs.usage_type,
    costs.operation,
    costs.resource_id,
    costs.region,
    costs.availability_zone,
    costs.instance_type,
    costs.vcpu,
    costs.memory_gib,
    costs.is_spot,
    costs.cluster_tag,
    costs.tags,
    costs.usage_amount,
    costs.usage_unit,
    costs.sku,
    costs.commitment_arn,
    costs.currency,
    costs.billed_cost,
    costs.effective_cost,
    costs.list_cost,
    costs.cost_basis,
    costs.split_parent_resource_id,
    costs.split_cost
FROM cur_line_costs AS costs
LEFT JOIN net_periods
    ON costs.payer_account_id = net_periods.payer_account_id
    AND costs.billing_period = net_periods.billing_period
WHERE costs.cost_basis = CASE WHEN net_periods.billing_period IS NULL THEN 'amortized' ELSE 'net_amortized' END
