INSERT INTO erp.payments
SELECT md5('payment' || %(n)s || %(now)s)::uuid, 1 + %(n)s %% (SELECT max(order_id) FROM erp.orders), 'card',
       (%(n)s %% 100000)::numeric / 100, NULL, %(now)s, NULL, NULL, '\x0001ff', false
