-- Which click earned which order: five models, several look-backs, net of what went back.
--
-- A click of the buyer within the look-back before the order may earn it; impressions earn nothing. An order's net value (CNY) is
-- shared by its clicks, oldest first: last_click and first_click give all to one; linear gives equal parts; time_decay halves a
-- click's weight with every 7 days between it and the order; position_based gives 40 % to the first, 40 % to the last, 20 % to those
-- between (two clicks: half each).
-- The parts always add up to the value, to the cent: a click gets round(value × share up to and with it) − round(value × share before it),
-- and the share up to the last click is exactly 1. A refund, however late, changes the value and with it every part.
-- Orders without a click in the look-back are earned by '(none)'. Spend is what platforms last restated, in CNY by its day's rate.

-- The look-backs kept side by side, in days; clicks older than the longest are not looked at. Change them here and in order_clicks.
CREATE VIEW order_clicks AS
SELECT
    o.order_id, o.buyer_id, o.placed_at, t.touchpoint_id, t.campaign_id, t.at AS clicked_at,
    EXTRACT(EPOCH FROM o.placed_at) - EXTRACT(EPOCH FROM t.at) AS age_s,
    UNNEST([1, 7, 30]) AS lookback_days
FROM orders AS o
JOIN touchpoints AS t ON t.buyer_id = o.buyer_id
WHERE t.kind = 'click' AND t.at <= o.placed_at AND t.at > o.placed_at - INTERVAL '30 days';

CREATE VIEW buyer_firsts AS
SELECT buyer_id, MIN(placed_at) AS first_placed_at FROM orders GROUP BY buyer_id;

