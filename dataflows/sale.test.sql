-- The sale per second and minute. Orders are given as their state: how that comes about is tested in order_state.test.sql.
GIVEN sales
{"sale_id": "s1", "version": 1, "name": "Singles' Day", "starts_at": "2026-11-11 00:00:00+00", "ends_at": "2026-11-11 00:10:00+00", "earlier_sale_id": "s0"}

-- test: a minute's money, and what is outside the sale stays outside
GIVEN order_state
{"order_id": "web:1", "channel": "web", "status": "paid", "order_status": "placed", "region": "Hubei", "placed_at": "2026-11-11 00:01:10+00", "units": 2, "paid": 40, "fx_rate": 1, "amount_cny": 40, "paid_cny": 40, "returned_cny": 0, "net_cny": 40}
{"order_id": "web:2", "channel": "web", "status": "partially_refunded", "order_status": "placed", "region": "Hubei", "placed_at": "2026-11-11 00:01:59.9+00", "units": 1, "paid": 60, "fx_rate": 1, "amount_cny": 60, "paid_cny": 60, "returned_cny": 15, "net_cny": 45}
{"order_id": "web:3", "channel": "web", "status": "cancelled", "order_status": "cancelled", "region": "Hubei", "placed_at": "2026-11-11 00:01:30+00", "units": 1, "paid": 0, "fx_rate": 1, "amount_cny": 20, "paid_cny": 0, "returned_cny": 0, "net_cny": 0}
{"order_id": "web:4", "channel": "web", "status": "refunded", "order_status": "placed", "region": "Hubei", "placed_at": "2026-11-11 00:02:00+00", "units": 1, "paid": 10, "fx_rate": 1, "amount_cny": 10, "paid_cny": 10, "returned_cny": 10, "net_cny": 0}
{"order_id": "web:5", "channel": "web", "status": "paid", "order_status": "placed", "placed_at": "2026-11-10 23:59:59+00", "units": 1, "paid": 99, "fx_rate": 1, "amount_cny": 99, "paid_cny": 99, "returned_cny": 0, "net_cny": 99}
{"order_id": "web:6", "channel": "web", "status": "paid", "order_status": "placed", "placed_at": "2026-11-11 00:10:00+00", "units": 1, "paid": 99, "fx_rate": 1, "amount_cny": 99, "paid_cny": 99, "returned_cny": 0, "net_cny": 99}
EXPECT sale_minutes (sale_id, minute, minute_no, orders, units, placed, paid, refunded, net, average_order_value, paid_orders, kept_orders, cancelled_orders, refund_rate)
{"sale_id": "s1", "minute": "2026-11-11 00:01:00+00", "minute_no": 1, "orders": 3, "units": 4, "placed": 120, "paid": 100, "refunded": 15, "net": 85, "average_order_value": 40, "paid_orders": 2, "kept_orders": 2, "cancelled_orders": 1, "refund_rate": 0.15}
{"sale_id": "s1", "minute": "2026-11-11 00:02:00+00", "minute_no": 2, "orders": 1, "units": 1, "placed": 10, "paid": 10, "refunded": 10, "net": 0, "average_order_value": 10, "paid_orders": 1, "kept_orders": 0, "cancelled_orders": 0, "refund_rate": 1}

-- test: a window that begins within a minute begins with that minute, and moves when the sale is revised
GIVEN order_state
{"order_id": "web:1", "channel": "web", "order_status": "placed", "placed_at": "2026-11-11 00:01:10+00", "fx_rate": 1, "amount_cny": 40, "paid": 0}
{"order_id": "web:2", "channel": "web", "order_status": "placed", "placed_at": "2026-11-11 00:03:10+00", "fx_rate": 1, "amount_cny": 7, "paid": 0}
EXPECT SELECT sale_id, sum(orders) AS orders FROM sale_minutes GROUP BY sale_id;
{"sale_id": "s1", "orders": 2}
TICK
GIVEN sales
{"sale_id": "s1", "version": 2, "name": "later", "starts_at": "2026-11-11 00:03:59+00", "ends_at": "2026-11-11 00:05:00+00"}
EXPECT sale_minutes (minute, minute_no, placed)
{"minute": "2026-11-11 00:03:00+00", "minute_no": 0, "placed": 7}

