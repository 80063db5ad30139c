-- What the channels said about each order, version by version, as it arrived: also what was late and had no effect.
--
-- A table of a channel keeps the newest version per key; its history keeps all of them. Here they stand in one shape, as they came:
-- neither validated (an amount or an order that cannot be read is NULL) nor taken apart (an order's snapshot is one row of kind
-- 'order', whatever is nested in it). Rows that were mere duplicates are missing. Arrival numbers are drawn from one sequence for all
-- tables: ORDER BY trueup_arrival is the order of arrival. None of this is a function of the facts alone, as all else here is: another
-- order of arrival gives other rows.
--
-- The views of channels are worked out when they are read. Whoever asks for one outcome only, as stale_facts does, has the others left
-- out where a history is read, before anything of a payload is.

CREATE VIEW web_history AS
SELECT
    'web:' || order_id AS order_id, 'order' AS kind, 'web' AS channel, 'web:' || order_id AS id, CAST(version AS TEXT) AS version,
    trueup_arrival, trueup_arrival_tick, trueup_outcome, status, amount
FROM raw_web_orders_history
UNION ALL
SELECT
    'web:' || order_id, 'item', 'web', 'web:' || order_id || '/' || line, CAST(version AS TEXT),
    trueup_arrival, trueup_arrival_tick, trueup_outcome, NULL, amount
FROM raw_web_items_history
UNION ALL
SELECT
    'web:' || order_id, 'payment', 'web', 'web:' || payment_id, CAST(version AS TEXT),
    trueup_arrival, trueup_arrival_tick, trueup_outcome, status, amount
FROM raw_web_payments_history
UNION ALL
SELECT
    'web:' || order_id, 'refund', 'web', 'web:' || refund_id, CAST(version AS TEXT),
    trueup_arrival, trueup_arrival_tick, trueup_outcome, status, amount
FROM raw_web_refunds_history
UNION ALL
SELECT
    'web:' || order_id, 'shipment', 'web', 'web:' || shipment_id, CAST(version AS TEXT),
    trueup_arrival, trueup_arrival_tick, trueup_outcome, status, NULL
FROM raw_web_shipments_history;

CREATE VIEW shopify_history AS
SELECT
    'shopify:' || id AS order_id, 'order' AS kind, 'shopify' AS channel, 'shopify:' || id AS id, CAST(updated_at AS TEXT) AS version,
    trueup_arrival, trueup_arrival_tick, trueup_outcome,
    CASE WHEN cancelled_at IS NULL THEN financial_status ELSE 'cancelled' END AS status,
    TRY_CAST(total_price AS DECIMAL(18, 2)) AS amount
FROM raw_shopify_orders_history
UNION ALL
SELECT
    'shopify:' || order_id, CASE kind WHEN 'refund' THEN 'refund' ELSE 'payment' END, 'shopify', 'shopify:' || id,
    CAST(received_at AS TEXT), trueup_arrival, trueup_arrival_tick, trueup_outcome, concat_ws(' ', kind, status),
    TRY_CAST(amount AS DECIMAL(18, 2))
FROM raw_shopify_transactions_history;

-- Events about what became of a payment find their order through it; until it is known they are of an order nobody knows, as in
-- stripe_refunds.
CREATE VIEW stripe_history AS
SELECT
    COALESCE(h.named_order, i.order_id, 'stripe:' || h.payment_intent) AS order_id,
    CASE WHEN h.type LIKE '%refund%' OR h.type LIKE '%dispute%' THEN 'refund' ELSE 'payment' END AS kind,
    'stripe' AS channel,
    'stripe:' || h.id AS id,
    CAST(h.received_at AS TEXT) AS version,
    h.trueup_arrival, h.trueup_arrival_tick, h.trueup_outcome,
    h.type AS status,
    CAST(
        CASE WHEN upper(h.object->>'currency') = 'JPY' THEN TRY_CAST(h.object->>'amount' AS BIGINT) * 1.00
            ELSE TRY_CAST(h.object->>'amount' AS BIGINT) * 0.01
        END AS DECIMAL(18, 2)
    ) AS amount
FROM (
    SELECT
        *,
        data->'object' AS object,
        data->'object'->'metadata'->>'order_id' AS named_order,
        data->'object'->>'payment_intent' AS payment_intent
    FROM raw_stripe_events_history
) AS h
LEFT JOIN stripe_intents AS i ON i.payment_intent = h.payment_intent;

