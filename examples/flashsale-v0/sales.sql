-- The flash sale by product and minute, by channel and minute, and by status, on the minute an order was placed in.
-- A revision, a late payment or a refund changes the minute it belongs to, however long ago that was.
CREATE MATERIALIZED VIEW sales_by_product_minute AS
SELECT
    product_id,
    date_trunc('minute', placed_at) AS minute,
    COUNT(*) AS orders,
    SUM(quantity) AS units,
    SUM(amount) AS ordered,
    SUM(paid) AS paid,
    SUM(refunded) AS refunded,
    SUM(net) AS net
FROM order_state
GROUP BY product_id, date_trunc('minute', placed_at);

CREATE MATERIALIZED VIEW sales_by_channel_minute AS
SELECT
    channel,
    date_trunc('minute', placed_at) AS minute,
    COUNT(*) AS orders,
    SUM(quantity) AS units,
    SUM(amount) AS ordered,
    SUM(paid) AS paid,
    SUM(refunded) AS refunded,
    SUM(net) AS net
FROM order_state
GROUP BY channel, date_trunc('minute', placed_at);

CREATE MATERIALIZED VIEW sales_by_status AS
SELECT
    status,
    COUNT(*) AS orders,
    SUM(amount) AS ordered,
    SUM(paid) AS paid,
    SUM(refunded) AS refunded,
    SUM(net) AS net
FROM order_state
GROUP BY status;
