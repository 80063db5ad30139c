-- Shopify-like shop: every `orders/*` webhook is a snapshot of the whole order, with line items, fulfilments and refunds nested in it;
-- `order_transactions/create` tells of money that came in. Amounts are text in major units, times ISO 8601 with the shop's offset.
-- The newest `updated_at` wins. Transactions have no such field: `received_at` is stamped by the webhook receiver.
-- One fact has one source: only transactions of the gateway `shopify_payments` count here; those of other gateways are told by the
-- payment platform itself (stripe, adyen).

CREATE TABLE raw_shopify_orders (
    id                 BIGINT,
    updated_at         TIMESTAMPTZ NOT NULL,
    name               TEXT,
    created_at         TEXT,
    cancelled_at       TEXT,
    currency           TEXT,
    total_price        TEXT,
    total_discounts    TEXT,
    financial_status   TEXT,
    fulfillment_status TEXT,
    customer           JSON,
    shipping_address   JSON,
    discount_codes     JSON,
    line_items         JSON,
    fulfillments       JSON,
    refunds            JSON,
    PRIMARY KEY (id)
) WITH VERSION COLUMN (updated_at)
WITH (connector = 'simulator', stream = 'raw_shopify_orders', seed = '42', rate = '50', history = 'raw_shopify_orders_history');

CREATE TABLE raw_shopify_transactions (
    id                 BIGINT,
    received_at        TIMESTAMPTZ NOT NULL,
    order_id           BIGINT,
    parent_id          BIGINT,              -- a capture's or a void's authorization
    kind               TEXT,                -- authorization, capture, sale, void, refund
    status             TEXT,                -- pending, success, failure, error
    gateway            TEXT,
    amount             TEXT,
    currency           TEXT,
    created_at         TEXT,
    processed_at       TEXT,
    PRIMARY KEY (id)
) WITH VERSION COLUMN (received_at)
WITH (connector = 'simulator', stream = 'raw_shopify_transactions', seed = '42', rate = '50', history = 'raw_shopify_transactions_history');

