-- Stripe-like payment platform: one event per row, an envelope with the object it is about nested in `data`. Amounts in minor units
-- of the currency, times in Unix seconds. Events come late, twice and in any order: a payment's state is its most advanced event's.
-- `received_at` is stamped by the webhook receiver and makes the newest delivery of an event id win.
-- Payment intents carry our order id in their metadata; refunds and disputes are found through their payment intent.

CREATE TABLE raw_stripe_events (
    id           TEXT,
    received_at  TIMESTAMPTZ NOT NULL,
    type         TEXT,
    created      BIGINT,
    api_version  TEXT,
    livemode     BOOLEAN,
    data         JSON,
    PRIMARY KEY (id)
) WITH VERSION COLUMN (received_at)
WITH (connector = 'simulator', stream = 'raw_stripe_events', seed = '42', rate = '50', history = 'raw_stripe_events_history');

-- Charges repeat what payment intents and refunds say, and are passed over.
CREATE VIEW stripe_checked AS
SELECT
    *,
    CASE
        WHEN event_kind IS NULL THEN 'event_unknown'
        WHEN object->>'id' IS NULL OR (event_kind <> 'payment' AND object->>'payment_intent' IS NULL) THEN 'payload_invalid'
        WHEN event_kind = 'payment' AND object->'metadata'->>'order_id' IS NULL THEN 'order_missing'
        WHEN created IS NULL THEN 'time_invalid'
        WHEN (upper(object->>'currency') IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (TRY_CAST(object->>'amount' AS BIGINT) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN event_kind = 'payment' AND (object->>'status' IN (
            'requires_payment_method', 'requires_confirmation', 'requires_action', 'processing', 'requires_capture', 'succeeded',
            'canceled'
        )) IS NOT TRUE THEN 'status_unknown'
        WHEN event_kind = 'refund' AND (object->>'status' IN (
            'pending', 'requires_action', 'succeeded', 'failed', 'canceled'
        )) IS NOT TRUE THEN 'status_unknown'
        WHEN event_kind = 'chargeback' AND (object->>'status' IN (
            'needs_response', 'under_review', 'won', 'lost', 'warning_needs_response', 'warning_under_review', 'warning_closed'
        )) IS NOT TRUE THEN 'status_unknown'
    END AS rule
FROM (
    SELECT
        id,
        received_at,
        type,
        created,
        data->'object' AS object,
        CASE
            WHEN type LIKE 'payment_intent.%' THEN 'payment'
            WHEN type LIKE 'charge.dispute.%' THEN 'chargeback'
            WHEN type LIKE 'refund.%' OR type = 'charge.refund.updated' THEN 'refund'
        END AS event_kind
    FROM raw_stripe_events
    WHERE type IS NULL OR type NOT IN (
        'charge.succeeded', 'charge.captured', 'charge.updated', 'charge.pending', 'charge.failed', 'charge.expired',
        'charge.refunded'
    )
) AS e;

CREATE VIEW stripe_events AS
SELECT
    id,
    event_kind,
    object->>'id' AS object_id,
    CASE event_kind WHEN 'payment' THEN object->>'id' ELSE object->>'payment_intent' END AS payment_intent,
    object->'metadata'->>'order_id' AS order_id,
    object->'metadata'->>'line_id' AS line_id,
    COALESCE(object->'payment_method_types'->>0, 'card') AS method,
    upper(object->>'currency') AS currency,
    CAST(
        CASE WHEN upper(object->>'currency') = 'JPY' THEN CAST(object->>'amount' AS BIGINT) * 1.00
            ELSE CAST(object->>'amount' AS BIGINT) * 0.01
        END AS DECIMAL(18, 2)
    ) AS amount,
    to_timestamp_seconds(COALESCE(TRY_CAST(object->>'created' AS BIGINT), created)) AS begun_at,
    to_timestamp_seconds(created) AS at,
    CASE event_kind
        WHEN 'payment' THEN CASE object->>'status'
            WHEN 'succeeded' THEN 'captured'
            WHEN 'canceled' THEN 'voided'
            WHEN 'requires_capture' THEN 'authorised'
            -- After a failed attempt the intent waits for another means of payment.
            WHEN 'requires_payment_method' THEN CASE type WHEN 'payment_intent.payment_failed' THEN 'failed' END
        END
        WHEN 'refund' THEN CASE object->>'status'
            WHEN 'succeeded' THEN 'succeeded' WHEN 'failed' THEN 'failed' WHEN 'canceled' THEN 'failed' ELSE 'requested'
        END
        ELSE CASE
            WHEN type = 'charge.dispute.funds_reinstated' OR object->>'status' = 'won' THEN 'reversed'
            WHEN object->>'status' = 'warning_closed' THEN 'failed'
            WHEN type = 'charge.dispute.funds_withdrawn' OR object->>'status' = 'lost' THEN 'succeeded'
            ELSE 'requested'
        END
    END AS status
FROM stripe_checked
WHERE rule IS NULL;

CREATE VIEW stripe_payments AS
SELECT DISTINCT ON (object_id)
    'stripe:' || object_id AS payment_id,
    order_id,
    'stripe' AS channel,
    method,
    status,
    currency,
    amount,
    begun_at AS created_at,
    CASE WHEN status = 'captured' THEN at END AS paid_at
FROM stripe_events
WHERE event_kind = 'payment' AND status IS NOT NULL
ORDER BY
    object_id,
    CASE status WHEN 'captured' THEN 4 WHEN 'voided' THEN 3 WHEN 'authorised' THEN 2 ELSE 1 END DESC,
    at DESC,
    id DESC;

-- The order behind a payment intent, whatever became of the payment. Kept: refunds find their order here, and so does the history.
CREATE MATERIALIZED VIEW stripe_intents AS
SELECT payment_intent, MIN(order_id) AS order_id
FROM stripe_events
WHERE event_kind = 'payment'
GROUP BY payment_intent;

-- Until its payment is known a refund belongs to an order nobody knows, named after the payment intent.
CREATE VIEW stripe_refunds AS
SELECT
    'stripe:' || r.object_id AS refund_id,
    COALESCE(i.order_id, 'stripe:' || r.payment_intent) AS order_id,
    r.line_id,
    'stripe' AS channel,
    r.event_kind AS kind,
    r.status,
    r.currency,
    r.amount,
    r.begun_at AS requested_at,
    CASE WHEN r.status IN ('succeeded', 'reversed') THEN r.at END AS refunded_at
FROM (
    SELECT DISTINCT ON (object_id) object_id, event_kind, payment_intent, line_id, status, currency, amount, begun_at, at
    FROM stripe_events
    WHERE event_kind IN ('refund', 'chargeback')
    ORDER BY
        object_id,
        CASE status WHEN 'reversed' THEN 4 WHEN 'failed' THEN 3 WHEN 'succeeded' THEN 2 ELSE 1 END DESC,
        at DESC,
        id DESC
) AS r
LEFT JOIN stripe_intents AS i ON i.payment_intent = r.payment_intent;

CREATE VIEW stripe_rejects AS
SELECT
    'stripe' AS channel,
    COALESCE(event_kind, 'event') AS kind,
    'stripe:' || id AS id,
    rule,
    concat_ws(' ', 'type=' || type, 'status=' || (object->>'status'), 'currency=' || (object->>'currency')) AS detail,
    object AS payload,
    received_at AS updated_at
FROM stripe_checked
WHERE rule IS NOT NULL;
