-- Stripe-like events: envelopes, minor units, states in any order, refunds found through their payment intent.

-- test: a payment intent's most advanced event counts, whatever came last
GIVEN raw_stripe_events
{"id": "evt_3", "received_at": "2026-11-11T00:00:09Z", "type": "payment_intent.succeeded", "created": 1794355207, "data": {"object": {"id": "pi_1", "object": "payment_intent", "amount": 2599, "currency": "usd", "status": "succeeded", "payment_method_types": ["card"], "created": 1794355201, "metadata": {"order_id": "web:1"}}}}
{"id": "evt_1", "received_at": "2026-11-11T00:00:20Z", "type": "payment_intent.payment_failed", "created": 1794355203, "data": {"object": {"id": "pi_1", "object": "payment_intent", "amount": 2599, "currency": "usd", "status": "requires_payment_method", "payment_method_types": ["card"], "created": 1794355201, "metadata": {"order_id": "web:1"}}}}
{"id": "evt_0", "received_at": "2026-11-11T00:00:30Z", "type": "payment_intent.created", "created": 1794355201, "data": {"object": {"id": "pi_1", "object": "payment_intent", "amount": 2599, "currency": "usd", "status": "requires_payment_method", "payment_method_types": ["card"], "created": 1794355201, "metadata": {"order_id": "web:1"}}}}
EXPECT payments
{"payment_id": "stripe:pi_1", "order_id": "web:1", "channel": "stripe", "method": "card", "status": "captured", "currency": "USD", "amount": "25.99", "created_at": "2026-11-11T00:00:01Z", "paid_at": "2026-11-11T00:00:07Z"}

