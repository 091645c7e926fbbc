-- Fills the schema; the same rows, byte for byte, for the same setting millpond.scale.
-- Every value comes from md5 of a label and the row's number: nothing is random, nothing reads the clock.

SET timezone = 'UTC';

CREATE FUNCTION pg_temp.h(label text, n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS
$$ SELECT ('x' || substr(md5(label || n), 1, 8))::bit(32)::bigint $$;

CREATE FUNCTION pg_temp.in_percent(label text, n bigint, percent integer) RETURNS boolean IMMUTABLE LANGUAGE sql AS
$$ SELECT pg_temp.h(label, n) % 100 < percent $$;

CREATE FUNCTION pg_temp.scaled(base integer) RETURNS bigint STABLE LANGUAGE sql AS
$$ SELECT greatest(1, round(base * current_setting('millpond.scale')::numeric))::bigint $$;

CREATE FUNCTION pg_temp.pick(label text, n bigint, VARIADIC choices text[]) RETURNS text IMMUTABLE LANGUAGE sql AS
$$ SELECT choices[1 + pg_temp.h(label, n) % array_length(choices, 1)] $$;

-- Text that breaks naive exports.
CREATE FUNCTION pg_temp.free_text(label text, n bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE pg_temp.h(label || 'kind', n) % 14
        WHEN 0 THEN NULL
        WHEN 1 THEN ''
        WHEN 2 THEN E'two\nlines of ' || n
        WHEN 3 THEN E'carriage return\r\nand a tab\t' || n
        WHEN 4 THEN 'a "quoted" word, a comma; a ''single'' one ' || n
        WHEN 5 THEN E'back\\slash \\N and \\n ' || n
        WHEN 6 THEN 'Åse Łódź Ñuñoa 東京 ' || n
        WHEN 7 THEN 'emoji 👩🏽‍🔧 and e' || U&'\0301' || ' in two code points ' || n
        WHEN 8 THEN '  spaces around ' || n || '  '
        WHEN 9 THEN 'NULL'
        WHEN 10 THEN U&'no-break\00A0space, zero\200Bwidth, \FEFFmark ' || n
        WHEN 11 THEN '{"not": "json" ' || n
        ELSE 'plain ' || n
    END
$$;

CREATE FUNCTION pg_temp.unbounded(label text, n bigint) RETURNS numeric IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE pg_temp.h(label || 'kind', n) % 9
        WHEN 0 THEN NULL
        WHEN 1 THEN 0
        WHEN 2 THEN '0.000'::numeric
        WHEN 3 THEN -n::numeric / 7
        WHEN 4 THEN ('1' || repeat('0', 44) || '.' || pg_temp.h(label, n))::numeric
        WHEN 5 THEN ('0.' || repeat('0', 30) || pg_temp.h(label, n))::numeric
        WHEN 6 THEN 'NaN'::numeric
        WHEN 7 THEN (n || '.500')::numeric
        ELSE (pg_temp.h(label, n) || '.' || pg_temp.h(label || 'fraction', n))::numeric
    END
$$;

-- A moment with microseconds in the years before and after 2026, to the same microsecond each time.
CREATE FUNCTION pg_temp.moment(label text, n bigint) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$
    SELECT timestamptz '2025-01-01 00:00:00+00'
         + (pg_temp.h(label, n) % 31536000) * interval '1 second'
         + (pg_temp.h(label || 'us', n) % 1000000) * interval '1 microsecond'
$$;

-- When row n of a table of rows was last changed: it grows with n, and several rows share one moment.
CREATE FUNCTION pg_temp.changed(n bigint) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$
    SELECT timestamptz '2026-01-01 06:00:00+00' + (n / 3) * interval '7.000123 seconds'
$$;

INSERT INTO erp.customers
SELECT n,
       md5('customer' || n)::uuid,
       coalesce(nullif(pg_temp.free_text('customer.name', n), ''), 'Customer ' || n),
       pg_temp.pick('customer.kind', n, 'person', 'company', 'public body')::erp.customer_kind,
       CASE WHEN pg_temp.in_percent('customer.email', n, 80) THEN 'customer' || n || '@example.com' END,
       CASE WHEN pg_temp.in_percent('customer.tax', n, 60) THEN 'TX' || pg_temp.h('customer.tax', n) % 100000000 END,
       CASE WHEN pg_temp.in_percent('customer.limit', n, 70)
            THEN (pg_temp.h('customer.limit', n) % 1000000000)::numeric / 100 END,
       CASE WHEN pg_temp.in_percent('customer.rate', n, 50)
            THEN (pg_temp.h('customer.rate', n) % 1000)::real / 3000 END,
       NOT pg_temp.in_percent('customer.active', n, 10),
       CASE pg_temp.h('customer.mail', n) % 3 WHEN 0 THEN true WHEN 1 THEN false END,
       CASE pg_temp.h('customer.tags', n) % 6
            WHEN 0 THEN NULL
            WHEN 1 THEN ARRAY[]::text[]
            WHEN 2 THEN ARRAY['vip', NULL, '']
            WHEN 3 THEN ARRAY['a,b', 'quo"te', E'new\nline', 'NULL', '{}']
            ELSE ARRAY['tag' || n % 7, 'ø' || n]
       END,
       CASE pg_temp.h('customer.preferences', n) % 5
            WHEN 0 THEN NULL
            WHEN 1 THEN '{}'
            WHEN 2 THEN 'null'
            WHEN 3 THEN jsonb_build_object('lang', 'sv', 'newsletter', n % 2 = 0, 'ratio', 1.50, 'note', E'a\n"b"')
            ELSE jsonb_build_array(n, NULL, 'ü', jsonb_build_object('z', 1, 'a', 2))
       END,
       CASE WHEN pg_temp.in_percent('customer.birth', n, 60)
            THEN date '1930-01-01' + (pg_temp.h('customer.birth', n) % 28000)::integer END,
       CASE WHEN pg_temp.in_percent('customer.call', n, 40)
            THEN time '00:00' + (pg_temp.h('customer.call', n) % 86400) * interval '1 second' END,
       pg_temp.moment('customer.created', n),
       pg_temp.changed(n),
       CASE WHEN pg_temp.in_percent('customer.deleted', n, 4) THEN pg_temp.changed(n) END
FROM generate_series(1, pg_temp.scaled(1000)) AS n;

INSERT INTO erp.addresses
SELECT c.customer_id,
       a.address_no,
       pg_temp.free_text('address.street', c.customer_id * 10 + a.address_no),
       pg_temp.pick('address.city', c.customer_id * 10 + a.address_no,
                    'Tromsø', 'São Paulo', 'Łódź', '北京', 'Nice', 'Gdańsk', 'St. John''s'),
       CASE WHEN pg_temp.in_percent('address.postcode', c.customer_id, 80)
            THEN lpad((pg_temp.h('address.postcode', c.customer_id) % 100000)::text, 5, '0') END,
       pg_temp.pick('address.country', c.customer_id, 'NO', 'BR', 'PL', 'CN', 'FR', 'CA'),
       a.address_no = 1,
       CASE WHEN pg_temp.in_percent('address.from', c.customer_id, 70)
            THEN date '2001-01-01' + (pg_temp.h('address.from', c.customer_id) % 9000)::integer END,
       CASE WHEN a.address_no > 1 THEN date '9999-12-31' END
FROM erp.customers c
CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.h('address.count', c.customer_id) % 3) AS a (address_no);

INSERT INTO erp.warehouses VALUES
    ('CPT1', 'Cape Town',        '06:00', '22:00:00',        '{6,12,18}', 12500.50),
    ('OSL 2', 'Oslo, north gate', '00:00', '24:00:00',        '{}',        3000),
    ('LDZ/3', 'Łódź "Zachód"',    '07:30', '15:45:30.250001', NULL,        0.1000000000000000000000000000000000000000001),
    ('KØB',  'København',        '08:00', '16:00',           '{8,NULL}',  NULL);

INSERT INTO erp.products
SELECT n,
       'P' || repeat('0', (n % 4)::integer) || n,
       coalesce(pg_temp.free_text('product.title', n), 'Product ' || n),
       CASE WHEN n % 17 <> 0 THEN (pg_temp.h('product.price', n) % 10000000)::numeric / 100 END,
       pg_temp.unbounded('product.cost', n),
       CASE WHEN n % 13 <> 0 THEN (pg_temp.h('product.weight', n) % 100000)::double precision / 7 END,
       CASE pg_temp.h('product.dimensions', n) % 4
            WHEN 0 THEN NULL
            WHEN 1 THEN ARRAY[(n % 900)::integer, NULL, -1]
            WHEN 2 THEN ARRAY[]::int[]
            ELSE ARRAY[(n % 900)::integer, (n % 400)::integer, 2147483647]
       END,
       CASE WHEN n % 5 <> 0 THEN ARRAY['red', 'blå', NULL, '']::text[] END,
       CASE pg_temp.h('product.life', n) % 6
            WHEN 0 THEN NULL
            WHEN 1 THEN interval '0'
            WHEN 2 THEN n * interval '1 day 01:02:03.000004'
            WHEN 3 THEN interval '-1 year -2 mons +3 days -04:05:06.789'
            WHEN 4 THEN interval '18 months'
            ELSE (n % 400) * interval '1 hour'
       END,
       CASE WHEN n % 3 = 0 THEN decode(repeat(md5('image' || n), (n % 8)::integer), 'hex') END,
       CASE WHEN n % 4 <> 0 THEN
            jsonb_build_object('colour', 'blå', 'sizes', jsonb_build_array(1, 2.50, n), 'nested', jsonb_build_object('x', NULL))
       END,
       CASE WHEN n % 11 = 0 THEN date '2020-02-29' + (n % 900)::integer WHEN n % 19 = 0 THEN date '0001-01-01' END,
       pg_temp.changed(n),
       CASE WHEN n % 29 = 0 THEN pg_temp.changed(n) END
FROM generate_series(1, pg_temp.scaled(400)) AS n;

INSERT INTO erp.orders
SELECT n,
       1 + pg_temp.h('order.customer', n) % pg_temp.scaled(1000),
       pg_temp.pick('order.status', n, 'placed', 'shipped', 'delivered', 'delivered', 'cancelled')::erp.order_status,
       CASE WHEN NOT pg_temp.in_percent('order.draft', n, 2) THEN (at AT TIME ZONE 'UTC')::date END,
       CASE WHEN NOT pg_temp.in_percent('order.draft', n, 2) THEN at END,
       CASE WHEN n % 3 = 0 THEN time '06:00' + (n % 36000) * interval '1.000001 second' END,
       (pg_temp.h('order.total', n) % 1000000)::numeric / 100,
       pg_temp.pick('order.currency', n, 'EUR', 'NOK', 'PLN', 'BRL'),
       pg_temp.unbounded('order.rate', n),
       CASE n % 4 WHEN 0 THEN true WHEN 1 THEN false END,
       pg_temp.free_text('order.note', n),
       CASE WHEN n % 6 = 0 THEN jsonb_build_object('channel', pg_temp.pick('order.channel', n, 'web', 'phone', 'edi'),
                                                  'ref', n, 'remark', pg_temp.free_text('order.remark', n)) END,
       pg_temp.changed(n),
       CASE WHEN pg_temp.in_percent('order.deleted', n, 2) THEN pg_temp.changed(n) END
FROM generate_series(1, pg_temp.scaled(3000)) AS n
CROSS JOIN LATERAL pg_temp.moment('order.at', n) AS at;

INSERT INTO erp.order_lines
SELECT o.order_id,
       l.line_no,
       1 + pg_temp.h('line.product', o.order_id * 10 + l.line_no) % pg_temp.scaled(400),
       (1 + pg_temp.h('line.quantity', o.order_id * 10 + l.line_no) % 100000)::numeric / 1000,
       (pg_temp.h('line.price', o.order_id * 10 + l.line_no) % 100000)::numeric / 100,
       CASE WHEN pg_temp.in_percent('line.discount', o.order_id * 10 + l.line_no, 30)
            THEN (pg_temp.h('line.discount', o.order_id) % 5000)::numeric / 10000 END,
       o.ordered_on + (pg_temp.h('line.promised', o.order_id) % 30)::integer,
       left(pg_temp.free_text('line.comment', o.order_id * 10 + l.line_no), 200),
       o.updated_at,
       o.deleted_at
FROM erp.orders o
CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.h('line.count', o.order_id) % 5) AS l (line_no);

