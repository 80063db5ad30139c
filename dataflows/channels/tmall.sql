-- Taobao/Tmall-like trades: a snapshot per trade with its sub-orders nested, pulled and pushed by `modified`; refunds of their own, per
-- sub-order (`oid`). Amounts are text in yuan; times are Beijing wall clock without a zone; statuses are constants, or their Chinese
-- names in exports. WAIT_BUYER_PAY is sent again when the seller changes the price. A paid trade says so itself: it is its payment.

CREATE TABLE raw_tmall_trades (
    tid            BIGINT,
    modified       TIMESTAMP NOT NULL,      -- Beijing wall clock, as all times here
    status         TEXT,
    created        TEXT,
    pay_time       TEXT,
    end_time       TEXT,
    payment        TEXT,                    -- payable, after discounts
    total_fee      TEXT,
    discount_fee   TEXT,
    coupon_id      TEXT,
    buyer_open_uid TEXT,
    receiver_state TEXT,
    alipay_no      TEXT,
    orders         JSON,                    -- {"order": [sub-orders]}
    PRIMARY KEY (tid)
) WITH VERSION COLUMN (modified)
WITH (connector = 'simulator', stream = 'raw_tmall_trades', seed = '42', rate = '50', history = 'raw_tmall_trades_history');

CREATE TABLE raw_tmall_refunds (
    refund_id      BIGINT,
    modified       TIMESTAMP NOT NULL,
    tid            BIGINT,
    oid            BIGINT,
    status         TEXT,
    good_status    TEXT,                    -- BUYER_NOT_RECEIVED, BUYER_RECEIVED, BUYER_RETURNED_GOODS
    refund_fee     TEXT,
    created        TEXT,
    reason         TEXT,
    PRIMARY KEY (refund_id)
) WITH VERSION COLUMN (modified)
WITH (connector = 'simulator', stream = 'raw_tmall_refunds', seed = '42', rate = '50', history = 'raw_tmall_refunds_history');

