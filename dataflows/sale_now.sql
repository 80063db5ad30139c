-- The sale in one row, its funnel, and which past minutes moved.
--
-- `sale_now` is about the sale that begins last, in one look-up by sale id. "The last minute" is the sixty seconds up to the newest
-- order's second, by event time: it stands still when no orders come.

CREATE VIEW current_sale AS
SELECT sale_id, name, starts_at, ends_at FROM sales ORDER BY starts_at DESC, sale_id LIMIT 1;

CREATE MATERIALIZED VIEW sale_sums AS
SELECT
    sale_id, SUM(orders) AS orders, SUM(units) AS units, SUM(placed) AS placed, SUM(paid) AS paid, SUM(refunded) AS refunded,
    SUM(paid_orders) AS paid_orders, SUM(kept_orders) AS kept_orders, SUM(cancelled_orders) AS cancelled_orders,
    SUM(missing_fx) AS missing_fx
FROM sale_parts
GROUP BY sale_id;

CREATE VIEW sale_attempts AS
SELECT s.sale_id, SUM(p.attempts) AS attempts, SUM(p.failures) AS failures
FROM sale_grid AS s
JOIN payment_cells AS p ON p.minute = s.minute
GROUP BY s.sale_id;

CREATE VIEW sale_buyers AS
SELECT sale_id, COUNT(*) AS buyers
FROM (SELECT DISTINCT s.sale_id, b.buyer_id FROM sale_grid AS s JOIN minute_buyers AS b ON b.minute = s.minute) AS distinct_buyers
GROUP BY sale_id;

CREATE VIEW sale_percentiles AS
SELECT
    sale_id,
    MIN(bucket_s) FILTER (WHERE 2 * below >= everyone) AS pay_p50_s,
    MIN(bucket_s) FILTER (WHERE 20 * below >= 19 * everyone) AS pay_p95_s