INSERT INTO erp.payments
SELECT md5('payment' || o.order_id || '/' || p.part)::uuid,
       o.order_id,
       pg_temp.pick('payment.method', o.order_id, 'card', 'transfer', 'cash', 'on account')::erp.payment_method,
       round(o.total / p.part, 2),
       pg_temp.unbounded('payment.settled', o.order_id * 10 + p.part),
       coalesce(o.ordered_at, o.updated_at) + p.part * interval '1 day 03:00:00.654321',
       CASE WHEN p.part = 1 THEN (o.updated_at AT TIME ZONE 'UTC') + interval '0.999999 seconds' END,
       CASE WHEN p.part = 1 THEN (o.order_id % 90) * interval '1 minute 0.5 seconds' END,
       CASE WHEN o.order_id % 10 = 0 THEN '\x00ff0a0d225c'::bytea WHEN o.order_id % 10 = 1 THEN ''::bytea END,
       p.part = 3
FROM erp.orders o
CROSS JOIN LATERAL generate_series(1, pg_temp.h('payment.count', o.order_id) % 3) AS p (part);

INSERT INTO erp.stock_movements
SELECT n,
       1 + pg_temp.h('movement.product', n) % pg_temp.scaled(400),
       pg_temp.pick('movement.warehouse', n, 'CPT1', 'OSL 2', 'LDZ/3', 'KØB', NULL),
       pg_temp.pick('movement.reason', n, 'purchase', 'sale', 'return', 'count', 'scrap')::erp.movement_reason,
       (pg_temp.h('movement.quantity', n) % 2000000 - 1000000)::numeric / 1000,
       pg_temp.unbounded('movement.cost', n),
       pg_temp.moment('movement.at', n) AT TIME ZONE 'UTC',
       pg_temp.free_text('movement.by', n),
       pg_temp.changed(n) AT TIME ZONE 'UTC'
