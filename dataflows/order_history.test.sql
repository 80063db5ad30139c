-- What arrived about an order, in order of arrival, and which of it was late.

-- test: every version of an order is told with what it did, duplicates are not
GIVEN raw_web_orders
{"order_id": 1, "version": 2, "buyer_id": 7, "status": "placed", "currency": "CNY", "amount": "50.00", "placed_at": "2026-11-11T00:00:05Z"}
{"order_id": 1, "version": 1, "buyer_id": 7, "status": "placed", "currency": "CNY", "amount": "40.00", "placed_at": "2026-11-11T00:00:05Z"}
{"order_id": 1, "version": 2, "buyer_id": 7, "status": "placed", "currency": "CNY", "amount": "50.00", "placed_at": "2026-11-11T00:00:05Z"}
{"order_id": 1, "version": 3, "buyer_id": 7, "status": "cancelled", "currency": "CNY", "amount": "50.00", "placed_at": "2026-11-11T00:00:05Z"}
{"order_id": 1, "version": 3, "buyer_id": 7, "status": "cancelled", "currency": "CNY", "amount": "49.00", "placed_at": "2026-11-11T00:00:05Z"}
{"order_id": 1, "version": 4, "__op": "delete"}
{"order_id": 2, "version": 1, "buyer_id": 7, "status": "placed", "currency": "CNY", "amount": "5.00", "placed_at": "2026-11-11T00:00:05Z"}
EXPECT SELECT kind, channel, id, version, trueup_outcome, status, amount FROM order_history WHERE order_id = 'web:1' ORDER BY trueup_arrival;
{"kind": "order", "channel": "web", "id": "web:1", "version": "2", "trueup_outcome": "inserted", "status": "placed", "amount": 50}
{"kind": "order", "channel": "web", "id": "web:1", "version": "1", "trueup_outcome": "stale", "status": "placed", "amount": 40}
{"kind": "order", "channel": "web", "id": "web:1", "version": "3", "trueup_outcome": "corrected", "status": "cancelled", "amount": 50}
{"kind": "order", "channel": "web", "id": "web:1", "version": "3", "trueup_outcome": "conflict", "status": "cancelled", "amount": 49}
{"kind": "order", "channel": "web", "id": "web:1", "version": "4", "trueup_outcome": "deleted"}
EXPECT stale_facts (order_id, stale_versions)
{"order_id": "web:1", "stale_versions": 1}

-- test: late versions of an order's lines, payments, refunds and parcels are the order's
GIVEN raw_web_items
{"order_id": 1, "line": 1, "version": 2, "product_id": "p", "quantity": 2, "unit_price": "10.00", "amount": "20.00"}
{"order_id": 1, "line": 1, "version": 1, "product_id": "p", "quantity": 1, "unit_price": "10.00", "amount": "10.00"}
GIVEN raw_web_payments
{"payment_id": 9, "version": 3, "order_id": 1, "status": "captured", "currency": "CNY", "amount": "20.00", "created_at": "2026-11-11T00:00:06Z", "paid_at": "2026-11-11T00:00:09Z"}
{"payment_id": 9, "version": 2, "order_id": 1, "status": "authorised", "currency": "CNY", "amount": "20.00", "created_at": "2026-11-11T00:00:06Z"}
{"payment_id": 9, "version": 1, "order_id": 1, "status": "failed", "currency": "CNY", "amount": "20.00", "created_at": "2026-11-11T00:00:06Z"}
GIVEN raw_web_refunds
{"refund_id": 4, "version": 2, "order_id": 2, "status": "succeeded", "currency": "CNY", "amount": "5.00", "requested_at": "2026-11-12T00:00:00Z", "refunded_at": "2026-11-12T00:01:00Z"}
{"refund_id": 4, "version": 1, "order_id": 2, "status": "requested", "currency": "CNY", "amount": "5.00", "requested_at": "2026-11-12T00:00:00Z"}
GIVEN raw_web_shipments
{"shipment_id": 3, "version": 1, "order_id": 3, "line": 1, "quantity": 1, "status": "shipped", "shipped_at": "2026-11-12T00:00:00Z"}
EXPECT stale_facts (order_id, stale_versions)
{"order_id": "web:1", "stale_versions": 3}
{"order_id": "web:2", "stale_versions": 1}
EXPECT SELECT kind, id, version, status, amount FROM order_history WHERE order_id = 'web:1' AND trueup_outcome = 'stale';
{"kind": "item", "id": "web:1/1", "version": "1", "amount": 10}
{"kind": "payment", "id": "web:9", "version": "2", "status": "authorised", "amount": 20}
{"kind": "payment", "id": "web:9", "version": "1", "status": "failed", "amount": 20}

