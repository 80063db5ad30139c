-- What campaigns earned against what they cost: per day, per campaign, per platform; every model and look-back side by side.
--
-- date_axis 'click' books an order's value on the day of the click (as Google Ads does: the past keeps changing), 'conversion' on the
-- day the order was placed. Days are UTC. Spend stands on its own day on both axes.
-- gross: share of what was paid; net: less what went back; conversions: share of kept orders; new_customers: of those that were the
-- buyer's first. roas = net / spend, cac = spend / new_customers, gross_roas as if nothing had gone back; NULL without spend.
-- '(none)', what no click earned, is all orders less what is credited, by conversion day on both axes.

CREATE MATERIALIZED VIEW attribution_cells AS
SELECT
    lookback_days, date_axis, day, campaign_id, is_first_order,
    SUM(gross_last_click) AS gross_last_click, SUM(gross_first_click) AS gross_first_click, SUM(gross_linear) AS gross_linear,
    SUM(gross_time_decay) AS gross_time_decay, SUM(gross_position_based) AS gross_position_based,
    SUM(last_click) AS last_click, SUM(first_click) AS first_click, SUM(linear) AS linear, SUM(time_decay) AS time_decay,
    SUM(position_based) AS position_based,
    SUM(kept_last_click) AS kept_last_click, SUM(kept_first_click) AS kept_first_click, SUM(kept_linear) AS kept_linear,
    SUM(kept_time_decay) AS kept_time_decay, SUM(kept_position_based) AS kept_position_based
FROM (
    SELECT *, CAST(CASE date_axis WHEN 'click' THEN clicked_at ELSE placed_at END AS DATE) AS day
    FROM (SELECT *, UNNEST(['click', 'conversion']) AS date_axis FROM attribution_credits) AS axes
) AS dated
GROUP BY lookback_days, date_axis, day, campaign_id, is_first_order;

CREATE VIEW credited AS
SELECT
    lookback_days, date_axis, model, day, campaign_id, is_first_order,
    CASE model WHEN 'last_click' THEN gross_last_click WHEN 'first_click' THEN gross_first_click WHEN 'linear' THEN gross_linear
        WHEN 'time_decay' THEN gross_time_decay ELSE gross_position_based END AS gross,
    CASE model WHEN 'last_click' THEN last_click WHEN 'first_click' THEN first_click WHEN 'linear' THEN linear
        WHEN 'time_decay' THEN time_decay ELSE position_based END AS net,
    CASE model WHEN 'last_click' THEN kept_last_click WHEN 'first_click' THEN kept_first_click WHEN 'linear' THEN kept_linear
        WHEN 'time_decay' THEN kept_time_decay ELSE kept_position_based END AS conversions
FROM (
    SELECT *, UNNEST(['last_click', 'first_click', 'linear', 'time_decay', 'position_based']) AS model FROM attribution_cells
) AS models;

-- Per day of conversion: everything, and what is credited under any model (they all add up to the same).
CREATE VIEW uncredited AS
SELECT lookback_days, day, SUM(gross) AS gross, SUM(net) AS net, SUM(conversions) AS conversions
FROM (
    SELECT UNNEST([1, 7, 30]) AS lookback_days, CAST(minute AS DATE) AS day, paid AS gross, paid - refunded AS net, kept_orders AS conversions
    FROM sale_cells
    UNION ALL
    SELECT lookback_days, day, -gross_last_click, -last_click, -kept_last_click
    FROM attribution_cells
    WHERE date_axis = 'conversion'
) AS parts
GROUP BY lookback_days, day;

-- Spend in CNY; while a day's rate is missing its spend is NULL and not counted.
CREATE VIEW spend_cny AS
SELECT
    s.campaign_id, s.day,
    CASE WHEN s.currency = 'CNY' THEN s.spend ELSE CAST(ROUND(s.spend * f.rate, 2) AS DECIMAL(18, 2)) END AS spend
FROM ad_spend AS s
LEFT JOIN fx_rates AS f ON f.currency = s.currency AND f.day = s.day;

CREATE VIEW spend_everywhere AS
SELECT *, UNNEST(['last_click', 'first_click', 'linear', 'time_decay', 'position_based']) AS model
FROM (
    SELECT *, UNNEST(['click', 'conversion']) AS date_axis
    FROM (SELECT *, UNNEST([1, 7, 30]) AS lookback_days FROM spend_cny) AS lookbacks
) AS axes;

CREATE MATERIALIZED VIEW attribution_sums AS
SELECT
    lookback_days, date_axis, model, day, campaign_id, SUM(gross) AS gross, SUM(net) AS net, SUM(conversions) AS conversions,
    SUM(new_customers) AS new_customers, COALESCE(SUM(spend), 0) AS spend
FROM (
    SELECT
        lookback_days, date_axis, model, day, campaign_id, gross, net, conversions,
        CASE WHEN is_first_order THEN conversions ELSE 0 END AS new_customers, CAST(0 AS DECIMAL(18, 2)) AS spend
    FROM credited
    UNION ALL
    SELECT
        lookback_days, date_axis, UNNEST(['last_click', 'first_click', 'linear', 'time_decay', 'position_based']) AS model, day, '(none)',
        gross, net, conversions, CAST(NULL AS DECIMAL(18, 6)), CAST(0 AS DECIMAL(18, 2))
    FROM (SELECT *, UNNEST(['click', 'conversion']) AS date_axis FROM uncredited) AS axes
    UNION ALL
    SELECT lookback_days, date_axis, model, day, campaign_id, 0, 0, 0, 0, spend
    FROM spend_everywhere
) AS flows
GROUP BY lookback_days, date_axis, model, day, campaign_id;

CREATE MATERIALIZED VIEW attribution_daily AS
SELECT
    s.lookback_days, s.date_axis, s.model, s.day, s.campaign_id, COALESCE(c.name, s.campaign_id) AS name,
    CASE WHEN s.campaign_id = '(none)' THEN '(none)' ELSE COALESCE(c.platform, '(unknown)') END AS platform,
    CAST(s.gross AS DECIMAL(18, 2)) AS gross, CAST(s.net AS DECIMAL(18, 2)) AS net,
    CAST(s.gross - s.net AS DECIMAL(18, 2)) AS refunded, CAST(s.conversions AS DECIMAL(18, 6)) AS conversions,
    CAST(s.new_customers AS DECIMAL(18, 6)) AS new_customers, CAST(s.spend AS DECIMAL(18, 2)) AS spend,
    CAST(s.net AS DOUBLE PRECISION) / NULLIF(CAST(s.spend AS DOUBLE PRECISION), 0) AS roas,
    CASE WHEN s.spend > 0 THEN CAST(s.spend AS DOUBLE PRECISION) / NULLIF(CAST(s.new_customers AS DOUBLE PRECISION), 0) END AS cac
FROM attribution_sums AS s
LEFT JOIN campaigns AS c ON c.campaign_id = s.campaign_id;

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
