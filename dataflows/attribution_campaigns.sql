-- What campaigns earned against what they cost: per day, per campaign, per platform; every model and look-back side by side.
--
-- date_axis 'click' books an order's value on the day of the click (as Google Ads does: the past keeps changing), 'conversion' on the
-- day the order was placed. Days are UTC. Spend stands on its own day on both axes.
-- gross: share of what was paid; net: less what went back; conversions: share of kept orders; new_customers: of those that were the
-- buyer's first. roas = net / spend, cac = spend / new_customers, gross_roas as if nothing had gone back; NULL without spend.
-- '(none)', what no click earned, is all orders less what is credited, by conversion day on both axes.

-- Orders and their clicks meet in few pairs of days: both date axes and all look-backs are made of these sums. All models stand in one row,
-- which is taken apart at the very end; money is in cents and orders are in millionths until then, as in path_credits.
CREATE MATERIALIZED VIEW attribution_cells AS
SELECT
    short_days, middle_days, long_days, CAST(clicked_at AS DATE) AS click_day, CAST(placed_at AS DATE) AS order_day, campaign_id, is_first_order,
    SUM(gross_last_click) AS gross_last_click, SUM(gross_first_click) AS gross_first_click, SUM(gross_linear) AS gross_linear,
    SUM(gross_time_decay) AS gross_time_decay, SUM(gross_position_based) AS gross_position_based, SUM(last_click) AS last_click,
    SUM(first_click) AS first_click, SUM(linear) AS linear, SUM(time_decay) AS time_decay, SUM(position_based) AS position_based,
    SUM(kept_last_click) AS kept_last_click, SUM(kept_first_click) AS kept_first_click, SUM(kept_linear) AS kept_linear,
    SUM(kept_time_decay) AS kept_time_decay, SUM(kept_position_based) AS kept_position_based
FROM path_credits
GROUP BY short_days, middle_days, long_days, CAST(clicked_at AS DATE), CAST(placed_at AS DATE), campaign_id, is_first_order;

CREATE VIEW attribution_days AS
SELECT
    lookback_days, date_axis, CASE date_axis WHEN 'click' THEN click_day ELSE order_day END AS day, campaign_id,
    gross_last_click, gross_first_click, gross_linear, gross_time_decay, gross_position_based, last_click, first_click, linear,
    time_decay, position_based, kept_last_click, kept_first_click, kept_linear, kept_time_decay, kept_position_based,
    CASE WHEN is_first_order THEN kept_last_click ELSE 0 END AS new_last_click,
    CASE WHEN is_first_order THEN kept_first_click ELSE 0 END AS new_first_click,
    CASE WHEN is_first_order THEN kept_linear ELSE 0 END AS new_linear,
    CASE WHEN is_first_order THEN kept_time_decay ELSE 0 END AS new_time_decay,
    CASE WHEN is_first_order THEN kept_position_based ELSE 0 END AS new_position_based
FROM (
    SELECT *, UNNEST(['click', 'conversion']) AS date_axis
    FROM (SELECT *, UNNEST(array_distinct(make_array(short_days, middle_days, long_days))) AS lookback_days FROM attribution_cells) AS lookbacks
    WHERE lookback_days IS NOT NULL
) AS axes;

CREATE VIEW order_days AS
SELECT
    CAST(minute AS DATE) AS day, CAST(SUM(paid) * 100 AS BIGINT) AS gross, CAST((SUM(paid) - SUM(refunded)) * 100 AS BIGINT) AS net,
    SUM(kept_orders) * 1000000 AS conversions
FROM sale_cells
GROUP BY CAST(minute AS DATE);

-- Per day of conversion: everything, less what is credited under any model (they all add up to the same).
CREATE VIEW uncredited AS
SELECT lookback_days, day, SUM(gross) AS gross, SUM(net) AS net, SUM(conversions) AS conversions
FROM (
    SELECT UNNEST(array_distinct(make_array(s.short_days, s.middle_days, s.long_days))) AS lookback_days, d.day, d.gross, d.net, d.conversions
    FROM order_days AS d
    CROSS JOIN attribution_settings AS s
    UNION ALL
    SELECT lookback_days, day, -gross_last_click, -last_click, -kept_last_click
    FROM attribution_days
    WHERE date_axis = 'conversion'
) AS parts
GROUP BY lookback_days, day;

