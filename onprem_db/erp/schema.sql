-- The operational schema of a trading company, with what real ones hurt with: unbounded numbers, local
-- time stamps, free text, sentinel dates, reserved and mixed-case names, a table without a key.

CREATE SCHEMA erp;

CREATE TYPE erp.customer_kind AS ENUM ('person', 'company', 'public body');
CREATE TYPE erp.order_status AS ENUM ('draft', 'placed', 'shipped', 'delivered', 'cancelled');
CREATE TYPE erp.movement_reason AS ENUM ('purchase', 'sale', 'return', 'count', 'scrap');
CREATE TYPE erp.payment_method AS ENUM ('card', 'transfer', 'cash', 'on account');

CREATE TABLE erp.customers (
    customer_id     bigint PRIMARY KEY,
    customer_uuid   uuid NOT NULL UNIQUE,
    name            text NOT NULL,
    kind            erp.customer_kind NOT NULL,
    email           varchar(120),
    tax_id          char(12),
    credit_limit    numeric(12,2),
    discount_rate   real,
    is_active       boolean NOT NULL,
    accepts_mail    boolean,
    tags            text[],
    preferences     jsonb,
    birth_date      date,
    call_after      time,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    deleted_at      timestamptz
);

CREATE TABLE erp.addresses (
    customer_id     bigint REFERENCES erp.customers,
    address_no      smallint,
    street          text,
    city            text,
    postcode        varchar(12),
    country         char(2) NOT NULL,
    is_billing      boolean NOT NULL,
    valid_from      date,
    valid_to        date,
    PRIMARY KEY (customer_id, address_no)
);

CREATE TABLE erp.warehouses (
    warehouse_code  varchar(10) PRIMARY KEY,
    name            text NOT NULL,
    opens_at        time NOT NULL,
    closes_at       time NOT NULL,
    dock_hours      int[],
    floor_area      numeric
);

CREATE TABLE erp.products (
    product_id      integer PRIMARY KEY,
    sku             char(10) NOT NULL UNIQUE,
    title           text NOT NULL,
    list_price      numeric(12,2),
    exact_cost      numeric,
    weight_kg       double precision,
    dimensions_mm   int[],
    colours         text[],
    shelf_life      interval,
    image           bytea,
    attributes      jsonb,
    discontinued_on date,
    updated_at      timestamptz NOT NULL,
    deleted_at      timestamptz
);

CREATE TABLE erp.orders (
    order_id        bigint PRIMARY KEY,
    customer_id     bigint NOT NULL REFERENCES erp.customers,
    status          erp.order_status NOT NULL,
    ordered_on      date,
    ordered_at      timestamptz,
    deliver_after   time,
    total           numeric(12,2) NOT NULL,
    currency        char(3) NOT NULL,
    exchange_rate   numeric,
    is_rush         boolean,
    note            text,
    metadata        jsonb,
    updated_at      timestamptz NOT NULL,
    deleted_at      timestamptz
);

CREATE TABLE erp.order_lines (
    order_id        bigint REFERENCES erp.orders,
    line_no         integer,
    product_id      integer NOT NULL REFERENCES erp.products,
    quantity        numeric(14,3) NOT NULL,
    unit_price      numeric(12,2) NOT NULL,
    discount        numeric(5,4),
    promised_on     date,
    comment         varchar(200),
    updated_at      timestamptz NOT NULL,
    deleted_at      timestamptz,
    PRIMARY KEY (order_id, line_no)
);

CREATE TABLE erp.payments (
    payment_id      uuid PRIMARY KEY,
    order_id        bigint NOT NULL REFERENCES erp.orders,
    method          erp.payment_method NOT NULL,
    amount          numeric(12,2) NOT NULL,
    settled_amount  numeric,
    paid_at         timestamptz NOT NULL,
    booked_at       timestamp,
    took            interval,
    receipt         bytea,
    is_refund       boolean NOT NULL
);

CREATE TABLE erp.stock_movements (
    movement_id     bigint PRIMARY KEY,
    product_id      integer NOT NULL REFERENCES erp.products,
    warehouse_code  varchar(10) REFERENCES erp.warehouses,
    reason          erp.movement_reason NOT NULL,
    quantity        numeric(14,3) NOT NULL,
    unit_cost       numeric,
    moved_at        timestamp NOT NULL,
    counted_by      text,
    updated_at      timestamp NOT NULL
);

-- No key, and rows that are equal in every column.
CREATE TABLE erp.audit_log (
    happened_at     timestamp NOT NULL,
    actor           text,
    action          text NOT NULL,
    object_id       bigint,
    payload         json,
    elapsed         interval
);

-- Sold as a feature, never used.
CREATE TABLE erp.price_agreements (
    agreement_id    bigint PRIMARY KEY,
    customer_id     bigint NOT NULL REFERENCES erp.customers,
    product_id      integer NOT NULL REFERENCES erp.products,
    price           numeric(12,2) NOT NULL,
    floor_price     numeric,
    quantities      int[],
    terms           jsonb,
    signed_copy     bytea,
    valid_during    interval,
    starts_at       timestamptz
);

CREATE TABLE erp."Group" (
    "Id"            integer PRIMARY KEY,
    "select"        text,
    "from"          date,
    "Order"         integer,
    "User"          text,
    "memberCount"   bigint,
    "Discount %"    numeric(5,2),
    "Größe (cm)"    double precision,
    "id"            text,
    "table"         boolean,
    "timestamp"     timestamp
);

-- What the purchasing system did to its suppliers, in order: it is not read itself, only this log of it.
CREATE TABLE erp.supplier_changes (
    change_no       bigint PRIMARY KEY,
    operation       char(1) NOT NULL,
    supplier_id     integer NOT NULL,
    name            text,
    country         char(2),
    rating          numeric(3,1),
    terms           jsonb,
    is_preferred    boolean,
    changed_at      timestamptz NOT NULL
);

-- The limits of each type.
CREATE TABLE erp.measurements (
    measurement_id  bigint PRIMARY KEY,
    machine_no      smallint NOT NULL,
    small_value     smallint,
    int_value       integer,
    big_value       bigint,
    reading         double precision,
    reading_short   real,
    exact           numeric(38,10),
    unbounded       numeric,
    is_valid        boolean,
    measured_at     timestamptz,
    local_time      timestamp,
    shift_start     time,
    uptime          interval,
    calibrated_on   date,
    samples         int[],
    labels          text[],
    raw             bytea
);

-- One column for each thing somebody once asked for: 120 of them.
DO $$
DECLARE
    types text[] := ARRAY['text', 'integer', 'numeric(12,2)', 'timestamptz', 'boolean', 'date', 'numeric',
                          'double precision', 'varchar(40)', 'bigint', 'timestamp', 'jsonb'];
    columns text;
BEGIN
    SELECT string_agg(format('attribute_%s %s', lpad(n::text, 3, '0'), types[1 + n % 12]), ', ' ORDER BY n)
      INTO columns FROM generate_series(1, 117) AS n;
    EXECUTE format('CREATE TABLE erp.machine_snapshots (
        snapshot_id bigint PRIMARY KEY, machine_no smallint NOT NULL, %s, taken_at timestamptz NOT NULL)', columns);
END $$;

CREATE INDEX ON erp.customers (updated_at);
CREATE INDEX ON erp.products (updated_at);
CREATE INDEX ON erp.orders (updated_at);
CREATE INDEX ON erp.orders (customer_id);
CREATE INDEX ON erp.order_lines (updated_at);
CREATE INDEX ON erp.stock_movements (updated_at);
