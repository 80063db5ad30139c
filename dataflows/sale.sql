-- The flash sale as it stands: per second, per minute, by region, channel, coupon and status, and the headline row `sale_now`.
--
-- Time is event time. An order counts in the second and minute it was placed in, with all that became of it since: a payment, refund or
-- new price that comes later changes that minute's numbers (`corrections` says which and why). Payment attempts count in the
-- minute they were made. Money is CNY; orders whose rate is missing are counted in `missing_fx`, their money is not.
-- placed: asked by all orders, cancelled ones too; paid: captured; refunded: refunds and chargebacks; net: paid − refunded.
-- A sale is a row of `sales`: whole minutes, from that of starts_at to the last that begins before ends_at.
-- Percentiles of the time to pay are upper bounds of buckets: 1 s wide to 10 s, 5 s to a minute, 30 s to 10 minutes, 5 minutes to an
-- hour, then an hour.

-- What many numbers are made of. Everything below up to the sale's totals is added up from these cells, not from orders.
CREATE MATERIALIZED VIEW sale_cells AS
SELECT
    date_trunc('minute', placed_at) AS minute, channel, region, coupon_id,
    COUNT(*) AS orders,
    COUNT(*) FILTER (WHERE is_paid) AS paid_orders,
    COUNT(*) FILTER (WHERE is_kept) AS kept_orders,
    COUNT(*) FILTER (WHERE is_cancelled) AS cancelled_orders,
    COUNT(*) FILTER (WHERE fx_rate IS NULL) AS missing_fx,
    COUNT(*) FILTER (WHERE buyer_id IS NULL) AS missing_buyer,
    SUM(units) AS units,
    COALESCE(SUM(amount_cny), 0) AS placed,
    COALESCE(SUM(paid_cny), 0) AS paid,
    COALESCE(SUM(returned_cny), 0) AS refunded,
    COALESCE(SUM(discount_cny), 0) AS discount
FROM order_money
GROUP BY date_trunc('minute', placed_at), channel, region, coupon_id;

-- Attempts to pay: what was captured, and what failed.
CREATE MATERIALIZED VIEW payment_cells AS
SELECT
    date_trunc('minute', created_at) AS minute, channel,
    COUNT(*) FILTER (WHERE status IN ('captured', 'failed')) AS attempts,
    COUNT(*) FILTER (WHERE status = 'failed') AS failures
FROM payments
GROUP BY date_trunc('minute', created_at), channel;

CREATE VIEW pay_latency AS
SELECT minute, CASE
        WHEN seconds < 10 THEN seconds + 1
        WHEN seconds < 60 THEN (seconds / 5 + 1) * 5
        WHEN seconds < 600 THEN (seconds / 30 + 1) * 30
        WHEN seconds < 3600 THEN (seconds / 300 + 1) * 300
        ELSE (seconds / 3600 + 1) * 3600
    END AS bucket_s
FROM (
    SELECT
        date_trunc('minute', placed_at) AS minute,
        GREATEST(CAST(FLOOR(EXTRACT(EPOCH FROM first_paid_at) - EXTRACT(EPOCH FROM placed_at)) AS BIGINT), 0) AS seconds
    FROM order_money
    WHERE first_paid_at IS NOT NULL
) AS waits;

CREATE MATERIALIZED VIEW pay_latency_cells AS
SELECT minute, bucket_s, COUNT(*) AS orders FROM pay_latency GROUP BY minute, bucket_s;

-- From `orders`, not from their state: a payment does not touch them.
CREATE VIEW minute_buyers AS
SELECT DISTINCT date_trunc('minute', placed_at) AS minute, buyer_id FROM orders WHERE buyer_id IS NOT NULL;

-- The minutes of each sale; a sale of more than a week is cut there.
CREATE MATERIALIZED VIEW sale_grid AS
SELECT
    sale_id, minute, earlier_sale_id,
    CAST((EXTRACT(EPOCH FROM minute) - EXTRACT(EPOCH FROM begins_at)) / 60 AS INT) AS minute_no
FROM (
    SELECT
        sale_id, earlier_sale_id, date_trunc('minute', starts_at) AS begins_at,
        UNNEST(generate_series(
            date_trunc('minute', starts_at),
            LEAST(ends_at, starts_at + INTERVAL '7 days') - INTERVAL '1 microsecond',
            INTERVAL '1 minute'
        )) AS minute
    FROM sales
) AS minutes;