-- Spend in cents of a yuan; while a day's rate is missing its spend is NULL and not counted.
CREATE VIEW spend_cny AS
SELECT
    s.campaign_id, s.day,
    CAST(CASE WHEN s.currency = 'CNY' THEN s.spend ELSE ROUND(s.spend * f.rate, 2) END * 100 AS BIGINT) AS spend
FROM ad_spend AS s
LEFT JOIN fx_rates AS f ON f.currency = s.currency AND f.day = s.day;

CREATE VIEW attribution_sums AS
SELECT
    lookback_days, date_axis, day, campaign_id,
    SUM(gross_last_click) AS gross_last_click, SUM(gross_first_click) AS gross_first_click, SUM(gross_linear) AS gross_linear,
    SUM(gross_time_decay) AS gross_time_decay, SUM(gross_position_based) AS gross_position_based, SUM(last_click) AS last_click,
    SUM(first_click) AS first_click, SUM(linear) AS linear, SUM(time_decay) AS time_decay, SUM(position_based) AS position_based,
    SUM(kept_last_click) AS kept_last_click, SUM(kept_first_click) AS kept_first_click, SUM(kept_linear) AS kept_linear,
    SUM(kept_time_decay) AS kept_time_decay, SUM(kept_position_based) AS kept_position_based, SUM(new_last_click) AS new_last_click,
    SUM(new_first_click) AS new_first_click, SUM(new_linear) AS new_linear, SUM(new_time_decay) AS new_time_decay,
    SUM(new_position_based) AS new_position_based, COALESCE(SUM(spend), 0) AS spend
FROM (
    SELECT
        lookback_days, date_axis, day, campaign_id,
        gross_last_click, gross_first_click, gross_linear, gross_time_decay, gross_position_based, last_click, first_click, linear,
        time_decay, position_based, kept_last_click, kept_first_click, kept_linear, kept_time_decay, kept_position_based, new_last_click,
        new_first_click, new_linear, new_time_decay, new_position_based,
        0 AS spend
    FROM attribution_days
    UNION ALL
    SELECT
        lookback_days, UNNEST(['click', 'conversion']) AS date_axis, day, '(none)',
        gross, gross, gross, gross, gross, net, net, net, net, net, conversions, conversions, conversions, conversions, conversions,
        NULL, NULL, NULL, NULL, NULL, 0
    FROM uncredited
    UNION ALL
    SELECT
        lookback_days, UNNEST(['click', 'conversion']) AS date_axis, day, campaign_id,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, spend
    FROM (
        SELECT c.campaign_id, c.day, c.spend, UNNEST(array_distinct(make_array(s.short_days, s.middle_days, s.long_days))) AS lookback_days
        FROM spend_cny AS c
        CROSS JOIN attribution_settings AS s
    ) AS spends
) AS flows
GROUP BY lookback_days, date_axis, day, campaign_id;

CREATE VIEW attribution_models AS
SELECT
    lookback_days, date_axis, model, day, campaign_id, name, platform,
    CASE model WHEN 'last_click' THEN gross_last_click WHEN 'first_click' THEN gross_first_click WHEN 'linear' THEN gross_linear WHEN 'time_decay' THEN gross_time_decay ELSE gross_position_based END AS gross,
    CASE model WHEN 'last_click' THEN last_click WHEN 'first_click' THEN first_click WHEN 'linear' THEN linear WHEN 'time_decay' THEN time_decay ELSE position_based END AS net,
    CASE model WHEN 'last_click' THEN kept_last_click WHEN 'first_click' THEN kept_first_click WHEN 'linear' THEN kept_linear WHEN 'time_decay' THEN kept_time_decay ELSE kept_position_based END AS conversions,
    CASE model WHEN 'last_click' THEN new_last_click WHEN 'first_click' THEN new_first_click WHEN 'linear' THEN new_linear WHEN 'time_decay' THEN new_time_decay ELSE new_position_based END AS new_customers,
    spend
