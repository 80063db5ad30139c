-- The least a flash sale needs over the shipped channels, model and order state: how much by product, channel and status.
-- What the whole of dataflows/ costs is told against it; see benches/README.md.

CREATE MATERIALIZED VIEW by_product AS
SELECT i.product_id, date_trunc('minute', o.placed_at) AS minute, SUM(i.quantity) AS units, SUM(i.amount * o.fx_rate) AS placed
FROM order_items AS i
JOIN order_state AS o ON o.order_id = i.order_id
GROUP BY i.product_id, date_trunc('minute', o.placed_at);

CREATE MATERIALIZED VIEW by_channel AS
SELECT
    channel, date_trunc('minute', placed_at) AS minute, COUNT(*) AS orders, SUM(amount_cny) AS placed, SUM(paid_cny) AS paid,
    SUM(returned_cny) AS returned
FROM order_state
GROUP BY channel, date_trunc('minute', placed_at);

CREATE MATERIALIZED VIEW by_status AS
SELECT
    status, date_trunc('minute', placed_at) AS minute, COUNT(*) AS orders, SUM(amount_cny) AS placed, SUM(paid_cny) AS paid,
    SUM(returned_cny) AS returned
FROM order_state
GROUP BY status, date_trunc('minute', placed_at);
