-- Shopify-like snapshots: nested parts, offsets, the newest updated_at; transactions of the shop's own gateway.

-- test: a snapshot is taken apart: lines, a partial refund, a fulfilment
GIVEN raw_shopify_orders
{"id": 450789469, "updated_at": "2026-11-11T03:30:00-05:00", "name": "#1001", "created_at": "2026-11-10T19:05:00-05:00",
 "currency": "USD", "total_price": "61.40", "total_discounts": "5.00", "financial_status": "partially_refunded",
 "customer": {"id": 207119551, "email": "someone@example.com"}, "shipping_address": {"province": "New York", "country": "United States"},
 "discount_codes": [{"code": "SPRING5", "amount": "5.00", "type": "fixed_amount"}],
 "line_items": [
   {"id": 11, "sku": "P4", "quantity": 2, "price": "20.70", "total_discount": "5.00"},
   {"id": 12, "sku": "P5", "quantity": 1, "price": "25.00", "total_discount": "0.00"}],
 "fulfillments": [{"id": 255858046, "status": "success", "shipment_status": "in_transit", "created_at": "2026-11-10T20:00:00-05:00",
   "line_items": [{"id": 12, "quantity": 1}]}],
 "refunds": [{"id": 509562969, "created_at": "2026-11-11T03:29:00-05:00",
   "refund_line_items": [{"id": 104, "line_item_id": 12, "quantity": 1, "subtotal": "25.00"}],
   "transactions": [{"id": 179259969, "kind": "refund", "status": "success", "gateway": "shopify_payments", "amount": "25.00",
     "currency": "USD", "processed_at": "2026-11-11T03:29:30-05:00"}]}]}
EXPECT orders
{"order_id": "shopify:450789469", "channel": "shopify", "buyer_id": "shopify:207119551", "status": "placed", "currency": "USD", "amount": "61.40", "discount": 5, "coupon_id": "SPRING5", "region": "New York", "placed_at": "2026-11-11T00:05:00Z", "cancelled_at": null, "updated_at": "2026-11-11T08:30:00Z"}
EXPECT order_items
{"line_id": "shopify:11", "order_id": "shopify:450789469", "product_id": "P4", "quantity": 2, "unit_price": "20.70", "amount": "36.40"}
{"line_id": "shopify:12", "order_id": "shopify:450789469", "product_id": "P5", "quantity": 1, "unit_price": 25, "amount": 25}
EXPECT refunds
{"refund_id": "shopify:179259969", "order_id": "shopify:450789469", "line_id": "shopify:12", "channel": "shopify", "kind": "refund", "status": "succeeded", "currency": "USD", "amount": 25, "requested_at": "2026-11-11T08:29:00Z", "refunded_at": "2026-11-11T08:29:30Z"}
EXPECT shipments
{"shipment_id": "shopify:255858046/12", "order_id": "shopify:450789469", "channel": "shopify", "line_id": "shopify:12", "quantity": 1, "status": "shipped", "shipped_at": "2026-11-11T01:00:00Z"}

-- test: an older snapshot that arrives later changes nothing
GIVEN raw_shopify_orders
{"id": 1, "updated_at": "2026-11-11T00:10:00Z", "created_at": "2026-11-11T00:00:00Z", "cancelled_at": "2026-11-11T00:10:00Z", "currency": "EUR", "total_price": "8.00", "financial_status": "voided", "customer": {"id": 5}, "line_items": [{"id": 2, "sku": "P1", "quantity": 1, "price": "8.00"}]}
{"id": 1, "updated_at": "2026-11-11T00:05:00Z", "created_at": "2026-11-11T00:00:00Z", "currency": "EUR", "total_price": "9.00", "financial_status": "pending", "customer": {"id": 5}, "line_items": [{"id": 2, "sku": "P1", "quantity": 1, "price": "9.00"}]}
EXPECT orders (order_id, status, amount, cancelled_at)
{"order_id": "shopify:1", "status": "cancelled", "amount": 8, "cancelled_at": "2026-11-11T00:10:00Z"}

-- test: refunds through another gateway are told by that platform, not counted twice
GIVEN raw_shopify_orders
{"id": 1, "updated_at": "2026-11-11T00:10:00Z", "created_at": "2026-11-11T00:00:00Z", "currency": "EUR", "total_price": "8.00", "financial_status": "refunded", "customer": {"id": 5}, "line_items": [{"id": 2, "sku": "P1", "quantity": 1, "price": "8.00"}],
 "refunds": [{"id": 3, "created_at": "2026-11-11T00:09:00Z", "refund_line_items": [], "transactions": [{"id": 4, "kind": "refund", "status": "success", "gateway": "stripe", "amount": "8.00", "currency": "EUR"}]}]}