FROM generate_series(1, pg_temp.scaled(5000)) AS n;

INSERT INTO erp.audit_log
SELECT pg_temp.moment('audit.at', n / 2) AT TIME ZONE 'UTC',
       CASE WHEN n % 4 <> 3 THEN 'clerk' || (n / 2) % 9 END,
       pg_temp.pick('audit.action', n / 2, 'login', 'logout', 'edit', 'print'),
       CASE WHEN n % 8 <> 7 THEN pg_temp.h('audit.object', n / 2) END,
       CASE WHEN n % 8 < 4 THEN ('{"b" : 1,   "a": [' || n / 2 || ', null], "b": "twice"}')::json END,
       CASE WHEN n % 8 < 6 THEN (n / 2 % 5000) * interval '1 millisecond' END
FROM generate_series(1, pg_temp.scaled(2000)) AS n;

INSERT INTO erp."Group" VALUES
    (1, 'all of it',  '2024-02-29', 1,    'root',     12,   12.50,  181.5, 'one',   true,  '1969-12-31 23:59:59.999999'),
    (2, NULL,         NULL,         NULL, NULL,       NULL, NULL,   NULL,  NULL,    NULL,  NULL),
    (3, E'semi;colon -- and /* comment', '1899-12-31', -1, 'O''Brien', 0, -0.01, 'NaN', '', false, '2038-01-19 03:14:08'),
    (4, '%s %(x)s {} $1 ?', '9999-12-31', 0, '"quoted"', 9223372036854775807, 999.99, 1e300, 'Ünïcödé', true,
     '9999-12-31 23:59:59.999');

