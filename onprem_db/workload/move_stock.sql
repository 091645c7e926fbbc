INSERT INTO erp.stock_movements
SELECT 1 + (SELECT max(movement_id) FROM erp.stock_movements),
       1 + %(n)s %% (SELECT max(product_id) FROM erp.products),
       (SELECT warehouse_code FROM erp.warehouses ORDER BY 1 OFFSET %(n)s %% 4 LIMIT 1),
       'sale', -1 - %(n)s %% 9, (%(n)s %% 1000)::numeric / 9, %(now)s AT TIME ZONE 'UTC', NULL, %(now)s AT TIME ZONE 'UTC'
