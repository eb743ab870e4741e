-- One row per day, cost category and rule of FOCUS that charges break and FOCUS's own validator never tests.
-- severity: error
-- tolerance: 1e-9 of a cost (at least of 1), because a price is a quotient of a cost, and multiplying rounds.
WITH
tested AS (
    SELECT
        x_UsageDate AS usage_date,
        x_CostComponent AS cost_category,
        EffectiveCost AS effective_cost,
        CASE
            WHEN BilledCost IS NULL OR EffectiveCost IS NULL OR ContractedCost IS NULL OR ListCost IS NULL
                THEN 'a cost is missing'
            WHEN BillingAccountId IS NULL OR BillingCurrency IS NULL
                THEN 'the account or the currency is missing'
            WHEN BillingPeriodStart IS NULL OR ChargePeriodStart IS NULL OR ChargePeriodEnd IS NULL
                THEN 'a period is missing'
            WHEN ChargePeriodEnd <= ChargePeriodStart THEN 'a period does not end after it begins'
            WHEN ABS(ListUnitPrice * PricingQuantity - ListCost) > 1e-9 * GREATEST(ABS(ListCost), 1e0)
                OR ABS(ContractedUnitPrice * PricingQuantity - ContractedCost)
                    > 1e-9 * GREATEST(ABS(ContractedCost), 1e0)
                THEN 'unit price times quantity is not the cost'
            WHEN (PricingQuantity IS NULL) <> (PricingUnit IS NULL)
                OR (ConsumedQuantity IS NULL) <> (ConsumedUnit IS NULL)
                THEN 'a quantity comes without its unit, or a unit alone'
            WHEN ChargeCategory <> 'Usage'
                AND NOT (PricingQuantity IS NULL AND ConsumedQuantity IS NULL AND PricingCategory IS NULL)
                THEN 'what is no usage has a quantity or a pricing category'
            WHEN ChargeCategory = 'Usage' AND PricingCategory IS NULL THEN 'usage has no pricing category'
            WHEN ChargeCategory = 'Credit' AND (EffectiveCost <> BilledCost OR ListCost <> BilledCost)
                THEN 'a credit does not cost what is billed'
            WHEN (ResourceId IS NULL) <> (ResourceType IS NULL) THEN 'a resource has no type'
            WHEN (CommitmentDiscountId IS NULL) <> (CommitmentDiscountStatus IS NULL)
                THEN 'a commitment is neither used nor unused'
        END AS broken_rule
    FROM emr_costs_focus
)

SELECT
    usage_date,
    cost_category,
    broken_rule,
    COUNT(*) AS charges,
    SUM(effective_cost) AS effective_cost
FROM tested
WHERE broken_rule IS NOT NULL
GROUP BY 1, 2, 3
