DELETE FROM erp.addresses
WHERE (customer_id, address_no) = (SELECT customer_id, address_no FROM erp.addresses ORDER BY 1, 2
                                   OFFSET %(n)s %% (SELECT count(*) FROM erp.addresses) LIMIT 1)
