-- The order model: every channel's orders, lines, payments, refunds and shipments in one shape. Adding a channel is one file under
-- channels/ and one line per view here. Identifiers begin with the channel's name and are unique over all; money is in major units of
-- `currency`; times have zones. What several views read is materialised: raw payloads are taken apart once.

CREATE MATERIALIZED VIEW orders AS
SELECT * FROM web_orders
UNION ALL SELECT * FROM shopify_orders
UNION ALL SELECT * FROM tmall_orders
UNION ALL SELECT * FROM douyin_orders
UNION ALL SELECT * FROM pos_orders;

CREATE MATERIALIZED VIEW order_items AS
SELECT * FROM web_order_items
UNION ALL SELECT * FROM shopify_order_items
UNION ALL SELECT * FROM tmall_order_items
UNION ALL SELECT * FROM douyin_order_items
UNION ALL SELECT * FROM pos_order_items;

CREATE MATERIALIZED VIEW payments AS
SELECT * FROM web_payments
UNION ALL SELECT * FROM shopify_payments
UNION ALL SELECT * FROM stripe_payments
UNION ALL SELECT * FROM adyen_payments
UNION ALL SELECT * FROM tmall_payments
UNION ALL SELECT * FROM douyin_payments
UNION ALL SELECT * FROM pos_payments;

CREATE MATERIALIZED VIEW refunds AS
SELECT * FROM web_refunds
UNION ALL SELECT * FROM shopify_refunds
UNION ALL SELECT * FROM stripe_refunds
UNION ALL SELECT * FROM adyen_refunds
UNION ALL SELECT * FROM tmall_refunds
UNION ALL SELECT * FROM douyin_refunds
UNION ALL SELECT * FROM pos_refunds;

CREATE MATERIALIZED VIEW shipments AS
SELECT * FROM web_shipments
UNION ALL SELECT * FROM shopify_shipments
UNION ALL SELECT * FROM tmall_shipments
UNION ALL SELECT * FROM douyin_shipments
UNION ALL SELECT * FROM pos_shipments;

-- Rows that failed validation, with the rule that failed; a row leaves when a corrected version of it arrives.
CREATE MATERIALIZED VIEW quarantine AS
SELECT * FROM web_rejects
UNION ALL SELECT * FROM shopify_rejects
UNION ALL SELECT * FROM stripe_rejects
UNION ALL SELECT * FROM adyen_rejects
UNION ALL SELECT * FROM tmall_rejects
UNION ALL SELECT * FROM douyin_rejects
UNION ALL SELECT * FROM pos_rejects;
