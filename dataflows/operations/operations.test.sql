-- Reconciliation, customers, anomalies, alerts, data quality.

-- test: payments against the bank: every way to agree and to differ
GIVEN payments
{"payment_id": "p1", "order_id": "o1", "channel": "web", "status": "captured", "currency": "CNY", "amount": 80}
{"payment_id": "p2", "order_id": "o2", "channel": "stripe", "status": "captured", "currency": "USD", "amount": 10}
{"payment_id": "p3", "order_id": "o3", "channel": "stripe", "status": "captured", "currency": "USD", "amount": 10}
{"payment_id": "p4", "order_id": "o4", "channel": "web", "status": "captured", "currency": "CNY", "amount": 5}
{"payment_id": "p5", "order_id": "o5", "channel": "web", "status": "authorised", "currency": "CNY", "amount": 6}
GIVEN refunds
{"refund_id": "r1", "order_id": "o1", "channel": "web", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 30}
{"refund_id": "r2", "order_id": "o2", "channel": "web", "kind": "refund", "status": "requested", "currency": "CNY", "amount": 30}
GIVEN settlements
{"settlement_id": "s1", "version": 1, "channel": "web", "payment_id": "p1", "currency": "CNY", "amount": 50, "fee": 1, "settled_on": "2026-11-12"}
{"settlement_id": "s2", "version": 1, "channel": "web", "payment_id": "p1", "currency": "CNY", "amount": 30, "fee": 0.5, "settled_on": "2026-11-13"}
{"settlement_id": "s3", "version": 1, "channel": "stripe", "payment_id": "p2", "currency": "USD", "amount": 9, "fee": 0, "settled_on": "2026-11-13"}
{"settlement_id": "s4", "version": 1, "channel": "stripe", "payment_id": "p3", "currency": "EUR", "amount": 10, "fee": 0, "settled_on": "2026-11-13"}
{"settlement_id": "s5", "version": 1, "channel": "web", "payment_id": "p5", "currency": "CNY", "amount": 6, "fee": 0, "settled_on": "2026-11-13"}
{"settlement_id": "s6", "version": 1, "channel": "web", "refund_id": "r1", "currency": "CNY", "amount": -30, "fee": 0, "settled_on": "2026-11-14"}
EXPECT reconciliation
{"kind": "payment", "id": "p1", "order_id": "o1", "channel": "web", "currency": "CNY", "expected": 80, "settled": 80, "difference": 0, "fee": 1.5, "settled_on": "2026-11-13", "status": "matched"}
{"kind": "payment", "id": "p2", "order_id": "o2", "channel": "stripe", "currency": "USD", "expected": 10, "settled": 9, "difference": -1, "fee": 0, "settled_on": "2026-11-13", "status": "amount_differs"}
{"kind": "payment", "id": "p3", "order_id": "o3", "channel": "stripe", "currency": "USD", "expected": 10, "settled": 10, "difference": 0, "fee": 0, "settled_on": "2026-11-13", "status": "currency_differs"}
{"kind": "payment", "id": "p4", "order_id": "o4", "channel": "web", "currency": "CNY", "expected": 5, "difference": -5, "status": "missing_settlement"}
{"kind": "payment", "id": "p5", "channel": "web", "currency": "CNY", "settled": 6, "difference": 6, "fee": 0, "settled_on": "2026-11-13", "status": "missing_payment"}
{"kind": "refund", "id": "r1", "order_id": "o1", "channel": "web", "currency": "CNY", "expected": -30, "settled": -30, "difference": 0, "fee": 0, "settled_on": "2026-11-14", "status": "matched"}
EXPECT SELECT channel, kind, status, items, expected, settled, difference FROM reconciliation_summary WHERE channel = 'web' ORDER BY kind, status;
{"channel": "web", "kind": "payment", "status": "matched", "items": 1, "expected": 80, "settled": 80, "difference": 0}
{"channel": "web", "kind": "payment", "status": "missing_payment", "items": 1, "expected": 0, "settled": 6, "difference": 6}
{"channel": "web", "kind": "payment", "status": "missing_settlement", "items": 1, "expected": 5, "settled": 0, "difference": -5}
{"channel": "web", "kind": "refund", "status": "matched", "items": 1, "expected": -30, "settled": -30, "difference": 0}

