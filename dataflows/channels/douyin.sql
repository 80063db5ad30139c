-- Douyin-like shop: a snapshot per order with its product orders nested, status numbers, amounts in fen, times in Unix seconds (0: not
-- yet). After-sale notices name one product order; `notice_type` 1 says a refund was approved, 0 that the money went. What the buyer
-- gets back (`user_refund_amount`) is less than `refund_amount` where the platform had paid a part. Notices are sent once and may be
-- lost: the newest `update_time` wins, wherever it comes from.

CREATE TABLE raw_douyin_orders (
    order_id         TEXT,
    update_time      BIGINT NOT NULL,
    order_status     TEXT,
    create_time      TEXT,
    pay_time         TEXT,
    finish_time      TEXT,
    pay_type         TEXT,
    order_amount     TEXT,
    pay_amount       TEXT,                  -- what the buyer pays
    promotion_amount TEXT,
    coupon_id        TEXT,
    doudian_open_id  TEXT,
    post_addr        JSON,                  -- {"province": {"name": …}, …}
    sku_order_list   JSON,
    logistics_info   JSON,
    PRIMARY KEY (order_id)
) WITH VERSION COLUMN (update_time)
WITH (connector = 'simulator', stream = 'raw_douyin_orders', seed = '42', rate = '50', history = 'raw_douyin_orders_history');

CREATE TABLE raw_douyin_refunds (
    after_sale_id      TEXT,
    update_time        BIGINT NOT NULL,
    order_id           TEXT,
    order_item_id      TEXT,
    notice_type        TEXT,
    refund_amount      TEXT,
    user_refund_amount TEXT,
    apply_source       TEXT,
    apply_time         TEXT,
    PRIMARY KEY (after_sale_id)
) WITH VERSION COLUMN (update_time)
WITH (connector = 'simulator', stream = 'raw_douyin_refunds', seed = '42', rate = '50', history = 'raw_douyin_refunds_history');

