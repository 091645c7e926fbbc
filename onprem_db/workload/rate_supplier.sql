INSERT INTO erp.supplier_changes
SELECT (SELECT max(change_no) + 1 FROM erp.supplier_changes), 'U', supplier_id, name, country, (%(n)s %% 101) / 10.0,
       terms, NOT is_preferred, %(now)s
FROM (SELECT DISTINCT ON (supplier_id) * FROM erp.supplier_changes ORDER BY supplier_id, change_no DESC) AS newest
WHERE operation <> 'D'
ORDER BY supplier_id
OFFSET %(n)s %% (SELECT count(DISTINCT supplier_id) / 2 FROM erp.supplier_changes) LIMIT 1