-- test: seconds
GIVEN order_state
{"order_id": "web:1", "placed_at": "2026-11-11 00:01:10.1+00", "units": 2, "amount_cny": 40, "paid_cny": 40, "returned_cny": 30}
{"order_id": "web:2", "placed_at": "2026-11-11 00:01:10.9+00", "units": 1, "amount_cny": 60, "paid_cny": 0, "returned_cny": 0}
{"order_id": "web:3", "placed_at": "2026-11-11 00:01:11+00", "units": 1, "amount_cny": 5, "paid_cny": 0, "returned_cny": 0}
{"order_id": "web:4", "placed_at": "2026-11-11 00:11:11+00", "units": 1, "amount_cny": 5, "paid_cny": 0, "returned_cny": 0}
EXPECT sale_seconds
{"sale_id": "s1", "second": "2026-11-11 00:01:10+00", "orders": 2, "units": 3, "placed": 100, "paid": 40, "refunded": 30, "net": 10}
{"sale_id": "s1", "second": "2026-11-11 00:01:11+00", "orders": 1, "units": 1, "placed": 5, "paid": 0, "refunded": 0, "net": 0}

-- test: an order without a rate is counted, its money is not
GIVEN order_state
{"order_id": "web:1", "channel": "web", "order_status": "placed", "status": "paid", "placed_at": "2026-11-11 00:01:10+00", "units": 1, "paid": 40, "fx_rate": 1, "amount_cny": 40, "paid_cny": 40, "returned_cny": 0, "net_cny": 40}
{"order_id": "shopify:2", "channel": "shopify", "order_status": "placed", "status": "paid", "placed_at": "2026-11-11 00:01:20+00", "units": 1, "paid": 40}
EXPECT sale_minutes (orders, placed, paid, paid_orders)
{"orders": 2, "placed": 40, "paid": 40, "paid_orders": 2}
EXPECT sale_channels
{"sale_id": "s1", "channel": "shopify", "orders": 1, "units": 1, "placed": 0, "paid": 0, "net": 0}
{"sale_id": "s1", "channel": "web", "orders": 1, "units": 1, "placed": 40, "paid": 40, "net": 40}

