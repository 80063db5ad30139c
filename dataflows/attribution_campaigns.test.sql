-- Campaigns: earnings by day against spend.
GIVEN campaigns
{"campaign_id": "a", "version": 1, "name": "Autumn", "platform": "google", "started_on": "2026-11-01", "budget": 1000, "currency": "CNY"}
{"campaign_id": "b", "version": 1, "name": "Brand", "platform": "meta", "started_on": "2026-11-01", "budget": 1000, "currency": "USD"}

-- test: the same credit by the day of the click and by the day of the order
GIVEN path_credits
{"order_id": "o1", "middle_days": 7, "campaign_id": "a", "clicked_at": "2026-11-09 23:59:59+00", "placed_at": "2026-11-11 00:00:00+00", "is_first_order": true, "gross_linear": 3000, "linear": 2000, "kept_linear": 500000}
{"order_id": "o1", "middle_days": 7, "campaign_id": "a", "clicked_at": "2026-11-10 00:00:00+00", "placed_at": "2026-11-11 00:00:00+00", "is_first_order": true, "gross_linear": 3000, "linear": 2000, "kept_linear": 500000}
GIVEN ad_spend
{"campaign_id": "a", "day": "2026-11-10", "version": 1, "currency": "CNY", "spend": 10, "impressions": 100, "clicks": 3}
EXPECT SELECT date_axis, day, name, platform, gross, net, refunded, conversions, new_customers, spend, roas, cac FROM attribution_daily WHERE model = 'linear' AND lookback_days = 7 AND campaign_id = 'a' ORDER BY date_axis, day;
{"date_axis": "click", "day": "2026-11-09", "name": "Autumn", "platform": "google", "gross": 30, "net": 20, "refunded": 10, "conversions": 0.5, "new_customers": 0.5, "spend": 0}
{"date_axis": "click", "day": "2026-11-10", "name": "Autumn", "platform": "google", "gross": 30, "net": 20, "refunded": 10, "conversions": 0.5, "new_customers": 0.5, "spend": 10, "roas": 2, "cac": 20}
{"date_axis": "conversion", "day": "2026-11-10", "name": "Autumn", "platform": "google", "gross": 0, "net": 0, "refunded": 0, "conversions": 0, "new_customers": 0, "spend": 10, "roas": 0}
{"date_axis": "conversion", "day": "2026-11-11", "name": "Autumn", "platform": "google", "gross": 60, "net": 40, "refunded": 20, "conversions": 1, "new_customers": 1, "spend": 0}

-- test: the platform restates its spend, in dollars, and the rate follows
GIVEN ad_spend
{"campaign_id": "b", "day": "2026-11-10", "version": 1, "currency": "USD", "spend": 100, "impressions": 1, "clicks": 1}
{"campaign_id": "b", "day": "2026-11-10", "version": 3, "currency": "USD", "spend": 80, "impressions": 1, "clicks": 1}
{"campaign_id": "b", "day": "2026-11-10", "version": 2, "currency": "USD", "spend": 90, "impressions": 1, "clicks": 1}
{"campaign_id": "b", "day": "2026-11-11", "version": 1, "currency": "USD", "spend": 1, "impressions": 1, "clicks": 1}
GIVEN fx_rates
{"currency": "USD", "day": "2026-11-10", "version": 1, "rate": 7}
EXPECT attribution_platforms (lookback_days, model, platform, spend, net)
{"lookback_days": 1, "model": "last_click", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 1, "model": "first_click", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 1, "model": "linear", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 1, "model": "time_decay", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 1, "model": "position_based", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 7, "model": "last_click", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 7, "model": "first_click", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 7, "model": "linear", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 7, "model": "time_decay", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 7, "model": "position_based", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 30, "model": "last_click", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 30, "model": "first_click", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 30, "model": "linear", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 30, "model": "time_decay", "platform": "meta", "spend": 560, "net": 0}
{"lookback_days": 30, "model": "position_based", "platform": "meta", "spend": 560, "net": 0}

