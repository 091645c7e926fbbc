UPDATE erp.customers SET is_active = false, deleted_at = %(now)s, updated_at = %(now)s
WHERE customer_id = 1 + %(n)s %% (SELECT max(customer_id) FROM erp.customers)