-- 1 unpaid, 105 paid, 2 to ship, 101 shipped in part, 3 shipped, 4 cancelled, 5 done.
CREATE VIEW douyin_checked_orders AS
SELECT
    *,
    CASE
        WHEN (order_status IN ('1', '105', '2', '101', '3', '4', '5')) IS NOT TRUE THEN 'status_unknown'
        WHEN (TRY_CAST(pay_amount AS BIGINT) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN (TRY_CAST(create_time AS BIGINT) > 0) IS NOT TRUE THEN 'time_invalid'
        WHEN order_status IN ('105', '2', '101', '3', '5') AND (TRY_CAST(pay_time AS BIGINT) > 0) IS NOT TRUE THEN 'time_invalid'
        WHEN COALESCE(doudian_open_id, '') = '' THEN 'buyer_missing'
        WHEN (json_length(sku_order_list) > 0) IS NOT TRUE THEN 'lines_missing'
    END AS rule
FROM raw_douyin_orders;

CREATE VIEW douyin_orders AS
SELECT
    'douyin:' || order_id AS order_id,
    'douyin' AS channel,
    'douyin:' || doudian_open_id AS buyer_id,
    CASE order_status WHEN '4' THEN 'cancelled' ELSE 'placed' END AS status,
    'CNY' AS currency,
    CAST(CAST(pay_amount AS BIGINT) * 0.01 AS DECIMAL(18, 2)) AS amount,
    CAST(COALESCE(TRY_CAST(promotion_amount AS BIGINT), 0) * 0.01 AS DECIMAL(18, 2)) AS discount,
    coupon_id,
    post_addr->'province'->>'name' AS region,
    to_timestamp_seconds(CAST(create_time AS BIGINT)) AS placed_at,
    CASE order_status
        WHEN '4' THEN to_timestamp_seconds(COALESCE(NULLIF(TRY_CAST(finish_time AS BIGINT), 0), update_time))
    END AS cancelled_at,
    to_timestamp_seconds(update_time) AS updated_at
FROM douyin_checked_orders
WHERE rule IS NULL;

CREATE VIEW douyin_lines AS
SELECT
    o.order_id,
    o.update_time,
    l.line,
    CASE
        WHEN COALESCE(l.line->>'code', '') = '' THEN 'product_missing'
        WHEN (TRY_CAST(l.line->>'item_num' AS INT) > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN (TRY_CAST(l.line->>'goods_price' AS BIGINT) >= 0 AND TRY_CAST(l.line->>'pay_amount' AS BIGINT) >= 0) IS NOT TRUE
            THEN 'amount_invalid'
    END AS rule
FROM douyin_checked_orders AS o, unnest(json_get_array(o.sku_order_list)) AS l(line)
WHERE o.rule IS NULL;

CREATE VIEW douyin_order_items AS
SELECT
    'douyin:' || (line->>'order_id') AS line_id,
    'douyin:' || order_id AS order_id,
    line->>'code' AS product_id,
    CAST(line->>'item_num' AS INT) AS quantity,
    CAST(CAST(line->>'goods_price' AS BIGINT) * 0.01 AS DECIMAL(18, 2)) AS unit_price,
    CAST(CAST(line->>'pay_amount' AS BIGINT) * 0.01 AS DECIMAL(18, 2)) AS amount
FROM douyin_lines
WHERE rule IS NULL;

CREATE VIEW douyin_payments AS
SELECT
    'douyin:' || order_id AS payment_id,
    'douyin:' || order_id AS order_id,
    'douyin' AS channel,
    CASE pay_type WHEN '1' THEN 'wechat_pay' WHEN '2' THEN 'alipay' ELSE 'douyin_pay' END AS method,
    'captured' AS status,
    'CNY' AS currency,
    CAST(CAST(pay_amount AS BIGINT) * 0.01 AS DECIMAL(18, 2)) AS amount,
    to_timestamp_seconds(CAST(pay_time AS BIGINT)) AS created_at,
    to_timestamp_seconds(CAST(pay_time AS BIGINT)) AS paid_at
FROM douyin_checked_orders
WHERE rule IS NULL AND TRY_CAST(pay_time AS BIGINT) > 0;

-- Parcels, each with the product orders in it.
CREATE VIEW douyin_parcel_lines AS
SELECT
    p.order_id,
    p.order_status,
    p.update_time,
    p.parcel,
    l.line,
    CASE
        WHEN COALESCE(p.parcel->>'tracking_no', '') = '' OR l.line->>'sku_order_id' IS NULL THEN 'payload_invalid'
        WHEN (TRY_CAST(l.line->>'product_count' AS INT) > 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN (TRY_CAST(p.parcel->>'ship_time' AS BIGINT) > 0) IS NOT TRUE THEN 'time_invalid'
    END AS rule
FROM (
    SELECT o.order_id, o.order_status, o.update_time, n.parcel
    FROM douyin_checked_orders AS o, unnest(json_get_array(o.logistics_info)) AS n(parcel)
    WHERE o.rule IS NULL
) AS p, unnest(json_get_array(p.parcel, 'product_info')) AS l(line);

CREATE VIEW douyin_shipments AS
SELECT
    'douyin:' || (parcel->>'tracking_no') || '/' || (line->>'sku_order_id') AS shipment_id,
    'douyin:' || order_id AS order_id,
    'douyin' AS channel,
    'douyin:' || (line->>'sku_order_id') AS line_id,
    CAST(line->>'product_count' AS INT) AS quantity,
    CASE order_status WHEN '5' THEN 'delivered' ELSE 'shipped' END AS status,
    to_timestamp_seconds(CAST(parcel->>'ship_time' AS BIGINT)) AS shipped_at
FROM douyin_parcel_lines
WHERE rule IS NULL;

CREATE VIEW douyin_checked_refunds AS
SELECT
    *,
    CASE
        WHEN (notice_type IN ('0', '1')) IS NOT TRUE THEN 'status_unknown'
        WHEN (TRY_CAST(user_refund_amount AS BIGINT) >= 0) IS NOT TRUE THEN 'amount_invalid'
        WHEN (TRY_CAST(apply_time AS BIGINT) > 0) IS NOT TRUE THEN 'time_invalid'
        WHEN order_id IS NULL THEN 'order_missing'
    END AS rule
FROM raw_douyin_refunds;

CREATE VIEW douyin_refunds AS
SELECT
    'douyin:' || after_sale_id AS refund_id,
    'douyin:' || order_id AS order_id,
    'douyin:' || order_item_id AS line_id,
    'douyin' AS channel,
    'refund' AS kind,
    CASE notice_type WHEN '0' THEN 'succeeded' ELSE 'requested' END AS status,
    'CNY' AS currency,
    CAST(CAST(user_refund_amount AS BIGINT) * 0.01 AS DECIMAL(18, 2)) AS amount,
    to_timestamp_seconds(CAST(apply_time AS BIGINT)) AS requested_at,
    CASE notice_type WHEN '0' THEN to_timestamp_seconds(update_time) END AS refunded_at
FROM douyin_checked_refunds
WHERE rule IS NULL;

CREATE VIEW douyin_rejects AS
SELECT
    'douyin' AS channel,
    'order' AS kind,
    'douyin:' || order_id AS id,
    rule,
    concat_ws(' ', 'order_status=' || order_status, 'pay_amount=' || pay_amount, 'create_time=' || create_time, 'pay_time=' || pay_time)
        AS detail,
    sku_order_list AS payload,
    to_timestamp_seconds(update_time) AS updated_at
FROM douyin_checked_orders
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'douyin', 'order_item', 'douyin:' || COALESCE(line->>'order_id', order_id || '/?'), rule,
    concat_ws(' ', 'item_num=' || (line->>'item_num'), 'pay_amount=' || (line->>'pay_amount')), line,
    to_timestamp_seconds(update_time)
FROM douyin_lines
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'douyin', 'shipment', 'douyin:' || COALESCE(parcel->>'tracking_no', order_id || '/?'), rule, line, parcel,
    to_timestamp_seconds(update_time)
FROM douyin_parcel_lines
WHERE rule IS NOT NULL
UNION ALL
SELECT
    'douyin', 'refund', 'douyin:' || after_sale_id, rule,
    concat_ws(' ', 'notice_type=' || notice_type, 'user_refund_amount=' || user_refund_amount),
    concat_ws(' ', 'order_id=' || order_id, 'order_item_id=' || order_item_id, 'apply_source=' || apply_source),
    to_timestamp_seconds(update_time)
FROM douyin_checked_refunds
WHERE rule IS NOT NULL;