-- test: what no click earned, and everything adds up to the orders
GIVEN orders
{"order_id": "o1", "channel": "web", "buyer_id": "b1", "status": "placed", "currency": "CNY", "amount": 90, "placed_at": "2026-11-11 00:00:00+00"}
{"order_id": "o2", "channel": "web", "buyer_id": "b2", "status": "placed", "currency": "CNY", "amount": 50, "placed_at": "2026-11-11 00:10:00+00"}
GIVEN payments
{"payment_id": "p1", "order_id": "o1", "status": "captured", "currency": "CNY", "amount": 90}
{"payment_id": "p2", "order_id": "o2", "status": "captured", "currency": "CNY", "amount": 50}
GIVEN refunds
{"refund_id": "r2", "order_id": "o2", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 20, "refunded_at": "2026-12-12 00:00:00+00"}
{"refund_id": "r1", "order_id": "o1", "kind": "refund", "status": "succeeded", "currency": "CNY", "amount": 10, "refunded_at": "2026-12-12 00:00:00+00"}
GIVEN touchpoints
{"touchpoint_id": "t1", "buyer_id": "b1", "campaign_id": "a", "kind": "click", "at": "2026-11-08 01:00:00+00"}
{"touchpoint_id": "t2", "buyer_id": "b1", "campaign_id": "b", "kind": "click", "at": "2026-11-08 02:00:00+00"}
EXPECT SELECT lookback_days, campaign_id, rank, gross, net, refunded, conversions, new_customers FROM attribution_campaigns WHERE model = 'linear' AND lookback_days < 30 ORDER BY lookback_days, campaign_id;
{"lookback_days": 1, "campaign_id": "(none)", "gross": 140, "net": 110, "refunded": 30, "conversions": 2}
{"lookback_days": 7, "campaign_id": "(none)", "gross": 50, "net": 30, "refunded": 20, "conversions": 1}
{"lookback_days": 7, "campaign_id": "a", "rank": 1, "gross": 45, "net": 40, "refunded": 5, "conversions": 0.5, "new_customers": 0.5}
{"lookback_days": 7, "campaign_id": "b", "rank": 2, "gross": 45, "net": 40, "refunded": 5, "conversions": 0.5, "new_customers": 0.5}
EXPECT SELECT DISTINCT total FROM (SELECT lookback_days, date_axis, model, sum(net) AS total FROM attribution_daily GROUP BY lookback_days, date_axis, model) AS totals;
{"total": 110}

-- test: the ranking of campaigns hangs on the model, and gross beside net shows what refunds did
GIVEN attribution_daily
{"lookback_days": 7, "date_axis": "conversion", "model": "last_click", "day": "2026-11-10", "campaign_id": "a", "name": "Autumn", "platform": "google", "gross": 100, "net": 40, "conversions": 1, "new_customers": 1, "spend": 20}
{"lookback_days": 7, "date_axis": "conversion", "model": "last_click", "day": "2026-11-11", "campaign_id": "a", "name": "Autumn", "platform": "google", "gross": 20, "net": 20, "conversions": 1, "new_customers": 0, "spend": 20}
{"lookback_days": 7, "date_axis": "conversion", "model": "last_click", "day": "2026-11-10", "campaign_id": "b", "name": "Brand", "platform": "meta", "gross": 70, "net": 70, "conversions": 2, "new_customers": 1, "spend": 70}
{"lookback_days": 7, "date_axis": "conversion", "model": "first_click", "day": "2026-11-10", "campaign_id": "a", "name": "Autumn", "platform": "google", "gross": 120, "net": 110, "conversions": 3, "new_customers": 2, "spend": 40}
{"lookback_days": 7, "date_axis": "conversion", "model": "first_click", "day": "2026-11-10", "campaign_id": "b", "name": "Brand", "platform": "meta", "gross": 70, "net": 20, "conversions": 0, "new_customers": 0, "spend": 70}
{"lookback_days": 7, "date_axis": "click", "model": "first_click", "day": "2026-11-10", "campaign_id": "b", "name": "Brand", "platform": "meta", "gross": 70, "net": 999, "conversions": 0, "new_customers": 0, "spend": 70}
EXPECT attribution_campaigns
{"lookback_days": 7, "model": "last_click", "rank": 1, "campaign_id": "b", "name": "Brand", "platform": "meta", "gross": 70, "net": 70, "refunded": 0, "conversions": 2, "new_customers": 1, "spend": 70, "roas": 1, "gross_roas": 1, "cac": 70}
{"lookback_days": 7, "model": "last_click", "rank": 2, "campaign_id": "a", "name": "Autumn", "platform": "google", "gross": 120, "net": 60, "refunded": 60, "conversions": 2, "new_customers": 1, "spend": 40, "roas": 1.5, "gross_roas": 3, "cac": 40}
{"lookback_days": 7, "model": "first_click", "rank": 1, "campaign_id": "a", "name": "Autumn", "platform": "google", "gross": 120, "net": 110, "refunded": 10, "conversions": 3, "new_customers": 2, "spend": 40, "roas": 2.75, "gross_roas": 3, "cac": 20}
{"lookback_days": 7, "model": "first_click", "rank": 2, "campaign_id": "b", "name": "Brand", "platform": "meta", "gross": 70, "net": 20, "refunded": 50, "conversions": 0, "new_customers": 0, "spend": 70, "roas": 0.2857142857142857, "gross_roas": 1}
