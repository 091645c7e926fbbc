-- A schema as somebody has it at work, with one of each thing that an ingest could take wrongly.
CREATE SCHEMA shop;
CREATE DOMAIN shop.email AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE shop.mood AS ENUM ('so, so', 'it''s "fine"');
CREATE TYPE shop.size AS (width int, height int, label text);
CREATE TABLE shop.types (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mail shop.email, mood shop.mood, moods shop.mood[], many int[], texts text[], found tsvector, wanted tsquery,
    address inet, net cidr, mac macaddr, price money, raw bytea, doc jsonb, plain json, u uuid,
    span int4range, spans tstzmultirange, lasts interval, tz timetz, t time(3), b bit(8), vb bit varying,
    p point, shape polygon, box shop.size, boxes shop.size[], n numeric, exact numeric(38,10), long numeric(60,2),
    r real, d double precision, c char(5), "select" text, "Mixed Case" text, "with ""quote" int, o oid,
    ts timestamp(3), stamps timestamptz(0)[], tstz timestamptz, da date, twice int GENERATED ALWAYS AS (2) STORED,
    flag boolean
);
INSERT INTO shop.types (mail, mood, moods, many, texts, found, wanted, address, net, mac, price, raw, doc, plain, u,
    span, spans, lasts, tz, t, b, vb, p, shape, box, boxes, n, exact, long, r, d, c, "select", "Mixed Case",
    "with ""quote", o, ts, stamps, tstz, da, flag)
VALUES (
    'a@b', 'so, so', ARRAY['so, so', NULL, 'it''s "fine"']::shop.mood[], '{1,NULL,3}',
    ARRAY['a,b', NULL, 'NULL', '', '{x}', 'q"\'], to_tsvector('a fat cat'), 'fat & !rat', '10.0.0.1/8',
    '10.0.0.0/8', '08:00:2b:01:02:03', -1234.5, '\x00ff0a', '{"b": 1, "a": [1, 2.50]}', '{"b":1,  "a":2}',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[1,5)', '{[2024-01-01 00:00+00,2024-02-01 00:00+00)}',
    '1 year 2 mons 3 days 04:05:06.789', '04:05:06.789+02', '04:05:06.789', B'10101010', B'101', '(1.5,2)',
    '((0,0),(1,1),(1,0))', '(1,2,"a ""b""")', ARRAY['(1,2,x)'::shop.size],
    123456789012345678901234567890.123456789, 1234567890123456789012345678.0123456789, 9.99, 0.1, 'NaN', 'ab', 'x',
    'y', 7, 4294967295, '2024-02-29 12:00:00.120', '{"2024-02-29 12:00:00+00",NULL}', '1850-01-01 00:00+00',
    '9999-12-31', true
), (
    NULL, NULL, '{}', '{}', '{}', '', NULL, '::1', NULL, NULL, 0, '', 'null', '[]', NULL, 'empty', '{}', '-1 days',
    NULL, '24:00', NULL, NULL, NULL, NULL, NULL, '{}', 'NaN', 0, 0, '-Infinity', 1e308, '', E'tab\tnew\nline\\r', '',
    NULL, NULL, '0001-01-01', '{}', '9999-12-31 23:59:59.999999+00', '0001-01-01', false
);
INSERT INTO shop.types DEFAULT VALUES;
CREATE TABLE shop.sales (id int, region text, at timestamptz NOT NULL DEFAULT '2026-01-01 UTC',
    PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE shop.sales_eu PARTITION OF shop.sales FOR VALUES IN ('eu') PARTITION BY HASH (id);
CREATE TABLE shop.sales_eu_0 PARTITION OF shop.sales_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.sales_eu_1 PARTITION OF shop.sales_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE shop.sales_others PARTITION OF shop.sales DEFAULT;
INSERT INTO shop.sales SELECT i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END FROM generate_series(1, 100) i;
CREATE TABLE shop.visits (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.visits_1 PARTITION OF shop.visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shop.visits_2 PARTITION OF shop.visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX ON shop.visits (updated_at);
INSERT INTO shop.visits (at, updated_at) SELECT at, at + interval '1 day'
    FROM generate_series(timestamptz '2026-01-01 UTC', timestamptz '2026-02-03 UTC', interval '8 hours') at;
CREATE TABLE shop.parent (id int PRIMARY KEY, a text);
CREATE TABLE shop.child (b text) INHERITS (shop.parent);
INSERT INTO shop.parent VALUES (1, 'x');
INSERT INTO shop.child VALUES (2, 'y', 'z');
CREATE VIEW shop.prices AS SELECT id, mood, moods, price, found FROM shop.types;
CREATE MATERIALIZED VIEW shop.totals AS SELECT region, count(*) AS n, sum(id)::numeric AS total FROM shop.sales GROUP BY 1;
CREATE MATERIALIZED VIEW shop.unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE TABLE shop.nothing_yet (id int PRIMARY KEY, v text);
CREATE TABLE shop.no_key (v text, w int);
INSERT INTO shop.no_key VALUES ('a', 1), ('a', 1), (NULL, NULL);
CREATE TABLE shop."Odd Name!" ("Id" int PRIMARY KEY, "a.b" text, "ü" text);
INSERT INTO shop."Odd Name!" VALUES (1, 'p', 'ü');
CREATE TABLE shop.forbidden (id int PRIMARY KEY);
ANALYZE;
