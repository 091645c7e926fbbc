SELECT table_id, run_id, quarantined_at, array_join(rules, ', ') AS violates, row
FROM operations.quarantine
ORDER BY quarantined_at DESC
LIMIT 100
