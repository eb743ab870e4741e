-- What does each AWS service charge for the clusters, in the columns of FOCUS?
-- A row per service, charge category and pricing category: what was billed, what it costs once commitments are spread,
-- and the list price. The effective costs add up to the ledger.
-- Change the month in the WHERE.
SELECT
    servicename AS service_name,
    servicecategory AS service_category,
    chargecategory AS charge_category,
    COALESCE(pricingcategory, 'none') AS pricing_category,
    SUM(billedcost) AS billed_cost,
    SUM(effectivecost) AS effective_cost,
    SUM(listcost) AS list_cost,
    billingcurrency AS currency
FROM emr_costs_focus
WHERE x_usagedate >= DATE '2026-10-01' AND x_usagedate < DATE '2026-11-01'
GROUP BY 1, 2, 3, 4, 8
ORDER BY effective_cost DESC