-- Chinese names as constants; anything else stays as it is and is unknown.
CREATE VIEW tmall_checked_trades AS
SELECT
    *,
    CASE
        WHEN (state IN (
            'TRADE_NO_CREATE_PAY', 'WAIT_BUYER_PAY', 'PAY_PENDING', 'WAIT_PRE_AUTH_CONFIRM', 'WAIT_SELLER_SEND_GOODS',
            'SELLER_CONSIGNED_PART', 'WAIT_BUYER_CONFIRM_GOODS', 'TRADE_BUYER_SIGNED', 'TRADE_FINISHED', 'TRADE_CLOSED',
            'TRADE_CLOSED_BY_TAOBAO'
        )) IS NOT TRUE THEN 'status_unknown'
        WHEN (TRY_CAST(payment AS DECIMAL(18, 2)) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN TRY_CAST(created AS TIMESTAMP) IS NULL THEN 'time_invalid'
        WHEN pay_time IS NOT NULL AND TRY_CAST(pay_time AS TIMESTAMP) IS NULL THEN 'time_invalid'
        WHEN COALESCE(buyer_open_uid, '') = '' THEN 'buyer_missing'
        WHEN (json_length(orders, 'order') > 0) IS NOT TRUE THEN 'lines_missing'
    END AS rule
FROM (
    SELECT
        *,
        CASE status
            WHEN '等待买家付款' THEN 'WAIT_BUYER_PAY'
            WHEN '买家已付款,等待卖家发货' THEN 'WAIT_SELLER_SEND_GOODS'
            WHEN '买家已付款，等待卖家发货' THEN 'WAIT_SELLER_SEND_GOODS'
            WHEN '卖家部分发货' THEN 'SELLER_CONSIGNED_PART'
            WHEN '卖家已发货,等待买家确认' THEN 'WAIT_BUYER_CONFIRM_GOODS'
            WHEN '卖家已发货，等待买家确认' THEN 'WAIT_BUYER_CONFIRM_GOODS'
            WHEN '交易成功' THEN 'TRADE_FINISHED'
            WHEN '交易关闭' THEN 'TRADE_CLOSED'
            ELSE status
        END AS state
    FROM raw_tmall_trades
) AS t;

CREATE VIEW tmall_orders AS
SELECT
    'tmall:' || tid AS order_id,
    'tmall' AS channel,
    'tmall:' || buyer_open_uid AS buyer_id,
    CASE WHEN state IN ('TRADE_CLOSED', 'TRADE_CLOSED_BY_TAOBAO') THEN 'cancelled' ELSE 'placed' END AS status,
    'CNY' AS currency,
    CAST(payment AS DECIMAL(18, 2)) AS amount,
    COALESCE(TRY_CAST(discount_fee AS DECIMAL(18, 2)), 0.00) AS discount,
    coupon_id,
    receiver_state AS region,
    TRY_CAST(created AS TIMESTAMP) AT TIME ZONE 'Asia/Shanghai' AS placed_at,
    CASE
        WHEN state IN ('TRADE_CLOSED', 'TRADE_CLOSED_BY_TAOBAO')
            THEN COALESCE(TRY_CAST(end_time AS TIMESTAMP), modified) AT TIME ZONE 'Asia/Shanghai'
    END AS cancelled_at,
    modified AT TIME ZONE 'Asia/Shanghai' AS updated_at
FROM tmall_checked_trades
WHERE rule IS NULL;

CREATE VIEW tmall_lines AS
SELECT
    t.tid,
    t.modified,
    l.line,
    CASE
        WHEN COALESCE(l.line->>'outer_sku_id', '') = '' THEN 'product_missing'
        WHEN (TRY_CAST(l.line->>'num' AS INT) > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN (TRY_CAST(l.line->>'price' AS DECIMAL(18, 2)) >= 0 AND TRY_CAST(l.line->>'payment' AS DECIMAL(18, 2)) >= 0) IS NOT TRUE
            THEN 'amount_invalid'
    END AS rule
FROM tmall_checked_trades AS t, unnest(json_get_array(t.orders, 'order')) AS l(line)
WHERE t.rule IS NULL;

CREATE VIEW tmall_order_items AS
SELECT
    'tmall:' || (line->>'oid') AS line_id,
    'tmall:' || tid AS order_id,
    line->>'outer_sku_id' AS product_id,
    CAST(line->>'num' AS INT) AS quantity,
    CAST(line->>'price' AS DECIMAL(18, 2)) AS unit_price,
    CAST(line->>'payment' AS DECIMAL(18, 2)) AS amount
FROM tmall_lines
WHERE rule IS NULL;

-- Sub-orders are shipped one by one; each says when.
CREATE VIEW tmall_shipments AS
SELECT
    'tmall:' || (line->>'oid') AS shipment_id,
    'tmall:' || tid AS order_id,
    'tmall' AS channel,
    'tmall:' || (line->>'oid') AS line_id,
    CAST(line->>'num' AS INT) AS quantity,
    CASE WHEN line->>'status' IN ('TRADE_BUYER_SIGNED', 'TRADE_FINISHED') THEN 'delivered' ELSE 'shipped' END AS status,
    TRY_CAST(line->>'consign_time' AS TIMESTAMP) AT TIME ZONE 'Asia/Shanghai' AS shipped_at
FROM tmall_lines
WHERE rule IS NULL AND TRY_CAST(line->>'consign_time' AS TIMESTAMP) IS NOT NULL;

CREATE VIEW tmall_payments AS
SELECT
    'tmall:' || COALESCE(alipay_no, tid::TEXT) AS payment_id,
    'tmall:' || tid AS order_id,
    'tmall' AS channel,
    'alipay' AS method,
    CASE WHEN pay_time IS NULL THEN 'authorised' ELSE 'captured' END AS status,
    'CNY' AS currency,
    CAST(payment AS DECIMAL(18, 2)) AS amount,
    TRY_CAST(COALESCE(pay_time, created) AS TIMESTAMP) AT TIME ZONE 'Asia/Shanghai' AS created_at,
    TRY_CAST(pay_time AS TIMESTAMP) AT TIME ZONE 'Asia/Shanghai' AS paid_at
FROM tmall_checked_trades
WHERE rule IS NULL AND (pay_time IS NOT NULL OR state = 'WAIT_PRE_AUTH_CONFIRM');

CREATE VIEW tmall_checked_refunds AS
SELECT
    *,
    CASE
        WHEN (status IN (
            'WAIT_SELLER_AGREE', 'WAIT_BUYER_RETURN_GOODS', 'WAIT_SELLER_CONFIRM_GOODS', 'SELLER_REFUSE_BUYER', 'CLOSED', 'SUCCESS'
        )) IS NOT TRUE THEN 'status_unknown'
        WHEN (TRY_CAST(refund_fee AS DECIMAL(18, 2)) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN TRY_CAST(created AS TIMESTAMP) IS NULL THEN 'time_invalid'
        WHEN tid IS NULL THEN 'order_missing'
    END AS rule
FROM raw_tmall_refunds;

-- SUCCESS is the money; all that waits is a request.
CREATE VIEW tmall_refunds AS
SELECT
    'tmall:' || refund_id AS refund_id,
    'tmall:' || tid AS order_id,
    'tmall:' || oid AS line_id,
    'tmall' AS channel,
    'refund' AS kind,
    CASE status
        WHEN 'SUCCESS' THEN 'succeeded' WHEN 'CLOSED' THEN 'failed' WHEN 'SELLER_REFUSE_BUYER' THEN 'failed' ELSE 'requested'
    END AS status,
    'CNY' AS currency,
    CAST(refund_fee AS DECIMAL(18, 2)) AS amount,
    TRY_CAST(created AS TIMESTAMP) AT TIME ZONE 'Asia/Shanghai' AS requested_at,
    CASE WHEN status = 'SUCCESS' THEN modified AT TIME ZONE 'Asia/Shanghai' END AS refunded_at
FROM tmall_checked_refunds
WHERE rule IS NULL;

CREATE VIEW tmall_rejects AS
SELECT
    'tmall' AS channel,
    'order' AS kind,
    'tmall:' || tid AS id,
    rule,
    concat_ws(' ', 'status=' || status, 'payment=' || payment, 'created=' || created, 'pay_time=' || pay_time) AS detail,
    orders AS payload,
    modified AT TIME ZONE 'Asia/Shanghai' AS updated_at
FROM tmall_checked_trades
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'tmall', 'order_item', 'tmall:' || COALESCE(line->>'oid', tid || '/?'), rule,
    concat_ws(' ', 'num=' || (line->>'num'), 'price=' || (line->>'price'), 'payment=' || (line->>'payment')), line,
    modified AT TIME ZONE 'Asia/Shanghai'
FROM tmall_lines
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'tmall', 'refund', 'tmall:' || refund_id, rule, concat_ws(' ', 'status=' || status, 'refund_fee=' || refund_fee),
    concat_ws(' ', 'tid=' || tid, 'oid=' || oid, reason), modified AT TIME ZONE 'Asia/Shanghai'
FROM tmall_checked_refunds
WHERE rule IS NOT NULL;