-- test: an older delivery of a refund's event is its payment's, once that is known its order's
GIVEN raw_stripe_events
{"id": "evt_r", "received_at": "2026-11-12T00:00:09Z", "type": "refund.updated", "created": 1794441600, "data": {"object": {"id": "re_1", "amount": 500, "currency": "usd", "status": "succeeded", "payment_intent": "pi_1", "metadata": {}}}}
{"id": "evt_r", "received_at": "2026-11-12T00:00:01Z", "type": "refund.created", "created": 1794441600, "data": {"object": {"id": "re_1", "amount": 500, "currency": "usd", "status": "pending", "payment_intent": "pi_1", "metadata": {}}}}
EXPECT stale_facts (order_id, stale_versions)
{"order_id": "stripe:pi_1", "stale_versions": 1}
GIVEN raw_stripe_events
{"id": "evt_p", "received_at": "2026-11-12T00:00:05Z", "type": "payment_intent.succeeded", "created": 1794355201, "data": {"object": {"id": "pi_1", "amount": 2000, "currency": "usd", "status": "succeeded", "metadata": {"order_id": "shopify:9"}}}}
EXPECT stale_facts (order_id, stale_versions)
{"order_id": "shopify:9", "stale_versions": 1}
EXPECT SELECT order_id, kind, channel, id, status, amount, trueup_outcome FROM order_history ORDER BY trueup_arrival;
{"order_id": "shopify:9", "kind": "refund", "channel": "stripe", "id": "stripe:evt_r", "status": "refund.updated", "amount": 5, "trueup_outcome": "inserted"}
{"order_id": "shopify:9", "kind": "refund", "channel": "stripe", "id": "stripe:evt_r", "status": "refund.created", "amount": 5, "trueup_outcome": "stale"}
{"order_id": "shopify:9", "kind": "payment", "channel": "stripe", "id": "stripe:evt_p", "status": "payment_intent.succeeded", "amount": 20, "trueup_outcome": "inserted"}

-- test: every channel's rows find their orders
GIVEN raw_shopify_orders
{"id": 9, "updated_at": "2026-11-11T00:01:00Z", "total_price": "30.00", "financial_status": "paid"}
{"id": 9, "updated_at": "2026-11-11T00:00:30Z", "total_price": "29.00", "financial_status": "pending"}
GIVEN raw_shopify_transactions
{"id": 90, "received_at": "2026-11-11T00:01:00Z", "order_id": 9, "kind": "sale", "status": "success", "amount": "30.00", "currency": "USD"}
GIVEN raw_adyen_notifications
{"pspReference": "A1", "eventCode": "CAPTURE", "received_at": "2026-11-11T00:02:00Z", "success": "false", "merchantReference": "web:5", "originalReference": "A0", "amount": {"value": 1200, "currency": "EUR"}}
{"pspReference": "A1", "eventCode": "CAPTURE", "received_at": "2026-11-11T00:01:00Z", "success": "true", "merchantReference": "web:5", "originalReference": "A0", "amount": {"value": 1200, "currency": "EUR"}}
GIVEN raw_tmall_trades
{"tid": 8, "modified": "2026-11-11 08:00:00", "status": "WAIT_BUYER_PAY", "payment": "8.00"}
GIVEN raw_tmall_refunds
{"refund_id": 80, "modified": "2026-11-12 08:00:00", "tid": 8, "status": "SUCCESS", "refund_fee": "3.00"}
{"refund_id": 80, "modified": "2026-11-11 08:00:00", "tid": 8, "status": "WAIT_SELLER_AGREE", "refund_fee": "3.00"}
GIVEN raw_douyin_orders
{"order_id": "d7", "update_time": 1794355300, "order_status": "105", "pay_amount": "1999"}
{"order_id": "d7", "update_time": 1794355200, "order_status": "1", "pay_amount": "2099"}
GIVEN raw_douyin_refunds
{"after_sale_id": "s1", "update_time": 1794355300, "order_id": "d7", "notice_type": "0", "user_refund_amount": "500"}
GIVEN raw_pos_lines
{"store_id": "SH01", "receipt_no": "r1", "line_no": 1, "export_seq": 1, "kind": "SALE", "line_total": "12.00"}
{"store_id": "SH01", "receipt_no": "r2", "line_no": 1, "export_seq": 5, "kind": "RETURN", "line_total": "-12.00", "original_receipt": "SH01-r1"}
{"store_id": "SH01", "receipt_no": "r2", "line_no": 1, "export_seq": 4, "kind": "RETURN", "line_total": "-2.00", "original_receipt": "SH01-r1"}
EXPECT SELECT order_id, kind, id, version, status, amount, trueup_outcome FROM order_history;
{"order_id": "shopify:9", "kind": "order", "id": "shopify:9", "version": "2026-11-11 00:01:00+00", "status": "paid", "amount": 30, "trueup_outcome": "inserted"}
{"order_id": "shopify:9", "kind": "order", "id": "shopify:9", "version": "2026-11-11 00:00:30+00", "status": "pending", "amount": 29, "trueup_outcome": "stale"}
{"order_id": "shopify:9", "kind": "payment", "id": "shopify:90", "version": "2026-11-11 00:01:00+00", "status": "sale success", "amount": 30, "trueup_outcome": "inserted"}
{"order_id": "web:5", "kind": "payment", "id": "adyen:A1/CAPTURE", "version": "2026-11-11 00:02:00+00", "status": "CAPTURE failed", "amount": 12, "trueup_outcome": "inserted"}
{"order_id": "web:5", "kind": "payment", "id": "adyen:A1/CAPTURE", "version": "2026-11-11 00:01:00+00", "status": "CAPTURE", "amount": 12, "trueup_outcome": "stale"}
{"order_id": "tmall:8", "kind": "order", "id": "tmall:8", "version": "2026-11-11 08:00:00", "status": "WAIT_BUYER_PAY", "amount": 8, "trueup_outcome": "inserted"}
{"order_id": "tmall:8", "kind": "refund", "id": "tmall:80", "version": "2026-11-12 08:00:00", "status": "SUCCESS", "amount": 3, "trueup_outcome": "inserted"}
{"order_id": "tmall:8", "kind": "refund", "id": "tmall:80", "version": "2026-11-11 08:00:00", "status": "WAIT_SELLER_AGREE", "amount": 3, "trueup_outcome": "stale"}
{"order_id": "douyin:d7", "kind": "order", "id": "douyin:d7", "version": "1794355300", "status": "105", "amount": 19.99, "trueup_outcome": "inserted"}
{"order_id": "douyin:d7", "kind": "order", "id": "douyin:d7", "version": "1794355200", "status": "1", "amount": 20.99, "trueup_outcome": "stale"}
{"order_id": "douyin:d7", "kind": "refund", "id": "douyin:s1", "version": "1794355300", "status": "succeeded", "amount": 5, "trueup_outcome": "inserted"}
{"order_id": "pos:SH01-r1", "kind": "item", "id": "pos:SH01-r1/1", "version": "1", "status": "sale", "amount": 12, "trueup_outcome": "inserted"}
{"order_id": "pos:SH01-r1", "kind": "refund", "id": "pos:SH01-r2/1", "version": "5", "status": "return", "amount": -12, "trueup_outcome": "inserted"}
{"order_id": "pos:SH01-r1", "kind": "refund", "id": "pos:SH01-r2/1", "version": "4", "status": "return", "amount": -2, "trueup_outcome": "stale"}
EXPECT stale_facts (order_id, stale_versions)
{"order_id": "shopify:9", "stale_versions": 1}
{"order_id": "web:5", "stale_versions": 1}
{"order_id": "tmall:8", "stale_versions": 1}
{"order_id": "douyin:d7", "stale_versions": 1}
{"order_id": "pos:SH01-r1", "stale_versions": 1}

