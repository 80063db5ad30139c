-- Taobao/Tmall-like trades: Beijing wall clock, statuses in two languages, sub-orders, refunds per sub-order.

-- test: Beijing times, sub-orders, the payment and the parcel in the trade
GIVEN raw_tmall_trades
{"tid": 3001, "modified": "2026-11-11 09:30:00", "status": "WAIT_BUYER_CONFIRM_GOODS", "created": "2026-11-11 00:00:03", "pay_time": "2026-11-11 00:00:21", "payment": "159.80", "total_fee": "199.80", "discount_fee": "40.00", "coupon_id": "D11", "buyer_open_uid": "AAHk5", "receiver_state": "江苏省", "alipay_no": "2026111122001", "orders": {"order": [
 {"oid": 3002, "outer_sku_id": "P3", "num": 1, "price": "99.90", "payment": "79.90", "status": "WAIT_BUYER_CONFIRM_GOODS", "consign_time": "2026-11-11 09:29:58"},
 {"oid": 3003, "outer_sku_id": "P4", "num": 1, "price": "99.90", "payment": "79.90", "status": "WAIT_SELLER_SEND_GOODS"}]}}
EXPECT orders
{"order_id": "tmall:3001", "channel": "tmall", "buyer_id": "tmall:AAHk5", "status": "placed", "currency": "CNY", "amount": "159.80", "discount": 40, "coupon_id": "D11", "region": "江苏省", "placed_at": "2026-11-10T16:00:03Z", "cancelled_at": null, "updated_at": "2026-11-11T01:30:00Z"}
EXPECT order_items
{"line_id": "tmall:3002", "order_id": "tmall:3001", "product_id": "P3", "quantity": 1, "unit_price": "99.90", "amount": "79.90"}
{"line_id": "tmall:3003", "order_id": "tmall:3001", "product_id": "P4", "quantity": 1, "unit_price": "99.90", "amount": "79.90"}
EXPECT payments
{"payment_id": "tmall:2026111122001", "order_id": "tmall:3001", "channel": "tmall", "method": "alipay", "status": "captured", "currency": "CNY", "amount": "159.80", "created_at": "2026-11-10T16:00:21Z", "paid_at": "2026-11-10T16:00:21Z"}
EXPECT shipments (shipment_id, line_id, status, shipped_at)
{"shipment_id": "tmall:3002", "line_id": "tmall:3002", "status": "shipped", "shipped_at": "2026-11-11T01:29:58Z"}

