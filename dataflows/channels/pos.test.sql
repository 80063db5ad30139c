-- Tills: receipts of lines, store clocks and currencies, returns, voids.

-- test: a receipt is an order, its payment and its delivery; stores have their own clocks
GIVEN raw_pos_lines
{"store_id": "CN01", "receipt_no": "88", "line_no": 1, "export_seq": 2, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P1", "qty": "2", "unit_price": "10.00", "line_total": "20.00", "currency": "CNY", "tender": "WECHAT", "member_id": "M5"}
{"store_id": "CN01", "receipt_no": "88", "line_no": 2, "export_seq": 2, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P2", "qty": "1", "unit_price": "7.50", "line_total": "6.50", "currency": "CNY", "tender": "WECHAT", "member_id": "M5"}
{"store_id": "JP01", "receipt_no": "88", "line_no": 1, "export_seq": 2, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P1", "qty": "1", "unit_price": "200", "line_total": "200", "currency": "JPY", "tender": "CASH"}
EXPECT orders
{"order_id": "pos:CN01-88", "channel": "pos", "buyer_id": "pos:M5", "status": "placed", "currency": "CNY", "amount": "26.50", "discount": 0, "coupon_id": null, "region": "CN01", "placed_at": "2026-11-11T02:00:00Z", "cancelled_at": null, "updated_at": "2026-11-11T02:00:00Z"}
{"order_id": "pos:JP01-88", "channel": "pos", "buyer_id": "pos:JP01-88", "status": "placed", "currency": "JPY", "amount": 200, "discount": 0, "coupon_id": null, "region": "JP01", "placed_at": "2026-11-11T01:00:00Z", "cancelled_at": null, "updated_at": "2026-11-11T01:00:00Z"}
EXPECT payments (payment_id, method, status, amount)
{"payment_id": "pos:CN01-88", "method": "wechat", "status": "captured", "amount": "26.50"}
{"payment_id": "pos:JP01-88", "method": "cash", "status": "captured", "amount": 200}
EXPECT shipments (shipment_id, quantity, status)
{"shipment_id": "pos:CN01-88/1", "quantity": 2, "status": "delivered"}
{"shipment_id": "pos:CN01-88/2", "quantity": 1, "status": "delivered"}
{"shipment_id": "pos:JP01-88/1", "quantity": 1, "status": "delivered"}

-- test: a return on another receipt gives money back for the line it names
GIVEN raw_pos_lines
{"store_id": "CN01", "receipt_no": "R9", "line_no": 1, "export_seq": 2, "kind": "RETURN", "sold_at": "2026-11-12 10:00:00", "sku": "P1", "qty": "-1", "unit_price": "10.00", "line_total": "-10.00", "currency": "CNY", "tender": "CARD", "original_receipt": "CN01-88", "original_line": "1"}
EXPECT refunds
{"refund_id": "pos:CN01-R9/1", "order_id": "pos:CN01-88", "line_id": "pos:CN01-88/1", "channel": "pos", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 10, "requested_at": "2026-11-12T02:00:00Z", "refunded_at": "2026-11-12T02:00:00Z"}
EXPECT EMPTY orders

-- test: a line taken off the receipt lowers it; with the last one the receipt is cancelled and its payment void
GIVEN raw_pos_lines
{"store_id": "CN01", "receipt_no": "1", "line_no": 1, "export_seq": 2, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P1", "qty": "1", "unit_price": "10.00", "line_total": "10.00", "currency": "CNY", "tender": "CARD"}
{"store_id": "CN01", "receipt_no": "1", "line_no": 2, "export_seq": 4, "kind": "VOID", "sold_at": "2026-11-11 10:00:00", "sku": "P2", "qty": "1", "unit_price": "5.00", "line_total": "5.00", "currency": "CNY", "tender": "CARD"}
EXPECT orders (status, amount)
{"status": "placed", "amount": 10}
GIVEN raw_pos_lines
{"store_id": "CN01", "receipt_no": "1", "line_no": 1, "export_seq": 4, "kind": "VOID", "sold_at": "2026-11-11 10:00:00", "sku": "P1", "qty": "1", "unit_price": "10.00", "line_total": "10.00", "currency": "CNY", "tender": "CARD"}
EXPECT orders (status, amount)
{"status": "cancelled", "amount": 15}
EXPECT payments (status, paid_at)
{"status": "voided", "paid_at": null}
EXPECT EMPTY order_items

-- test: a bad line is missing from its receipt until the next export corrects it
GIVEN raw_pos_lines
{"store_id": "HK01", "receipt_no": "1", "line_no": 1, "export_seq": 2, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P1", "qty": "1", "unit_price": "10.00", "line_total": "10.00", "currency": "HKD", "tender": "OCTOPUS"}
{"store_id": "HK01", "receipt_no": "1", "line_no": 2, "export_seq": 2, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P2", "qty": "1.5", "unit_price": "5.00", "line_total": "7.50", "currency": "HKD", "tender": "OCTOPUS"}
EXPECT orders (order_id, amount)
{"order_id": "pos:HK01-1", "amount": 10}
EXPECT quarantine (channel, kind, id, rule)
{"channel": "pos", "kind": "order_item", "id": "pos:HK01-1/2", "rule": "quantity_invalid"}
GIVEN raw_pos_lines
{"store_id": "HK01", "receipt_no": "1", "line_no": 2, "export_seq": 3, "kind": "SALE", "sold_at": "2026-11-11 10:00:00", "sku": "P2", "qty": "2", "unit_price": "5.00", "line_total": "10.00", "currency": "HKD", "tender": "OCTOPUS"}
EXPECT orders (order_id, amount, placed_at)
{"order_id": "pos:HK01-1", "amount": 20, "placed_at": "2026-11-11T02:00:00Z"}
EXPECT EMPTY quarantine
