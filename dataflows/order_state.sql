-- One row per order: what was asked, what came in, what went back, what left the house, and a status that follows from these facts.
--
-- Facts may come in any order and change: a payment before its order, a refund before its payment, a refund that is reversed later
-- (its money counts again), a new price after the payment. Nothing here remembers a way: the same facts give the same row.
-- Money counts when it moved: captured payments, succeeded refunds and chargebacks. Amounts are in the order's currency; `…_cny` by the
-- rate of the UTC day the order was placed, NULL while that rate is missing. A payment in another currency than its order's
-- is taken at its face and listed in `anomalies`. Payments, refunds and shipments whose order is unknown are in `orphan_payments`.
--
-- `other_currency`: a payment in CNY for an order that asks something else, or the reverse. `price_changed`: the order was written anew after its first payment, and what it asks is not what was paid.
-- Not here: which versions were stale. That follows from the order of arrival, and this row must not: `stale_facts` counts them per order
-- and `order_flags` has it beside the flags from here (order_history.sql). Conflicting versions are in trueup.errors.

-- Orders in other currencies, with their rate; those without a rate are missing.
CREATE VIEW order_rates AS
SELECT o.order_id, f.rate
FROM orders AS o
JOIN fx_rates AS f ON f.currency = o.currency AND f.day = CAST(o.placed_at AS DATE)
WHERE o.currency <> 'CNY';

CREATE VIEW order_units AS
SELECT order_id, SUM(quantity) AS units
FROM order_items
GROUP BY order_id;

CREATE VIEW order_money_in AS
SELECT
    order_id,
    SUM(amount) FILTER (WHERE status = 'captured') AS paid,
    SUM(amount) FILTER (WHERE status = 'authorised') AS authorised,
    COUNT(*) FILTER (WHERE status = 'captured') AS payments,
    COUNT(*) FILTER (WHERE status = 'failed') AS failed_payments,
    COUNT(*) AS payment_facts,
    COUNT(*) FILTER (WHERE currency = 'CNY') AS cny_facts,
    MIN(paid_at) FILTER (WHERE status = 'captured') AS first_paid_at,
    MAX(paid_at) FILTER (WHERE status = 'captured') AS last_paid_at
FROM payments
GROUP BY order_id;

CREATE VIEW order_money_back AS
SELECT
    order_id,
    SUM(amount) FILTER (WHERE status = 'requested') AS refund_requested,
    SUM(amount) FILTER (WHERE status = 'succeeded' AND kind = 'refund') AS refunded,
    SUM(amount) FILTER (WHERE status = 'succeeded' AND kind = 'chargeback') AS charged_back,
    SUM(amount) FILTER (WHERE status = 'succeeded' AND line_id IS NULL) AS returned_whole,
    COUNT(*) FILTER (WHERE status = 'succeeded') AS refunds,
    MAX(refunded_at) FILTER (WHERE status = 'succeeded') AS last_refund_at
FROM refunds
GROUP BY order_id;

CREATE VIEW order_parcels AS
SELECT
    order_id,
    SUM(quantity) AS shipped_units,
    SUM(quantity) FILTER (WHERE status = 'delivered') AS delivered_units,
    SUM(quantity) FILTER (WHERE status = 'returned') AS returned_units
FROM shipments
GROUP BY order_id;

-- All facts of an order side by side: one look-up by order id.
CREATE VIEW order_facts AS
SELECT
    o.order_id, o.channel, o.buyer_id, o.status AS order_status, o.currency, o.amount, o.discount, o.coupon_id, o.region,
    o.placed_at, o.cancelled_at, o.updated_at,
    COALESCE(u.units, 0) AS units,
    COALESCE(s.shipped_units, 0) AS shipped_units,
    COALESCE(s.delivered_units, 0) AS delivered_units,
    COALESCE(s.returned_units, 0) AS returned_units,
    CAST(COALESCE(p.authorised, 0) AS DECIMAL(18, 2)) AS authorised,
    CAST(COALESCE(p.paid, 0) AS DECIMAL(18, 2)) AS paid,
    COALESCE(p.payments, 0) AS payments,
    COALESCE(p.failed_payments, 0) AS failed_payments,
    COALESCE(CASE WHEN o.currency = 'CNY' THEN p.cny_facts < p.payment_facts ELSE p.cny_facts > 0 END, FALSE) AS other_currency,
    p.first_paid_at,
    p.last_paid_at,
    CAST(COALESCE(r.refund_requested, 0) AS DECIMAL(18, 2)) AS refund_requested,
    CAST(COALESCE(r.refunded, 0) AS DECIMAL(18, 2)) AS refunded,
    CAST(COALESCE(r.charged_back, 0) AS DECIMAL(18, 2)) AS charged_back,
    CAST(COALESCE(r.refunded, 0) + COALESCE(r.charged_back, 0) AS DECIMAL(18, 2)) AS returned,
    CAST(COALESCE(r.returned_whole, 0) AS DECIMAL(18, 2)) AS returned_whole,
    COALESCE(r.refunds, 0) AS refunds,
    r.last_refund_at,
    CASE WHEN o.currency = 'CNY' THEN CAST(1 AS DECIMAL(18, 8)) ELSE f.rate END AS fx_rate
