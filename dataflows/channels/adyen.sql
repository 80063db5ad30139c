-- Adyen-like payment platform: one notification per thing that happened, told apart by `eventCode`, with a `success` flag. Amounts in
-- minor units; modifications name the authorisation in `originalReference`. A payment is what its notifications amount to: several
-- partial captures, less those that failed afterwards. Notifications are known by reference and code; `received_at` is stamped by the
-- webhook receiver and makes the newest delivery win.

CREATE TABLE raw_adyen_notifications (
    "pspReference"        TEXT,
    "eventCode"           TEXT,
    received_at           TIMESTAMPTZ NOT NULL,
    "eventDate"           TEXT,
    success               TEXT,             -- 'true' or 'false'
    "merchantAccountCode" TEXT,
    "merchantReference"   TEXT,             -- our order id
    "originalReference"   TEXT,
    "paymentMethod"       TEXT,
    amount                JSON,             -- {"value": minor units, "currency": …}
    reason                TEXT,
    "additionalData"      JSON,
    PRIMARY KEY ("pspReference", "eventCode")
) WITH VERSION COLUMN (received_at)
WITH (connector = 'simulator', stream = 'raw_adyen_notifications', seed = '42', rate = '50', history = 'raw_adyen_notifications_history');

CREATE VIEW adyen_checked AS
SELECT
    *,
    CASE
        WHEN event_kind IS NULL THEN 'event_unknown'
        WHEN (success IN ('true', 'false')) IS NOT TRUE THEN 'status_unknown'
        WHEN COALESCE(order_id, '') = '' THEN 'order_missing'
        WHEN (currency IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (minor >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN at IS NULL THEN 'time_invalid'
        WHEN code NOT IN ('AUTHORISATION', 'CHARGEBACK', 'NOTIFICATION_OF_CHARGEBACK', 'CHARGEBACK_REVERSED')
            AND original IS NULL THEN 'payload_invalid'
    END AS rule
FROM (
    SELECT
        "pspReference" AS reference,
        "originalReference" AS original,
        "eventCode" AS written_code,
        CASE
            WHEN "eventCode" = 'CANCEL_OR_REFUND' AND "additionalData"->>'modification.action' = 'refund' THEN 'REFUND'
            WHEN "eventCode" = 'CANCEL_OR_REFUND' THEN 'CANCELLATION'
            ELSE "eventCode"
        END AS code,
        CASE
            WHEN "eventCode" IN ('AUTHORISATION', 'CAPTURE', 'CAPTURE_FAILED', 'CANCELLATION') THEN 'payment'
            WHEN "eventCode" IN ('REFUND', 'REFUND_FAILED', 'REFUNDED_REVERSED') THEN 'refund'
            WHEN "eventCode" IN ('NOTIFICATION_OF_CHARGEBACK', 'CHARGEBACK', 'CHARGEBACK_REVERSED') THEN 'chargeback'
            WHEN "eventCode" = 'CANCEL_OR_REFUND' THEN CASE "additionalData"->>'modification.action'
                WHEN 'refund' THEN 'refund' WHEN 'cancel' THEN 'payment'
            END
        END AS event_kind,
        success,
        "merchantReference" AS order_id,
        "additionalData"->>'line_id' AS line_id,
        COALESCE("paymentMethod", 'unknown') AS method,
        upper(amount->>'currency') AS currency,
        TRY_CAST(amount->>'value' AS BIGINT) AS minor,
        amount,
        TRY_CAST("eventDate" AS TIMESTAMPTZ) AS at,
        reason,
        received_at
    FROM raw_adyen_notifications
) AS n;

CREATE VIEW adyen_events AS
SELECT
    COALESCE(original, reference) AS payment,
    reference,
    code,
    event_kind,
    success = 'true' AS succeeded,
    order_id,
    line_id,
    method,
    currency,
    CAST(CASE WHEN currency = 'JPY' THEN minor * 1.00 ELSE minor * 0.01 END AS DECIMAL(18, 2)) AS amount,
    at
FROM adyen_checked
WHERE rule IS NULL;

CREATE VIEW adyen_payments AS
SELECT
    'adyen:' || payment AS payment_id,
    order_id,
    'adyen' AS channel,
    COALESCE(method, 'unknown') AS method,
    CASE
        WHEN captured > 0 THEN 'captured'
        WHEN cancellations > 0 THEN 'voided'
        WHEN refusals > 0 AND authorisations = 0 THEN 'failed'
        ELSE 'authorised'
    END AS status,
    currency,
    CASE WHEN captured > 0 THEN captured ELSE largest END AS amount,
    created_at,
    CASE WHEN captured > 0 THEN paid_at END AS paid_at
FROM (
    SELECT
        payment,
        order_id,
        currency,
        MIN(method) FILTER (WHERE code = 'AUTHORISATION') AS method,
        CAST(
            COALESCE(SUM(amount) FILTER (WHERE code = 'CAPTURE' AND succeeded), 0)
            - COALESCE(SUM(amount) FILTER (WHERE code = 'CAPTURE_FAILED' AND succeeded), 0) AS DECIMAL(18, 2)
        ) AS captured,
        COUNT(*) FILTER (WHERE code = 'AUTHORISATION' AND succeeded) AS authorisations,
        COUNT(*) FILTER (WHERE code = 'AUTHORISATION' AND NOT succeeded) AS refusals,
        COUNT(*) FILTER (WHERE code = 'CANCELLATION' AND succeeded) AS cancellations,
        MAX(amount) AS largest,
        MIN(at) AS created_at,
        MIN(at) FILTER (WHERE code = 'CAPTURE' AND succeeded) AS paid_at
    FROM adyen_events
    WHERE event_kind = 'payment'
    GROUP BY payment, order_id, currency
) AS p;

-- A refund is known by its own reference, which the news of its failure or reversal repeats.
CREATE VIEW adyen_refunds AS
SELECT
    'adyen:' || reference AS refund_id,
    order_id,
    line_id,
    'adyen' AS channel,
    event_kind AS kind,
    CASE
        WHEN reversals > 0 THEN 'reversed'
        WHEN failures > 0 THEN 'failed'
        WHEN payouts > 0 THEN 'succeeded'
        ELSE 'requested'
    END AS status,
    currency,
    amount,
    requested_at,
    CASE WHEN failures = 0 THEN refunded_at END AS refunded_at
FROM (
    SELECT
        reference,
        order_id,
        event_kind,
        currency,
        MIN(line_id) AS line_id,
        MAX(amount) AS amount,
        COUNT(*) FILTER (WHERE code IN ('REFUNDED_REVERSED', 'CHARGEBACK_REVERSED') AND succeeded) AS reversals,
        COUNT(*) FILTER (WHERE code = 'REFUND_FAILED' OR (code = 'REFUND' AND NOT succeeded)) AS failures,
        COUNT(*) FILTER (WHERE code IN ('REFUND', 'CHARGEBACK') AND succeeded) AS payouts,
        MIN(at) AS requested_at,
        MIN(at) FILTER (WHERE code IN ('REFUND', 'CHARGEBACK') AND succeeded) AS refunded_at
    FROM adyen_events
    WHERE event_kind IN ('refund', 'chargeback')
    GROUP BY reference, order_id, event_kind, currency
) AS r;

CREATE VIEW adyen_rejects AS
SELECT
    'adyen' AS channel,
    COALESCE(event_kind, 'event') AS kind,
    'adyen:' || reference || '/' || written_code AS id,
    rule,
    concat_ws(' ', 'success=' || success, 'reason=' || reason) AS detail,
    concat_ws(' ', 'order=' || order_id, 'original=' || original, amount) AS payload,
    received_at AS updated_at
FROM adyen_checked
WHERE rule IS NOT NULL;