-- test: authorised, voided and refused intents; one that was only created is no payment yet
GIVEN raw_stripe_events
{"id": "evt_a", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.amount_capturable_updated", "created": 1794355201, "data": {"object": {"id": "pi_a", "amount": 100, "currency": "eur", "status": "requires_capture", "metadata": {"order_id": "web:1"}}}}
{"id": "evt_b", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.canceled", "created": 1794355201, "data": {"object": {"id": "pi_b", "amount": 100, "currency": "eur", "status": "canceled", "metadata": {"order_id": "web:2"}}}}
{"id": "evt_c", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.payment_failed", "created": 1794355201, "data": {"object": {"id": "pi_c", "amount": 100, "currency": "eur", "status": "requires_payment_method", "metadata": {"order_id": "web:3"}}}}
{"id": "evt_d", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.processing", "created": 1794355201, "data": {"object": {"id": "pi_d", "amount": 100, "currency": "eur", "status": "processing", "metadata": {"order_id": "web:4"}}}}
EXPECT payments (payment_id, status, amount, paid_at)
{"payment_id": "stripe:pi_a", "status": "authorised", "amount": 1, "paid_at": null}
{"payment_id": "stripe:pi_b", "status": "voided", "amount": 1, "paid_at": null}
{"payment_id": "stripe:pi_c", "status": "failed", "amount": 1, "paid_at": null}
EXPECT EMPTY quarantine

-- test: yen have no minor unit
GIVEN raw_stripe_events
{"id": "evt_1", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.succeeded", "created": 1794355201, "data": {"object": {"id": "pi_1", "amount": 4980, "currency": "jpy", "status": "succeeded", "metadata": {"order_id": "web:1"}}}}
EXPECT payments (amount, currency)
{"amount": 4980, "currency": "JPY"}

-- test: a refund before its payment belongs to an order nobody knows, then to its own
GIVEN raw_stripe_events
{"id": "evt_r", "received_at": "2026-11-12T00:00:01Z", "type": "refund.updated", "created": 1794441600, "data": {"object": {"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "status": "succeeded", "payment_intent": "pi_1", "created": 1794441540, "metadata": {}}}}
EXPECT refunds (refund_id, order_id)
{"refund_id": "stripe:re_1", "order_id": "stripe:pi_1"}
GIVEN raw_stripe_events
{"id": "evt_p", "received_at": "2026-11-12T00:00:05Z", "type": "payment_intent.succeeded", "created": 1794355201, "data": {"object": {"id": "pi_1", "amount": 2000, "currency": "usd", "status": "succeeded", "metadata": {"order_id": "shopify:9"}}}}
EXPECT refunds (refund_id, order_id, kind, status, amount, requested_at, refunded_at)
{"refund_id": "stripe:re_1", "order_id": "shopify:9", "kind": "refund", "status": "succeeded", "amount": 5, "requested_at": "2026-11-11T23:59:00Z", "refunded_at": "2026-11-12T00:00:00Z"}

-- test: a refund that fails after it seemed to succeed has given nothing back
GIVEN raw_stripe_events
{"id": "evt_1", "received_at": "2026-11-12T00:00:01Z", "type": "refund.updated", "created": 1794441600, "data": {"object": {"id": "re_1", "amount": 500, "currency": "usd", "status": "succeeded", "payment_intent": "pi_1"}}}
{"id": "evt_2", "received_at": "2026-11-14T00:00:01Z", "type": "refund.failed", "created": 1794614400, "data": {"object": {"id": "re_1", "amount": 500, "currency": "usd", "status": "failed", "payment_intent": "pi_1"}}}
EXPECT refunds (status, refunded_at)
{"status": "failed", "refunded_at": null}

-- test: a dispute takes the money, a won one brings it back
GIVEN raw_stripe_events
{"id": "evt_1", "received_at": "2026-12-01T00:00:01Z", "type": "charge.dispute.created", "created": 1796083200, "data": {"object": {"id": "dp_1", "object": "dispute", "amount": 2000, "currency": "usd", "status": "needs_response", "payment_intent": "pi_1"}}}
{"id": "evt_2", "received_at": "2026-12-01T00:00:02Z", "type": "charge.dispute.funds_withdrawn", "created": 1796083201, "data": {"object": {"id": "dp_1", "object": "dispute", "amount": 2000, "currency": "usd", "status": "needs_response", "payment_intent": "pi_1"}}}
EXPECT refunds (refund_id, kind, status, amount)
{"refund_id": "stripe:dp_1", "kind": "chargeback", "status": "succeeded", "amount": 20}
GIVEN raw_stripe_events
{"id": "evt_3", "received_at": "2026-12-20T00:00:02Z", "type": "charge.dispute.closed", "created": 1797724800, "data": {"object": {"id": "dp_1", "object": "dispute", "amount": 2000, "currency": "usd", "status": "won", "payment_intent": "pi_1"}}}
EXPECT refunds (refund_id, kind, status)
{"refund_id": "stripe:dp_1", "kind": "chargeback", "status": "reversed"}

-- test: events about charges repeat what is known; unknown events and broken objects are quarantined until delivered again
GIVEN raw_stripe_events
{"id": "evt_1", "received_at": "2026-11-11T00:00:01Z", "type": "charge.refunded", "created": 1794355201, "data": {"object": {"id": "ch_1", "object": "charge", "amount": 100, "amount_refunded": 100, "currency": "usd"}}}
{"id": "evt_2", "received_at": "2026-11-11T00:00:01Z", "type": "invoice.paid", "created": 1794355201, "data": {"object": {"id": "in_1", "currency": "usd"}}}
{"id": "evt_3", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.succeeded", "created": 1794355201, "data": {}}
{"id": "evt_4", "received_at": "2026-11-11T00:00:01Z", "type": "payment_intent.succeeded", "created": 1794355201, "data": {"object": {"id": "pi_4", "amount": 100, "currency": "usd", "status": "paid", "metadata": {"order_id": "web:1"}}}}
EXPECT EMPTY payments
EXPECT quarantine (channel, kind, id, rule)
{"channel": "stripe", "kind": "event", "id": "stripe:evt_2", "rule": "event_unknown"}
{"channel": "stripe", "kind": "payment", "id": "stripe:evt_3", "rule": "payload_invalid"}
{"channel": "stripe", "kind": "payment", "id": "stripe:evt_4", "rule": "status_unknown"}
GIVEN raw_stripe_events
{"id": "evt_2", "received_at": "2026-11-11T00:01:00Z", "type": "charge.updated", "created": 1794355201, "data": {"object": {"id": "ch_1", "currency": "usd"}}}
{"id": "evt_3", "received_at": "2026-11-11T00:01:00Z", "type": "payment_intent.succeeded", "created": 1794355201, "data": {"object": {"id": "pi_3", "amount": 100, "currency": "usd", "status": "succeeded", "metadata": {"order_id": "web:1"}}}}
EXPECT payments (payment_id)
{"payment_id": "stripe:pi_3"}
EXPECT quarantine (id)
{"id": "stripe:evt_4"}