-- test: buyers are distinct within a minute, across orders and channels
GIVEN orders
{"order_id": "web:1", "channel": "web", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:01:10+00"}
{"order_id": "web:2", "channel": "web", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:01:20+00"}
{"order_id": "web:3", "channel": "web", "buyer_id": "b2", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:01:30+00"}
{"order_id": "web:4", "channel": "web", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:02:30+00"}
{"order_id": "web:5", "channel": "web", "status": "placed", "currency": "CNY", "amount": 1, "placed_at": "2026-11-11 00:02:40+00"}
EXPECT sale_minutes (minute, orders, buyers)
{"minute": "2026-11-11 00:01:00+00", "orders": 3, "buyers": 2}
{"minute": "2026-11-11 00:02:00+00", "orders": 2, "buyers": 1}

-- test: payment attempts count in the minute they were made, with or without an order in it
GIVEN payments
{"payment_id": "p1", "order_id": "web:1", "channel": "web", "status": "captured", "amount": 1, "created_at": "2026-11-11 00:05:00+00"}
{"payment_id": "p2", "order_id": "web:1", "channel": "web", "status": "failed", "amount": 1, "created_at": "2026-11-11 00:05:10+00"}
{"payment_id": "p3", "order_id": "web:2", "channel": "stripe", "status": "captured", "amount": 1, "created_at": "2026-11-11 00:05:20+00"}
{"payment_id": "p4", "order_id": "web:2", "channel": "web", "status": "captured", "amount": 1, "created_at": "2026-11-11 00:05:59+00"}
{"payment_id": "p5", "order_id": "web:2", "channel": "web", "status": "authorised", "amount": 1, "created_at": "2026-11-11 00:05:59+00"}
{"payment_id": "p6", "order_id": "web:2", "channel": "web", "status": "voided", "amount": 1, "created_at": "2026-11-11 00:06:59+00"}
EXPECT sale_minutes (minute, orders, placed, payment_attempts, payment_failures, payment_success_rate)
{"minute": "2026-11-11 00:05:00+00", "orders": 0, "placed": 0, "payment_attempts": 4, "payment_failures": 1, "payment_success_rate": 0.75}

-- test: the time to pay, half of the orders and nineteen in twenty
GIVEN order_state
{"order_id": "1", "channel": "web", "placed_at": "2026-11-11 00:01:00+00", "first_paid_at": "2026-11-11 00:01:00.5+00"}
{"order_id": "2", "channel": "web", "placed_at": "2026-11-11 00:01:00+00", "first_paid_at": "2026-11-11 00:01:03+00"}
{"order_id": "3", "channel": "web", "placed_at": "2026-11-11 00:01:00+00", "first_paid_at": "2026-11-11 00:01:12+00"}
{"order_id": "4", "channel": "web", "placed_at": "2026-11-11 00:01:00+00", "first_paid_at": "2026-11-11 03:01:00+00"}
{"order_id": "5", "channel": "web", "placed_at": "2026-11-11 00:02:00+00", "first_paid_at": "2026-11-11 00:01:00+00"}
{"order_id": "6", "channel": "web", "placed_at": "2026-11-11 00:03:00+00"}
EXPECT sale_minutes (minute, pay_p50_s, pay_p95_s)
{"minute": "2026-11-11 00:01:00+00", "pay_p50_s": 4, "pay_p95_s": 14400}
{"minute": "2026-11-11 00:02:00+00", "pay_p50_s": 1, "pay_p95_s": 1}
{"minute": "2026-11-11 00:03:00+00"}

-- test: beside the same minute of the earlier sale
GIVEN earlier_sales
{"sale_id": "s0", "minute": 1, "orders": 9, "placed": 900, "paid": 800}
{"sale_id": "s0", "minute": 3, "orders": 7, "placed": 700, "paid": 600}
{"sale_id": "other", "minute": 1, "orders": 1, "placed": 1, "paid": 1}
GIVEN order_state
{"order_id": "1", "channel": "web", "placed_at": "2026-11-11 00:01:00+00", "amount_cny": 5}
{"order_id": "2", "channel": "web", "placed_at": "2026-11-11 00:02:00+00", "amount_cny": 6}
EXPECT sale_minutes (minute_no, placed, earlier_orders, earlier_placed, earlier_paid)
{"minute_no": 1, "placed": 5, "earlier_orders": 9, "earlier_placed": 900, "earlier_paid": 800}
{"minute_no": 2, "placed": 6}

-- test: regions by rank and minute, coupons
GIVEN order_state
{"order_id": "1", "channel": "web", "region": "Hubei", "coupon_id": "c1", "placed_at": "2026-11-11 00:01:00+00", "units": 1, "discount": 3, "fx_rate": 2, "amount_cny": 10, "paid_cny": 10, "returned_cny": 4}
{"order_id": "2", "channel": "pos", "region": "Hubei", "placed_at": "2026-11-11 00:02:00+00", "units": 1, "discount": 9, "fx_rate": 1, "amount_cny": 10, "paid_cny": 0, "returned_cny": 0}
{"order_id": "3", "channel": "web", "coupon_id": "c1", "placed_at": "2026-11-11 00:02:00+00", "units": 3, "discount": 1, "fx_rate": 1, "amount_cny": 70, "paid_cny": 70, "returned_cny": 0}
EXPECT sale_regions
{"sale_id": "s1", "rank": 1, "region": "(unknown)", "orders": 1, "units": 3, "placed": 70, "paid": 70, "net": 70}
{"sale_id": "s1", "rank": 2, "region": "Hubei", "orders": 2, "units": 2, "placed": 20, "paid": 10, "net": 6}
EXPECT SELECT region, minute_no, placed FROM sale_region_minutes ORDER BY region, minute_no;
{"region": "(unknown)", "minute_no": 2, "placed": 70}
{"region": "Hubei", "minute_no": 1, "placed": 10}
{"region": "Hubei", "minute_no": 2, "placed": 10}
EXPECT sale_coupons
{"sale_id": "s1", "coupon_id": "c1", "orders": 2, "discount": 7, "placed": 80, "paid": 80, "net": 76}

-- test: by status, all orders
GIVEN order_state
{"order_id": "1", "status": "paid", "placed_at": "2020-01-01 00:00:00+00", "amount_cny": 10, "paid_cny": 10, "returned_cny": 0, "net_cny": 10}
{"order_id": "2", "status": "paid", "placed_at": "2026-11-11 00:01:00+00", "amount_cny": 5, "paid_cny": 5, "returned_cny": 0, "net_cny": 5}
{"order_id": "3", "status": "refunded", "placed_at": "2026-11-11 00:01:00+00", "amount_cny": 5, "paid_cny": 5, "returned_cny": 5, "net_cny": 0}
EXPECT sales_by_status
{"status": "paid", "orders": 2, "placed": 15, "paid": 15, "refunded": 0, "net": 15}
{"status": "refunded", "orders": 1, "placed": 5, "paid": 5, "refunded": 5, "net": 0}
