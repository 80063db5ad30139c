-- Stores' points of sale: CSV exports, one row per receipt line, times in the store's wall clock, money in the store's currency. A
-- receipt is an order and its own payment; RETURN lines name the receipt they take back; a VOID line was rung up and taken off again.
-- Exports repeat lines with a higher `export_seq` when they were corrected. A line that fails validation is missing from its receipt
-- until it is corrected. Without a member card a receipt is its own buyer.

CREATE TABLE raw_pos_lines (
    store_id         TEXT,
    receipt_no       TEXT,
    line_no          INT,
    export_seq       BIGINT NOT NULL,
    kind             TEXT,                  -- SALE, RETURN, VOID
    sold_at          TEXT,
    sku              TEXT,
    qty              TEXT,
    unit_price       TEXT,
    line_total       TEXT,                  -- negative on returns
    currency         TEXT,
    tender           TEXT,                  -- CASH, CARD, WECHAT, ALIPAY, OCTOPUS
    member_id        TEXT,
    original_receipt TEXT,                  -- of returns
    original_line    TEXT,
    PRIMARY KEY (store_id, receipt_no, line_no)
) WITH VERSION COLUMN (export_seq)
WITH (connector = 'simulator', stream = 'raw_pos_lines', seed = '42', rate = '50', history = 'raw_pos_lines_history');

-- Stores and their clocks: by the first letters of the store's number.
CREATE VIEW pos_checked_lines AS
SELECT
    *,
    CASE
        WHEN (kind IN ('SALE', 'RETURN', 'VOID')) IS NOT TRUE THEN 'kind_unknown'
        WHEN (tender IN ('CASH', 'CARD', 'WECHAT', 'ALIPAY', 'OCTOPUS')) IS NOT TRUE THEN 'tender_unknown'
        WHEN (upper(currency) IN ('CNY', 'HKD', 'JPY')) IS NOT TRUE THEN 'currency_unknown'
        WHEN at IS NULL THEN 'time_invalid'
        WHEN COALESCE(sku, '') = '' THEN 'product_missing'
        WHEN (TRY_CAST(qty AS INT) <> 0) IS NOT TRUE THEN 'quantity_invalid'
        WHEN TRY_CAST(line_total AS DECIMAL(18, 2)) IS NULL OR TRY_CAST(unit_price AS DECIMAL(18, 2)) IS NULL THEN 'amount_invalid'
        WHEN kind <> 'RETURN' AND TRY_CAST(line_total AS DECIMAL(18, 2)) < 0 THEN 'amount_invalid'
        WHEN kind = 'RETURN' AND COALESCE(original_receipt, '') = '' THEN 'order_missing'
    END AS rule
FROM (
    SELECT
        *,
        'pos:' || store_id || '-' || receipt_no AS receipt,
        CASE
            WHEN store_id LIKE 'HK%' THEN TRY_CAST(sold_at AS TIMESTAMP) AT TIME ZONE 'Asia/Hong_Kong'
            WHEN store_id LIKE 'JP%' THEN TRY_CAST(sold_at AS TIMESTAMP) AT TIME ZONE 'Asia/Tokyo'
            ELSE TRY_CAST(sold_at AS TIMESTAMP) AT TIME ZONE 'Asia/Shanghai'
        END AS at
    FROM raw_pos_lines
) AS l;

CREATE VIEW pos_lines AS
SELECT
    receipt,
    line_no,
    kind,
    at,
    sku,
    CAST(qty AS INT) AS quantity,
    CAST(unit_price AS DECIMAL(18, 2)) AS unit_price,
    CAST(line_total AS DECIMAL(18, 2)) AS amount,
    upper(currency) AS currency,
    tender,
    'pos:' || NULLIF(member_id, '') AS member,
    'pos:' || original_receipt AS original_receipt,
    NULLIF(original_line, '') AS original_line,
    store_id
FROM pos_checked_lines
WHERE rule IS NULL;

CREATE VIEW pos_receipts AS
SELECT
    receipt,
    MIN(currency) AS currency,
    MIN(store_id) AS store_id,
    MIN(member) AS member,
    MIN(tender) AS tender,
    MIN(at) AS placed_at,
    MAX(at) AS updated_at,
    COUNT(*) FILTER (WHERE kind = 'SALE') AS lines,
    CAST(SUM(amount) FILTER (WHERE kind = 'SALE') AS DECIMAL(18, 2)) AS sold,
    CAST(SUM(amount) AS DECIMAL(18, 2)) AS rung_up
FROM pos_lines
WHERE kind IN ('SALE', 'VOID')
GROUP BY receipt;

CREATE VIEW pos_orders AS
SELECT
    receipt AS order_id,
    'pos' AS channel,
    COALESCE(member, receipt) AS buyer_id,
    CASE WHEN lines > 0 THEN 'placed' ELSE 'cancelled' END AS status,
    currency,
    CASE WHEN lines > 0 THEN sold ELSE rung_up END AS amount,
    0.00::DECIMAL(18, 2) AS discount,
    NULL::TEXT AS coupon_id,
    store_id AS region,
    placed_at,
    CASE WHEN lines = 0 THEN updated_at END AS cancelled_at,
    updated_at
FROM pos_receipts;

CREATE VIEW pos_order_items AS
SELECT receipt || '/' || line_no AS line_id, receipt AS order_id, sku AS product_id, quantity, unit_price, amount
FROM pos_lines
WHERE kind = 'SALE';

CREATE VIEW pos_payments AS
SELECT
    receipt AS payment_id,
    receipt AS order_id,
    'pos' AS channel,
    lower(tender) AS method,
    CASE WHEN lines > 0 THEN 'captured' ELSE 'voided' END AS status,
    currency,
    CASE WHEN lines > 0 THEN sold ELSE rung_up END AS amount,
    placed_at AS created_at,
    CASE WHEN lines > 0 THEN placed_at END AS paid_at
FROM pos_receipts;

CREATE VIEW pos_refunds AS
SELECT
    receipt || '/' || line_no AS refund_id,
    original_receipt AS order_id,
    original_receipt || '/' || original_line AS line_id,
    'pos' AS channel,
    'refund' AS kind,
    'succeeded' AS status,
    currency,
    CAST(abs(amount) AS DECIMAL(18, 2)) AS amount,
    at AS requested_at,
    at AS refunded_at
FROM pos_lines
WHERE kind = 'RETURN';

-- What is sold over the counter has left with the buyer.
CREATE VIEW pos_shipments AS
SELECT
    receipt || '/' || line_no AS shipment_id,
    receipt AS order_id,
    'pos' AS channel,
    receipt || '/' || line_no AS line_id,
    quantity,
    'delivered' AS status,
    at AS shipped_at
FROM pos_lines
WHERE kind = 'SALE';

CREATE VIEW pos_rejects AS
SELECT
    'pos' AS channel,
    CASE kind WHEN 'RETURN' THEN 'refund' ELSE 'order_item' END AS kind,
    receipt || '/' || line_no AS id,
    rule,
    concat_ws(' ', 'kind=' || kind, 'tender=' || tender, 'qty=' || qty, 'line_total=' || line_total, 'sold_at=' || sold_at) AS detail,
    concat_ws(' ', 'sku=' || sku, 'unit_price=' || unit_price, 'currency=' || currency, 'export_seq=' || export_seq) AS payload,
    at AS updated_at
FROM pos_checked_lines
WHERE rule IS NOT NULL;
