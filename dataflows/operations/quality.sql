-- How good each channel's data is: what came, what was refused, what is missing in it.
--
-- quarantine_rate: refused rows among all that are there now; missing_…_rate: of the channel's orders. Rates are NULL where nothing came.
-- Duplicates and stale versions are not here: tables drop them where they arrive; trueup.tables counts them per raw table.

CREATE MATERIALIZED VIEW channel_quality AS
SELECT
    channel, orders, payment_attempts, payment_failures, quarantined, orphans, missing_fx,
    CAST(quarantined AS DOUBLE PRECISION) / NULLIF(orders + payment_attempts + quarantined, 0) AS quarantine_rate,
    CAST(missing_region AS DOUBLE PRECISION) / NULLIF(orders, 0) AS missing_region_rate,
    CAST(missing_buyer AS DOUBLE PRECISION) / NULLIF(orders, 0) AS missing_buyer_rate,
    CAST(missing_fx AS DOUBLE PRECISION) / NULLIF(orders, 0) AS missing_fx_rate
FROM (
    SELECT
        channel, SUM(orders) AS orders, SUM(payment_attempts) AS payment_attempts, SUM(payment_failures) AS payment_failures,
        SUM(quarantined) AS quarantined, SUM(orphans) AS orphans, SUM(missing_fx) AS missing_fx,
        SUM(missing_region) AS missing_region, SUM(missing_buyer) AS missing_buyer
    FROM (
        SELECT
            channel, orders, 0 AS payment_attempts, 0 AS payment_failures, 0 AS quarantined, 0 AS orphans, missing_fx,
            CASE WHEN region = '(unknown)' THEN orders ELSE 0 END AS missing_region, missing_buyer
        FROM sale_cells
        UNION ALL
        SELECT channel, 0, attempts, failures, 0, 0, 0, 0, 0 FROM payment_cells
        UNION ALL
        SELECT channel, 0, 0, 0, 1, 0, 0, 0, 0 FROM quarantine
        UNION ALL
        SELECT channel, 0, 0, 0, 0, 1, 0, 0, 0 FROM orphan_payments
    ) AS parts
    GROUP BY channel
) AS sums;

-- What is in quarantine, by rule.
CREATE MATERIALIZED VIEW quarantine_rules AS
SELECT channel, kind, rule, COUNT(*) AS items FROM quarantine GROUP BY channel, kind, rule;
