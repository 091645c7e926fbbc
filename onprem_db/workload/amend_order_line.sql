UPDATE erp.order_lines
SET quantity = (1 + %(n)s %% 9000)::numeric / 1000, discount = 0.0500, comment = E'amended, \\ ' || %(n)s, updated_at = %(now)s
WHERE order_id = 1 + %(n)s %% (SELECT max(order_id) FROM erp.orders) AND line_no = 1