-- test: the bank corrects its line
GIVEN payments
{"payment_id": "p1", "order_id": "o1", "channel": "web", "status": "captured", "currency": "CNY", "amount": 80}
GIVEN settlements
{"settlement_id": "s1", "version": 1, "channel": "web", "payment_id": "p1", "currency": "CNY", "amount": 70, "fee": 1, "settled_on": "2026-11-12"}
EXPECT reconciliation (id, status, difference)
{"id": "p1", "status": "amount_differs", "difference": -10}
TICK
GIVEN settlements
{"settlement_id": "s1", "version": 2, "channel": "web", "payment_id": "p1", "currency": "CNY", "amount": 80, "fee": 1, "settled_on": "2026-11-12"}
EXPECT reconciliation (id, status, difference)
{"id": "p1", "status": "matched", "difference": 0}

-- test: segments by recency, frequency and what was kept
GIVEN order_state
{"order_id": "1", "channel": "web", "buyer_id": "new", "placed_at": "2026-11-11 00:00:00+00", "paid": 40, "paid_cny": 40, "returned_cny": 0, "refunds": 0}
{"order_id": "2", "channel": "web", "buyer_id": "prospect", "placed_at": "2026-11-11 00:00:00+00", "paid": 0, "paid_cny": 0, "returned_cny": 0, "refunds": 0}
{"order_id": "3", "channel": "web", "buyer_id": "returner", "placed_at": "2026-11-11 00:00:00+00", "paid": 40, "paid_cny": 40, "returned_cny": 40, "refunds": 1}
{"order_id": "4", "channel": "web", "buyer_id": "loyal", "placed_at": "2026-09-20 00:00:00+00", "paid": 40, "paid_cny": 40, "returned_cny": 10, "refunds": 1}
{"order_id": "5", "channel": "web", "buyer_id": "loyal", "placed_at": "2026-01-11 00:00:00+00", "paid": 60, "paid_cny": 60, "returned_cny": 0, "refunds": 0}
{"order_id": "6", "channel": "web", "buyer_id": "at_risk", "placed_at": "2026-09-01 00:00:00+00", "paid": 60, "paid_cny": 60, "returned_cny": 0, "refunds": 0}
{"order_id": "7", "channel": "web", "buyer_id": "lapsed", "placed_at": "2025-09-01 00:00:00+00", "paid": 60, "paid_cny": 60, "returned_cny": 0, "refunds": 0}
{"order_id": "8", "channel": "web", "buyer_id": "champion", "placed_at": "2026-11-01 00:00:00+00", "paid": 1, "paid_cny": 1, "returned_cny": 0, "refunds": 0}
{"order_id": "9", "channel": "web", "buyer_id": "champion", "placed_at": "2026-11-02 00:00:00+00", "paid": 1, "paid_cny": 1, "returned_cny": 0, "refunds": 0}
{"order_id": "10", "channel": "web", "buyer_id": "champion", "placed_at": "2026-11-03 00:00:00+00", "paid": 1, "paid_cny": 1, "returned_cny": 0, "refunds": 0}
{"order_id": "11", "channel": "web", "buyer_id": "champion", "placed_at": "2026-11-04 00:00:00+00", "paid": 1, "paid_cny": 1, "returned_cny": 0, "refunds": 0}
{"order_id": "12", "channel": "web", "buyer_id": "champion", "placed_at": "2026-11-05 00:00:00+00", "paid": 1, "paid_cny": 1, "returned_cny": 0, "refunds": 0}
EXPECT customer_profile (buyer_id, orders, paid_orders, lifetime_value, recency_days, kind, segment)
{"buyer_id": "new", "orders": 1, "paid_orders": 1, "lifetime_value": 40, "recency_days": 0, "kind": "new", "segment": "new"}
{"buyer_id": "prospect", "orders": 1, "paid_orders": 0, "lifetime_value": 0, "recency_days": 0, "kind": "new", "segment": "prospect"}
{"buyer_id": "returner", "orders": 1, "paid_orders": 1, "lifetime_value": 0, "recency_days": 0, "kind": "new", "segment": "returner"}
{"buyer_id": "loyal", "orders": 2, "paid_orders": 2, "lifetime_value": 90, "recency_days": 52, "kind": "returning", "segment": "loyal"}
{"buyer_id": "at_risk", "orders": 1, "paid_orders": 1, "lifetime_value": 60, "recency_days": 71, "kind": "new", "segment": "at_risk"}
{"buyer_id": "lapsed", "orders": 1, "paid_orders": 1, "lifetime_value": 60, "recency_days": 436, "kind": "new", "segment": "lapsed"}
{"buyer_id": "champion", "orders": 5, "paid_orders": 5, "lifetime_value": 5, "recency_days": 6, "kind": "returning", "segment": "champion"}
EXPECT SELECT first_order_at, last_order_at, gross, refunded, average_order_value, refunded_orders FROM customer_profile WHERE buyer_id = 'loyal';
{"first_order_at": "2026-01-11 00:00:00+00", "last_order_at": "2026-09-20 00:00:00+00", "gross": 100, "refunded": 10, "average_order_value": 50, "refunded_orders": 1}
EXPECT SELECT segment, buyers, lifetime_value FROM customer_segments WHERE segment = 'champion';
{"segment": "champion", "buyers": 1, "lifetime_value": 5}
TICK
GIVEN settings
{"name": "segment_champion_orders", "value": 6}
{"name": "segment_fresh_days", "value": 400}
{"name": "segment_loyal_days", "value": 51}
{"name": "segment_lapsed_days", "value": 500}
EXPECT SELECT segment, buyers, lifetime_value FROM customer_segments ORDER BY segment;
{"segment": "at_risk", "buyers": 2, "lifetime_value": 150}
{"segment": "loyal", "buyers": 1, "lifetime_value": 5}
{"segment": "new", "buyers": 2, "lifetime_value": 100}
{"segment": "prospect", "buyers": 1, "lifetime_value": 0}
{"segment": "returner", "buyers": 1, "lifetime_value": 0}
EXPECT SELECT buyer_id FROM customer_profile WHERE segment = 'at_risk' ORDER BY buyer_id;
{"buyer_id": "lapsed"}
{"buyer_id": "loyal"}

