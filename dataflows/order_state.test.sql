-- The state of an order under everything payment platforms do.

-- test: an order nobody has paid
GIVEN orders
{"order_id": "web:1", "channel": "web", "buyer_id": "web:b1", "status": "placed", "currency": "CNY", "amount": 40, "discount": 2, "region": "Zhejiang", "placed_at": "2026-11-11 00:00:05+00", "updated_at": "2026-11-11 00:00:05+00"}
EXPECT order_state (order_id, status, amount, paid, net, outstanding, payments, refunds, units, amount_cny, overpaid, price_changed, first_paid_at)
{"order_id": "web:1", "status": "placed", "amount": 40, "paid": 0, "net": 0, "outstanding": 40, "payments": 0, "refunds": 0, "units": 0, "amount_cny": 40, "overpaid": false, "price_changed": false}

-- test: a payment arrives before its order, and is an orphan until then
GIVEN payments
{"payment_id": "web:p1", "order_id": "web:1", "channel": "web", "status": "captured", "currency": "CNY", "amount": 40, "created_at": "2026-11-11 00:00:07+00", "paid_at": "2026-11-11 00:00:09+00"}
EXPECT orphan_payments (kind, id, order_id, amount)
{"kind": "payment", "id": "web:p1", "order_id": "web:1", "amount": 40}
EXPECT EMPTY order_state
TICK
GIVEN orders
{"order_id": "web:1", "channel": "web", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00", "updated_at": "2026-11-11 00:00:05+00"}
EXPECT order_state (order_id, status, paid, net, outstanding, payments, first_paid_at)
{"order_id": "web:1", "status": "paid", "paid": 40, "net": 40, "outstanding": 0, "payments": 1, "first_paid_at": "2026-11-11 00:00:09+00"}
EXPECT EMPTY orphan_payments

-- test: only captured money is paid; what is held, failed or given up is told apart
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 100, "placed_at": "2026-11-11 00:00:05+00"}
{"order_id": "web:2", "status": "placed", "currency": "CNY", "amount": 100, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 30, "paid_at": "2026-11-11 00:01:00+00"}
{"payment_id": "p2", "order_id": "web:1", "status": "authorised", "currency": "CNY", "amount": 70}
{"payment_id": "p3", "order_id": "web:1", "status": "failed", "currency": "CNY", "amount": 70}
{"payment_id": "p4", "order_id": "web:1", "status": "voided", "currency": "CNY", "amount": 70}
{"payment_id": "p5", "order_id": "web:2", "status": "authorised", "currency": "CNY", "amount": 100}
EXPECT order_state (order_id, status, paid, authorised, outstanding, payments, failed_payments)
{"order_id": "web:1", "status": "partially_paid", "paid": 30, "authorised": 70, "outstanding": 70, "payments": 1, "failed_payments": 1}
{"order_id": "web:2", "status": "authorised", "paid": 0, "authorised": 100, "outstanding": 100, "payments": 0, "failed_payments": 0}

-- test: two payments make it paid, with the first and the last time
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 100, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 60, "paid_at": "2026-11-11 00:05:00+00"}
{"payment_id": "p2", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:02:00+00"}
EXPECT order_state (status, paid, outstanding, payments, first_paid_at, last_paid_at, overpaid)
{"status": "paid", "paid": 100, "outstanding": 0, "payments": 2, "first_paid_at": "2026-11-11 00:02:00+00", "last_paid_at": "2026-11-11 00:05:00+00", "overpaid": false}

-- test: a refund before its payment makes net negative, until the payment comes
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 10, "refunded_at": "2026-11-11 02:00:00+00"}
EXPECT order_state (status, paid, refunded, net, refund_exceeds_payment)
{"status": "refunded", "paid": 0, "refunded": 10, "net": -10, "refund_exceeds_payment": true}
TICK
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
EXPECT order_state (status, paid, refunded, net, refund_exceeds_payment, last_refund_at)
{"status": "partially_refunded", "paid": 40, "refunded": 10, "net": 30, "refund_exceeds_payment": false, "last_refund_at": "2026-11-11 02:00:00+00"}

