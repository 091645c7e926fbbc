INSERT INTO erp.addresses
SELECT customer_id, 1 + coalesce((SELECT max(address_no) FROM erp.addresses a WHERE a.customer_id = c.customer_id), 0),
       'Rua da "Água", ' || %(n)s %% 100, 'Lisboa', NULL, 'PT', false, (%(now)s AT TIME ZONE 'UTC')::date, NULL
FROM erp.customers c
WHERE customer_id = 1 + %(n)s %% (SELECT max(customer_id) FROM erp.customers)
