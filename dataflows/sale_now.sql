-- The sale in one row, its funnel, and which past minutes moved.
--
-- `sale_now` is about the sale that begins last, in one look-up by sale id. "The last minute" is the sixty seconds up to the newest
-- order's second, by event time: it stands still when no orders come.

CREATE VIEW current_sale AS
SELECT sale_id, name, starts_at, ends_at FROM sales ORDER BY starts_at DESC, sale_id LIMIT 1;

CREATE VIEW sale_sums AS
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

-- What each buyer did in the sale.
CREATE MATERIALIZED VIEW sale_buyer_orders AS
SELECT
    s.sale_id, o.buyer_id, COUNT(*) AS orders, COUNT(*) FILTER (WHERE o.is_paid) AS paid_orders, COUNT(*) FILTER (WHERE o.is_kept) AS kept_orders
FROM sale_grid AS s
JOIN (SELECT date_trunc('minute', placed_at) AS minute, buyer_id, is_paid, is_kept FROM order_money WHERE buyer_id IS NOT NULL) AS o
    ON o.minute = s.minute
GROUP BY s.sale_id, o.buyer_id;

CREATE VIEW sale_buyers AS
SELECT sale_id, COUNT(*) AS buyers FROM sale_buyer_orders GROUP BY sale_id;

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

-- Who was touched in the sale, or ordered in it after a click that attribution knows: most of a sale's buyers clicked before it began.
CREATE VIEW sale_buyer_touches AS
SELECT s.sale_id, t.buyer_id, COUNT(*) FILTER (WHERE t.is_click) AS clicks
FROM sale_grid AS s
JOIN (
    SELECT date_trunc('minute', at) AS minute, buyer_id, kind = 'click' AS is_click FROM touchpoints
    UNION ALL
    SELECT date_trunc('minute', placed_at), buyer_id, TRUE FROM attribution_clicks WHERE position = touches
) AS t ON t.minute = s.minute
GROUP BY s.sale_id, t.buyer_id;

CREATE VIEW funnel_sums AS
SELECT
    sale_id, COUNT(*) AS seen, COUNT(*) FILTER (WHERE clicks > 0) AS clicked,
    COUNT(*) FILTER (WHERE clicks > 0 AND orders > 0) AS ordered,
    COUNT(*) FILTER (WHERE clicks > 0 AND paid_orders > 0) AS paid,
    COUNT(*) FILTER (WHERE clicks > 0 AND kept_orders > 0) AS kept
FROM (
    SELECT t.sale_id, t.clicks, o.orders, o.paid_orders, o.kept_orders
    FROM sale_buyer_touches AS t
    LEFT JOIN sale_buyer_orders AS o ON o.sale_id = t.sale_id AND o.buyer_id = t.buyer_id
) AS buyers
GROUP BY sale_id;

CREATE VIEW funnel_steps AS
SELECT
    sale_id, step_no, seen,
    CASE step_no WHEN 1 THEN 'impression' WHEN 2 THEN 'click' WHEN 3 THEN 'order' WHEN 4 THEN 'paid' ELSE 'kept' END AS step,
    CASE step_no WHEN 1 THEN seen WHEN 2 THEN clicked WHEN 3 THEN ordered WHEN 4 THEN paid ELSE kept END AS count,
    CASE step_no WHEN 2 THEN seen WHEN 3 THEN clicked WHEN 4 THEN ordered WHEN 5 THEN paid END AS previous
FROM (
    SELECT *, UNNEST([1, 2, 3, 4, 5]) AS step_no
    FROM (
        SELECT
            s.sale_id, COALESCE(f.seen, 0) AS seen, COALESCE(f.clicked, 0) AS clicked, COALESCE(f.ordered, 0) AS ordered,
            COALESCE(f.paid, 0) AS paid, COALESCE(f.kept, 0) AS kept
        FROM sales AS s
        LEFT JOIN funnel_sums AS f ON f.sale_id = s.sale_id
    ) AS of_sale
) AS steps;

-- From seen to kept, in buyers: each step counts those of the step before who went on, so no step is more than the one before. Who was
-- touched by advertising; who clicked; of these, who ordered in the sale; who paid; who kept something. A touch counts that is within the
-- sale, or a click within the long look-back of an order in it. Buyers without a click are not in it: sale_now has all orders.
CREATE MATERIALIZED VIEW sale_funnel AS
SELECT
    sale_id, step_no, step, count, CAST(count AS DOUBLE PRECISION) / NULLIF(previous, 0) AS rate_of_previous,
    CASE WHEN step_no = 1 THEN 1 ELSE CAST(count AS DOUBLE PRECISION) / NULLIF(seen, 0) END AS rate_of_first
FROM funnel_steps;

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
