-- A soft delete of an order and its lines.
WITH cancelled AS (
    UPDATE erp.orders SET status = 'cancelled', deleted_at = %(now)s, updated_at = %(now)s
    WHERE order_id = 1 + %(n)s %% (SELECT max(order_id) FROM erp.orders)
    RETURNING order_id
)
UPDATE erp.order_lines SET deleted_at = %(now)s, updated_at = %(now)s
WHERE order_id = (SELECT order_id FROM cancelled)
