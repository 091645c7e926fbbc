-- Twice the same row: the log has no key.
INSERT INTO erp.audit_log
SELECT %(now)s AT TIME ZONE 'UTC', 'clerk' || %(n)s %% 9, 'edit', %(n)s, '{"by":  "workload"}', NULL
FROM generate_series(1, 2)
