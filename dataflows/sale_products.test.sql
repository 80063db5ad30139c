-- Products, categories, stock.
GIVEN sales
{"sale_id": "s1", "version": 1, "name": "sale", "starts_at": "2026-11-11 00:00:00+00", "ends_at": "2026-11-11 01:00:00+00"}
GIVEN products
{"product_id": "p1", "version": 1, "name": "Kettle", "category": "home", "list_price": 40, "currency": "CNY"}
{"product_id": "p2", "version": 1, "name": "Lamp", "category": "home", "list_price": 30, "currency": "CNY"}

-- test: a line's share of what was paid and given back
GIVEN order_state
{"order_id": "o1", "status": "partially_refunded", "placed_at": "2026-11-11 00:01:00+00", "amount": 100, "paid": 100, "paid_cny": 100, "returned_whole": 0, "fx_rate": 1}
{"order_id": "o2", "status": "partially_refunded", "placed_at": "2026-11-11 00:01:00+00", "amount": 100, "paid": 50, "paid_cny": 50, "returned_whole": 20, "fx_rate": 1}
{"order_id": "o3", "status": "paid", "placed_at": "2026-11-11 00:01:00+00", "amount": 10, "paid": 10, "paid_cny": 71.5, "returned_whole": 0, "fx_rate": 7.15}
GIVEN order_items
{"line_id": "l1", "order_id": "o1", "product_id": "p1", "quantity": 1, "amount": 70}
{"line_id": "l2", "order_id": "o1", "product_id": "p2", "quantity": 1, "amount": 30}
{"line_id": "l3", "order_id": "o2", "product_id": "p1", "quantity": 2, "amount": 80}
{"line_id": "l4", "order_id": "o2", "product_id": "p2", "quantity": 1, "amount": 20}
{"line_id": "l5", "order_id": "o3", "product_id": "p9", "quantity": 1, "amount": 10}
GIVEN refunds
{"refund_id": "r1", "order_id": "o1", "line_id": "l2", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 25}
{"refund_id": "r2", "order_id": "o1", "line_id": "l1", "kind": "refund", "status": "requested", "currency": "CNY", "amount": 70}
EXPECT sale_top_products
{"sale_id": "s1", "rank": 1, "product_id": "p1", "name": "Kettle", "category": "home", "units": 3, "placed": 150, "paid": 110, "net": 94}
{"sale_id": "s1", "rank": 2, "product_id": "p9", "name": "p9", "category": "(unknown)", "units": 1, "placed": 71.5, "paid": 71.5, "net": 71.5}
{"sale_id": "s1", "rank": 3, "product_id": "p2", "name": "Lamp", "category": "home", "units": 2, "placed": 50, "paid": 40, "net": 11}
EXPECT sale_top_categories (rank, category, units, placed, paid, net)
{"rank": 1, "category": "home", "units": 5, "placed": 200, "paid": 150, "net": 105}
{"rank": 2, "category": "(unknown)", "units": 1, "placed": 71.5, "paid": 71.5, "net": 71.5}

-- test: ten products are shown, the eleventh moves up when one falls back
GIVEN product_cells
{"product_id": "a", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 11, "paid": 0, "returned": 0}
{"product_id": "b", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 10, "paid": 0, "returned": 0}
{"product_id": "c", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 9, "paid": 0, "returned": 0}
{"product_id": "d", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 8, "paid": 0, "returned": 0}
{"product_id": "e", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 7, "paid": 0, "returned": 0}
{"product_id": "f", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 6, "paid": 0, "returned": 0}
{"product_id": "g", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 5, "paid": 0, "returned": 0}
{"product_id": "h", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 4, "paid": 0, "returned": 0}
{"product_id": "i", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 3, "paid": 0, "returned": 0}
{"product_id": "j", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 2, "paid": 0, "returned": 0}
{"product_id": "k", "minute": "2026-11-11 00:01:00+00", "units": 1, "placed": 1, "paid": 0, "returned": 0}
EXPECT SELECT count(*) AS n, min(placed) AS least FROM sale_top_products;
{"n": 10, "least": 2}
TICK
GIVEN product_cells
{"product_id": "k", "minute": "2026-11-11 00:02:00+00", "units": 1, "placed": 20, "paid": 0, "returned": 0}
EXPECT SELECT rank, product_id, placed FROM sale_top_products WHERE rank IN (1, 10) ORDER BY rank;
{"rank": 1, "product_id": "k", "placed": 21}
{"rank": 10, "product_id": "i", "placed": 3}

-- test: what is left of the stock of two warehouses; what was cancelled or sent back is free again
GIVEN stock
{"product_id": "p1", "warehouse": "w1", "version": 1, "on_hand": 6, "updated_at": "2026-11-10 00:00:00+00"}
{"product_id": "p1", "warehouse": "w2", "version": 1, "on_hand": 4, "updated_at": "2026-11-10 00:00:00+00"}
{"product_id": "p2", "warehouse": "w1", "version": 1, "on_hand": 2, "updated_at": "2026-11-10 00:00:00+00"}
GIVEN order_state
{"order_id": "o1", "status": "paid", "placed_at": "2026-11-11 00:01:00+00"}
{"order_id": "o2", "status": "cancelled", "placed_at": "2026-11-11 00:01:00+00"}
{"order_id": "o3", "status": "refunded", "placed_at": "2026-11-11 00:01:00+00"}
{"order_id": "o4", "status": "placed", "placed_at": "2026-11-11 00:01:00+00"}
GIVEN order_items
{"line_id": "l1", "order_id": "o1", "product_id": "p1", "quantity": 3}
{"line_id": "l2", "order_id": "o2", "product_id": "p1", "quantity": 3}
{"line_id": "l3", "order_id": "o3", "product_id": "p1", "quantity": 3}
{"line_id": "l4", "order_id": "o4", "product_id": "p2", "quantity": 3}
EXPECT sale_stock (product_id, name, given, sold, left_over, oversold)
{"product_id": "p1", "name": "Kettle", "given": 10, "sold": 3, "left_over": 7, "oversold": false}
{"product_id": "p2", "name": "Lamp", "given": 2, "sold": 3, "left_over": -1, "oversold": true}

-- test: the pace of the last five minutes, by event time
GIVEN stock
{"product_id": "p1", "warehouse": "w1", "version": 1, "on_hand": 100, "updated_at": "2026-11-10 00:00:00+00"}
{"product_id": "p2", "warehouse": "w1", "version": 1, "on_hand": 100, "updated_at": "2026-11-10 00:00:00+00"}
GIVEN product_cells
{"product_id": "p1", "minute": "2026-11-11 00:00:00+00", "live_units": 50}
{"product_id": "p1", "minute": "2026-11-11 00:05:00+00", "live_units": 15}
{"product_id": "p1", "minute": "2026-11-11 00:09:00+00", "live_units": 10}
{"product_id": "p2", "minute": "2026-11-11 00:04:00+00", "live_units": 10}
GIVEN sale_cells
{"minute": "2026-11-11 00:09:00+00", "channel": "web", "orders": 1}
EXPECT sale_stock (product_id, sold, left_over, burn_per_minute, minutes_left)
{"product_id": "p1", "sold": 75, "left_over": 25, "burn_per_minute": 5, "minutes_left": 5}
{"product_id": "p2", "sold": 10, "left_over": 90, "burn_per_minute": 0}
