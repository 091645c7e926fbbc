UPDATE erp.products
SET list_price = (%(n)s %% 1000000)::numeric / 100, exact_cost = (%(n)s %% 1000000)::numeric / 7, updated_at = %(now)s
WHERE product_id = 1 + %(n)s %% (SELECT max(product_id) FROM erp.products)
