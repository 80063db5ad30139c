-- One row per order: its newest version, the money that came in and went back, and a status that follows from these facts.
-- Money counts when it moved: captured payments, succeeded refunds. Before its payment has arrived a refund makes net negative.
CREATE MATERIALIZED VIEW order_state AS
SELECT
    f.order_id,
    f.version,
    f.buyer_id,
    f.product_id,
    f.channel,
    f.quantity,
    f.amount,
    f.paid,
    f.refunded,
    f.paid - f.refunded AS net,
    CASE
        WHEN f.status = 'cancelled' AND f.paid = f.refunded THEN 'cancelled'
        WHEN f.refunded > 0 AND f.refunded >= f.paid THEN 'refunded'
        WHEN f.refunded > 0 THEN 'partially_refunded'
        WHEN f.status = 'cancelled' THEN 'refund_due'
        WHEN f.paid >= f.amount THEN 'paid'
        WHEN f.paid > 0 THEN 'partially_paid'
        ELSE 'placed'
    END AS status,
    f.placed_at
FROM (
    SELECT
        o.order_id,
        o.version,
        o.buyer_id,
        o.product_id,
        o.channel,
        o.quantity,
        o.amount,
        o.status,
        o.placed_at,
        COALESCE(p.paid, 0) AS paid,
        COALESCE(r.refunded, 0) AS refunded
    FROM orders AS o
    LEFT JOIN (
        SELECT order_id, SUM(amount) FILTER (WHERE status = 'captured') AS paid
        FROM payments
        GROUP BY order_id
    ) AS p ON p.order_id = o.order_id
    LEFT JOIN (
        SELECT order_id, SUM(amount) FILTER (WHERE status = 'succeeded') AS refunded
        FROM refunds
        GROUP BY order_id
    ) AS r ON r.order_id = o.order_id
) AS f;
