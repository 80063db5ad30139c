CREATE TABLE orders (
    order_id BIGINT PRIMARY KEY, version INT NOT NULL, sku INT NOT NULL, channel SMALLINT NOT NULL, amount BIGINT NOT NULL, minute INT NOT NULL
) WITH VERSION COLUMN (version);
CREATE TABLE payments (
    payment_id BIGINT PRIMARY KEY, version INT NOT NULL, order_id BIGINT NOT NULL, amount BIGINT NOT NULL
) WITH VERSION COLUMN (version);
CREATE TABLE refunds (
    refund_id BIGINT PRIMARY KEY, version INT NOT NULL, order_id BIGINT NOT NULL, amount BIGINT NOT NULL
) WITH VERSION COLUMN (version);

CREATE MATERIALIZED VIEW order_state AS
SELECT
    f.order_id, f.sku, f.channel, f.minute, f.ordered, f.paid, f.refunded,
    CASE WHEN f.refunded > 0 THEN 3 WHEN f.paid >= f.ordered THEN 2 ELSE 1 END AS status
FROM (
    SELECT
        o.order_id, o.sku, o.channel, o.minute, o.amount AS ordered,
        COALESCE(p.paid, 0) AS paid, COALESCE(r.refunded, 0) AS refunded
    FROM orders AS o
    LEFT JOIN (SELECT order_id, SUM(amount) AS paid FROM payments GROUP BY order_id) AS p ON p.order_id = o.order_id
    LEFT JOIN (SELECT order_id, SUM(amount) AS refunded FROM refunds GROUP BY order_id) AS r ON r.order_id = o.order_id
) AS f;

CREATE MATERIALIZED VIEW by_sku AS
SELECT sku, minute, COUNT(*) AS orders, SUM(ordered) AS ordered, SUM(paid) AS paid, SUM(refunded) AS refunded
FROM order_state GROUP BY sku, minute;
CREATE MATERIALIZED VIEW by_channel AS
SELECT channel, minute, COUNT(*) AS orders, SUM(ordered) AS ordered, SUM(paid) AS paid, SUM(refunded) AS refunded
FROM order_state GROUP BY channel, minute;
CREATE MATERIALIZED VIEW by_status AS
SELECT status, minute, COUNT(*) AS orders, SUM(ordered) AS ordered, SUM(paid) AS paid, SUM(refunded) AS refunded
FROM order_state GROUP BY status, minute;
