UPDATE erp.addresses
SET street = E'moved\nto ' || %(n)s %% 1000, valid_to = NULL
WHERE (customer_id, address_no) = (SELECT customer_id, address_no FROM erp.addresses ORDER BY 1, 2
                                   OFFSET %(n)s %% (SELECT count(*) FROM erp.addresses) LIMIT 1)
