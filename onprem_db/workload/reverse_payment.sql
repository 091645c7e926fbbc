DELETE FROM erp.payments
WHERE payment_id = (SELECT payment_id FROM erp.payments ORDER BY 1
                    OFFSET %(n)s %% (SELECT count(*) FROM erp.payments) LIMIT 1)
