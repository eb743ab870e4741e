-- One row per day, cost category and usage type that the bill charges without an amount of usage to price.
-- severity: warn
-- tolerance: none, because FOCUS wants a quantity wherever usage is charged, and its validator does not look.
SELECT
    x_UsageDate AS usage_date,
    x_CostComponent AS cost_category,
    x_UsageType AS usage_type,
    COUNT(*) AS charges,
    SUM(EffectiveCost) AS effective_cost
FROM emr_costs_focus
-- What is only estimated was metered by nobody yet; and a pod's part of traffic, of a volume or of a load balancer
-- is a part of several usage types, which no one amount tells.
WHERE x_CostState <> 'estimated'
    AND x_UsageType IS NOT NULL
    AND ChargeCategory = 'Usage'
    AND EffectiveCost <> 0e0
    AND COALESCE(PricingQuantity, 0e0) <= 0e0
GROUP BY 1, 2, 3
