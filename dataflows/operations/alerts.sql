-- What someone should look at now. A row is an open alert; it leaves when its reason does, and the same reason has the same alert_id.
--
-- payment_success_drop: of the payment attempts of a channel's three newest minutes, at least twenty, fewer than 80 % succeeded (critical:
-- fewer than half). oversold, sold_out_soon: more sold than given; less than ten minutes left at the pace of the last five.
-- missing_rate: orders whose currency has no rate for their day. Anomalies are told per kind and channel, not one by one; a refund burst per buyer;
-- an orphan once it is ten minutes older than the newest order: many just come before their order.
-- `since` is event time and NULL where no single fact says it.
-- These are the defaults; rows of `settings` change them: alert_attempts_min (20), alert_failure_rate (0.2), alert_failure_rate_critical (0.5),
-- alert_minutes_left (10), alert_orphan_minutes (10).

CREATE VIEW alert_settings AS
SELECT
    COALESCE(MAX(value) FILTER (WHERE name = 'alert_attempts_min'), 20) AS attempts_min,
    COALESCE(MAX(value) FILTER (WHERE name = 'alert_failure_rate'), 0.2) AS failure_rate,
    COALESCE(MAX(value) FILTER (WHERE name = 'alert_failure_rate_critical'), 0.5) AS failure_rate_critical,
    COALESCE(MAX(value) FILTER (WHERE name = 'alert_minutes_left'), 10) AS minutes_left,
    COALESCE(MAX(value) FILTER (WHERE name = 'alert_orphan_minutes'), 10) AS orphan_minutes
FROM settings;

CREATE VIEW recent_attempts AS
SELECT channel, SUM(attempts) AS attempts, SUM(failures) AS failures, MIN(minute) AS since
FROM (
    SELECT channel, minute, attempts, failures
    FROM (
        SELECT channel, minute, attempts, failures, ROW_NUMBER() OVER (PARTITION BY channel ORDER BY minute DESC) AS age
        FROM payment_cells
    ) AS numbered
    WHERE age <= 3
) AS recent
GROUP BY channel;

CREATE VIEW anomaly_minutes AS
SELECT kind, COALESCE(channel, 'all') AS channel, date_trunc('minute', at) AS minute, COUNT(*) AS items, MIN(at) AS since
FROM anomalies
WHERE kind IN ('price_zero', 'duplicate_payment', 'refund_exceeds_payment', 'paid_after_cancel', 'currency_differs', 'orphan')
GROUP BY kind, COALESCE(channel, 'all'), date_trunc('minute', at);

CREATE VIEW anomaly_counts AS
SELECT kind, channel, SUM(items) AS items, MIN(since) AS since
FROM anomaly_minutes AS a
CROSS JOIN (SELECT EXTRACT(EPOCH FROM n.minute) - 60 * s.orphan_minutes AS orphan_before FROM newest_minute AS n CROSS JOIN alert_settings AS s) AS n
WHERE kind <> 'orphan' OR EXTRACT(EPOCH FROM a.minute) < n.orphan_before
GROUP BY kind, channel;

CREATE VIEW unrated AS
SELECT channel, SUM(missing_fx) AS orders, MIN(minute) FILTER (WHERE missing_fx > 0) AS since FROM sale_cells GROUP BY channel;

CREATE MATERIALIZED VIEW alerts AS
SELECT
    'payment_success_drop:' || channel AS alert_id, CASE WHEN failures > s.failure_rate_critical * attempts THEN 'critical' ELSE 'warning' END AS severity,
    'payment_success_drop' AS kind, channel AS subject,
    CAST(failures AS TEXT) || ' of ' || CAST(attempts AS TEXT) || ' payments failed' AS message, since
FROM recent_attempts
CROSS JOIN alert_settings AS s
WHERE attempts >= s.attempts_min AND failures > s.failure_rate * attempts
UNION ALL
SELECT
    CASE WHEN oversold THEN 'oversold:' ELSE 'sold_out_soon:' END || product_id, CASE WHEN oversold THEN 'critical' ELSE 'info' END,
    CASE WHEN oversold THEN 'oversold' ELSE 'sold_out_soon' END, product_id,
    name || ': ' || CAST(sold AS TEXT) || ' of ' || CAST(given AS TEXT) || ' sold', NULL
FROM (SELECT * FROM sale_stock WHERE oversold OR minutes_left IS NOT NULL) AS stock
CROSS JOIN alert_settings AS s
WHERE oversold OR stock.minutes_left < s.minutes_left
UNION ALL
SELECT
    kind || ':' || channel, CASE WHEN kind IN ('price_zero', 'duplicate_payment', 'refund_exceeds_payment') THEN 'critical' ELSE 'warning' END,
    kind, channel, CAST(items AS TEXT) || ' cases', since
FROM anomaly_counts
UNION ALL
SELECT anomaly_id, 'warning', kind, subject, detail, at
FROM anomalies
WHERE kind = 'refund_burst'
UNION ALL
SELECT 'missing_rate:' || channel, 'warning', 'missing_rate', channel, CAST(orders AS TEXT) || ' orders without an exchange rate', since
FROM unrated
WHERE orders > 0;
