-- Credits of single orders.

-- test: five models share one order's net value
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "placed_at": "2026-11-15 00:00:00+00"}
GIVEN order_state
{"order_id": "o1", "status": "paid", "payments": 1, "refunds": 0, "paid": 100, "fx_rate": 1, "paid_cny": 100, "net_cny": 100}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-01 00:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-08 00:00:00+00"}
{"touchpoint_id": "t3", "buyer_id": "b1", "campaign_id": "c", "kind": "click", "at": "2026-11-15 00:00:00+00"}
{"touchpoint_id": "t4", "buyer_id": "b1", "campaign_id": "d", "kind": "impression", "at": "2026-11-14 00:00:00+00"}
{"touchpoint_id": "t5", "buyer_id": "b1", "campaign_id": "d", "kind": "click", "at": "2026-11-15 00:00:01+00"}
{"touchpoint_id": "t6", "buyer_id": "b2", "campaign_id": "d", "kind": "click", "at": "2026-11-14 00:00:00+00"}
EXPECT SELECT position, campaign_id, last_click, first_click, linear, time_decay, position_based FROM attribution_credits WHERE lookback_days = 30 ORDER BY position;
{"position": 1, "campaign_id": "a", "last_click": 0, "first_click": 100, "linear": 33.33, "time_decay": 14.29, "position_based": 40}
{"position": 2, "campaign_id": "b", "last_click": 0, "first_click": 0, "linear": 33.34, "time_decay": 28.57, "position_based": 20}
{"position": 3, "campaign_id": "c", "last_click": 100, "first_click": 0, "linear": 33.33, "time_decay": 57.14, "position_based": 40}

-- test: two clicks and one click
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "placed_at": "2026-11-15 00:00:00+00"}
{"order_id": "o2", "buyer_id": "b2", "placed_at": "2026-11-15 00:00:00+00"}
GIVEN order_state
{"order_id": "o1", "status": "paid", "payments": 1, "paid": 10.01, "fx_rate": 1, "paid_cny": 10.01, "net_cny": 10.01}
{"order_id": "o2", "status": "paid", "payments": 1, "paid": 5, "fx_rate": 1, "paid_cny": 5, "net_cny": 5}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-14 12:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-14 12:00:00+00"}
{"touchpoint_id": "t3", "buyer_id": "b2", "campaign_id": "b", "kind": "click", "at": "2026-11-14 12:00:00+00"}
EXPECT SELECT order_id, campaign_id, linear, time_decay, position_based, kept_linear FROM attribution_credits WHERE lookback_days = 1 ORDER BY order_id, position;
{"order_id": "o1", "campaign_id": "a", "linear": 5.01, "time_decay": 5.01, "position_based": 5.01, "kept_linear": 0.5}
{"order_id": "o1", "campaign_id": "b", "linear": 5, "time_decay": 5, "position_based": 5, "kept_linear": 0.5}
{"order_id": "o2", "campaign_id": "b", "linear": 5, "time_decay": 5, "position_based": 5, "kept_linear": 1}

