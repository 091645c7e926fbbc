INSERT INTO erp.supplier_changes (change_no, operation, supplier_id, changed_at)
SELECT (SELECT max(change_no) + 1 FROM erp.supplier_changes), 'D', supplier_id, %(now)s
FROM (SELECT DISTINCT ON (supplier_id) * FROM erp.supplier_changes ORDER BY supplier_id, change_no DESC) AS newest
WHERE operation <> 'D'
ORDER BY supplier_id
OFFSET %(n)s %% (SELECT count(DISTINCT supplier_id) / 2 FROM erp.supplier_changes) LIMIT 1
