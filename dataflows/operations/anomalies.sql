-- What should not be: one row per order, line, payment or buyer that breaks a rule; it leaves when the facts do.
--
-- price_zero: an order or line that asks nothing. duplicate_payment: several captured payments, together more than asked; overpaid: one
-- that is more than asked. refund_exceeds_payment, paid_after_cancel, price_changed: as in `order_state`. refund_due: cancelled, money
-- not all back. currency_differs: paid in another currency than asked. orphan: a fact whose order is not known. refund_burst:
-- a buyer with money back on three orders or more within one UTC day; the setting refund_burst_orders (2 or more) is another number.
-- A repeated capture under one payment id is no anomaly: its table keeps one row. amount is in the order's currency, of a burst in CNY.

-- Both in currencies other than CNY; where one is in CNY, order_state.other_currency tells.
CREATE VIEW foreign_payments AS
SELECT payment_id, order_id, channel, currency, amount, created_at FROM payments WHERE currency <> 'CNY';

CREATE VIEW foreign_mismatches AS
SELECT p.payment_id, o.order_id, o.channel, o.currency AS asked_in, p.currency AS paid_in, p.amount, p.created_at
FROM foreign_payments AS p
JOIN (SELECT order_id, channel, currency FROM orders WHERE currency <> 'CNY') AS o ON o.order_id = p.order_id
WHERE p.currency <> o.currency;

CREATE VIEW refund_bursts AS
SELECT buyer_id, CAST(last_refund_at AS DATE) AS day, COUNT(*) AS orders, SUM(returned_cny) AS returned, MIN(last_refund_at) AS at
FROM order_state
WHERE refunds > 0 AND buyer_id IS NOT NULL
GROUP BY buyer_id, CAST(last_refund_at AS DATE);

-- The order's rules, one array entry per rule it breaks.
CREATE VIEW broken_rules AS
SELECT order_id, channel, amount, paid, net, currency, placed_at, first_paid_at, last_paid_at, last_refund_at, updated_at, kind
FROM (
    SELECT *, UNNEST(make_array(
        CASE WHEN amount = 0 THEN 'price_zero' END,
        CASE WHEN overpaid AND payments > 1 THEN 'duplicate_payment' WHEN overpaid THEN 'overpaid' END,
        CASE WHEN refund_exceeds_payment THEN 'refund_exceeds_payment' END,
        CASE WHEN paid_after_cancel THEN 'paid_after_cancel' END,
        CASE WHEN price_changed THEN 'price_changed' END,
        CASE WHEN status = 'refund_due' THEN 'refund_due' END,
        CASE WHEN other_currency THEN 'currency_differs' END
    )) AS kind
    FROM order_state
    WHERE amount = 0 OR overpaid OR refund_exceeds_payment OR paid_after_cancel OR price_changed OR status = 'refund_due' OR other_currency
) AS marked
WHERE kind IS NOT NULL;

CREATE MATERIALIZED VIEW anomalies AS
SELECT
    kind || ':' || order_id AS anomaly_id, kind, order_id AS subject, channel,
    'asked ' || CAST(amount AS TEXT) || ', paid ' || CAST(paid AS TEXT) || ', net ' || CAST(net AS TEXT) || ' ' || currency AS detail,
    CASE WHEN kind IN ('duplicate_payment', 'overpaid') THEN CAST(paid - amount AS DECIMAL(18, 2))
        WHEN kind IN ('refund_due', 'refund_exceeds_payment') THEN net ELSE amount END AS amount,
    CASE WHEN kind IN ('duplicate_payment', 'overpaid', 'paid_after_cancel') THEN last_paid_at
        WHEN kind = 'refund_exceeds_payment' THEN last_refund_at
        WHEN kind IN ('price_changed', 'refund_due') THEN updated_at ELSE placed_at END AS at
FROM broken_rules
UNION ALL
SELECT 'price_zero:' || i.line_id, 'price_zero', i.line_id, NULL, 'line of order ' || i.order_id || ', product ' || COALESCE(i.product_id, '?'),
    CAST(0 AS DECIMAL(18, 2)), NULL
FROM order_items AS i
WHERE i.unit_price = 0
UNION ALL
SELECT 'currency_differs:' || payment_id, 'currency_differs', order_id, channel, 'asked in ' || asked_in || ', paid in ' || paid_in, amount, created_at
FROM foreign_mismatches
UNION ALL
SELECT 'orphan:' || id, 'orphan', id, channel, kind || ' of unknown order ' || COALESCE(order_id, '?'), amount, at
FROM orphan_payments
UNION ALL
SELECT
    'refund_burst:' || buyer_id || ':' || CAST(day AS TEXT), 'refund_burst', buyer_id, NULL, CAST(orders AS TEXT) || ' orders refunded on ' || CAST(day AS TEXT),
    CAST(returned AS DECIMAL(18, 2)), at
FROM (SELECT * FROM refund_bursts WHERE orders >= 2) AS bursts
CROSS JOIN (SELECT COALESCE(MAX(value) FILTER (WHERE name = 'refund_burst_orders'), 3) AS orders_min FROM settings) AS s
WHERE orders >= s.orders_min;