-- The clicks that share an order, numbered from the oldest. It does not hang on money: payments and refunds leave it alone.
CREATE VIEW numbered_clicks AS
SELECT
    order_id, lookback_days, touchpoint_id, campaign_id, buyer_id, clicked_at, placed_at,
    ROW_NUMBER() OVER (PARTITION BY order_id, lookback_days ORDER BY clicked_at, touchpoint_id) AS position,
    COUNT(*) OVER (PARTITION BY order_id, lookback_days) AS touches,
    SUM(POWER(0.5, age_s / 604800)) OVER (
        PARTITION BY order_id, lookback_days ORDER BY clicked_at, touchpoint_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS decay_to,
    SUM(POWER(0.5, age_s / 604800)) OVER (
        PARTITION BY order_id, lookback_days ORDER BY clicked_at, touchpoint_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS decay_all,
    POWER(0.5, age_s / 604800) AS decay
FROM order_clicks
WHERE age_s < lookback_days * 86400;

-- Each click's share of its order as the share up to it, less the share before it.
CREATE MATERIALIZED VIEW attribution_paths AS
SELECT
    c.order_id, c.lookback_days, c.touchpoint_id, c.campaign_id, c.buyer_id, c.clicked_at, c.placed_at, c.position, c.touches,
    c.placed_at = f.first_placed_at AS is_first_order,
    CAST(CAST(c.position - 1 AS DOUBLE PRECISION) / c.touches AS DECIMAL(11, 10)) AS linear_from,
    CAST(CAST(c.position AS DOUBLE PRECISION) / c.touches AS DECIMAL(11, 10)) AS linear_to,
    CAST(CASE WHEN c.position = 1 THEN 0 ELSE (c.decay_to - c.decay) / c.decay_all END AS DECIMAL(11, 10)) AS decay_from,
    CAST(CASE WHEN c.position = c.touches THEN 1 ELSE c.decay_to / c.decay_all END AS DECIMAL(11, 10)) AS decay_to,
    CAST(CASE
        WHEN c.position = 1 THEN 0
        WHEN c.touches = 2 THEN 0.5
        ELSE 0.4 + 0.2 * (c.position - 2) / (c.touches - 2)
    END AS DECIMAL(11, 10)) AS position_from,
    CAST(CASE
        WHEN c.position = c.touches THEN 1
        WHEN c.touches = 2 THEN 0.5
        ELSE 0.4 + 0.2 * (c.position - 1) / (c.touches - 2)
    END AS DECIMAL(11, 10)) AS position_to
FROM numbered_clicks AS c
JOIN buyer_firsts AS f ON f.buyer_id = c.buyer_id;

-- The parts of each order's gross (paid), net, and of the order itself (a kept one is 1, in millionths).
CREATE MATERIALIZED VIEW attribution_credits AS
SELECT
    order_id, lookback_days, touchpoint_id, campaign_id, position, touches, clicked_at, placed_at, is_first_order, gross, net, kept,
    CAST(CASE WHEN position = touches THEN gross ELSE 0 END AS DECIMAL(18, 2)) AS gross_last_click,
    CAST(CASE WHEN position = 1 THEN gross ELSE 0 END AS DECIMAL(18, 2)) AS gross_first_click,
    CAST(ROUND(gross * linear_to, 2) - ROUND(gross * linear_from, 2) AS DECIMAL(18, 2)) AS gross_linear,
    CAST(ROUND(gross * decay_to, 2) - ROUND(gross * decay_from, 2) AS DECIMAL(18, 2)) AS gross_time_decay,
    CAST(ROUND(gross * position_to, 2) - ROUND(gross * position_from, 2) AS DECIMAL(18, 2)) AS gross_position_based,
    CAST(CASE WHEN position = touches THEN net ELSE 0 END AS DECIMAL(18, 2)) AS last_click,
    CAST(CASE WHEN position = 1 THEN net ELSE 0 END AS DECIMAL(18, 2)) AS first_click,
    CAST(ROUND(net * linear_to, 2) - ROUND(net * linear_from, 2) AS DECIMAL(18, 2)) AS linear,
    CAST(ROUND(net * decay_to, 2) - ROUND(net * decay_from, 2) AS DECIMAL(18, 2)) AS time_decay,
    CAST(ROUND(net * position_to, 2) - ROUND(net * position_from, 2) AS DECIMAL(18, 2)) AS position_based,
    CAST(CASE WHEN position = touches THEN kept ELSE 0 END AS DECIMAL(18, 6)) AS kept_last_click,
    CAST(CASE WHEN position = 1 THEN kept ELSE 0 END AS DECIMAL(18, 6)) AS kept_first_click,
    CAST(ROUND(kept * linear_to, 6) - ROUND(kept * linear_from, 6) AS DECIMAL(18, 6)) AS kept_linear,
    CAST(ROUND(kept * decay_to, 6) - ROUND(kept * decay_from, 6) AS DECIMAL(18, 6)) AS kept_time_decay,
    CAST(ROUND(kept * position_to, 6) - ROUND(kept * position_from, 6) AS DECIMAL(18, 6)) AS kept_position_based
FROM (
    SELECT
        p.*, o.paid_cny AS gross, o.net_cny AS net,
        CAST(CASE
            WHEN o.paid > 0 AND o.status IN ('paid', 'partially_shipped', 'shipped', 'completed', 'partially_refunded') THEN 1
            ELSE 0
        END AS DECIMAL(7, 6)) AS kept
    FROM attribution_paths AS p
    JOIN order_state AS o ON o.order_id = p.order_id
    WHERE (o.payments > 0 OR o.refunds > 0) AND o.fx_rate IS NOT NULL
) AS valued;

-- All parts of all orders that moved money, '(none)' too: per order and look-back they add up to the order's net value.
CREATE VIEW attribution_order_credits AS
SELECT order_id, lookback_days, touchpoint_id, campaign_id, last_click, first_click, linear, time_decay, position_based
FROM attribution_credits
UNION ALL
SELECT o.order_id, o.lookback_days, NULL, '(none)', o.net_cny, o.net_cny, o.net_cny, o.net_cny, o.net_cny
FROM (
    SELECT order_id, net_cny, UNNEST([1, 7, 30]) AS lookback_days
    FROM order_state
    WHERE (payments > 0 OR refunds > 0) AND fx_rate IS NOT NULL
) AS o
WHERE NOT EXISTS (SELECT 1 FROM attribution_paths AS p WHERE p.order_id = o.order_id AND p.lookback_days = o.lookback_days);

-- What to tell an ad platform about a conversion it was told of: nothing is left of it, or less. By the last click within 30 days.
CREATE MATERIALIZED VIEW attribution_adjustments AS
SELECT
    p.order_id, p.campaign_id, p.touchpoint_id,
    CASE WHEN o.net <= 0 THEN 'RETRACTION' ELSE 'RESTATEMENT' END AS adjustment_type,
    o.placed_at AS conversion_time, o.last_refund_at AS adjustment_time,
    CASE WHEN o.net > 0 THEN o.net END AS adjusted_value, o.currency
FROM attribution_paths AS p
JOIN order_state AS o ON o.order_id = p.order_id
WHERE p.lookback_days = 30 AND p.position = p.touches AND o.paid > 0 AND o.refunds > 0;
