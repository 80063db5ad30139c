-- Coupon redemptions of the completejourney data: beside the shipped dataflows, over their reference tables.
CREATE MATERIALIZED VIEW redemptions AS
SELECT c.campaign_id, c.name, COUNT(*) AS redemptions, COUNT(DISTINCT t.buyer_id) AS buyers
FROM touchpoints AS t
JOIN campaigns AS c ON c.campaign_id = t.campaign_id
WHERE t.kind = 'click'
GROUP BY c.campaign_id, c.name;