CREATE VIEW shopify_checked_orders AS
SELECT
    *,
    CASE
        WHEN (financial_status IN (
            'pending', 'authorized', 'partially_paid', 'paid', 'partially_refunded', 'refunded', 'voided', 'expired'
        )) IS NOT TRUE THEN 'status_unknown'
        WHEN (upper(currency) IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (TRY_CAST(total_price AS DECIMAL(18, 2)) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN TRY_CAST(created_at AS TIMESTAMPTZ) IS NULL THEN 'time_invalid'
        WHEN cancelled_at IS NOT NULL AND TRY_CAST(cancelled_at AS TIMESTAMPTZ) IS NULL THEN 'time_invalid'
        WHEN customer->>'id' IS NULL THEN 'buyer_missing'
        WHEN (json_length(line_items) > 0) IS NOT TRUE THEN 'lines_missing'
    END AS rule
FROM raw_shopify_orders;

CREATE VIEW shopify_orders AS
SELECT
    'shopify:' || id AS order_id,
    'shopify' AS channel,
    'shopify:' || (customer->>'id') AS buyer_id,
    CASE WHEN cancelled_at IS NULL THEN 'placed' ELSE 'cancelled' END AS status,
    upper(currency) AS currency,
    CAST(total_price AS DECIMAL(18, 2)) AS amount,
    COALESCE(TRY_CAST(total_discounts AS DECIMAL(18, 2)), 0.00) AS discount,
    discount_codes->0->>'code' AS coupon_id,
    COALESCE(shipping_address->>'province', shipping_address->>'country') AS region,
    TRY_CAST(created_at AS TIMESTAMPTZ) AS placed_at,
    TRY_CAST(cancelled_at AS TIMESTAMPTZ) AS cancelled_at,
    updated_at
FROM shopify_checked_orders
WHERE rule IS NULL;

-- Nested parts, one row each, of the snapshots that passed.
CREATE VIEW shopify_lines AS
SELECT
    o.id,
    o.updated_at,
    l.line,
    CASE
        WHEN COALESCE(l.line->>'sku', '') = '' THEN 'product_missing'
        WHEN (TRY_CAST(l.line->>'quantity' AS INT) > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN (TRY_CAST(l.line->>'price' AS DECIMAL(18, 2)) >= 0) IS NOT TRUE THEN 'amount_invalid'
    END AS rule
FROM shopify_checked_orders AS o, unnest(json_get_array(o.line_items)) AS l(line)
WHERE o.rule IS NULL;

CREATE VIEW shopify_order_items AS
SELECT
    'shopify:' || (line->>'id') AS line_id,
    'shopify:' || id AS order_id,
    line->>'sku' AS product_id,
    CAST(line->>'quantity' AS INT) AS quantity,
    CAST(line->>'price' AS DECIMAL(18, 2)) AS unit_price,
    CAST(
        CAST(line->>'price' AS DECIMAL(18, 2)) * CAST(line->>'quantity' AS INT)
        - COALESCE(TRY_CAST(line->>'total_discount' AS DECIMAL(18, 2)), 0) AS DECIMAL(18, 2)
    ) AS amount
FROM shopify_lines
WHERE rule IS NULL;

CREATE VIEW shopify_refund_transactions AS
SELECT
    t.id,
    t.updated_at,
    t.refund,
    t.transaction,
    CASE
        WHEN (t.transaction->>'status' IN ('pending', 'success', 'failure', 'error')) IS NOT TRUE THEN 'status_unknown'
        WHEN (upper(t.transaction->>'currency') IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (TRY_CAST(t.transaction->>'amount' AS DECIMAL(18, 2)) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN TRY_CAST(t.refund->>'created_at' AS TIMESTAMPTZ) IS NULL THEN 'time_invalid'
    END AS rule
FROM (
    SELECT r.id, r.updated_at, r.refund, u.transaction
    FROM (
        SELECT o.id, o.updated_at, n.refund
        FROM shopify_checked_orders AS o, unnest(json_get_array(o.refunds)) AS n(refund)
        WHERE o.rule IS NULL
    ) AS r, unnest(json_get_array(r.refund, 'transactions')) AS u(transaction)
) AS t
WHERE t.transaction->>'kind' = 'refund' AND t.transaction->>'gateway' = 'shopify_payments';

CREATE VIEW shopify_refunds AS
SELECT
    'shopify:' || (transaction->>'id') AS refund_id,
    'shopify:' || id AS order_id,
    CASE
        WHEN json_length(refund, 'refund_line_items') = 1
            THEN 'shopify:' || (refund->'refund_line_items'->0->>'line_item_id')
    END AS line_id,
    'shopify' AS channel,
    'refund' AS kind,
    CASE transaction->>'status' WHEN 'success' THEN 'succeeded' WHEN 'pending' THEN 'requested' ELSE 'failed' END AS status,
    upper(transaction->>'currency') AS currency,
    CAST(transaction->>'amount' AS DECIMAL(18, 2)) AS amount,
    TRY_CAST(refund->>'created_at' AS TIMESTAMPTZ) AS requested_at,
    CASE
        WHEN transaction->>'status' = 'success'
            THEN COALESCE(TRY_CAST(transaction->>'processed_at' AS TIMESTAMPTZ), TRY_CAST(refund->>'created_at' AS TIMESTAMPTZ))
    END AS refunded_at
FROM shopify_refund_transactions
WHERE rule IS NULL;

-- Fulfilments that failed or were cancelled shipped nothing.
CREATE VIEW shopify_fulfilled_lines AS
SELECT
    f.id,
    f.updated_at,
    f.fulfillment,
    l.line,
    CASE
        WHEN (f.fulfillment->>'status' IN ('pending', 'open', 'success')) IS NOT TRUE THEN 'status_unknown'
        WHEN (TRY_CAST(l.line->>'quantity' AS INT) > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN TRY_CAST(f.fulfillment->>'created_at' AS TIMESTAMPTZ) IS NULL THEN 'time_invalid'
    END AS rule
FROM (
    SELECT o.id, o.updated_at, n.fulfillment
    FROM shopify_checked_orders AS o, unnest(json_get_array(o.fulfillments)) AS n(fulfillment)
    WHERE o.rule IS NULL
) AS f, unnest(json_get_array(f.fulfillment, 'line_items')) AS l(line)
WHERE COALESCE(f.fulfillment->>'status', '') NOT IN ('cancelled', 'error', 'failure');

CREATE VIEW shopify_shipments AS
SELECT
    'shopify:' || (fulfillment->>'id') || '/' || (line->>'id') AS shipment_id,
    'shopify:' || id AS order_id,
    'shopify' AS channel,
    'shopify:' || (line->>'id') AS line_id,
    CAST(line->>'quantity' AS INT) AS quantity,
    CASE WHEN fulfillment->>'shipment_status' = 'delivered' THEN 'delivered' ELSE 'shipped' END AS status,
    TRY_CAST(fulfillment->>'created_at' AS TIMESTAMPTZ) AS shipped_at
FROM shopify_fulfilled_lines
WHERE rule IS NULL AND fulfillment->>'status' = 'success';

-- Pending transactions are no facts yet; refunds come with the order's snapshot.
CREATE VIEW shopify_checked_transactions AS
SELECT
    *,
    CASE
        WHEN (status IN ('pending', 'success', 'failure', 'error')) IS NOT TRUE THEN 'status_unknown'
        WHEN (kind IN ('authorization', 'capture', 'sale', 'void', 'refund')) IS NOT TRUE THEN 'kind_unknown'
        WHEN (upper(currency) IN ('CNY', 'USD', 'EUR', 'GBP', 'JPY', 'HKD')) IS NOT TRUE THEN 'currency_unknown'
        WHEN (TRY_CAST(amount AS DECIMAL(18, 2)) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN TRY_CAST(created_at AS TIMESTAMPTZ) IS NULL THEN 'time_invalid'
        WHEN order_id IS NULL THEN 'order_missing'
    END AS rule
FROM raw_shopify_transactions
WHERE gateway = 'shopify_payments';

-- An authorization and all that followed from it is one payment.
CREATE VIEW shopify_payments AS
SELECT
    'shopify:' || root AS payment_id,
    'shopify:' || order_id AS order_id,
    'shopify' AS channel,
    'card' AS method,
    CASE
        WHEN captures > 0 THEN 'captured'
        WHEN voids > 0 THEN 'voided'
        WHEN authorizations > 0 THEN 'authorised'
        ELSE 'failed'
    END AS status,
    currency,
    CASE WHEN captures > 0 THEN captured ELSE largest END AS amount,
    created_at,
    paid_at
FROM (
    SELECT
        COALESCE(parent_id, id) AS root,
        order_id,
        upper(currency) AS currency,
        COUNT(*) FILTER (WHERE status = 'success' AND kind IN ('sale', 'capture')) AS captures,
        COUNT(*) FILTER (WHERE status = 'success' AND kind = 'void') AS voids,
        COUNT(*) FILTER (WHERE status = 'success' AND kind = 'authorization') AS authorizations,
        CAST(SUM(TRY_CAST(amount AS DECIMAL(18, 2))) FILTER (WHERE status = 'success' AND kind IN ('sale', 'capture'))
            AS DECIMAL(18, 2)) AS captured,
        MAX(TRY_CAST(amount AS DECIMAL(18, 2))) AS largest,
        MIN(TRY_CAST(created_at AS TIMESTAMPTZ)) AS created_at,
        MIN(TRY_CAST(COALESCE(processed_at, created_at) AS TIMESTAMPTZ))
            FILTER (WHERE status = 'success' AND kind IN ('sale', 'capture')) AS paid_at
    FROM shopify_checked_transactions
    WHERE rule IS NULL AND kind <> 'refund' AND status <> 'pending'
    GROUP BY COALESCE(parent_id, id), order_id, upper(currency)
) AS p;

CREATE VIEW shopify_rejects AS
SELECT
    'shopify' AS channel,
    'order' AS kind,
    'shopify:' || id AS id,
    rule,
    concat_ws(' ', 'financial_status=' || financial_status, 'currency=' || currency, 'total_price=' || total_price,
        'created_at=' || created_at) AS detail,
    concat_ws(' ', name, customer, line_items) AS payload,
    updated_at
FROM shopify_checked_orders
WHERE rule IS NOT NULL
UNION ALL
SELECT 'shopify', 'order_item', 'shopify:' || COALESCE(line->>'id', id || '/?'), rule, line->>'sku', line, updated_at
FROM shopify_lines
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'shopify', 'refund', 'shopify:' || COALESCE(transaction->>'id', id || '/?'), rule, transaction->>'status', transaction, updated_at
FROM shopify_refund_transactions
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'shopify', 'shipment', 'shopify:' || COALESCE(fulfillment->>'id', id || '/?'), rule, fulfillment->>'status', line, updated_at
FROM shopify_fulfilled_lines
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'shopify',
    'payment',
    'shopify:' || id,
    rule,
    concat_ws(' ', 'kind=' || kind, 'status=' || status, 'currency=' || currency, 'amount=' || amount),
    concat_ws(' ', 'order_id=' || order_id, 'created_at=' || created_at),
    received_at
FROM shopify_checked_transactions
WHERE rule IS NOT NULL;
