-- The oldest order without a date gets one: the row moves to another month.
UPDATE erp.orders
SET ordered_on = date '2025-06-15', ordered_at = %(now)s, status = 'placed', updated_at = %(now)s
WHERE order_id = (SELECT min(order_id) FROM erp.orders WHERE ordered_on IS NULL)
