-- The headline row, the funnel, and the corrections.
GIVEN sales
{"sale_id": "s0", "version": 1, "name": "last year", "starts_at": "2025-11-11 00:00:00+00", "ends_at": "2025-11-12 00:00:00+00"}
{"sale_id": "s1", "version": 1, "name": "this year", "starts_at": "2026-11-11 00:00:00+00", "ends_at": "2026-11-12 00:00:00+00", "earlier_sale_id": "s0"}

-- test: before the first order the row is there, and says nothing happened
EXPECT sale_now (sale_id, name, orders, buyers, placed, paid, net, payment_attempts, orders_last_minute, oversold_products, payment_success_rate, average_order_value, newest_order_at)
{"sale_id": "s1", "name": "this year", "orders": 0, "buyers": 0, "placed": 0, "paid": 0, "net": 0, "payment_attempts": 0, "orders_last_minute": 0, "oversold_products": 0}

-- test: the sale in one row, from orders, payments and refunds
GIVEN orders
{"order_id": "web:1", "channel": "web", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 10:00:00+00"}
{"order_id": "web:2", "channel": "web", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 60, "placed_at": "2026-11-11 10:02:30+00"}
{"order_id": "web:3", "channel": "web", "buyer_id": "b2", "status": "cancelled", "currency": "CNY", "amount": 10, "placed_at": "2026-11-11 10:03:29+00"}
{"order_id": "shopify:4", "channel": "shopify", "buyer_id": "b3", "status": "placed", "currency": "USD", "amount": 10, "placed_at": "2026-11-11 10:03:00+00"}
{"order_id": "web:9", "channel": "web", "buyer_id": "b9", "status": "placed", "currency": "CNY", "amount": 7, "placed_at": "2025-11-11 10:03:00+00"}
GIVEN order_items
{"line_id": "l1", "order_id": "web:1", "quantity": 2, "amount": 40}
{"line_id": "l2", "order_id": "web:2", "quantity": 1, "amount": 60}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "channel": "web", "status": "captured", "currency": "CNY", "amount": 40, "created_at": "2026-11-11 10:00:01+00", "paid_at": "2026-11-11 10:00:02+00"}
{"payment_id": "p2", "order_id": "web:2", "channel": "web", "status": "failed", "currency": "CNY", "amount": 60, "created_at": "2026-11-11 10:03:00+00"}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 10, "refunded_at": "2026-12-01 00:00:00+00"}
EXPECT sale_now (sale_id, newest_order_at, orders, buyers, units, placed, paid, refunded, net, average_order_value, paid_orders, kept_orders, cancelled_orders, payment_attempts, payment_success_rate, refund_rate, pay_p50_s, orders_last_minute, placed_last_minute, missing_fx_orders)
{"sale_id": "s1", "newest_order_at": "2026-11-11 10:03:29+00", "orders": 4, "buyers": 3, "units": 3, "placed": 110, "paid": 40, "refunded": 10, "net": 30, "average_order_value": 27.5, "paid_orders": 1, "kept_orders": 1, "cancelled_orders": 1, "payment_attempts": 2, "payment_success_rate": 0.5, "refund_rate": 0.25, "pay_p50_s": 3, "orders_last_minute": 3, "placed_last_minute": 70, "missing_fx_orders": 1}

-- test: the last minute is sixty seconds, its first excluded
GIVEN sale_seconds
{"sale_id": "s1", "second": "2026-11-11 10:00:00+00", "orders": 1, "placed": 1}
{"sale_id": "s1", "second": "2026-11-11 10:00:01+00", "orders": 2, "placed": 2}
{"sale_id": "s1", "second": "2026-11-11 10:01:00+00", "orders": 4, "placed": 4}
EXPECT sale_now (orders_last_minute, placed_last_minute, newest_order_at)
{"orders_last_minute": 6, "placed_last_minute": 6, "newest_order_at": "2026-11-11 10:01:00+00"}

