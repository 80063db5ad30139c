-- Which click earned which order: five models, several look-backs, net of what went back.
--
-- A click of the buyer within the look-back before the order may earn it; impressions earn nothing. An order's net value (CNY) is
-- shared by its clicks, oldest first: last_click and first_click give all to one; linear gives equal parts; time_decay halves a
-- click's weight with every half-life between it and the order; position_based gives 40 % to the first, 40 % to the last, 20 % to those
-- between (two clicks: half each).
-- Three look-backs (1, 7, 30 days) stand side by side, the half-life is 7 days; rows of `settings` change them: lookback_short_days,
-- lookback_middle_days, lookback_long_days, half_life_days. Clicks older than the long look-back are not looked at; equal ones are one.
-- The parts always add up to the value, to the cent: a click gets round(value × share up to and with it) − round(value × share before it),
-- in whole cents of a yuan (up to 90 trillion yuan an order), and the share up to the last click is exactly 1. A refund, however late,
-- changes the value and with it every part.
-- Orders without a click in the look-back are earned by '(none)'. Spend is what platforms last restated, in CNY by its day's rate.

CREATE VIEW attribution_settings AS
SELECT LEAST(short_days, long_days) AS short_days, LEAST(middle_days, long_days) AS middle_days, long_days, half_life_days
FROM (
    SELECT
        CAST(COALESCE(MAX(value) FILTER (WHERE name = 'lookback_short_days'), 1) AS BIGINT) AS short_days,
        CAST(COALESCE(MAX(value) FILTER (WHERE name = 'lookback_middle_days'), 7) AS BIGINT) AS middle_days,
        CAST(COALESCE(MAX(value) FILTER (WHERE name = 'lookback_long_days'), 30) AS BIGINT) AS long_days,
        COALESCE(MAX(value) FILTER (WHERE name = 'half_life_days' AND value > 0), 7) AS half_life_days
    FROM settings
) AS set_or_default;

CREATE VIEW buyer_firsts AS
SELECT buyer_id, MIN(placed_at) AS first_placed_at FROM orders WHERE buyer_id IS NOT NULL GROUP BY buyer_id;

-- Buyers meet the settings by the milliseconds of their first order: a join without a key would be one worker's work, and so would be the
-- buyers of one second.
CREATE VIEW buyer_settings AS
SELECT b.buyer_id, b.first_placed_at, s.short_days, s.middle_days, s.long_days, s.half_life_days
FROM buyer_firsts AS b
JOIN (SELECT *, UNNEST(generate_series(0, 63)) AS slot FROM attribution_settings) AS s
    ON s.slot = CAST(EXTRACT(MILLISECONDS FROM b.first_placed_at) AS BIGINT) % 64;

CREATE VIEW buyer_orders AS
SELECT
    o.order_id, o.buyer_id, o.placed_at, o.placed_at = b.first_placed_at AS is_first_order,
    b.short_days, b.middle_days, b.long_days, b.half_life_days
FROM orders AS o
JOIN buyer_settings AS b ON b.buyer_id = o.buyer_id;

-- The clicks within the long look-back. Their weight in time_decay is a whole number: its sums are exact, so one share ends where the next
-- begins.
CREATE VIEW order_clicks AS
SELECT *, CAST(GREATEST(ROUND(1e12 * POWER(0.5, age_s / (86400 * half_life_days))), 1) AS BIGINT) AS weight
FROM (
    SELECT o.*, t.touchpoint_id, t.campaign_id, t.at AS clicked_at, EXTRACT(EPOCH FROM o.placed_at) - EXTRACT(EPOCH FROM t.at) AS age_s
    FROM buyer_orders AS o
    JOIN touchpoints AS t ON t.buyer_id = o.buyer_id
    WHERE t.kind = 'click' AND t.at <= o.placed_at
) AS clicks
WHERE age_s < 86400 * long_days;

-- An order's clicks, numbered once for all look-backs: a shorter one leaves out the oldest. Money is not in it: payments and refunds leave
-- it alone.
CREATE MATERIALIZED VIEW attribution_clicks AS
SELECT
    order_id, touchpoint_id, campaign_id, buyer_id, clicked_at, placed_at, is_first_order, short_days, middle_days, long_days, weight,
    ROW_NUMBER() OVER so_far AS position,
    COUNT(*) OVER whole AS touches,
    SUM(CASE WHEN age_s < 86400 * short_days THEN 1 ELSE 0 END) OVER whole AS short_touches,
    SUM(CASE WHEN age_s < 86400 * middle_days THEN 1 ELSE 0 END) OVER whole AS middle_touches,
    SUM(weight) OVER so_far AS weight_to,
    SUM(weight) OVER whole AS weights,
    SUM(CASE WHEN age_s < 86400 * short_days THEN weight ELSE 0 END) OVER whole AS short_weights,
    SUM(CASE WHEN age_s < 86400 * middle_days THEN weight ELSE 0 END) OVER whole AS middle_weights
