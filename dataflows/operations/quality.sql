-- How good each channel's data is: what came, what was refused, what is missing in it.
--
-- quarantine_rate: refused rows among all that are there now; missing_…_rate: of the channel's orders. Rates are NULL where nothing came.
-- Duplicates, late versions and unknown fields never get past the tables they arrive at: `channel_intake` says how many there were.

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

-- What came from each channel since the server was started, and what its tables made of it. late: versions older than what was known;
-- conflicts: the same version with other values; corrections: newer ones; unreadable: rows that are no row of their table;
-- drifted: rows with fields that their table has not, `unknown_fields` names these. It tells of arrivals, not of facts: a replay that
-- sends something twice gives other numbers. Worked out when it is read.
CREATE VIEW channel_intake AS
SELECT
    channel, SUM(received) AS received, SUM(duplicates) AS duplicates, SUM(stale) AS late, SUM(conflicts) AS conflicts,
    SUM(corrections) AS corrections, SUM(bad_rows) AS unreadable, SUM(unknown_field_rows) AS drifted,
    string_agg(NULLIF(unknown_fields, ''), ', ' ORDER BY relation) AS unknown_fields,
    CAST(SUM(duplicates) AS DOUBLE PRECISION) / NULLIF(SUM(received), 0) AS duplicate_rate,
    CAST(SUM(stale) AS DOUBLE PRECISION) / NULLIF(SUM(received), 0) AS late_rate
FROM (SELECT *, split_part(relation, '_', 2) AS channel FROM trueup.tables WHERE relation LIKE 'raw_%') AS raw_tables
GROUP BY channel;