-- test: credits add up to the cent, in every model and look-back, with '(none)' too
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "placed_at": "2026-11-15 00:00:00+00"}
{"order_id": "o2", "buyer_id": "b1", "placed_at": "2026-11-16 07:00:00+00"}
{"order_id": "o3", "buyer_id": "b9", "placed_at": "2026-11-16 07:00:00+00"}
GIVEN order_state
{"order_id": "o1", "status": "paid", "payments": 1, "paid": 0.05, "fx_rate": 1, "paid_cny": 0.05, "net_cny": 0.05}
{"order_id": "o2", "status": "refunded", "payments": 1, "refunds": 1, "paid": 99.99, "fx_rate": 1, "paid_cny": 99.99, "net_cny": -33.34}
{"order_id": "o3", "status": "paid", "payments": 1, "paid": 7, "fx_rate": 1, "paid_cny": 7, "net_cny": 7}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-14 01:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-14 02:00:00+00"}
{"touchpoint_id": "t3", "buyer_id": "b1", "campaign_id": "c", "kind": "click", "at": "2026-11-14 03:00:00+00"}
{"touchpoint_id": "t4", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-10 03:00:00+00"}
{"touchpoint_id": "t5", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-09 03:00:00+00"}
{"touchpoint_id": "t6", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-10-30 03:00:00+00"}
{"touchpoint_id": "t7", "buyer_id": "b1", "campaign_id": "c", "kind": "click", "at": "2026-10-29 03:00:00+00"}
EXPECT SELECT order_id, lookback_days, count(*) AS parts, sum(last_click) AS last_click, sum(first_click) AS first_click, sum(linear) AS linear, sum(time_decay) AS time_decay, sum(position_based) AS position_based FROM attribution_order_credits GROUP BY order_id, lookback_days ORDER BY order_id, lookback_days;
{"order_id": "o1", "lookback_days": 1, "parts": 3, "last_click": 0.05, "first_click": 0.05, "linear": 0.05, "time_decay": 0.05, "position_based": 0.05}
{"order_id": "o1", "lookback_days": 7, "parts": 5, "last_click": 0.05, "first_click": 0.05, "linear": 0.05, "time_decay": 0.05, "position_based": 0.05}
{"order_id": "o1", "lookback_days": 30, "parts": 7, "last_click": 0.05, "first_click": 0.05, "linear": 0.05, "time_decay": 0.05, "position_based": 0.05}
{"order_id": "o2", "lookback_days": 1, "parts": 1, "last_click": -33.34, "first_click": -33.34, "linear": -33.34, "time_decay": -33.34, "position_based": -33.34}
{"order_id": "o2", "lookback_days": 7, "parts": 4, "last_click": -33.34, "first_click": -33.34, "linear": -33.34, "time_decay": -33.34, "position_based": -33.34}
{"order_id": "o2", "lookback_days": 30, "parts": 7, "last_click": -33.34, "first_click": -33.34, "linear": -33.34, "time_decay": -33.34, "position_based": -33.34}
{"order_id": "o3", "lookback_days": 1, "parts": 1, "last_click": 7, "first_click": 7, "linear": 7, "time_decay": 7, "position_based": 7}
{"order_id": "o3", "lookback_days": 7, "parts": 1, "last_click": 7, "first_click": 7, "linear": 7, "time_decay": 7, "position_based": 7}
{"order_id": "o3", "lookback_days": 30, "parts": 1, "last_click": 7, "first_click": 7, "linear": 7, "time_decay": 7, "position_based": 7}

-- test: the edge of the look-back: a click just inside earns, one just outside does not
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "placed_at": "2026-11-15 00:00:00+00"}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-14 00:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-14 00:00:01+00"}
{"touchpoint_id": "t3", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-10-16 00:00:00+00"}
EXPECT attribution_paths (lookback_days, touchpoint_id, position, touches)
{"lookback_days": 1, "touchpoint_id": "t2", "position": 1, "touches": 1}
{"lookback_days": 7, "touchpoint_id": "t1", "position": 1, "touches": 2}
{"lookback_days": 7, "touchpoint_id": "t2", "position": 2, "touches": 2}
{"lookback_days": 30, "touchpoint_id": "t1", "position": 1, "touches": 2}
{"lookback_days": 30, "touchpoint_id": "t2", "position": 2, "touches": 2}

-- test: a refund thirty days later takes the credits back, what remains is told to the platform
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 90, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "o2", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 50, "placed_at": "2026-11-11 00:10:00+00"}
{"order_id": "o3", "buyer_id": "b2", "status": "placed", "currency": "CNY", "amount": 50, "placed_at": "2026-11-11 00:10:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "o1", "status": "captured", "currency": "CNY", "amount": 90}
{"payment_id": "p2", "order_id": "o2", "status": "captured", "currency": "CNY", "amount": 50}
{"payment_id": "p3", "order_id": "o3", "status": "captured", "currency": "CNY", "amount": 50}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-10 01:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-10 02:00:00+00"}
EXPECT SELECT campaign_id, sum(linear) AS net FROM attribution_credits WHERE lookback_days = 7 GROUP BY campaign_id;
{"campaign_id": "a", "net": 70}
{"campaign_id": "b", "net": 70}
EXPECT EMPTY attribution_adjustments
TICK
GIVEN refunds
{"refund_id": "r1", "order_id": "o1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 90, "refunded_at": "2026-12-11 00:00:00+00"}
{"refund_id": "r2", "order_id": "o2", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 20, "refunded_at": "2026-12-12 00:00:00+00"}
{"refund_id": "r3", "order_id": "o3", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 20, "refunded_at": "2026-12-12 00:00:00+00"}
EXPECT SELECT campaign_id, sum(linear) AS net, sum(gross_linear) AS gross, sum(kept_linear) AS kept FROM attribution_credits WHERE lookback_days = 7 GROUP BY campaign_id;
{"campaign_id": "a", "net": 15, "gross": 70, "kept": 0.5}
{"campaign_id": "b", "net": 15, "gross": 70, "kept": 0.5}
EXPECT attribution_adjustments
{"order_id": "o1", "campaign_id": "b", "touchpoint_id": "t2", "adjustment_type": "RETRACTION", "conversion_time": "2026-11-11 00:00:00+00", "adjustment_time": "2026-12-11 00:00:00+00", "currency": "CNY"}
{"order_id": "o2", "campaign_id": "b", "touchpoint_id": "t2", "adjustment_type": "RESTATEMENT", "conversion_time": "2026-11-11 00:10:00+00", "adjustment_time": "2026-12-12 00:00:00+00", "adjusted_value": 30, "currency": "CNY"}

-- test: only the buyer's first order wins a customer
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "placed_at": "2026-11-15 00:00:00+00"}
{"order_id": "o2", "buyer_id": "b1", "placed_at": "2026-11-15 01:00:00+00"}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-14 12:00:00+00"}
EXPECT SELECT order_id, is_first_order FROM attribution_paths WHERE lookback_days = 1 ORDER BY order_id;
{"order_id": "o1", "is_first_order": true}
{"order_id": "o2", "is_first_order": false}

-- test: look-backs and the half-life are settings
GIVEN orders
{"order_id": "o1", "buyer_id": "b1", "placed_at": "2026-11-15 00:00:00+00"}
GIVEN order_state
{"order_id": "o1", "status": "paid", "payments": 1, "refunds": 0, "paid": 90, "fx_rate": 1, "paid_cny": 90, "net_cny": 90}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-10-10 00:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-08 00:00:00+00"}
{"touchpoint_id": "t3", "buyer_id": "b1", "campaign_id": "c", "kind": "click", "at": "2026-11-15 00:00:00+00"}
EXPECT SELECT lookback_days, campaign_id, first_click, linear, time_decay FROM attribution_credits ORDER BY lookback_days, position;
{"lookback_days": 1, "campaign_id": "c", "first_click": 90, "linear": 90, "time_decay": 90}
{"lookback_days": 7, "campaign_id": "c", "first_click": 90, "linear": 90, "time_decay": 90}
{"lookback_days": 30, "campaign_id": "b", "first_click": 90, "linear": 45, "time_decay": 30}
{"lookback_days": 30, "campaign_id": "c", "first_click": 0, "linear": 45, "time_decay": 60}
TICK
GIVEN settings
{"name": "lookback_middle_days", "value": 30}
{"name": "lookback_long_days", "value": 60}
{"name": "half_life_days", "value": 3.5}
EXPECT SELECT lookback_days, campaign_id, first_click, linear, time_decay FROM attribution_credits WHERE lookback_days <> 60 ORDER BY lookback_days, position;
{"lookback_days": 1, "campaign_id": "c", "first_click": 90, "linear": 90, "time_decay": 90}
{"lookback_days": 30, "campaign_id": "b", "first_click": 90, "linear": 45, "time_decay": 18}
{"lookback_days": 30, "campaign_id": "c", "first_click": 0, "linear": 45, "time_decay": 72}
EXPECT SELECT campaign_id, first_click, linear FROM attribution_credits WHERE lookback_days = 60 ORDER BY position;
{"campaign_id": "a", "first_click": 90, "linear": 30}
{"campaign_id": "b", "first_click": 0, "linear": 30}
{"campaign_id": "c", "first_click": 0, "linear": 30}
EXPECT SELECT lookback_days, net FROM attribution_campaigns WHERE model = 'last_click' AND campaign_id = 'c' ORDER BY lookback_days;
{"lookback_days": 1, "net": 90}
{"lookback_days": 30, "net": 90}
{"lookback_days": 60, "net": 90}
