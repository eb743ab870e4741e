-- What is each cost center charged, and of what does the charge consist?
-- A row per cost center and cost category: direct cost, what the policy distributes to it or takes from it, and both
-- times the cost center's factor, which is what it is charged. Direct costs add up to the ledger, distributed ones to
-- zero.
-- Change the month in the WHERE.
SELECT
    cost_center,
    cost_category,
    SUM(effective_cost) AS direct_cost,
    SUM(distributed_cost) AS distributed_cost,
    MAX(factor) AS factor,
    SUM(charged_cost) AS charge,
    SUM(SUM(charged_cost)) OVER (PARTITION BY cost_center, currency) AS cost_center_charge,
    currency
FROM cost_center_costs
WHERE usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'
GROUP BY 1, 2, currency
ORDER BY cost_center_charge DESC, cost_center, ROUND(SUM(charged_cost), 6) DESC, cost_category