FROM (
    SELECT
        sale_id, bucket_s,
        SUM(orders) OVER (PARTITION BY sale_id ORDER BY bucket_s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS below,
        SUM(orders) OVER (PARTITION BY sale_id ORDER BY bucket_s ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS everyone
    FROM (
        SELECT s.sale_id, l.bucket_s, SUM(l.orders) AS orders
        FROM sale_grid AS s
        JOIN pay_latency_cells AS l ON l.minute = s.minute
        GROUP BY s.sale_id, l.bucket_s
    ) AS buckets
) AS ranked
GROUP BY sale_id;

CREATE VIEW sale_newest AS
SELECT sale_id, MAX(second) AS newest_order_at FROM sale_seconds GROUP BY sale_id;

-- Sixty seconds hold at most sixty rows: the newest sixty contain them.
CREATE VIEW sale_last_minute AS
SELECT r.sale_id, SUM(r.orders) AS orders, SUM(r.placed) AS placed
FROM (
    SELECT sale_id, second, orders, placed
    FROM (
        SELECT sale_id, second, orders, placed, ROW_NUMBER() OVER (PARTITION BY sale_id ORDER BY second DESC) AS age
        FROM sale_seconds
    ) AS numbered
    WHERE age <= 60
) AS r
JOIN sale_newest AS n ON n.sale_id = r.sale_id
WHERE r.second > n.newest_order_at - INTERVAL '60 seconds'
GROUP BY r.sale_id;

CREATE VIEW sale_oversold AS
SELECT COUNT(*) AS products FROM sale_stock WHERE oversold;

CREATE MATERIALIZED VIEW sale_now AS
SELECT
    s.sale_id, s.name, s.starts_at, s.ends_at, n.newest_order_at,
    COALESCE(t.orders, 0) AS orders, COALESCE(b.buyers, 0) AS buyers, COALESCE(t.units, 0) AS units,
    CAST(COALESCE(t.placed, 0) AS DECIMAL(18, 2)) AS placed,
    CAST(COALESCE(t.paid, 0) AS DECIMAL(18, 2)) AS paid,
    CAST(COALESCE(t.refunded, 0) AS DECIMAL(18, 2)) AS refunded,
    CAST(COALESCE(t.paid - t.refunded, 0) AS DECIMAL(18, 2)) AS net,
    CAST(ROUND(CAST(t.placed AS DOUBLE PRECISION) / NULLIF(t.orders, 0), 2) AS DECIMAL(18, 2)) AS average_order_value,
    COALESCE(t.paid_orders, 0) AS paid_orders, COALESCE(t.kept_orders, 0) AS kept_orders,
    COALESCE(t.cancelled_orders, 0) AS cancelled_orders,
    COALESCE(a.attempts, 0) AS payment_attempts,
    CAST(a.attempts - a.failures AS DOUBLE PRECISION) / NULLIF(a.attempts, 0) AS payment_success_rate,
    CAST(t.refunded AS DOUBLE PRECISION) / NULLIF(CAST(t.paid AS DOUBLE PRECISION), 0) AS refund_rate,
    p.pay_p50_s, p.pay_p95_s,
    COALESCE(l.orders, 0) AS orders_last_minute,
    CAST(COALESCE(l.placed, 0) AS DECIMAL(18, 2)) AS placed_last_minute,
    o.products AS oversold_products,
    COALESCE(t.missing_fx, 0) AS missing_fx_orders
FROM current_sale AS s
LEFT JOIN sale_sums AS t ON t.sale_id = s.sale_id
LEFT JOIN sale_attempts AS a ON a.sale_id = s.sale_id
LEFT JOIN sale_buyers AS b ON b.sale_id = s.sale_id
LEFT JOIN sale_percentiles AS p ON p.sale_id = s.sale_id
LEFT JOIN sale_newest AS n ON n.sale_id = s.sale_id
LEFT JOIN sale_last_minute AS l ON l.sale_id = s.sale_id
CROSS JOIN sale_oversold AS o;

-- Advertising touches per minute, all campaigns.
CREATE VIEW touch_cells AS
SELECT date_trunc('minute', at) AS minute, kind, COUNT(*) AS touches
FROM touchpoints
GROUP BY date_trunc('minute', at), kind;

CREATE VIEW sale_touches AS
SELECT
    s.sale_id,
    SUM(t.touches) FILTER (WHERE t.kind = 'impression') AS impressions,
    SUM(t.touches) FILTER (WHERE t.kind = 'click') AS clicks
FROM sale_grid AS s
JOIN touch_cells AS t ON t.minute = s.minute
GROUP BY s.sale_id;

CREATE VIEW funnel_sums AS
SELECT
    s.sale_id, COALESCE(c.impressions, 0) AS impressions, COALESCE(c.clicks, 0) AS clicks, COALESCE(t.orders, 0) AS orders,
    COALESCE(t.paid_orders, 0) AS paid, COALESCE(t.kept_orders, 0) AS kept
FROM sales AS s
LEFT JOIN sale_touches AS c ON c.sale_id = s.sale_id
LEFT JOIN sale_sums AS t ON t.sale_id = s.sale_id;

-- From seen to kept. Steps are counts within the sale's window, not one person's way: orders without a click are in it too.
CREATE MATERIALIZED VIEW sale_funnel AS
SELECT
    sale_id, step_no,
    CASE step_no WHEN 1 THEN 'impression' WHEN 2 THEN 'click' WHEN 3 THEN 'order' WHEN 4 THEN 'paid' ELSE 'kept' END AS step,
    CASE step_no WHEN 1 THEN impressions WHEN 2 THEN clicks WHEN 3 THEN orders WHEN 4 THEN paid ELSE kept END AS count,
    CASE step_no
        WHEN 2 THEN CAST(clicks AS DOUBLE PRECISION) / NULLIF(impressions, 0)
        WHEN 3 THEN CAST(orders AS DOUBLE PRECISION) / NULLIF(clicks, 0)
        WHEN 4 THEN CAST(paid AS DOUBLE PRECISION) / NULLIF(orders, 0)
        WHEN 5 THEN CAST(kept AS DOUBLE PRECISION) / NULLIF(paid, 0)
    END AS rate_of_previous,
    CASE step_no WHEN 1 THEN 1.0 WHEN 2 THEN CAST(clicks AS DOUBLE PRECISION) WHEN 3 THEN CAST(orders AS DOUBLE PRECISION)
        WHEN 4 THEN CAST(paid AS DOUBLE PRECISION) ELSE CAST(kept AS DOUBLE PRECISION) END
        / CASE step_no WHEN 1 THEN 1 ELSE NULLIF(impressions, 0) END AS rate_of_first
FROM (SELECT *, UNNEST([1, 2, 3, 4, 5]) AS step_no FROM funnel_sums) AS steps;

-- Facts of a later minute than the one their order was placed in, by what they did to that minute.
-- refund, chargeback: net went down; late_payment: paid and net went up (a payment one minute after the order is one too);
-- cancellation: the orders' amount is not asked any more; price_revision: what a paid order asks moved by so much.
-- An order's refunds, and its payments, are told from the newest of them: all count as later once that one is.
CREATE VIEW later_facts AS
SELECT
    date_trunc('minute', placed_at) AS minute, 'refund' AS cause, refunds AS facts,
    CAST(ROUND(-refunded * fx_rate, 2) AS DECIMAL(18, 2)) AS moved, last_refund_at AS at
FROM order_state
WHERE refunded > 0 AND date_trunc('minute', last_refund_at) > date_trunc('minute', placed_at)
UNION ALL
SELECT date_trunc('minute', placed_at), 'chargeback', CAST(1 AS BIGINT), CAST(ROUND(-charged_back * fx_rate, 2) AS DECIMAL(18, 2)), last_refund_at
FROM order_state
WHERE charged_back > 0 AND date_trunc('minute', last_refund_at) > date_trunc('minute', placed_at)
UNION ALL
SELECT date_trunc('minute', placed_at), 'late_payment', payments, paid_cny, last_paid_at
FROM order_state
WHERE paid > 0 AND date_trunc('minute', last_paid_at) > date_trunc('minute', placed_at)
UNION ALL
SELECT date_trunc('minute', placed_at), 'cancellation', CAST(1 AS BIGINT), CAST(-amount_cny AS DECIMAL(18, 2)), cancelled_at
FROM order_state
WHERE order_status = 'cancelled' AND date_trunc('minute', cancelled_at) > date_trunc('minute', placed_at)
UNION ALL
SELECT date_trunc('minute', placed_at), 'price_revision', CAST(1 AS BIGINT), CAST(ROUND((amount - paid) * fx_rate, 2) AS DECIMAL(18, 2)), updated_at
FROM order_state
WHERE price_changed AND date_trunc('minute', updated_at) > date_trunc('minute', placed_at);

CREATE MATERIALIZED VIEW corrections AS
SELECT
    minute, cause, SUM(facts) AS facts, CAST(COALESCE(SUM(moved), 0) AS DECIMAL(18, 2)) AS moved, MAX(at) AS latest_at
FROM later_facts
GROUP BY minute, cause;
