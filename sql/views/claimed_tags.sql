-- One row per policy that takes other lines of the bill by their tags: that of a closed month, or today's.
SELECT
    closed_month,
    array_agg(CAST(ROW(tag_key, tag_value) AS ROW(tag_key varchar, tag_value varchar))) AS claimed_tags
FROM policy_other_services
GROUP BY 1