CREATE VIEW adyen_history AS
SELECT
    "merchantReference" AS order_id,
    CASE WHEN "eventCode" IN ('AUTHORISATION', 'CAPTURE', 'CAPTURE_FAILED', 'CANCELLATION') THEN 'payment' ELSE 'refund' END AS kind,
    'adyen' AS channel,
    'adyen:' || "pspReference" || '/' || "eventCode" AS id,
    CAST(received_at AS TEXT) AS version,
    trueup_arrival, trueup_arrival_tick, trueup_outcome,
    "eventCode" || CASE success WHEN 'false' THEN ' failed' ELSE '' END AS status,
    CAST(
        CASE WHEN upper(amount->>'currency') = 'JPY' THEN TRY_CAST(amount->>'value' AS BIGINT) * 1.00
            ELSE TRY_CAST(amount->>'value' AS BIGINT) * 0.01
        END AS DECIMAL(18, 2)
    ) AS amount
FROM raw_adyen_notifications_history;

CREATE VIEW tmall_history AS
SELECT
    'tmall:' || tid AS order_id, 'order' AS kind, 'tmall' AS channel, 'tmall:' || tid AS id, CAST(modified AS TEXT) AS version,
    trueup_arrival, trueup_arrival_tick, trueup_outcome, status, TRY_CAST(payment AS DECIMAL(18, 2)) AS amount
FROM raw_tmall_trades_history
UNION ALL
SELECT
    'tmall:' || tid, 'refund', 'tmall', 'tmall:' || refund_id, CAST(modified AS TEXT),
    trueup_arrival, trueup_arrival_tick, trueup_outcome, status, TRY_CAST(refund_fee AS DECIMAL(18, 2))
FROM raw_tmall_refunds_history;

CREATE VIEW douyin_history AS
SELECT
    'douyin:' || order_id AS order_id, 'order' AS kind, 'douyin' AS channel, 'douyin:' || order_id AS id,
    CAST(update_time AS TEXT) AS version, trueup_arrival, trueup_arrival_tick, trueup_outcome, order_status AS status,
    CAST(TRY_CAST(pay_amount AS BIGINT) * 0.01 AS DECIMAL(18, 2)) AS amount
FROM raw_douyin_orders_history
UNION ALL
SELECT
    'douyin:' || order_id, 'refund', 'douyin', 'douyin:' || after_sale_id, CAST(update_time AS TEXT),
    trueup_arrival, trueup_arrival_tick, trueup_outcome, CASE notice_type WHEN '0' THEN 'succeeded' ELSE 'requested' END,
    CAST(TRY_CAST(user_refund_amount AS BIGINT) * 0.01 AS DECIMAL(18, 2))
FROM raw_douyin_refunds_history;

CREATE VIEW pos_history AS
SELECT
    CASE kind WHEN 'RETURN' THEN 'pos:' || original_receipt ELSE 'pos:' || store_id || '-' || receipt_no END AS order_id,
    CASE kind WHEN 'RETURN' THEN 'refund' ELSE 'item' END AS kind,
    'pos' AS channel,
    'pos:' || store_id || '-' || receipt_no || '/' || line_no AS id,
    CAST(export_seq AS TEXT) AS version,
    trueup_arrival, trueup_arrival_tick, trueup_outcome,
    lower(kind) AS status,
    TRY_CAST(line_total AS DECIMAL(18, 2)) AS amount
FROM raw_pos_lines_history;

CREATE VIEW order_history AS
SELECT * FROM web_history
UNION ALL SELECT * FROM shopify_history
UNION ALL SELECT * FROM stripe_history
UNION ALL SELECT * FROM adyen_history
UNION ALL SELECT * FROM tmall_history
UNION ALL SELECT * FROM douyin_history
UNION ALL SELECT * FROM pos_history;

-- Orders about which something came that was older than what was known: how often, and when last.
CREATE MATERIALIZED VIEW stale_facts AS
SELECT order_id, COUNT(*) AS stale_versions, MAX(trueup_arrival_tick) AS newest_tick
FROM order_history
WHERE trueup_outcome = 'stale' AND order_id IS NOT NULL
GROUP BY order_id;

-- What is odd about an order: of all orders, and of those that only payments or late versions tell of.
CREATE VIEW order_flags AS
SELECT
    COALESCE(s.order_id, p.order_id, v.order_id) AS order_id,
    p.order_id IS NOT NULL AS orphan_payment,
    COALESCE(s.overpaid, FALSE) AS overpaid,
    COALESCE(s.refund_exceeds_payment, FALSE) AS refund_exceeds_payment,
    v.order_id IS NOT NULL AS stale_version,
    COALESCE(s.paid_after_cancel, FALSE) AS paid_after_cancel
FROM order_state AS s
FULL JOIN (SELECT DISTINCT order_id FROM orphan_payments WHERE kind = 'payment') AS p ON p.order_id = s.order_id
FULL JOIN stale_facts AS v ON v.order_id = COALESCE(s.order_id, p.order_id);