INSERT INTO erp.measurements
SELECT n,
       n % 20,
       CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN -32768 WHEN 2 THEN 32767 ELSE n % 1000 END,
       CASE n % 5 WHEN 0 THEN -2147483648 WHEN 1 THEN NULL WHEN 2 THEN 2147483647 ELSE n END,
       CASE n % 5 WHEN 0 THEN -9223372036854775808 WHEN 1 THEN 9223372036854775807 WHEN 2 THEN NULL ELSE n * 4294967296 END,
       CASE n % 9 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 1e-300 WHEN 3 THEN 1.7976931348623157e308
                  WHEN 4 THEN 0.1 WHEN 5 THEN 12345678901234567890 WHEN 6 THEN 5e-324 ELSE -n::double precision / 3 END,
       CASE n % 7 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 1e-45 WHEN 3 THEN 3.4028235e38
                  WHEN 4 THEN 0.1 ELSE n::real / 3 END,
       CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN -9999999999999999999999999999.9999999999
                  WHEN 2 THEN 0.0000000001 ELSE n::numeric / 3 END,
       pg_temp.unbounded('measurement.unbounded', n),
       CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END,
       CASE n % 8 WHEN 0 THEN NULL
                  WHEN 1 THEN timestamptz '1969-12-31 23:59:59.999999+00'
                  WHEN 2 THEN timestamptz '1900-01-01 00:00:00+00'
                  WHEN 3 THEN timestamptz '2024-03-31 02:30:00.0005+02'
                  ELSE pg_temp.moment('measurement.at', n) END,
       CASE n % 8 WHEN 0 THEN timestamp '2024-03-31 02:30:00.123456'
                  WHEN 1 THEN timestamp '2024-10-27 02:30:00'
                  WHEN 2 THEN timestamp '1582-10-10 12:00:00'
                  WHEN 3 THEN NULL
                  ELSE pg_temp.moment('measurement.local', n) AT TIME ZONE 'UTC' END,
       CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN time '24:00' WHEN 2 THEN time '00:00'
                  WHEN 3 THEN time '23:59:59.999999' ELSE time '06:00' + n * interval '1.5 seconds' END,
       CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN interval '-00:00:00.000001' WHEN 2 THEN interval '178000 years'
                  ELSE n * interval '1 mon 1 day 00:00:01' END,
       CASE n % 6 WHEN 0 THEN NULL WHEN 1 THEN date '0001-01-01' WHEN 2 THEN date '9999-12-31'
                  WHEN 3 THEN date '1582-10-10' ELSE date '2000-01-01' + (n % 9000)::integer END,
       CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN ARRAY[]::int[] WHEN 2 THEN ARRAY[NULL]::int[] ELSE ARRAY[n, -n]::int[] END,
       CASE n % 4 WHEN 0 THEN ARRAY[NULL]::text[] WHEN 1 THEN ARRAY[''] WHEN 2 THEN NULL
                  ELSE ARRAY[pg_temp.free_text('measurement.label', n), E'\\', 'x'] END,
       CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN ''::bytea ELSE decode(md5('measurement' || n) || '00ff', 'hex') END
