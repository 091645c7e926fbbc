UPDATE erp.products
SET discontinued_on = (%(now)s AT TIME ZONE 'UTC')::date, deleted_at = %(now)s, updated_at = %(now)s
WHERE product_id = 1 + %(n)s %% (SELECT max(product_id) FROM erp.products)
