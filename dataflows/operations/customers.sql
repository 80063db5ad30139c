-- One row per buyer: how lately, how often, for how much, and what follows from it.
--
-- lifetime_value is what was kept (paid − refunded, CNY); frequency is paid orders. Recency counts days up to the newest order of all
-- buyers, UTC: event time, so that a replay gives the same answer. Buyers are as channels name them; one person may be several.
-- segment: prospect (never paid), returner (sent everything back), champion (5 paid orders or more, the last within 30 days), loyal
-- (2 or more, within 60), new (first, within 30), at_risk (within 180), lapsed.

-- A new day changes who is recent: `customer_profile` is worked out when it is read, and segments are added up from buyers by the day of
-- their last order. So a new day costs a look at the days, not at the buyers.
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

-- What a buyer is while the last order is recent.
CREATE VIEW customer_standing AS
SELECT
    *, CAST(last_order_at AS DATE) AS last_day,
    CASE
        WHEN paid_orders = 0 THEN 'prospect'
        WHEN gross <= refunded THEN 'returner'
        WHEN paid_orders >= 5 THEN 'champion'
        WHEN paid_orders >= 2 THEN 'loyal'
        ELSE 'new'
    END AS standing
FROM customer_sums;

CREATE VIEW customer_days AS
SELECT standing, last_day, COUNT(*) AS buyers, SUM(orders) AS orders, SUM(gross - refunded) AS lifetime_value
FROM customer_standing
GROUP BY standing, last_day;

CREATE VIEW segment_days AS
SELECT
    *,
    CASE
        WHEN standing IN ('prospect', 'returner') THEN standing
        WHEN standing IN ('champion', 'new') AND recency_days <= 30 THEN standing
        WHEN standing IN ('champion', 'loyal') AND recency_days <= 60 THEN 'loyal'
        WHEN recency_days <= 180 THEN 'at_risk'
        ELSE 'lapsed'
    END AS segment
FROM (
    SELECT c.*, CAST((EXTRACT(EPOCH FROM n.day) - EXTRACT(EPOCH FROM c.last_day)) / 86400 AS INT) AS recency_days
    FROM customer_days AS c
    CROSS JOIN newest_day AS n
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
JOIN segment_days AS d ON d.standing = c.standing AND d.last_day = c.last_day;
