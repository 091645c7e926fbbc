UPDATE erp.orders
SET status = CASE status WHEN 'placed' THEN 'shipped' ELSE 'delivered' END::erp.order_status, updated_at = %(now)s
WHERE order_id = 1 + %(n)s %% (SELECT max(order_id) FROM erp.orders)
