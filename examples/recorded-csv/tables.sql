-- The flash sale's streams from recorded CSV files, read once:
--   trueup sim --seed 42 --orders 10000 --out recorded --format csv
--   trueup run examples/recorded-csv examples/flashsale-v0/order_state.sql examples/flashsale-v0/sales.sql

CREATE TABLE orders (
    order_id    BIGINT,
    version     INT NOT NULL,
    buyer_id    BIGINT NOT NULL,
    product_id  INT NOT NULL,
    channel     TEXT NOT NULL,
    quantity    INT NOT NULL,
    amount      DECIMAL(18, 2) NOT NULL,
    status      TEXT NOT NULL,              -- placed, cancelled
    placed_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (order_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'file', path = 'recorded/orders.csv', mode = 'once', header = 'true') FORMAT PLAIN ENCODE CSV;

CREATE TABLE payments (
    payment_id  BIGINT,
    version     INT NOT NULL,
    order_id    BIGINT NOT NULL,
    amount      DECIMAL(18, 2) NOT NULL,
    status      TEXT NOT NULL,              -- authorised, captured, failed
    paid_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (payment_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'file', path = 'recorded/payments.csv', mode = 'once', header = 'true') FORMAT PLAIN ENCODE CSV;

CREATE TABLE refunds (
    refund_id   BIGINT,
    version     INT NOT NULL,
    order_id    BIGINT NOT NULL,
    amount      DECIMAL(18, 2) NOT NULL,
    status      TEXT NOT NULL,              -- requested, succeeded, failed
    refunded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (refund_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'file', path = 'recorded/refunds.csv', mode = 'once', header = 'true') FORMAT PLAIN ENCODE CSV;