-- test: the funnel counts buyers, each step some of those of the step before
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "g", "kind": "impression", "at": "2026-11-11 09:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "g", "kind": "click", "at": "2026-11-11 09:00:01+00"}
{"touchpoint_id": "t3", "buyer_id": "b1", "campaign_id": "h", "kind": "click", "at": "2026-11-11 09:01:00+00"}
{"touchpoint_id": "t4", "buyer_id": "b2", "campaign_id": "g", "kind": "click", "at": "2026-11-11 09:01:00+00"}
{"touchpoint_id": "t5", "buyer_id": "b3", "campaign_id": "g", "kind": "click", "at": "2026-11-11 09:01:30+00"}
{"touchpoint_id": "t6", "buyer_id": "b4", "campaign_id": "g", "kind": "impression", "at": "2026-11-11 09:01:40+00"}
{"touchpoint_id": "t7", "buyer_id": "b5", "campaign_id": "g", "kind": "click", "at": "2026-11-09 09:01:40+00"}
{"touchpoint_id": "t8", "buyer_id": "b6", "campaign_id": "g", "kind": "click", "at": "2026-11-09 09:01:40+00"}
GIVEN orders
{"order_id": "5", "buyer_id": "b5", "placed_at": "2026-11-11 09:02:00+00"}
GIVEN order_state
{"order_id": "1", "channel": "web", "buyer_id": "b1", "status": "refunded", "order_status": "placed", "placed_at": "2026-11-11 09:02:00+00", "paid": 10}
{"order_id": "2", "channel": "web", "buyer_id": "b1", "status": "placed", "order_status": "placed", "placed_at": "2026-11-11 09:02:00+00", "paid": 0}
{"order_id": "3", "channel": "web", "buyer_id": "b2", "status": "placed", "order_status": "placed", "placed_at": "2026-11-11 09:02:00+00", "paid": 0}
{"order_id": "4", "channel": "web", "buyer_id": "b4", "status": "paid", "order_status": "placed", "placed_at": "2026-11-11 09:02:00+00", "paid": 10}
{"order_id": "5", "channel": "web", "buyer_id": "b5", "status": "paid", "order_status": "placed", "placed_at": "2026-11-11 09:02:00+00", "paid": 10}
{"order_id": "6", "channel": "pos", "status": "paid", "order_status": "placed", "placed_at": "2026-11-11 09:02:00+00", "paid": 10}
EXPECT SELECT step_no, step, count, rate_of_previous, rate_of_first FROM sale_funnel WHERE sale_id = 's1' ORDER BY step_no;
{"step_no": 1, "step": "impression", "count": 5, "rate_of_first": 1}
{"step_no": 2, "step": "click", "count": 4, "rate_of_previous": 0.8, "rate_of_first": 0.8}
{"step_no": 3, "step": "order", "count": 3, "rate_of_previous": 0.75, "rate_of_first": 0.6}
{"step_no": 4, "step": "paid", "count": 2, "rate_of_previous": 0.6666666666666666, "rate_of_first": 0.4}
{"step_no": 5, "step": "kept", "count": 1, "rate_of_previous": 0.5, "rate_of_first": 0.2}
EXPECT SELECT step_no, count FROM sale_funnel WHERE sale_id = 's0' ORDER BY step_no;
{"step_no": 1, "count": 0}
{"step_no": 2, "count": 0}
{"step_no": 3, "count": 0}
{"step_no": 4, "count": 0}
{"step_no": 5, "count": 0}

-- test: which past minutes moved, and why
GIVEN orders
{"order_id": "web:1", "channel": "web", "status": "placed", "currency": "CNY", "amount": 40, "placed_at": "2026-11-11 10:04:00+00", "updated_at": "2026-11-11 10:04:00+00"}
{"order_id": "web:2", "channel": "web", "status": "placed", "currency": "CNY", "amount": 60, "placed_at": "2026-11-11 10:04:30+00", "updated_at": "2026-11-11 10:04:30+00"}
{"order_id": "web:3", "channel": "web", "status": "cancelled", "currency": "CNY", "amount": 5, "placed_at": "2026-11-11 10:04:40+00", "cancelled_at": "2026-11-11 10:30:00+00", "updated_at": "2026-11-11 10:30:00+00"}
{"order_id": "web:4", "channel": "web", "status": "placed", "currency": "CNY", "amount": 90, "placed_at": "2026-11-11 10:05:00+00", "updated_at": "2026-11-11 11:00:00+00"}
{"order_id": "web:5", "channel": "web", "status": "cancelled", "currency": "CNY", "amount": 5, "placed_at": "2026-11-11 10:05:10+00", "cancelled_at": "2026-11-11 10:05:20+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "status": "captured", "currency": "CNY", "amount": 40, "paid_at": "2026-11-11 10:04:59+00"}
{"payment_id": "p2", "order_id": "web:2", "status": "captured", "currency": "CNY", "amount": 60, "paid_at": "2026-11-11 10:05:00+00"}
{"payment_id": "p4", "order_id": "web:4", "status": "captured", "currency": "CNY", "amount": 100, "paid_at": "2026-11-11 10:05:30+00"}
GIVEN refunds
{"refund_id": "r1", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 10, "refunded_at": "2026-11-12 00:00:00+00"}
{"refund_id": "r2", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 5, "refunded_at": "2026-11-13 00:00:00+00"}
{"refund_id": "r3", "order_id": "web:2", "kind": "chargeback", "status": "succeeded", "currency": "CNY", "amount": 60, "refunded_at": "2026-12-13 00:00:00+00"}
EXPECT corrections
{"minute": "2026-11-11 10:04:00+00", "cause": "refund", "facts": 2, "moved": -15, "latest_at": "2026-11-13 00:00:00+00"}
{"minute": "2026-11-11 10:04:00+00", "cause": "chargeback", "facts": 1, "moved": -60, "latest_at": "2026-12-13 00:00:00+00"}
{"minute": "2026-11-11 10:04:00+00", "cause": "late_payment", "facts": 1, "moved": 60, "latest_at": "2026-11-11 10:05:00+00"}
{"minute": "2026-11-11 10:04:00+00", "cause": "cancellation", "facts": 1, "moved": -5, "latest_at": "2026-11-11 10:30:00+00"}
{"minute": "2026-11-11 10:05:00+00", "cause": "price_revision", "facts": 1, "moved": -10, "latest_at": "2026-11-11 11:00:00+00"}
