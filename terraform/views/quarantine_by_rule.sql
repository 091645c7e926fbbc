SELECT table_id, run_id, rule, count(*) AS rows
FROM operations.quarantine
CROSS JOIN UNNEST(rules) AS violated (rule)
GROUP BY table_id, run_id, rule
