SELECT table_id, ingest_date, rule, count(*) AS rows
FROM operations.quarantine
CROSS JOIN UNNEST(rules) AS violated (rule)
GROUP BY table_id, ingest_date, rule
ORDER BY ingest_date DESC, rows DESC
