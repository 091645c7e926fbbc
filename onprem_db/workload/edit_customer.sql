UPDATE erp.customers
SET credit_limit = CASE WHEN credit_limit IS NULL THEN (%(n)s %% 100000)::numeric / 100 END,
    accepts_mail = NOT accepts_mail,
    preferences = coalesce(preferences, '{}') || jsonb_build_object('edited', %(n)s::bigint),
    updated_at = %(now)s
WHERE customer_id = 1 + %(n)s %% (SELECT max(customer_id) FROM erp.customers)
