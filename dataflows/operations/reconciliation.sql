-- What we say moved against what the bank says, one row per payment and refund either side knows.
--
-- matched: same currency and amount; missing_settlement: the bank has not told of it (yet: settlements come days later); missing_payment:
-- the bank tells of what we do not know as captured or gone back; amount_differs, currency_differs: both know it and disagree.
-- expected is what we say, money in positive, money out negative; fee is what the bank kept. Several settlements of one payment add up.
-- What an order asked against what was paid for it is not here: see outstanding and overpaid in `order_state`.

CREATE VIEW settled_payments AS
SELECT
    payment_id AS id, SUM(amount) AS amount, SUM(fee) AS fee, MIN(currency) AS currency, MIN(channel) AS channel, MAX(settled_on) AS settled_on
FROM settlements
WHERE payment_id IS NOT NULL
GROUP BY payment_id;

CREATE VIEW settled_refunds AS
SELECT
    refund_id AS id, SUM(amount) AS amount, SUM(fee) AS fee, MIN(currency) AS currency, MIN(channel) AS channel, MAX(settled_on) AS settled_on
FROM settlements
WHERE refund_id IS NOT NULL
GROUP BY refund_id;

CREATE VIEW both_sides AS
SELECT
    'payment' AS kind, COALESCE(p.payment_id, s.id) AS id, p.order_id, COALESCE(p.channel, s.channel) AS channel,
    COALESCE(p.currency, s.currency) AS currency, p.amount AS expected, s.amount AS settled, s.fee, s.settled_on,
    p.currency AS our_currency, s.currency AS bank_currency
FROM (SELECT payment_id, order_id, channel, currency, amount FROM payments WHERE status = 'captured') AS p
FULL JOIN settled_payments AS s ON s.id = p.payment_id
UNION ALL
SELECT
    'refund', COALESCE(r.refund_id, s.id), r.order_id, COALESCE(r.channel, s.channel),
    COALESCE(r.currency, s.currency), CAST(-r.amount AS DECIMAL(18, 2)), s.amount, s.fee, s.settled_on, r.currency, s.currency
FROM (SELECT refund_id, order_id, channel, currency, amount FROM refunds WHERE status = 'succeeded') AS r
FULL JOIN settled_refunds AS s ON s.id = r.refund_id;

CREATE MATERIALIZED VIEW reconciliation AS
SELECT
    kind, id, order_id, channel, currency, expected, CAST(settled AS DECIMAL(18, 2)) AS settled,
    CAST(COALESCE(settled, 0) - COALESCE(expected, 0) AS DECIMAL(18, 2)) AS difference, CAST(fee AS DECIMAL(18, 2)) AS fee, settled_on,
    CASE
        WHEN our_currency IS NULL THEN 'missing_payment'
        WHEN bank_currency IS NULL THEN 'missing_settlement'
        WHEN our_currency <> bank_currency THEN 'currency_differs'
        WHEN expected <> settled THEN 'amount_differs'
        ELSE 'matched'
    END AS status
FROM both_sides;

CREATE MATERIALIZED VIEW reconciliation_summary AS
SELECT
    channel, kind, status, currency, COUNT(*) AS items, CAST(COALESCE(SUM(expected), 0) AS DECIMAL(18, 2)) AS expected,
    CAST(COALESCE(SUM(settled), 0) AS DECIMAL(18, 2)) AS settled, CAST(SUM(difference) AS DECIMAL(18, 2)) AS difference
FROM reconciliation
GROUP BY channel, kind, status, currency;