-- Minutes in which something happened.
CREATE VIEW minutes_seen AS
SELECT minute FROM sale_cells UNION SELECT minute FROM payment_cells WHERE attempts > 0;

CREATE VIEW minute_sums AS
SELECT
    minute,
    SUM(orders) AS orders, SUM(paid_orders) AS paid_orders, SUM(kept_orders) AS kept_orders,
    SUM(cancelled_orders) AS cancelled_orders, SUM(missing_fx) AS missing_fx, SUM(units) AS units,
    SUM(placed) AS placed, SUM(paid) AS paid, SUM(refunded) AS refunded
FROM sale_cells
GROUP BY minute;

CREATE VIEW minute_attempts AS
SELECT minute, SUM(attempts) AS attempts, SUM(failures) AS failures FROM payment_cells GROUP BY minute;

CREATE VIEW minute_buyer_counts AS
SELECT minute, COUNT(*) AS buyers FROM minute_buyers GROUP BY minute;

CREATE VIEW minute_percentiles AS
SELECT
    minute,
    MIN(bucket_s) FILTER (WHERE 2 * below >= everyone) AS pay_p50_s,
    MIN(bucket_s) FILTER (WHERE 20 * below >= 19 * everyone) AS pay_p95_s
FROM (
    SELECT
        minute, bucket_s,
        SUM(orders) OVER (PARTITION BY minute ORDER BY bucket_s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS below,
        SUM(orders) OVER (PARTITION BY minute ORDER BY bucket_s ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS everyone
    FROM pay_latency_cells
) AS ranked
GROUP BY minute;

CREATE VIEW minute_figures AS
SELECT
    m.minute,
    COALESCE(c.orders, 0) AS orders, COALESCE(b.buyers, 0) AS buyers, COALESCE(c.units, 0) AS units,
    COALESCE(c.placed, 0) AS placed, COALESCE(c.paid, 0) AS paid, COALESCE(c.refunded, 0) AS refunded,
    COALESCE(c.paid_orders, 0) AS paid_orders, COALESCE(c.kept_orders, 0) AS kept_orders,
    COALESCE(c.cancelled_orders, 0) AS cancelled_orders,
    COALESCE(a.attempts, 0) AS payment_attempts, COALESCE(a.failures, 0) AS payment_failures,
    p.pay_p50_s, p.pay_p95_s
FROM minutes_seen AS m
LEFT JOIN minute_sums AS c ON c.minute = m.minute
LEFT JOIN minute_buyer_counts AS b ON b.minute = m.minute
LEFT JOIN minute_attempts AS a ON a.minute = m.minute
LEFT JOIN minute_percentiles AS p ON p.minute = m.minute;

-- One row per sale and minute, beside the same minute of the earlier sale.
CREATE MATERIALIZED VIEW sale_minutes AS
SELECT
    s.sale_id, s.minute, s.minute_no, m.orders, m.buyers, m.units,
    CAST(m.placed AS DECIMAL(18, 2)) AS placed,
    CAST(m.paid AS DECIMAL(18, 2)) AS paid,
    CAST(m.refunded AS DECIMAL(18, 2)) AS refunded,
    CAST(m.paid - m.refunded AS DECIMAL(18, 2)) AS net,
    CAST(ROUND(CAST(m.placed AS DOUBLE PRECISION) / NULLIF(m.orders, 0), 2) AS DECIMAL(18, 2)) AS average_order_value,
    m.paid_orders, m.kept_orders, m.cancelled_orders,
    CAST(m.refunded AS DOUBLE PRECISION) / NULLIF(CAST(m.paid AS DOUBLE PRECISION), 0) AS refund_rate,
    m.payment_attempts, m.payment_failures,
    CAST(m.payment_attempts - m.payment_failures AS DOUBLE PRECISION) / NULLIF(m.payment_attempts, 0) AS payment_success_rate,
    m.pay_p50_s, m.pay_p95_s,
    e.orders AS earlier_orders, e.placed AS earlier_placed, e.paid AS earlier_paid
FROM sale_grid AS s
JOIN minute_figures AS m ON m.minute = s.minute
LEFT JOIN earlier_sales AS e ON e.sale_id = s.earlier_sale_id AND e.minute = s.minute_no;

CREATE MATERIALIZED VIEW sale_seconds AS
SELECT
    s.sale_id, c.second, c.orders, c.units,
    CAST(c.placed AS DECIMAL(18, 2)) AS placed,
    CAST(c.paid AS DECIMAL(18, 2)) AS paid,
    CAST(c.refunded AS DECIMAL(18, 2)) AS refunded,
    CAST(c.paid - c.refunded AS DECIMAL(18, 2)) AS net
FROM (
    SELECT
        date_trunc('second', placed_at) AS second, COUNT(*) AS orders, SUM(units) AS units,
        COALESCE(SUM(amount_cny), 0) AS placed, COALESCE(SUM(paid_cny), 0) AS paid, COALESCE(SUM(returned_cny), 0) AS refunded
    FROM order_money
    GROUP BY date_trunc('second', placed_at)
) AS c
JOIN sale_grid AS s ON s.minute = date_trunc('minute', c.second);

-- The cells of each sale.
CREATE VIEW sale_parts AS
SELECT s.sale_id, c.*
FROM sale_grid AS s
JOIN sale_cells AS c ON c.minute = s.minute;

CREATE MATERIALIZED VIEW sale_region_minutes AS
SELECT
    s.sale_id, c.region, s.minute, s.minute_no, SUM(c.orders) AS orders, SUM(c.units) AS units,
    CAST(SUM(c.placed) AS DECIMAL(18, 2)) AS placed, CAST(SUM(c.paid) AS DECIMAL(18, 2)) AS paid,
    CAST(SUM(c.paid) - SUM(c.refunded) AS DECIMAL(18, 2)) AS net
FROM sale_grid AS s
JOIN sale_cells AS c ON c.minute = s.minute
GROUP BY s.sale_id, c.region, s.minute, s.minute_no;

CREATE MATERIALIZED VIEW sale_regions AS
SELECT
    sale_id, ROW_NUMBER() OVER (PARTITION BY sale_id ORDER BY placed DESC, region) AS rank, region, orders, units, placed, paid, net
FROM (
    SELECT
        sale_id, region, SUM(orders) AS orders, SUM(units) AS units, CAST(SUM(placed) AS DECIMAL(18, 2)) AS placed,
        CAST(SUM(paid) AS DECIMAL(18, 2)) AS paid, CAST(SUM(net) AS DECIMAL(18, 2)) AS net
    FROM sale_region_minutes
    GROUP BY sale_id, region
) AS regions;

CREATE MATERIALIZED VIEW sale_channels AS
SELECT
    sale_id, channel, SUM(orders) AS orders, SUM(units) AS units, CAST(SUM(placed) AS DECIMAL(18, 2)) AS placed,
    CAST(SUM(paid) AS DECIMAL(18, 2)) AS paid, CAST(SUM(paid) - SUM(refunded) AS DECIMAL(18, 2)) AS net
FROM sale_parts
GROUP BY sale_id, channel;

CREATE MATERIALIZED VIEW sale_coupons AS
SELECT
    sale_id, coupon_id, SUM(orders) AS orders, CAST(SUM(discount) AS DECIMAL(18, 2)) AS discount,
    CAST(SUM(placed) AS DECIMAL(18, 2)) AS placed, CAST(SUM(paid) AS DECIMAL(18, 2)) AS paid,
    CAST(SUM(paid) - SUM(refunded) AS DECIMAL(18, 2)) AS net
FROM sale_parts
WHERE coupon_id IS NOT NULL
GROUP BY sale_id, coupon_id;

-- All orders, not only a sale's.
CREATE MATERIALIZED VIEW sales_by_status AS
SELECT
    status, COUNT(*) AS orders, CAST(COALESCE(SUM(amount_cny), 0) AS DECIMAL(18, 2)) AS placed,
    CAST(COALESCE(SUM(paid_cny), 0) AS DECIMAL(18, 2)) AS paid,
    CAST(COALESCE(SUM(returned_cny), 0) AS DECIMAL(18, 2)) AS refunded,
    CAST(COALESCE(SUM(net_cny), 0) AS DECIMAL(18, 2)) AS net
FROM order_state
GROUP BY status;