FROM generate_series(1, pg_temp.scaled(1500)) AS n;

DO $$
DECLARE
    expressions text[] := ARRAY[
        'pg_temp.free_text(%1$L, n)', 'pg_temp.h(%1$L, n) %% 2147483647', '(pg_temp.h(%1$L, n) %% 100000)::numeric / 100',
        'pg_temp.moment(%1$L, n)', 'pg_temp.in_percent(%1$L, n, 50)', 'pg_temp.moment(%1$L, n)::date',
        'pg_temp.unbounded(%1$L, n)', '(pg_temp.h(%1$L, n) %% 100000)::double precision / 7',
        'left(pg_temp.free_text(%1$L, n), 40)', 'pg_temp.h(%1$L, n) * n', 'pg_temp.moment(%1$L, n) AT TIME ZONE ''UTC''',
        'jsonb_build_object(%1$L, n)'];
    columns text;
BEGIN
    SELECT string_agg(format('CASE WHEN NOT pg_temp.in_percent(%L, n, 20) THEN %s END', 'missing' || c,
                             format(expressions[1 + c % 12], 'attribute' || c)), ', ' ORDER BY c)
      INTO columns FROM generate_series(1, 117) AS c;
    EXECUTE format('INSERT INTO erp.machine_snapshots
                    SELECT n, n %% 20, %s, pg_temp.moment(''snapshot'', n)
                    FROM generate_series(1, pg_temp.scaled(300)) AS n', columns);
END $$;

-- Every supplier is listed, then changed; then a fourth of them goes, and some of these come back.
INSERT INTO erp.supplier_changes
SELECT n, operation, supplier_id,
       CASE WHEN operation <> 'D' THEN pg_temp.free_text('supplier.name', n) END,
       CASE WHEN operation <> 'D' THEN pg_temp.pick('supplier.country', n, 'PT', 'DE', 'PL', 'JP') END,
       CASE WHEN operation <> 'D' THEN (pg_temp.h('supplier.rating', n) % 101) / 10.0 END,
       CASE WHEN operation <> 'D' THEN jsonb_build_object('days', pg_temp.h('supplier.terms', n) % 90) END,
       CASE WHEN operation <> 'D' THEN pg_temp.in_percent('supplier.preferred', n, 20) END,
       pg_temp.changed(n)
FROM (SELECT n, 1 + (n - 1) % pg_temp.scaled(200) AS supplier_id,
             (ARRAY['I', 'U', CASE WHEN n % 4 = 0 THEN 'D' ELSE 'U' END, CASE WHEN n % 4 = 0 THEN 'I' ELSE 'U' END])
             [1 + (n - 1) / pg_temp.scaled(200)] AS operation
      FROM generate_series(1, pg_temp.scaled(200) * 7 / 2) AS n) AS changes;