-- test: a request is not money, and a reversed refund counts as paid again
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
{"order_id": "web:2", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
{"payment_id": "p2", "order_id": "web:2", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:1", "kind": "refund", "status": "requested", "currency": "CNY", "amount": 15}
{"refund_id": "r2", "order_id": "web:2", "kind": "refund", "status": "reversed", "currency": "CNY", "amount": 40, "refunded_at": "2026-11-12 00:00:00+00"}
{"refund_id": "r3", "order_id": "web:2", "kind": "refund", "status": "failed", "currency": "CNY", "amount": 40}
EXPECT order_state (order_id, status, refund_requested, refunded, net, refunds, last_refund_at)
{"order_id": "web:1", "status": "paid", "refund_requested": 15, "refunded": 0, "net": 40, "refunds": 0}
{"order_id": "web:2", "status": "paid", "refund_requested": 0, "refunded": 0, "net": 40, "refunds": 0}

-- test: the status goes backwards when a channel takes a refund back
NOW '2026-11-11 00:00:00+00'
GIVEN raw_web_orders
{"order_id": 1, "version": 1, "buyer_id": 7, "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN raw_web_payments
{"payment_id": 1, "version": 1, "order_id": 1, "method": "wallet", "status": "captured", "currency": "CNY", "amount": 40, "created_at": "2026-11-11 00:00:06+00", "paid_at": "2026-11-11 00:00:07+00"}
GIVEN raw_web_refunds
{"refund_id": 1, "version": 1, "order_id": 1, "status": "succeeded", "currency": "CNY", "amount": 40, "requested_at": "2026-11-11 01:00:00+00", "refunded_at": "2026-11-11 02:00:00+00"}
EXPECT order_state (order_id, status, net)
{"order_id": "web:1", "status": "refunded", "net": 0}
TICK
GIVEN raw_web_refunds
{"refund_id": 1, "version": 2, "order_id": 1, "status": "reversed", "currency": "CNY", "amount": 40, "requested_at": "2026-11-11 01:00:00+00", "refunded_at": "2026-11-11 02:00:00+00"}
EXPECT order_state (order_id, status, net)
{"order_id": "web:1", "status": "paid", "net": 40}

-- test: a chargeback weeks later names the order, whatever else happened
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 10, "refunded_at": "2026-11-12 00:00:00+00"}
{"refund_id": "r2", "order_id": "web:1", "kind": "chargeback", "status": "succeeded", "currency": "CNY", "amount": 30, "refunded_at": "2026-12-20 00:00:00+00"}
EXPECT order_state (status, refunded, charged_back, net, refunds, returned_cny, last_refund_at)
{"status": "charged_back", "refunded": 10, "charged_back": 30, "net": 0, "refunds": 2, "returned_cny": 40, "last_refund_at": "2026-12-20 00:00:00+00"}

-- test: cancel and pay race; money that came after the cancellation is due back
GIVEN orders
{"order_id": "web:1", "status": "cancelled", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00", "cancelled_at": "2026-11-11 00:10:00+00"}
{"order_id": "web:2", "status": "cancelled", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00", "cancelled_at": "2026-11-11 00:10:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:10:01+00"}
EXPECT order_state (order_id, status, outstanding, paid_after_cancel)
{"order_id": "web:1", "status": "refund_due", "outstanding": 0, "paid_after_cancel": true}
{"order_id": "web:2", "status": "cancelled", "outstanding": 0, "paid_after_cancel": false}
TICK
GIVEN refunds
{"refund_id": "r1", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 40, "refunded_at": "2026-11-11 00:20:00+00"}
EXPECT order_state (order_id, status, net, paid_after_cancel)
{"order_id": "web:1", "status": "cancelled", "net": 0, "paid_after_cancel": true}
{"order_id": "web:2", "status": "cancelled", "net": 0, "paid_after_cancel": false}

-- test: the seller changes the price after the payment, both ways
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 50, "placed_at": "2026-11-11 00:00:05+00", "updated_at": "2026-11-11 00:30:00+00"}
{"order_id": "web:2", "status": "placed", "currency": "CNY", "amount": 35, "placed_at": "2026-11-11 00:00:05+00", "updated_at": "2026-11-11 00:30:00+00"}
{"order_id": "web:3", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00", "updated_at": "2026-11-11 00:30:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
{"payment_id": "p2", "order_id": "web:2", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
{"payment_id": "p3", "order_id": "web:3", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 00:01:00+00"}
EXPECT order_state (order_id, status, outstanding, overpaid, price_changed)
{"order_id": "web:1", "status": "partially_paid", "outstanding": 10, "overpaid": false, "price_changed": true}
{"order_id": "web:2", "status": "paid", "outstanding": 0, "overpaid": true, "price_changed": true}
{"order_id": "web:3", "status": "paid", "outstanding": 0, "overpaid": false, "price_changed": false}

-- test: parcels: some shipped, all shipped, all delivered, one sent back
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
{"order_id": "web:2", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
{"order_id": "web:3", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 00:00:05+00"}
GIVEN order_items
{"line_id": "l1", "order_id": "web:1", "quantity": 2}
{"line_id": "l2", "order_id": "web:1", "quantity": 1}
{"line_id": "l3", "order_id": "web:2", "quantity": 2}
{"line_id": "l4", "order_id": "web:3", "quantity": 2}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40}
{"payment_id": "p2", "order_id": "web:2", "status": "captured", "currency": "CNY", "amount": 40}
{"payment_id": "p3", "order_id": "web:3", "status": "captured", "currency": "CNY", "amount": 40}
GIVEN shipments
{"shipment_id": "s1", "order_id": "web:1", "line_id": "l1", "quantity": 2, "status": "shipped"}
{"shipment_id": "s2", "order_id": "web:2", "line_id": "l3", "quantity": 1, "status": "delivered"}
{"shipment_id": "s3", "order_id": "web:2", "line_id": "l3", "quantity": 1, "status": "returned"}
{"shipment_id": "s4", "order_id": "web:3", "quantity": 2, "status": "delivered"}
EXPECT order_state (order_id, status, units, shipped_units, delivered_units, returned_units)
{"order_id": "web:1", "status": "partially_shipped", "units": 3, "shipped_units": 2, "delivered_units": 0, "returned_units": 0}
{"order_id": "web:2", "status": "shipped", "units": 2, "shipped_units": 2, "delivered_units": 1, "returned_units": 1}
{"order_id": "web:3", "status": "completed", "units": 2, "shipped_units": 2, "delivered_units": 2, "returned_units": 0}

-- test: amounts in CNY by the rate of the UTC day, restated, and missing
GIVEN orders
{"order_id": "shopify:1", "status": "placed", "currency": "USD", "amount": 10.01, "placed_at": "2026-11-11 23:59:59+00"}
{"order_id": "shopify:2", "status": "placed", "currency": "USD", "amount": 10, "placed_at": "2026-11-12 00:00:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "shopify:1", "status": "captured", "currency": "USD", "amount": 10.01}
GIVEN fx_rates
{"currency": "USD", "day": "2026-11-11", "version": 1, "rate": "7.5"}
{"currency": "USD", "day": "2026-11-11", "version": 2, "rate": "7.12345678"}
EXPECT order_state (order_id, status, amount, fx_rate, amount_cny, paid_cny, net_cny, outstanding)
{"order_id": "shopify:1", "status": "paid", "amount": 10.01, "fx_rate": "7.12345678", "amount_cny": 71.31, "paid_cny": 71.31, "net_cny": 71.31, "outstanding": 0}
{"order_id": "shopify:2", "status": "placed", "amount": 10, "outstanding": 10}

-- test: a payment in CNY for an order in dollars is marked
GIVEN orders
{"order_id": "shopify:1", "status": "placed", "currency": "USD", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "web:2", "status": "placed", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "shopify:1", "status": "captured", "currency": "CNY", "amount": 10}
{"payment_id": "p2", "order_id": "web:2", "status": "captured", "currency": "CNY", "amount": 10}
EXPECT order_state (order_id, other_currency)
{"order_id": "shopify:1", "other_currency": true}
{"order_id": "web:2", "other_currency": false}

-- test: refunds and shipments can be orphans too
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:9", "channel": "web", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 5, "requested_at": "2026-11-11 00:00:00+00"}
{"refund_id": "r2", "order_id": "web:1", "channel": "web", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 5}
GIVEN shipments
{"shipment_id": "s1", "order_id": "web:8", "channel": "web", "quantity": 1, "status": "shipped", "shipped_at": "2026-11-11 00:00:00+00"}
EXPECT orphan_payments (kind, id, order_id, amount)
{"kind": "refund", "id": "r1", "order_id": "web:9", "amount": 5}
{"kind": "shipment", "id": "s1", "order_id": "web:8"}

-- test: no payment lends its money to another order
GIVEN orders
{"order_id": "web:1", "status": "placed", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "web:11", "status": "placed", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11 00:00:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:11", "status": "captured", "currency": "CNY", "amount": 10}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:11", "line_id": "l1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 4}
EXPECT SELECT order_id, status, paid, refunded, returned_whole FROM order_state ORDER BY order_id;
{"order_id": "web:1", "status": "placed", "paid": 0, "refunded": 0, "returned_whole": 0}
{"order_id": "web:11", "status": "partially_refunded", "paid": 10, "refunded": 4, "returned_whole": 0}
