-- A movement is booked to a warehouse after all: the row moves to another one.
UPDATE erp.stock_movements
SET warehouse_code = (SELECT warehouse_code FROM erp.warehouses ORDER BY 1 OFFSET %(n)s %% 4 LIMIT 1),
    counted_by = 'corrected', updated_at = %(now)s AT TIME ZONE 'UTC'
WHERE movement_id = 1 + %(n)s %% (SELECT max(movement_id) FROM erp.stock_movements)
