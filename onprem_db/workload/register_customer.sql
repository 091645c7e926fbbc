INSERT INTO erp.customers (customer_id, customer_uuid, name, kind, email, tax_id, credit_limit, is_active, tags,
                           created_at, updated_at)
SELECT id, md5('customer' || id)::uuid, 'Müller & Søn ' || id, 'company', NULL, 'NEW', %(n)s %% 1000, true,
       ARRAY['new', NULL], %(now)s, %(now)s
FROM (SELECT 1 + max(customer_id) AS id FROM erp.customers) AS next
