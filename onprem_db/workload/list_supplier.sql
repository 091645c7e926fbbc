INSERT INTO erp.supplier_changes
SELECT max(change_no) + 1, 'I', max(supplier_id) + 1, 'Fornecedor "' || %(n)s || '"', 'PT', 5.0, '{"days": 30}', false, %(now)s
FROM erp.supplier_changes
