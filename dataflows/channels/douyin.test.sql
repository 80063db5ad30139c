-- Douyin-like orders: fen, Unix seconds with 0 for never, status numbers, after-sale notices.

-- test: fen and seconds, product orders, a parcel, the payment in the order
GIVEN raw_douyin_orders
{"order_id": "6901", "update_time": 1794390000, "order_status": 3, "create_time": 1794355200, "pay_time": 1794355212, "finish_time": 0, "pay_type": 2, "order_amount": 25800, "pay_amount": 23850, "promotion_amount": 1950, "coupon_id": "LIVE9", "doudian_open_id": "1@#x", "post_addr": {"province": {"id": "33", "name": "浙江省"}}, "sku_order_list": [{"order_id": "6902", "code": "P8", "item_num": 3, "goods_price": 8600, "pay_amount": 23850}], "logistics_info": [{"tracking_no": "SF1", "ship_time": 1794380000, "product_info": [{"sku_order_id": "6902", "product_count": 3}]}]}
EXPECT orders
{"order_id": "douyin:6901", "channel": "douyin", "buyer_id": "douyin:1@#x", "status": "placed", "currency": "CNY", "amount": "238.50", "discount": "19.50", "coupon_id": "LIVE9", "region": "浙江省", "placed_at": "2026-11-11T00:00:00Z", "cancelled_at": null, "updated_at": "2026-11-11T09:40:00Z"}
EXPECT order_items
{"line_id": "douyin:6902", "order_id": "douyin:6901", "product_id": "P8", "quantity": 3, "unit_price": 86, "amount": "238.50"}
EXPECT payments (payment_id, order_id, method, status, amount, paid_at)
{"payment_id": "douyin:6901", "order_id": "douyin:6901", "method": "alipay", "status": "captured", "amount": "238.50", "paid_at": "2026-11-11T00:00:12Z"}
EXPECT shipments (shipment_id, line_id, quantity, status, shipped_at)
{"shipment_id": "douyin:SF1/6902", "line_id": "douyin:6902", "quantity": 3, "status": "shipped", "shipped_at": "2026-11-11T06:53:20Z"}

-- test: unpaid and cancelled orders have no payment
GIVEN raw_douyin_orders
{"order_id": "1", "update_time": 1794355200, "order_status": 1, "create_time": 1794355200, "pay_time": 0, "pay_amount": 100, "doudian_open_id": "u", "sku_order_list": [{"order_id": "2", "code": "P1", "item_num": 1, "goods_price": 100, "pay_amount": 100}]}
{"order_id": "3", "update_time": 1794356100, "order_status": 4, "create_time": 1794355200, "pay_time": 0, "finish_time": 1794356099, "pay_amount": 100, "doudian_open_id": "u", "sku_order_list": [{"order_id": "4", "code": "P1", "item_num": 1, "goods_price": 100, "pay_amount": 100}]}
EXPECT orders (order_id, status, cancelled_at)
{"order_id": "douyin:1", "status": "placed", "cancelled_at": null}
{"order_id": "douyin:3", "status": "cancelled", "cancelled_at": "2026-11-11T00:14:59Z"}
EXPECT EMPTY payments

-- test: an approved refund is a request, a finished one is money; the platform's part does not count
GIVEN raw_douyin_refunds
{"after_sale_id": "a1", "update_time": 1794355300, "order_id": "1", "order_item_id": "2", "notice_type": 1, "refund_amount": 5000, "user_refund_amount": 4200, "apply_source": 1, "apply_time": 1794355260}
EXPECT refunds (refund_id, order_id, line_id, status, amount, requested_at, refunded_at)
{"refund_id": "douyin:a1", "order_id": "douyin:1", "line_id": "douyin:2", "status": "requested", "amount": 42, "requested_at": "2026-11-11T00:01:00Z", "refunded_at": null}
GIVEN raw_douyin_refunds
{"after_sale_id": "a1", "update_time": 1794355400, "order_id": "1", "order_item_id": "2", "notice_type": 0, "refund_amount": 5000, "user_refund_amount": 4200, "apply_source": 1, "apply_time": 1794355260}
EXPECT refunds (status, amount, refunded_at)
{"status": "succeeded", "amount": 42, "refunded_at": "2026-11-11T00:03:20Z"}

-- test: unknown status numbers and paid orders without a time are quarantined
GIVEN raw_douyin_orders
{"order_id": "1", "update_time": 1794355200, "order_status": 21, "create_time": 1794355200, "pay_time": 0, "pay_amount": 100, "doudian_open_id": "u", "sku_order_list": [{"order_id": "2", "code": "P1", "item_num": 1, "goods_price": 100, "pay_amount": 100}]}
{"order_id": "3", "update_time": 1794355200, "order_status": 105, "create_time": 1794355200, "pay_time": 0, "pay_amount": 100, "doudian_open_id": "u", "sku_order_list": [{"order_id": "4", "code": "P1", "item_num": 1, "goods_price": 100, "pay_amount": 100}]}
GIVEN raw_douyin_refunds
{"after_sale_id": "a1", "update_time": 1794355300, "order_id": "1", "order_item_id": "2", "notice_type": 7, "user_refund_amount": 4200, "apply_time": 1794355260}
EXPECT EMPTY orders
EXPECT EMPTY refunds
EXPECT quarantine (kind, id, rule)
{"kind": "order", "id": "douyin:1", "rule": "status_unknown"}
{"kind": "order", "id": "douyin:3", "rule": "time_invalid"}
{"kind": "refund", "id": "douyin:a1", "rule": "status_unknown"}