FROM orders AS o
LEFT JOIN order_money_in AS p ON p.order_id = o.order_id
LEFT JOIN order_money_back AS r ON r.order_id = o.order_id
LEFT JOIN order_units AS u ON u.order_id = o.order_id
LEFT JOIN order_parcels AS s ON s.order_id = o.order_id
LEFT JOIN order_rates AS f ON f.order_id = o.order_id;

CREATE MATERIALIZED VIEW order_state AS
SELECT
    order_id, channel, buyer_id,
    CASE
        WHEN charged_back > 0 THEN 'charged_back'
        WHEN order_status = 'cancelled' AND paid = returned THEN 'cancelled'
        WHEN returned > 0 AND returned >= paid THEN 'refunded'
        WHEN order_status = 'cancelled' THEN 'refund_due'
        WHEN returned > 0 THEN 'partially_refunded'
        WHEN paid >= amount AND units > 0 AND delivered_units >= units THEN 'completed'
        WHEN paid >= amount AND units > 0 AND shipped_units >= units THEN 'shipped'
        WHEN paid >= amount AND shipped_units > 0 THEN 'partially_shipped'
        WHEN paid >= amount THEN 'paid'
        WHEN paid > 0 THEN 'partially_paid'
        WHEN authorised > 0 THEN 'authorised'
        ELSE 'placed'
    END AS status,
    order_status, currency, amount, discount, coupon_id, region, placed_at, cancelled_at, updated_at,
    units, shipped_units, delivered_units, returned_units,
    authorised, paid, refund_requested, refunded, charged_back, returned_whole,
    CAST(paid - returned AS DECIMAL(18, 2)) AS net,
    CAST(CASE WHEN order_status = 'cancelled' OR paid >= amount THEN 0 ELSE amount - paid END AS DECIMAL(18, 2)) AS outstanding,
    payments, failed_payments, refunds, first_paid_at, last_paid_at, last_refund_at,
    paid > amount AS overpaid,
    returned > paid AS refund_exceeds_payment,
    order_status = 'cancelled' AND COALESCE(last_paid_at > cancelled_at, FALSE) AS paid_after_cancel,
    order_status <> 'cancelled' AND paid <> amount AND COALESCE(updated_at > first_paid_at, FALSE) AS price_changed,
    other_currency,
    fx_rate,
    CASE WHEN currency = 'CNY' THEN amount ELSE CAST(ROUND(amount * fx_rate, 2) AS DECIMAL(18, 2)) END AS amount_cny,
    CASE WHEN currency = 'CNY' THEN paid ELSE CAST(ROUND(paid * fx_rate, 2) AS DECIMAL(18, 2)) END AS paid_cny,
    CASE WHEN currency = 'CNY' THEN returned ELSE CAST(ROUND(returned * fx_rate, 2) AS DECIMAL(18, 2)) END AS returned_cny,
    CASE
        WHEN currency = 'CNY' THEN CAST(paid - returned AS DECIMAL(18, 2))
        ELSE CAST(ROUND(paid * fx_rate, 2) - ROUND(returned * fx_rate, 2) AS DECIMAL(18, 2))
    END AS net_cny
FROM order_facts;

-- Facts whose order is not known (yet): they leave when it arrives.
CREATE MATERIALIZED VIEW orphan_payments AS
SELECT f.kind, f.id, f.order_id, f.channel, f.status, f.currency, f.amount, f.at
FROM (
    SELECT 'payment' AS kind, payment_id AS id, order_id, channel, status, currency, amount, created_at AS at FROM payments
    UNION ALL
    SELECT 'refund', refund_id, order_id, channel, status, currency, amount, requested_at FROM refunds
    UNION ALL
    SELECT 'shipment', shipment_id, order_id, channel, status, NULL, NULL, shipped_at FROM shipments
) AS f
WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.order_id = f.order_id);
