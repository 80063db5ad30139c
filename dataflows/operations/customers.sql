-- One row per buyer: how lately, how often, for how much, and what follows from it.
--
-- lifetime_value is what was kept (paid − refunded, CNY); frequency is paid orders. Recency counts days up to the newest order of all
-- buyers, UTC: event time, so that a replay gives the same answer. Buyers are as channels name them; one person may be several.
-- segment: prospect (never paid), returner (sent everything back), champion (5 paid orders or more, the last within 30 days), loyal
-- (2 or more, within 60), new (first, within 30), at_risk (within 180), lapsed.

CREATE VIEW buyer_sums AS
SELECT
    buyer_id, COUNT(*) AS orders, COUNT(*) FILTER (WHERE paid > 0) AS paid_orders, COUNT(*) FILTER (WHERE refunds > 0) AS refunded_orders,
    MIN(placed_at) AS first_order_at, MAX(placed_at) AS last_order_at,
    COALESCE(SUM(paid_cny), 0) AS gross, COALESCE(SUM(returned_cny), 0) AS refunded
FROM order_state
WHERE buyer_id IS NOT NULL
GROUP BY buyer_id;

CREATE VIEW newest_day AS
SELECT MAX(CAST(minute AS DATE)) AS day FROM sale_cells;

CREATE MATERIALIZED VIEW customer_profile AS
SELECT
    buyer_id, orders, paid_orders, first_order_at, last_order_at,
    CAST(gross AS DECIMAL(18, 2)) AS gross, CAST(refunded AS DECIMAL(18, 2)) AS refunded,
    CAST(gross - refunded AS DECIMAL(18, 2)) AS lifetime_value,
    CAST(ROUND(CAST(gross AS DOUBLE PRECISION) / NULLIF(paid_orders, 0), 2) AS DECIMAL(18, 2)) AS average_order_value,
    refunded_orders, recency_days,
    CASE WHEN orders > 1 THEN 'returning' ELSE 'new' END AS kind,
    CASE
        WHEN paid_orders = 0 THEN 'prospect'
        WHEN gross <= refunded THEN 'returner'
        WHEN paid_orders >= 5 AND recency_days <= 30 THEN 'champion'
        WHEN paid_orders >= 2 AND recency_days <= 60 THEN 'loyal'
        WHEN paid_orders = 1 AND recency_days <= 30 THEN 'new'
        WHEN recency_days <= 180 THEN 'at_risk'
        ELSE 'lapsed'
    END AS segment
FROM (
    SELECT
        b.*,
        CAST((EXTRACT(EPOCH FROM n.day) - EXTRACT(EPOCH FROM CAST(b.last_order_at AS DATE))) / 86400 AS INT) AS recency_days
    FROM buyer_sums AS b
    CROSS JOIN newest_day AS n
) AS dated;

CREATE MATERIALIZED VIEW customer_segments AS
SELECT segment, COUNT(*) AS buyers, SUM(orders) AS orders, CAST(SUM(lifetime_value) AS DECIMAL(18, 2)) AS lifetime_value
FROM customer_profile
GROUP BY segment;
