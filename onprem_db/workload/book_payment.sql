UPDATE erp.payments
SET booked_at = %(now)s AT TIME ZONE 'UTC', settled_amount = amount * 1.001, took = interval '1 day 00:00:00.5'
WHERE payment_id = (SELECT payment_id FROM erp.payments ORDER BY 1
                    OFFSET %(n)s %% (SELECT count(*) FROM erp.payments) LIMIT 1)