-- test: what fails validation arrived too
GIVEN raw_tmall_trades
{"tid": 8, "modified": "2026-11-11 08:00:00", "status": "?", "payment": "much"}
EXPECT SELECT order_id, trueup_outcome, status, amount FROM order_history;
{"order_id": "tmall:8", "trueup_outcome": "inserted", "status": "?", "amount": null}
EXPECT quarantine (id, rule)
{"id": "tmall:8", "rule": "status_unknown"}

-- test: flags of orders, of orphans and of orders that only late versions tell of
GIVEN order_state
{"order_id": "web:1", "overpaid": true, "refund_exceeds_payment": false, "paid_after_cancel": false}
{"order_id": "web:2", "overpaid": false, "refund_exceeds_payment": true, "paid_after_cancel": true}
{"order_id": "web:3", "overpaid": false, "refund_exceeds_payment": false, "paid_after_cancel": false}
GIVEN orphan_payments
{"kind": "payment", "id": "web:p8", "order_id": "web:8"}
{"kind": "payment", "id": "web:p9", "order_id": "web:8"}
{"kind": "shipment", "id": "web:s7", "order_id": "web:7"}
GIVEN stale_facts
{"order_id": "web:1", "stale_versions": 2, "newest_tick": 5}
{"order_id": "web:8", "stale_versions": 1, "newest_tick": 5}
{"order_id": "web:9", "stale_versions": 1, "newest_tick": 5}
EXPECT order_flags
{"order_id": "web:1", "orphan_payment": false, "overpaid": true, "refund_exceeds_payment": false, "stale_version": true, "paid_after_cancel": false}
{"order_id": "web:2", "orphan_payment": false, "overpaid": false, "refund_exceeds_payment": true, "stale_version": false, "paid_after_cancel": true}
{"order_id": "web:3", "orphan_payment": false, "overpaid": false, "refund_exceeds_payment": false, "stale_version": false, "paid_after_cancel": false}
{"order_id": "web:8", "orphan_payment": true, "overpaid": false, "refund_exceeds_payment": false, "stale_version": true, "paid_after_cancel": false}
{"order_id": "web:9", "orphan_payment": false, "overpaid": false, "refund_exceeds_payment": false, "stale_version": true, "paid_after_cancel": false}
