-- The smallest flash sale: three tables, one row per order, a few sums. Nothing feeds it by itself: INSERT, COPY, or files with
--   trueup run examples/flashsale-v0 --input FOLDER
-- A table with a key holds the newest version per key, whatever order the versions arrive in.

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
) WITH VERSION COLUMN (version);

CREATE TABLE payments (
    payment_id  BIGINT,
    version     INT NOT NULL,
    order_id    BIGINT NOT NULL,
    amount      DECIMAL(18, 2) NOT NULL,
    status      TEXT NOT NULL,              -- authorised, captured, failed
    paid_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (payment_id)
) WITH VERSION COLUMN (version);

CREATE TABLE refunds (
    refund_id   BIGINT,
    version     INT NOT NULL,
    order_id    BIGINT NOT NULL,
    amount      DECIMAL(18, 2) NOT NULL,
    status      TEXT NOT NULL,              -- requested, succeeded, failed
    refunded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (refund_id)
) WITH VERSION COLUMN (version);