FROM order_clicks
WINDOW
    so_far AS (PARTITION BY order_id ORDER BY clicked_at, touchpoint_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    whole AS (PARTITION BY order_id ORDER BY clicked_at, touchpoint_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);

-- What orders that moved money are worth, in cents; kept is a million or 0.
CREATE VIEW order_values AS
SELECT
    order_id, CAST(paid_cny * 100 AS BIGINT) AS gross, CAST(net_cny * 100 AS BIGINT) AS net,
    CAST(CASE WHEN is_kept THEN 1000000 ELSE 0 END AS BIGINT) AS kept
FROM order_money
WHERE is_moved AND fx_rate IS NOT NULL;

-- A look-back's clicks are the order's newest ones: look-backs that hold equally many hold the same, and share one path. One row per
-- click and path: its place there, the weights up to it and all of them; of the three days those that are not NULL share this path.
CREATE VIEW path_clicks AS
SELECT
    order_id, short_days, middle_days, long_days, touchpoint_id, campaign_id, clicked_at, placed_at, is_first_order, gross, net, kept,
    weight, position - (all_touches - touches) AS position, touches, weight_to - (all_weights - weights) AS weight_to, weights
FROM (
    SELECT
        order_id, touchpoint_id, campaign_id, clicked_at, placed_at, is_first_order, gross, net, kept, weight, position, weight_to,
        touches, all_touches, all_weights,
        CASE WHEN touches = short_touches THEN short_days END AS short_days,
        CASE WHEN touches = middle_touches THEN middle_days END AS middle_days,
        CASE WHEN touches = all_touches THEN long_days END AS long_days,
        CASE touches WHEN short_touches THEN short_weights WHEN middle_touches THEN middle_weights ELSE all_weights END AS weights
    FROM (
        SELECT
            c.order_id, c.touchpoint_id, c.campaign_id, c.clicked_at, c.placed_at, c.is_first_order, c.short_days, c.middle_days,
            c.long_days, c.weight, c.position, c.weight_to, c.short_touches, c.middle_touches, c.touches AS all_touches,
            c.short_weights, c.middle_weights, c.weights AS all_weights, v.gross, v.net, v.kept,
            UNNEST(array_distinct(make_array(c.short_touches, c.middle_touches, c.touches))) AS touches
        FROM attribution_clicks AS c
        LEFT JOIN order_values AS v ON v.order_id = c.order_id
    ) AS counted
) AS of_path
WHERE position > all_touches - touches;

-- Each click's share of its order as the share up to it, less the share before it.
CREATE VIEW path_shares AS
SELECT
    order_id, short_days, middle_days, long_days, touchpoint_id, campaign_id, clicked_at, placed_at, position, touches,
    is_first_order, gross, net, kept,
    CAST(position - 1 AS DOUBLE PRECISION) / touches AS linear_from,
    CAST(position AS DOUBLE PRECISION) / touches AS linear_to,
    CAST(weight_to - weight AS DOUBLE PRECISION) / weights AS decay_from,
    CAST(weight_to AS DOUBLE PRECISION) / weights AS decay_to,
    CASE
        WHEN position = 1 THEN 0
        WHEN touches = 2 THEN 0.5
        ELSE 0.4 + 0.2 * CAST(position - 2 AS DOUBLE PRECISION) / (touches - 2)
    END AS position_from,
    CASE
        WHEN position = touches THEN 1
        WHEN touches = 2 THEN 0.5
        ELSE 0.4 + 0.2 * CAST(position - 1 AS DOUBLE PRECISION) / (touches - 2)
    END AS position_to
FROM path_clicks;

-- The parts of each order's gross (paid) and net, in cents, and of the order itself, in millionths.
CREATE VIEW path_credits AS
SELECT
    order_id, short_days, middle_days, long_days, touchpoint_id, campaign_id, position, touches, clicked_at, placed_at, is_first_order,
    gross, net, kept,
    CASE WHEN position = touches THEN gross ELSE 0 END AS gross_last_click,
    CASE WHEN position = 1 THEN gross ELSE 0 END AS gross_first_click,
    CAST(ROUND(gross * linear_to) - ROUND(gross * linear_from) AS BIGINT) AS gross_linear,
    CAST(ROUND(gross * decay_to) - ROUND(gross * decay_from) AS BIGINT) AS gross_time_decay,
    CAST(ROUND(gross * position_to) - ROUND(gross * position_from) AS BIGINT) AS gross_position_based,
    CASE WHEN position = touches THEN net ELSE 0 END AS last_click,
    CASE WHEN position = 1 THEN net ELSE 0 END AS first_click,
    CAST(ROUND(net * linear_to) - ROUND(net * linear_from) AS BIGINT) AS linear,
    CAST(ROUND(net * decay_to) - ROUND(net * decay_from) AS BIGINT) AS time_decay,
    CAST(ROUND(net * position_to) - ROUND(net * position_from) AS BIGINT) AS position_based,
    CASE WHEN position = touches THEN kept ELSE 0 END AS kept_last_click,
    CASE WHEN position = 1 THEN kept ELSE 0 END AS kept_first_click,
    CAST(ROUND(kept * linear_to) - ROUND(kept * linear_from) AS BIGINT) AS kept_linear,
    CAST(ROUND(kept * decay_to) - ROUND(kept * decay_from) AS BIGINT) AS kept_time_decay,
    CAST(ROUND(kept * position_to) - ROUND(kept * position_from) AS BIGINT) AS kept_position_based
FROM path_shares
WHERE gross IS NOT NULL;

-- The same by look-back, worked out when read: only the sums in attribution_cells are kept.
CREATE VIEW attribution_paths AS
SELECT *
FROM (SELECT *, UNNEST(array_distinct(make_array(short_days, middle_days, long_days))) AS lookback_days FROM path_shares) AS lookbacks
WHERE lookback_days IS NOT NULL;

CREATE VIEW attribution_credits AS
SELECT
    order_id, lookback_days, touchpoint_id, campaign_id, position, touches, clicked_at, placed_at, is_first_order,
    CAST(gross_last_click * 0.01 AS DECIMAL(18, 2)) AS gross_last_click,
    CAST(gross_first_click * 0.01 AS DECIMAL(18, 2)) AS gross_first_click, CAST(gross_linear * 0.01 AS DECIMAL(18, 2)) AS gross_linear,
    CAST(gross_time_decay * 0.01 AS DECIMAL(18, 2)) AS gross_time_decay,
    CAST(gross_position_based * 0.01 AS DECIMAL(18, 2)) AS gross_position_based, CAST(last_click * 0.01 AS DECIMAL(18, 2)) AS last_click,
    CAST(first_click * 0.01 AS DECIMAL(18, 2)) AS first_click, CAST(linear * 0.01 AS DECIMAL(18, 2)) AS linear,
    CAST(time_decay * 0.01 AS DECIMAL(18, 2)) AS time_decay, CAST(position_based * 0.01 AS DECIMAL(18, 2)) AS position_based,
    CAST(kept_last_click * 0.000001 AS DECIMAL(18, 6)) AS kept_last_click,
    CAST(kept_first_click * 0.000001 AS DECIMAL(18, 6)) AS kept_first_click,
    CAST(kept_linear * 0.000001 AS DECIMAL(18, 6)) AS kept_linear, CAST(kept_time_decay * 0.000001 AS DECIMAL(18, 6)) AS kept_time_decay,
    CAST(kept_position_based * 0.000001 AS DECIMAL(18, 6)) AS kept_position_based
FROM (SELECT *, UNNEST(array_distinct(make_array(short_days, middle_days, long_days))) AS lookback_days FROM path_credits) AS lookbacks
WHERE lookback_days IS NOT NULL;

-- All parts of all orders that moved money, '(none)' too: per order and look-back they add up to the order's net value.
CREATE VIEW attribution_order_credits AS
SELECT order_id, lookback_days, touchpoint_id, campaign_id, last_click, first_click, linear, time_decay, position_based
FROM attribution_credits
UNION ALL
SELECT o.order_id, o.lookback_days, NULL, '(none)', o.net_cny, o.net_cny, o.net_cny, o.net_cny, o.net_cny
FROM (
    SELECT
        v.order_id, CAST(v.net * 0.01 AS DECIMAL(18, 2)) AS net_cny,
        UNNEST(array_distinct(make_array(s.short_days, s.middle_days, s.long_days))) AS lookback_days
    FROM order_values AS v
    CROSS JOIN attribution_settings AS s
) AS o
WHERE NOT EXISTS (SELECT 1 FROM attribution_paths AS p WHERE p.order_id = o.order_id AND p.lookback_days = o.lookback_days);

-- What to tell an ad platform about a conversion it was told of: nothing is left of it, or less. By the last click within the long
-- look-back.
CREATE MATERIALIZED VIEW attribution_adjustments AS
SELECT
    c.order_id, c.campaign_id, c.touchpoint_id,
    CASE WHEN o.net <= 0 THEN 'RETRACTION' ELSE 'RESTATEMENT' END AS adjustment_type,
    o.placed_at AS conversion_time, o.last_refund_at AS adjustment_time,
    CASE WHEN o.net > 0 THEN o.net END AS adjusted_value, o.currency
FROM attribution_clicks AS c
JOIN order_state AS o ON o.order_id = c.order_id
WHERE c.position = c.touches AND o.paid > 0 AND o.refunds > 0;
