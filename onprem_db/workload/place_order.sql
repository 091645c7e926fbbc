WITH placed AS (
    INSERT INTO erp.orders (order_id, customer_id, status, ordered_on, ordered_at, deliver_after, total, currency,
                            exchange_rate, is_rush, note, metadata, updated_at)
    SELECT 1 + (SELECT max(order_id) FROM erp.orders),
           1 + %(n)s %% (SELECT max(customer_id) FROM erp.customers),
           'placed', (%(now)s AT TIME ZONE 'UTC')::date, %(now)s, NULL, (%(n)s %% 100000)::numeric / 100, 'EUR',
           (%(n)s %% 7)::numeric / 3, %(n)s %% 3 = 0, E'placed by "phone"\nné ' || %(n)s,
           jsonb_build_object('n', %(n)s::bigint), %(now)s
    RETURNING order_id
)
INSERT INTO erp.order_lines (order_id, line_no, product_id, quantity, unit_price, updated_at)
SELECT order_id, line_no, 1 + (%(n)s + line_no) %% (SELECT max(product_id) FROM erp.products), line_no,
       (%(n)s %% 5000)::numeric / 100, %(now)s
FROM placed, generate_series(1, 1 + %(n)s %% 3) AS line_no
