SELECT committed_at, operation, element_at(summary, 'millpond.run-id') AS run_id, element_at(summary, 'total-records') AS rows
FROM erp."orders$snapshots"
ORDER BY committed_at DESC