-- test: anomalies of an order leave with their facts
GIVEN orders
{"order_id": "web:1", "channel": "web", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "web:2", "channel": "web", "status": "placed", "currency": "CNY", "amount": 0, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "web:3", "channel": "web", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:12:30+00"}
GIVEN payments
{"payment_id": "p8", "order_id": "web:8", "channel": "web", "status": "captured", "currency": "CNY", "amount": 1, "created_at": "2026-11-11 00:02:00+00"}
{"payment_id": "p1", "order_id": "web:1", "channel": "web", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:00:10+00"}
{"payment_id": "p2", "order_id": "web:1", "channel": "web", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:00:11+00"}
{"payment_id": "p3", "order_id": "web:7", "channel": "web", "status": "captured", "currency": "CNY", "amount": 1, "created_at": "2026-11-11 00:00:12+00"}
EXPECT anomalies (anomaly_id, kind, subject, channel, amount, at)
{"anomaly_id": "duplicate_payment:web:1", "kind": "duplicate_payment", "subject": "web:1", "channel": "web", "amount": 40, "at": "2026-11-11 00:00:11+00"}
{"anomaly_id": "price_zero:web:2", "kind": "price_zero", "subject": "web:2", "channel": "web", "amount": 0, "at": "2026-11-11 00:00:00+00"}
{"anomaly_id": "orphan:p3", "kind": "orphan", "subject": "p3", "channel": "web", "amount": 1, "at": "2026-11-11 00:00:12+00"}
{"anomaly_id": "orphan:p8", "kind": "orphan", "subject": "p8", "channel": "web", "amount": 1, "at": "2026-11-11 00:02:00+00"}
EXPECT SELECT alert_id, severity, message FROM alerts ORDER BY alert_id;
{"alert_id": "duplicate_payment:web", "severity": "critical", "message": "1 cases"}
{"alert_id": "orphan:web", "severity": "warning", "message": "1 cases"}
{"alert_id": "price_zero:web", "severity": "critical", "message": "1 cases"}
TICK
GIVEN orders
{"order_id": "web:7", "channel": "web", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:00:00+00"}
EXPECT SELECT kind FROM anomalies ORDER BY kind;
{"kind": "duplicate_payment"}
{"kind": "orphan"}
{"kind": "price_zero"}

-- test: every rule an order breaks is told
GIVEN order_state
{"order_id": "1", "channel": "web", "status": "refund_due", "currency": "CNY", "amount": 40, "paid": 50, "net": 50, "payments": 1, "overpaid": true, "refund_exceeds_payment": false, "paid_after_cancel": true, "price_changed": false, "other_currency": true}
{"order_id": "2", "channel": "web", "status": "paid", "currency": "CNY", "amount": 40, "paid": 30, "net": -5, "payments": 1, "overpaid": false, "refund_exceeds_payment": true, "paid_after_cancel": false, "price_changed": true, "other_currency": false}
{"order_id": "3", "channel": "web", "status": "paid", "currency": "CNY", "amount": 40, "paid": 40, "net": 40, "payments": 2, "overpaid": false, "refund_exceeds_payment": false, "paid_after_cancel": false, "price_changed": false, "other_currency": false}
EXPECT anomalies (kind, subject, detail, amount)
{"kind": "overpaid", "subject": "1", "detail": "asked 40.00, paid 50.00, net 50.00 CNY", "amount": 10}
{"kind": "paid_after_cancel", "subject": "1", "detail": "asked 40.00, paid 50.00, net 50.00 CNY", "amount": 40}
{"kind": "refund_due", "subject": "1", "detail": "asked 40.00, paid 50.00, net 50.00 CNY", "amount": 50}
{"kind": "currency_differs", "subject": "1", "detail": "asked 40.00, paid 50.00, net 50.00 CNY", "amount": 40}
{"kind": "refund_exceeds_payment", "subject": "2", "detail": "asked 40.00, paid 30.00, net -5.00 CNY", "amount": -5}
{"kind": "price_changed", "subject": "2", "detail": "asked 40.00, paid 30.00, net -5.00 CNY", "amount": 40}

-- test: paid in another foreign currency; a line for nothing
GIVEN orders
{"order_id": "shopify:1", "channel": "shopify", "status": "placed", "currency": "USD", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "shopify:2", "channel": "shopify", "status": "placed", "currency": "USD", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "shopify:1", "channel": "stripe", "status": "captured", "currency": "EUR", "amount": 10, "created_at": "2026-11-11 00:00:00+00"}
{"payment_id": "p2", "order_id": "shopify:2", "channel": "stripe", "status": "captured", "currency": "USD", "amount": 10, "created_at": "2026-11-11 00:00:00+00"}
GIVEN order_items
{"line_id": "l1", "order_id": "shopify:1", "product_id": "x", "quantity": 1, "unit_price": 0, "amount": 0}
EXPECT anomalies (anomaly_id, subject, detail)
{"anomaly_id": "currency_differs:p1", "subject": "shopify:1", "detail": "asked in USD, paid in EUR"}
{"anomaly_id": "price_zero:l1", "subject": "l1", "detail": "line of order shopify:1, product x"}

-- test: a burst of refunds of one buyer within a day
GIVEN order_state
{"order_id": "1", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b1", "refunds": 1, "returned_cny": 10, "last_refund_at": "2026-11-11 01:00:00+00"}
{"order_id": "2", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b1", "refunds": 1, "returned_cny": 20, "last_refund_at": "2026-11-11 02:00:00+00"}
{"order_id": "3", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b1", "refunds": 2, "returned_cny": 30, "last_refund_at": "2026-11-11 23:59:59+00"}
{"order_id": "4", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b1", "refunds": 1, "returned_cny": 30, "last_refund_at": "2026-11-12 00:00:00+00"}
{"order_id": "5", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b2", "refunds": 1, "returned_cny": 30, "last_refund_at": "2026-11-11 00:00:00+00"}
EXPECT alerts
{"alert_id": "refund_burst:b1:2026-11-11", "severity": "warning", "kind": "refund_burst", "subject": "b1", "message": "3 orders refunded on 2026-11-11", "since": "2026-11-11 01:00:00+00"}

-- test: thresholds are settings
GIVEN order_state
{"order_id": "1", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b1", "refunds": 1, "returned_cny": 10, "last_refund_at": "2026-11-11 01:00:00+00"}
{"order_id": "2", "channel": "web", "placed_at": "2026-11-10 00:00:00+00", "fx_rate": 1, "buyer_id": "b1", "refunds": 1, "returned_cny": 20, "last_refund_at": "2026-11-11 02:00:00+00"}
GIVEN payment_cells
{"minute": "2026-11-11 00:03:00+00", "channel": "pos", "attempts": 19, "failures": 19}
{"minute": "2026-11-11 00:03:00+00", "channel": "adyen", "attempts": 20, "failures": 11}
GIVEN sale_stock
{"product_id": "p2", "name": "Lamp", "given": 10, "sold": 9, "minutes_left": 9.5, "oversold": false}
EXPECT SELECT alert_id, severity FROM alerts ORDER BY alert_id;
{"alert_id": "payment_success_drop:adyen", "severity": "critical"}
{"alert_id": "sold_out_soon:p2", "severity": "info"}
TICK
GIVEN settings
{"name": "alert_attempts_min", "value": 10}
{"name": "alert_failure_rate_critical", "value": 0.6}
{"name": "alert_minutes_left", "value": 5}
{"name": "refund_burst_orders", "value": 2}
EXPECT SELECT alert_id, severity FROM alerts ORDER BY alert_id;
{"alert_id": "payment_success_drop:adyen", "severity": "warning"}
{"alert_id": "payment_success_drop:pos", "severity": "critical"}
{"alert_id": "refund_burst:b1:2026-11-11", "severity": "warning"}

-- test: payments begin to fail, and recover
GIVEN payment_cells
{"minute": "2026-11-11 00:01:00+00", "channel": "web", "attempts": 10, "failures": 1}
{"minute": "2026-11-11 00:02:00+00", "channel": "web", "attempts": 10, "failures": 6}
{"minute": "2026-11-11 00:03:00+00", "channel": "web", "attempts": 10, "failures": 1}
{"minute": "2026-11-11 00:03:00+00", "channel": "pos", "attempts": 19, "failures": 19}
{"minute": "2026-11-11 00:03:00+00", "channel": "adyen", "attempts": 20, "failures": 11}
EXPECT alerts
{"alert_id": "payment_success_drop:web", "severity": "warning", "kind": "payment_success_drop", "subject": "web", "message": "8 of 30 payments failed", "since": "2026-11-11 00:01:00+00"}
{"alert_id": "payment_success_drop:adyen", "severity": "critical", "kind": "payment_success_drop", "subject": "adyen", "message": "11 of 20 payments failed", "since": "2026-11-11 00:03:00+00"}
TICK
GIVEN payment_cells
{"minute": "2026-11-11 00:04:00+00", "channel": "web", "attempts": 40, "failures": 0}
{"minute": "2026-11-11 00:05:00+00", "channel": "adyen", "attempts": 40, "failures": 0}
EXPECT EMPTY alerts

-- test: oversold, soon sold out, and orders without a rate
GIVEN sale_stock
{"product_id": "p1", "name": "Kettle", "given": 10, "sold": 11, "oversold": true}
{"product_id": "p2", "name": "Lamp", "given": 10, "sold": 9, "minutes_left": 9.5, "oversold": false}
{"product_id": "p3", "name": "Rug", "given": 10, "sold": 1, "minutes_left": 10, "oversold": false}
GIVEN sale_cells
{"minute": "2026-11-11 00:01:00+00", "channel": "shopify", "orders": 3, "missing_fx": 0}
{"minute": "2026-11-11 00:02:00+00", "channel": "shopify", "orders": 3, "missing_fx": 2}
{"minute": "2026-11-11 00:02:00+00", "channel": "web", "orders": 3, "missing_fx": 0}
EXPECT alerts
{"alert_id": "oversold:p1", "severity": "critical", "kind": "oversold", "subject": "p1", "message": "Kettle: 11 of 10 sold"}
{"alert_id": "sold_out_soon:p2", "severity": "info", "kind": "sold_out_soon", "subject": "p2", "message": "Lamp: 9 of 10 sold"}
{"alert_id": "missing_rate:shopify", "severity": "warning", "kind": "missing_rate", "subject": "shopify", "message": "2 orders without an exchange rate", "since": "2026-11-11 00:02:00+00"}

-- test: a channel's data quality
GIVEN sale_cells
{"minute": "2026-11-11 00:01:00+00", "channel": "web", "region": "(unknown)", "orders": 3, "missing_fx": 0, "missing_buyer": 0}
{"minute": "2026-11-11 00:01:00+00", "channel": "web", "region": "Hubei", "orders": 5, "missing_fx": 2, "missing_buyer": 4}
GIVEN payment_cells
{"minute": "2026-11-11 00:01:00+00", "channel": "web", "attempts": 10, "failures": 1}
GIVEN quarantine
{"channel": "web", "kind": "order", "id": "1", "rule": "amount_invalid"}
{"channel": "web", "kind": "order", "id": "2", "rule": "amount_invalid"}
{"channel": "tmall", "kind": "order", "id": "2", "rule": "time_invalid"}
GIVEN orphan_payments
{"kind": "payment", "id": "p1", "channel": "web"}
EXPECT channel_quality
{"channel": "web", "orders": 8, "payment_attempts": 10, "payment_failures": 1, "quarantined": 2, "orphans": 1, "missing_fx": 2, "quarantine_rate": 0.1, "missing_region_rate": 0.375, "missing_buyer_rate": 0.5, "missing_fx_rate": 0.25}
{"channel": "tmall", "orders": 0, "payment_attempts": 0, "payment_failures": 0, "quarantined": 1, "orphans": 0, "missing_fx": 0, "quarantine_rate": 1}
EXPECT quarantine_rules
{"channel": "web", "kind": "order", "rule": "amount_invalid", "items": 2}
{"channel": "tmall", "kind": "order", "rule": "time_invalid", "items": 1}

-- test: what came from a channel, and what its tables made of it
GIVEN raw_web_orders
{"order_id": 1, "version": 1, "status": "placed", "currency": "CNY", "amount": 10}
GIVEN raw_stripe_events
{"id": "evt_1", "received_at": "2026-11-11 00:00:00+00", "type": "charge.succeeded"}
TICK
GIVEN raw_web_orders
{"order_id": 1, "version": 3, "status": "placed", "currency": "CNY", "amount": 12}
TICK
GIVEN raw_web_orders
{"order_id": 1, "version": 2, "status": "placed", "currency": "CNY", "amount": 11}
EXPECT SELECT channel, received > 0 AS came, late + corrections >= 1 AS moved, duplicate_rate < 1 AS some_new, drifted, unknown_fields FROM channel_intake ORDER BY channel;
{"channel": "stripe", "came": true, "moved": false, "some_new": true, "drifted": 0}
{"channel": "web", "came": true, "moved": true, "some_new": true, "drifted": 0}
