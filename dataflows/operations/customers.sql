-- One row per buyer: how lately, how often, for how much, and what follows from it.
--
-- lifetime_value is what was kept (paid − refunded, CNY); frequency is paid orders. Recency counts days up to the newest order of all
-- buyers, UTC: event time, so that a replay gives the same answer. Buyers are as channels name them; one person may be several.
-- segment: prospect (never paid), returner (sent everything back), champion (5 paid orders or more, the last within 30 days), loyal
-- (2 or more, within 60), new (first, within 30), at_risk (within 180), lapsed. Rows of `settings` change the numbers:
-- segment_champion_orders, segment_loyal_orders, segment_fresh_days (30), segment_loyal_days (60), segment_lapsed_days (180).

CREATE VIEW segment_settings AS
SELECT
    COALESCE(MAX(value) FILTER (WHERE name = 'segment_champion_orders'), 5) AS champion_orders,
    COALESCE(MAX(value) FILTER (WHERE name = 'segment_loyal_orders'), 2) AS loyal_orders,
    COALESCE(MAX(value) FILTER (WHERE name = 'segment_fresh_days'), 30) AS fresh_days,
    COALESCE(MAX(value) FILTER (WHERE name = 'segment_loyal_days'), 60) AS loyal_days,
    COALESCE(MAX(value) FILTER (WHERE name = 'segment_lapsed_days'), 180) AS lapsed_days
FROM settings;

-- A new day, or another setting, changes who is what: `customer_profile` is worked out when it is read, and segments are made of buyers
-- added up by the day of their last order and the number of orders they paid. So a new day costs a look at these, not at the buyers.
CREATE MATERIALIZED VIEW customer_sums AS
SELECT
    buyer_id, COUNT(*) AS orders, COUNT(*) FILTER (WHERE is_paid) AS paid_orders, COUNT(*) FILTER (WHERE is_refunded) AS refunded_orders,
    MIN(placed_at) AS first_order_at, MAX(placed_at) AS last_order_at,
    COALESCE(SUM(paid_cny), 0) AS gross, COALESCE(SUM(returned_cny), 0) AS refunded
FROM order_money
WHERE buyer_id IS NOT NULL
GROUP BY buyer_id;

CREATE VIEW newest_day AS
SELECT MAX(CAST(minute AS DATE)) AS day FROM sale_cells;

CREATE VIEW customer_standing AS
SELECT *, CAST(last_order_at AS DATE) AS last_day, gross > refunded AS keeps FROM customer_sums;

CREATE VIEW customer_days AS
SELECT paid_orders, keeps, last_day, COUNT(*) AS buyers, SUM(orders) AS orders, SUM(gross - refunded) AS lifetime_value
FROM customer_standing
GROUP BY paid_orders, keeps, last_day;

CREATE VIEW segment_days AS
SELECT
    paid_orders, keeps, last_day, buyers, orders, lifetime_value, recency_days,
    CASE
        WHEN paid_orders = 0 THEN 'prospect'
        WHEN NOT keeps THEN 'returner'
        WHEN paid_orders >= champion_orders AND recency_days <= fresh_days THEN 'champion'
        WHEN paid_orders >= loyal_orders AND recency_days <= loyal_days THEN 'loyal'
        WHEN paid_orders < loyal_orders AND recency_days <= fresh_days THEN 'new'
        WHEN recency_days <= lapsed_days THEN 'at_risk'
        ELSE 'lapsed'
    END AS segment
FROM (
    SELECT c.*, s.*, CAST((EXTRACT(EPOCH FROM n.day) - EXTRACT(EPOCH FROM c.last_day)) / 86400 AS INT) AS recency_days
    FROM customer_days AS c
    CROSS JOIN newest_day AS n
    CROSS JOIN segment_settings AS s
) AS dated;

CREATE MATERIALIZED VIEW customer_segments AS
SELECT segment, SUM(buyers) AS buyers, SUM(orders) AS orders, CAST(SUM(lifetime_value) AS DECIMAL(18, 2)) AS lifetime_value
FROM segment_days
GROUP BY segment;

CREATE VIEW customer_profile AS
SELECT
    c.buyer_id, c.orders, c.paid_orders, c.first_order_at, c.last_order_at,
    CAST(c.gross AS DECIMAL(18, 2)) AS gross, CAST(c.refunded AS DECIMAL(18, 2)) AS refunded,
    CAST(c.gross - c.refunded AS DECIMAL(18, 2)) AS lifetime_value,
    CAST(ROUND(CAST(c.gross AS DOUBLE PRECISION) / NULLIF(c.paid_orders, 0), 2) AS DECIMAL(18, 2)) AS average_order_value,
    c.refunded_orders, d.recency_days, CASE WHEN c.orders > 1 THEN 'returning' ELSE 'new' END AS kind, d.segment
FROM customer_standing AS c
JOIN segment_days AS d ON d.paid_orders = c.paid_orders AND d.keeps = c.keeps AND d.last_day = c.last_day;
