-- Our own API: prefixes, quarantine and its leaving, versions in any order.

-- test: an order with two lines, its payment in two steps, a refund of a line, a parcel
GIVEN raw_web_orders
{"order_id": 501, "version": 2, "buyer_id": 77, "status": "placed", "currency": "CNY", "amount": "118.00", "discount": "12.00", "coupon_id": "CPN2", "region": "浙江省", "placed_at": "2026-11-11T00:00:01.250Z", "updated_at": "2026-11-11T00:00:01.250Z"}
GIVEN raw_web_items
{"order_id": 501, "line": 1, "version": 2, "product_id": "P7", "quantity": 2, "unit_price": "40.00", "amount": "72.00"}
{"order_id": 501, "line": 2, "version": 2, "product_id": "P9", "quantity": 1, "unit_price": "50.00", "amount": "46.00"}
GIVEN raw_web_payments
{"payment_id": 5010, "version": 2, "order_id": 501, "method": "wechat_pay", "status": "authorised", "currency": "CNY", "amount": "118.00", "created_at": "2026-11-11T00:00:05Z"}
{"payment_id": 5010, "version": 4, "order_id": 501, "method": "wechat_pay", "status": "captured", "currency": "CNY", "amount": "118.00", "created_at": "2026-11-11T00:00:05Z", "paid_at": "2026-11-11T00:00:07Z"}
GIVEN raw_web_refunds
{"refund_id": 5011, "version": 2, "order_id": 501, "line": 2, "status": "requested", "currency": "CNY", "amount": "46.00", "requested_at": "2026-11-12T08:00:00+08:00"}
GIVEN raw_web_shipments
{"shipment_id": 5012, "version": 2, "order_id": 501, "line": 1, "quantity": 2, "status": "shipped", "shipped_at": "2026-11-11T09:00:00Z"}
EXPECT orders
{"order_id": "web:501", "channel": "web", "buyer_id": "web:77", "status": "placed", "currency": "CNY", "amount": 118, "discount": 12, "coupon_id": "CPN2", "region": "浙江省", "placed_at": "2026-11-11T00:00:01.250Z", "cancelled_at": null, "updated_at": "2026-11-11T00:00:01.250Z"}
EXPECT order_items
{"line_id": "web:501/1", "order_id": "web:501", "product_id": "P7", "quantity": 2, "unit_price": 40, "amount": 72}
{"line_id": "web:501/2", "order_id": "web:501", "product_id": "P9", "quantity": 1, "unit_price": 50, "amount": 46}
EXPECT payments (payment_id, order_id, channel, method, status, amount, paid_at)
{"payment_id": "web:5010", "order_id": "web:501", "channel": "web", "method": "wechat_pay", "status": "captured", "amount": 118, "paid_at": "2026-11-11T00:00:07Z"}
EXPECT refunds (refund_id, order_id, line_id, kind, status, amount, requested_at, refunded_at)
{"refund_id": "web:5011", "order_id": "web:501", "line_id": "web:501/2", "kind": "refund", "status": "requested", "amount": 46, "requested_at": "2026-11-12T00:00:00Z", "refunded_at": null}
EXPECT shipments (shipment_id, line_id, quantity, status)
{"shipment_id": "web:5012", "line_id": "web:501/1", "quantity": 2, "status": "shipped"}
EXPECT EMPTY quarantine

-- test: a refund of the whole order has no line
GIVEN raw_web_refunds
{"refund_id": 1, "version": 2, "order_id": 9, "status": "succeeded", "currency": "CNY", "amount": 5, "requested_at": "2026-11-11T00:00:00Z", "refunded_at": "2026-11-11T00:01:00Z"}
EXPECT refunds (refund_id, line_id, status)
{"refund_id": "web:1", "line_id": null, "status": "succeeded"}

-- test: an unknown status is quarantined, never guessed, and leaves when corrected
GIVEN raw_web_orders
{"order_id": 502, "version": 1, "buyer_id": 8, "status": "paid?", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11T00:00:00Z"}
EXPECT EMPTY orders
EXPECT quarantine (channel, kind, id, rule)
{"channel": "web", "kind": "order", "id": "web:502", "rule": "status_unknown"}
GIVEN raw_web_orders
{"order_id": 502, "version": 2, "buyer_id": 8, "status": "placed", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11T00:00:00Z"}
EXPECT orders (order_id, status)
{"order_id": "web:502", "status": "placed"}
EXPECT EMPTY quarantine

-- test: a good row that turns bad goes to quarantine and out of the model
GIVEN raw_web_payments
{"payment_id": 1, "version": 2, "order_id": 9, "method": "alipay", "status": "authorised", "currency": "CNY", "amount": 10, "created_at": "2026-11-11T00:00:00Z"}
EXPECT payments (payment_id, status)
{"payment_id": "web:1", "status": "authorised"}
GIVEN raw_web_payments
{"payment_id": 1, "version": 3, "order_id": 9, "method": "alipay", "status": "captured", "currency": "CNY", "amount": 10, "created_at": "2026-11-11T00:00:00Z"}
EXPECT EMPTY payments
EXPECT quarantine (id, rule, detail)
{"id": "web:1", "rule": "time_invalid", "detail": "status=captured currency=CNY amount=10.00"}

-- test: each rule has its name
GIVEN raw_web_orders
{"order_id": 1, "version": 1, "buyer_id": 8, "currency": "CNY", "amount": 10, "placed_at": "2026-11-11T00:00:00Z"}
{"order_id": 2, "version": 1, "buyer_id": 8, "status": "placed", "currency": "RMB", "amount": 10, "placed_at": "2026-11-11T00:00:00Z"}
{"order_id": 3, "version": 1, "buyer_id": 8, "status": "placed", "currency": "CNY", "amount": -10, "placed_at": "2026-11-11T00:00:00Z"}
{"order_id": 4, "version": 1, "buyer_id": 8, "status": "placed", "currency": "CNY", "amount": 10}
{"order_id": 5, "version": 1, "status": "placed", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11T00:00:00Z"}
GIVEN raw_web_items
{"order_id": 1, "line": 1, "version": 1, "quantity": 1, "unit_price": 1, "amount": 1}
{"order_id": 1, "line": 2, "version": 1, "product_id": "P1", "quantity": 0, "unit_price": 1, "amount": 1}
GIVEN raw_web_shipments
{"shipment_id": 1, "version": 1, "line": 1, "quantity": 1, "status": "shipped", "shipped_at": "2026-11-11T00:00:00Z"}
EXPECT quarantine (kind, id, rule)
{"kind": "order", "id": "web:1", "rule": "status_unknown"}
{"kind": "order", "id": "web:2", "rule": "currency_unknown"}
{"kind": "order", "id": "web:3", "rule": "amount_invalid"}
{"kind": "order", "id": "web:4", "rule": "time_invalid"}
{"kind": "order", "id": "web:5", "rule": "buyer_missing"}
{"kind": "order_item", "id": "web:1/1", "rule": "product_missing"}
{"kind": "order_item", "id": "web:1/2", "rule": "quantity_invalid"}
{"kind": "shipment", "id": "web:1", "rule": "order_missing"}
EXPECT EMPTY orders
EXPECT EMPTY order_items