-- test: an unpaid trade is sent again with the seller's new price
GIVEN raw_tmall_trades
{"tid": 1, "modified": "2026-11-11 00:05:00", "status": "WAIT_BUYER_PAY", "created": "2026-11-11 00:00:00", "payment": "80.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 2, "outer_sku_id": "P1", "num": 1, "price": "100.00", "payment": "80.00"}]}}
{"tid": 1, "modified": "2026-11-11 00:00:00", "status": "WAIT_BUYER_PAY", "created": "2026-11-11 00:00:00", "payment": "100.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 2, "outer_sku_id": "P1", "num": 1, "price": "100.00", "payment": "100.00"}]}}
EXPECT orders (order_id, amount)
{"order_id": "tmall:1", "amount": 80}
EXPECT EMPTY payments

-- test: Chinese names of statuses, with either comma; an unknown one is not guessed
GIVEN raw_tmall_trades
{"tid": 1, "modified": "2026-11-11 00:05:00", "status": "买家已付款,等待卖家发货", "created": "2026-11-11 00:00:00", "pay_time": "2026-11-11 00:01:00", "payment": "1.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 2, "outer_sku_id": "P1", "num": 1, "price": "1.00", "payment": "1.00"}]}}
{"tid": 3, "modified": "2026-11-11 00:05:00", "status": "买家已付款，等待卖家发货", "created": "2026-11-11 00:00:00", "pay_time": "2026-11-11 00:01:00", "payment": "1.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 4, "outer_sku_id": "P1", "num": 1, "price": "1.00", "payment": "1.00"}]}}
{"tid": 5, "modified": "2026-11-11 00:05:00", "status": "交易关闭", "created": "2026-11-11 00:00:00", "end_time": "2026-11-11 00:04:00", "payment": "1.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 6, "outer_sku_id": "P1", "num": 1, "price": "1.00", "payment": "1.00"}]}}
{"tid": 7, "modified": "2026-11-11 00:05:00", "status": "等待发货", "created": "2026-11-11 00:00:00", "payment": "1.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 8, "outer_sku_id": "P1", "num": 1, "price": "1.00", "payment": "1.00"}]}}
EXPECT orders (order_id, status, cancelled_at)
{"order_id": "tmall:1", "status": "placed", "cancelled_at": null}
{"order_id": "tmall:3", "status": "placed", "cancelled_at": null}
{"order_id": "tmall:5", "status": "cancelled", "cancelled_at": "2026-11-10T16:04:00Z"}
EXPECT quarantine (channel, kind, id, rule, updated_at)
{"channel": "tmall", "kind": "order", "id": "tmall:7", "rule": "status_unknown", "updated_at": "2026-11-10T16:05:00Z"}

-- test: a refund per sub-order: the request and the money are different facts
GIVEN raw_tmall_refunds
{"refund_id": 71, "modified": "2026-11-12 10:00:00", "tid": 1, "oid": 2, "status": "WAIT_SELLER_AGREE", "refund_fee": "20.00", "created": "2026-11-12 10:00:00", "good_status": "BUYER_RECEIVED"}
{"refund_id": 72, "modified": "2026-11-12 11:00:00", "tid": 1, "oid": 3, "status": "SELLER_REFUSE_BUYER", "refund_fee": "5.00", "created": "2026-11-12 10:00:00"}
EXPECT refunds (refund_id, order_id, line_id, status, amount, requested_at, refunded_at)
{"refund_id": "tmall:71", "order_id": "tmall:1", "line_id": "tmall:2", "status": "requested", "amount": 20, "requested_at": "2026-11-12T02:00:00Z", "refunded_at": null}
{"refund_id": "tmall:72", "order_id": "tmall:1", "line_id": "tmall:3", "status": "failed", "amount": 5, "requested_at": "2026-11-12T02:00:00Z", "refunded_at": null}
GIVEN raw_tmall_refunds
{"refund_id": 71, "modified": "2026-11-13 08:00:00", "tid": 1, "oid": 2, "status": "SUCCESS", "refund_fee": "20.00", "created": "2026-11-12 10:00:00", "good_status": "BUYER_RETURNED_GOODS"}
EXPECT SELECT refund_id, status, refunded_at FROM refunds WHERE status = 'succeeded';
{"refund_id": "tmall:71", "status": "succeeded", "refunded_at": "2026-11-13T00:00:00Z"}

-- test: thousands separators and missing sub-orders fail validation, and leave with the corrected trade
GIVEN raw_tmall_trades
{"tid": 1, "modified": "2026-11-11 00:05:00", "status": "WAIT_BUYER_PAY", "created": "2026-11-11 00:00:00", "payment": "1,299.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 2, "outer_sku_id": "P1", "num": 1, "price": "1.00", "payment": "1.00"}]}}
{"tid": 3, "modified": "2026-11-11 00:05:00", "status": "WAIT_BUYER_PAY", "created": "2026-11-11 00:00:00", "payment": "1.00", "buyer_open_uid": "u", "orders": {"order": []}}
EXPECT quarantine (id, rule)
{"id": "tmall:1", "rule": "amount_invalid"}
{"id": "tmall:3", "rule": "lines_missing"}
GIVEN raw_tmall_trades
{"tid": 1, "modified": "2026-11-11 00:05:01", "status": "WAIT_BUYER_PAY", "created": "2026-11-11 00:00:00", "payment": "1299.00", "buyer_open_uid": "u", "orders": {"order": [{"oid": 2, "outer_sku_id": "P1", "num": 1, "price": "1299.00", "payment": "1299.00"}]}}
EXPECT quarantine (id)
{"id": "tmall:3"}
EXPECT orders (order_id, amount)
{"order_id": "tmall:1", "amount": 1299}
