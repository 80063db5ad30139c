-- Own web shop and mini-program: our API, typed and flat; most of the traffic, so every view here is one filter and one projection.
-- Raw rows carry `version`, counted up by the API with every change. Required fields may be NULL: a row without one is quarantined.

CREATE TABLE raw_web_orders (
    order_id     BIGINT,
    version      INT NOT NULL,
    buyer_id     BIGINT,
    status       TEXT,                      -- placed, cancelled
    currency     TEXT,
    amount       DECIMAL(18, 2),            -- payable
    discount     DECIMAL(18, 2),
    coupon_id    TEXT,
    region       TEXT,
    placed_at    TIMESTAMPTZ,
    cancelled_at TIMESTAMPTZ,
    updated_at   TIMESTAMPTZ,
    PRIMARY KEY (order_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'raw_web_orders', seed = '42', rate = '50', history = 'raw_web_orders_history');

CREATE TABLE raw_web_items (
    order_id     BIGINT,
    line         INT,
    version      INT NOT NULL,
    product_id   TEXT,
    quantity     INT,
    unit_price   DECIMAL(18, 2),
    amount       DECIMAL(18, 2),            -- of the line, after discount
    PRIMARY KEY (order_id, line)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'raw_web_items', seed = '42', rate = '50', history = 'raw_web_items_history');

CREATE TABLE raw_web_payments (
    payment_id   BIGINT,
    version      INT NOT NULL,
    order_id     BIGINT,
    method       TEXT,                      -- wechat_pay, alipay, wallet
    status       TEXT,                      -- authorised, captured, failed, voided
    currency     TEXT,
    amount       DECIMAL(18, 2),
    created_at   TIMESTAMPTZ,
    paid_at      TIMESTAMPTZ,
    PRIMARY KEY (payment_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'raw_web_payments', seed = '42', rate = '50', history = 'raw_web_payments_history');

CREATE TABLE raw_web_refunds (
    refund_id    BIGINT,
    version      INT NOT NULL,
    order_id     BIGINT,
    line         INT,                       -- NULL: of the whole order
    status       TEXT,                      -- requested, succeeded, failed, reversed
    currency     TEXT,
    amount       DECIMAL(18, 2),
    requested_at TIMESTAMPTZ,
    refunded_at  TIMESTAMPTZ,
    PRIMARY KEY (refund_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'raw_web_refunds', seed = '42', rate = '50', history = 'raw_web_refunds_history');

CREATE TABLE raw_web_shipments (
    shipment_id  BIGINT,
    version      INT NOT NULL,
    order_id     BIGINT,
    line         INT,
    quantity     INT,
    status       TEXT,                      -- shipped, delivered, returned
    shipped_at   TIMESTAMPTZ,
    PRIMARY KEY (shipment_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'raw_web_shipments', seed = '42', rate = '50', history = 'raw_web_shipments_history');

CREATE VIEW web_checked_orders AS
SELECT
    *,
    CASE
        WHEN (status IN ('placed', 'cancelled')) IS NOT TRUE THEN 'status_unknown'
        WHEN (currency IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (amount >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN placed_at IS NULL THEN 'time_invalid'
        WHEN buyer_id IS NULL THEN 'buyer_missing'
    END AS rule
FROM raw_web_orders;

CREATE VIEW web_orders AS
SELECT
    'web:' || order_id AS order_id,
    'web' AS channel,
    'web:' || buyer_id AS buyer_id,
    status,
    currency,
    amount,
    COALESCE(discount, 0.00) AS discount,
    coupon_id,
    region,
    placed_at,
    cancelled_at,
    COALESCE(updated_at, placed_at) AS updated_at
FROM web_checked_orders
WHERE rule IS NULL;

CREATE VIEW web_checked_items AS
SELECT
    *,
    CASE
        WHEN product_id IS NULL THEN 'product_missing'
        WHEN (quantity > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN (amount >= 0 AND unit_price >= 0) IS NOT TRUE THEN 'amount_invalid'
    END AS rule
FROM raw_web_items;

CREATE VIEW web_order_items AS
SELECT
    'web:' || order_id || '/' || line AS line_id,
    'web:' || order_id AS order_id,
    product_id,
    quantity,
    unit_price,
    amount
FROM web_checked_items
WHERE rule IS NULL;

CREATE VIEW web_checked_payments AS
SELECT
    *,
    CASE
        WHEN (status IN ('authorised', 'captured', 'failed', 'voided')) IS NOT TRUE THEN 'status_unknown'
        WHEN (currency IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (amount >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN created_at IS NULL OR (status = 'captured' AND paid_at IS NULL) THEN 'time_invalid'
        WHEN order_id IS NULL THEN 'order_missing'
    END AS rule
FROM raw_web_payments;

CREATE VIEW web_payments AS
SELECT
    'web:' || payment_id AS payment_id,
    'web:' || order_id AS order_id,
    'web' AS channel,
    COALESCE(method, 'unknown') AS method,
    status,
    currency,
    amount,
    created_at,
    paid_at
FROM web_checked_payments
WHERE rule IS NULL;

CREATE VIEW web_checked_refunds AS
SELECT
    *,
    CASE
        WHEN (status IN ('requested', 'succeeded', 'failed', 'reversed')) IS NOT TRUE THEN 'status_unknown'
        WHEN (currency IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (amount >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN requested_at IS NULL OR (status = 'succeeded' AND refunded_at IS NULL) THEN 'time_invalid'
        WHEN order_id IS NULL THEN 'order_missing'
    END AS rule
FROM raw_web_refunds;

CREATE VIEW web_refunds AS
SELECT
    'web:' || refund_id AS refund_id,
    'web:' || order_id AS order_id,
    'web:' || order_id || '/' || line AS line_id,
    'web' AS channel,
    'refund' AS kind,
    status,
    currency,
    amount,
    requested_at,
    refunded_at
FROM web_checked_refunds
WHERE rule IS NULL;

CREATE VIEW web_checked_shipments AS
SELECT
    *,
    CASE
        WHEN (status IN ('shipped', 'delivered', 'returned')) IS NOT TRUE THEN 'status_unknown'
        WHEN (quantity > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN shipped_at IS NULL THEN 'time_invalid'
        WHEN order_id IS NULL THEN 'order_missing'
    END AS rule
FROM raw_web_shipments;

CREATE VIEW web_shipments AS
SELECT
    'web:' || shipment_id AS shipment_id,
    'web:' || order_id AS order_id,
    'web' AS channel,
    'web:' || order_id || '/' || line AS line_id,
    quantity,
    status,
    shipped_at
FROM web_checked_shipments
WHERE rule IS NULL;

CREATE VIEW web_rejects AS
SELECT
    'web' AS channel,
    'order' AS kind,
    'web:' || order_id AS id,
    rule,
    concat_ws(' ', 'status=' || status, 'currency=' || currency, 'amount=' || amount) AS detail,
    concat_ws(' ', 'version=' || version, 'buyer_id=' || buyer_id, 'region=' || region, 'placed_at=' || placed_at::TEXT) AS payload,
    updated_at
FROM web_checked_orders
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'web',
    'order_item',
    'web:' || order_id || '/' || line,
    rule,
    concat_ws(' ', 'quantity=' || quantity, 'unit_price=' || unit_price, 'amount=' || amount),
    concat_ws(' ', 'version=' || version, 'product_id=' || product_id),
    NULL
FROM web_checked_items
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'web',
    'payment',
    'web:' || payment_id,
    rule,
    concat_ws(' ', 'status=' || status, 'currency=' || currency, 'amount=' || amount),
    concat_ws(' ', 'version=' || version, 'order_id=' || order_id, 'method=' || method, 'created_at=' || created_at::TEXT),
    COALESCE(paid_at, created_at)
FROM web_checked_payments
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'web',
    'refund',
    'web:' || refund_id,
    rule,
    concat_ws(' ', 'status=' || status, 'currency=' || currency, 'amount=' || amount),
    concat_ws(' ', 'version=' || version, 'order_id=' || order_id, 'requested_at=' || requested_at::TEXT),
    COALESCE(refunded_at, requested_at)
FROM web_checked_refunds
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'web',
    'shipment',
    'web:' || shipment_id,
    rule,
    concat_ws(' ', 'status=' || status, 'quantity=' || quantity),
    concat_ws(' ', 'version=' || version, 'order_id=' || order_id),
    shipped_at
FROM web_checked_shipments
WHERE rule IS NOT NULL;