FROM (
    SELECT *, UNNEST(['last_click', 'first_click', 'linear', 'time_decay', 'position_based']) AS model
    FROM (
        SELECT
            s.*, COALESCE(c.name, s.campaign_id) AS name,
            CASE WHEN s.campaign_id = '(none)' THEN '(none)' ELSE COALESCE(c.platform, '(unknown)') END AS platform
        FROM attribution_sums AS s
        LEFT JOIN campaigns AS c ON c.campaign_id = s.campaign_id
    ) AS named
) AS models;

CREATE MATERIALIZED VIEW attribution_daily AS
SELECT
    lookback_days, date_axis, model, day, campaign_id, name, platform,
    CAST(gross * 0.01 AS DECIMAL(18, 2)) AS gross, CAST(net * 0.01 AS DECIMAL(18, 2)) AS net,
    CAST((gross - net) * 0.01 AS DECIMAL(18, 2)) AS refunded, CAST(conversions * 0.000001 AS DECIMAL(18, 6)) AS conversions,
    CAST(new_customers * 0.000001 AS DECIMAL(18, 6)) AS new_customers, CAST(spend * 0.01 AS DECIMAL(18, 2)) AS spend,
    CAST(net AS DOUBLE PRECISION) / NULLIF(spend, 0) AS roas,
    CASE WHEN spend > 0 THEN CAST(spend AS DOUBLE PRECISION) * 10000 / NULLIF(new_customers, 0) END AS cac
FROM attribution_models;

-- All days together; `rank` by net within a look-back and model, '(none)' outside the ranking.
CREATE MATERIALIZED VIEW attribution_campaigns AS
SELECT
    lookback_days, model, CASE WHEN campaign_id <> '(none)' THEN place END AS rank, campaign_id, name, platform, gross, net,
    CAST(gross - net AS DECIMAL(18, 2)) AS refunded, conversions, new_customers, spend,
    CAST(net AS DOUBLE PRECISION) / NULLIF(CAST(spend AS DOUBLE PRECISION), 0) AS roas,
    CAST(gross AS DOUBLE PRECISION) / NULLIF(CAST(spend AS DOUBLE PRECISION), 0) AS gross_roas,
    CASE WHEN spend > 0 THEN CAST(spend AS DOUBLE PRECISION) / NULLIF(CAST(new_customers AS DOUBLE PRECISION), 0) END AS cac
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY lookback_days, model, campaign_id = '(none)' ORDER BY net DESC, campaign_id) AS place
    FROM (
        SELECT
            lookback_days, model, campaign_id, name, platform, CAST(SUM(gross) AS DECIMAL(18, 2)) AS gross,
            CAST(SUM(net) AS DECIMAL(18, 2)) AS net, CAST(SUM(conversions) AS DECIMAL(18, 6)) AS conversions,
            CAST(SUM(new_customers) AS DECIMAL(18, 6)) AS new_customers, CAST(SUM(spend) AS DECIMAL(18, 2)) AS spend
        FROM attribution_daily
        WHERE date_axis = 'conversion'
        GROUP BY lookback_days, model, campaign_id, name, platform
    ) AS sums
) AS placed;

CREATE MATERIALIZED VIEW attribution_platforms AS
SELECT
    lookback_days, model, platform, gross, net, CAST(gross - net AS DECIMAL(18, 2)) AS refunded, conversions, new_customers, spend,
    CAST(net AS DOUBLE PRECISION) / NULLIF(CAST(spend AS DOUBLE PRECISION), 0) AS roas,
    CAST(gross AS DOUBLE PRECISION) / NULLIF(CAST(spend AS DOUBLE PRECISION), 0) AS gross_roas,
    CASE WHEN spend > 0 THEN CAST(spend AS DOUBLE PRECISION) / NULLIF(CAST(new_customers AS DOUBLE PRECISION), 0) END AS cac
FROM (
    SELECT
        lookback_days, model, platform, CAST(SUM(gross) AS DECIMAL(18, 2)) AS gross, CAST(SUM(net) AS DECIMAL(18, 2)) AS net,
        CAST(SUM(conversions) AS DECIMAL(18, 6)) AS conversions, CAST(SUM(new_customers) AS DECIMAL(18, 6)) AS new_customers,
        CAST(SUM(spend) AS DECIMAL(18, 2)) AS spend
    FROM attribution_campaigns
    GROUP BY lookback_days, model, platform
) AS sums;