EXPECT EMPTY refunds
EXPECT EMPTY quarantine

-- test: an authorisation and its captures are one payment
GIVEN raw_shopify_transactions
{"id": 10, "received_at": "2026-11-11T00:00:02Z", "order_id": 1, "kind": "authorization", "status": "success", "gateway": "shopify_payments", "amount": "30.00", "currency": "USD", "created_at": "2026-11-10T19:00:01-05:00"}
{"id": 11, "received_at": "2026-11-11T00:00:09Z", "order_id": 1, "parent_id": 10, "kind": "capture", "status": "success", "gateway": "shopify_payments", "amount": "12.00", "currency": "USD", "created_at": "2026-11-10T19:00:08-05:00"}
{"id": 12, "received_at": "2026-11-11T00:00:19Z", "order_id": 1, "parent_id": 10, "kind": "capture", "status": "success", "gateway": "shopify_payments", "amount": "18.00", "currency": "USD", "created_at": "2026-11-10T19:00:18-05:00"}
{"id": 20, "received_at": "2026-11-11T00:00:02Z", "order_id": 2, "kind": "sale", "status": "failure", "gateway": "shopify_payments", "amount": "5.00", "currency": "USD", "created_at": "2026-11-10T19:00:01-05:00"}
{"id": 30, "received_at": "2026-11-11T00:00:02Z", "order_id": 3, "kind": "sale", "status": "pending", "gateway": "shopify_payments", "amount": "5.00", "currency": "USD", "created_at": "2026-11-10T19:00:01-05:00"}
{"id": 40, "received_at": "2026-11-11T00:00:02Z", "order_id": 4, "kind": "sale", "status": "success", "gateway": "adyen", "amount": "5.00", "currency": "USD", "created_at": "2026-11-10T19:00:01-05:00"}
EXPECT payments (payment_id, order_id, status, amount, created_at, paid_at)
{"payment_id": "shopify:10", "order_id": "shopify:1", "status": "captured", "amount": 30, "created_at": "2026-11-11T00:00:01Z", "paid_at": "2026-11-11T00:00:08Z"}
{"payment_id": "shopify:20", "order_id": "shopify:2", "status": "failed", "amount": 5, "created_at": "2026-11-11T00:00:01Z", "paid_at": null}

-- test: a bad line is quarantined alone, a bad order with all its parts
GIVEN raw_shopify_orders
{"id": 1, "updated_at": "2026-11-11T00:10:00Z", "created_at": "2026-11-11T00:00:00Z", "currency": "EUR", "total_price": "8.00", "financial_status": "paid", "customer": {"id": 5}, "line_items": [{"id": 2, "sku": "P1", "quantity": 1, "price": "8.00"}, {"id": 3, "sku": "", "quantity": 1, "price": "0.00"}]}
{"id": 7, "updated_at": "2026-11-11T00:10:00Z", "created_at": "2026-11-11T00:00:00Z", "currency": "EUR", "total_price": "free", "financial_status": "paid", "customer": {"id": 5}, "line_items": [{"id": 8, "sku": "P1", "quantity": 1, "price": "8.00"}]}
EXPECT orders (order_id)
{"order_id": "shopify:1"}
EXPECT order_items (line_id)
{"line_id": "shopify:2"}
EXPECT quarantine (kind, id, rule)
{"kind": "order_item", "id": "shopify:3", "rule": "product_missing"}
{"kind": "order", "id": "shopify:7", "rule": "amount_invalid"}

-- test: fulfilments that were cancelled shipped nothing, delivered ones say so
GIVEN raw_shopify_orders
{"id": 1, "updated_at": "2026-11-11T00:10:00Z", "created_at": "2026-11-11T00:00:00Z", "currency": "EUR", "total_price": "8.00", "financial_status": "paid", "customer": {"id": 5}, "line_items": [{"id": 2, "sku": "P1", "quantity": 1, "price": "8.00"}],
 "fulfillments": [{"id": 21, "status": "cancelled", "created_at": "2026-11-11T00:01:00Z", "line_items": [{"id": 2, "quantity": 1}]},
   {"id": 22, "status": "success", "shipment_status": "delivered", "created_at": "2026-11-11T00:02:00Z", "line_items": [{"id": 2, "quantity": 1}]}]}
EXPECT shipments (shipment_id, status)
{"shipment_id": "shopify:22/2", "status": "delivered"}
