-- Adyen-like notifications: minor units, success flags, modifications that name their authorisation.

-- test: partial captures add up, a failed one is taken off again
GIVEN raw_adyen_notifications
{"pspReference": "AUTH1", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T01:00:01+01:00", "success": "true", "merchantReference": "web:1", "paymentMethod": "visa", "amount": {"value": 10000, "currency": "EUR"}}
{"pspReference": "CAP1", "eventCode": "CAPTURE", "received_at": "2026-11-11T00:01:02Z", "eventDate": "2026-11-11T01:01:01+01:00", "success": "true", "merchantReference": "web:1", "originalReference": "AUTH1", "paymentMethod": "visa", "amount": {"value": 4000, "currency": "EUR"}}
{"pspReference": "CAP2", "eventCode": "CAPTURE", "received_at": "2026-11-11T00:02:02Z", "eventDate": "2026-11-11T01:02:01+01:00", "success": "true", "merchantReference": "web:1", "originalReference": "AUTH1", "paymentMethod": "visa", "amount": {"value": 3500, "currency": "EUR"}}
EXPECT payments
{"payment_id": "adyen:AUTH1", "order_id": "web:1", "channel": "adyen", "method": "visa", "status": "captured", "currency": "EUR", "amount": 75, "created_at": "2026-11-11T00:00:01Z", "paid_at": "2026-11-11T00:01:01Z"}
GIVEN raw_adyen_notifications
{"pspReference": "CAP2", "eventCode": "CAPTURE_FAILED", "received_at": "2026-11-12T00:02:02Z", "eventDate": "2026-11-12T01:02:01+01:00", "success": "true", "merchantReference": "web:1", "originalReference": "AUTH1", "paymentMethod": "visa", "amount": {"value": 3500, "currency": "EUR"}}
EXPECT payments (payment_id, status, amount)
{"payment_id": "adyen:AUTH1", "status": "captured", "amount": 40}

-- test: a capture that arrives before its authorisation is the same payment
GIVEN raw_adyen_notifications
{"pspReference": "CAP1", "eventCode": "CAPTURE", "received_at": "2026-11-11T00:01:02Z", "eventDate": "2026-11-11T01:01:01+01:00", "success": "true", "merchantReference": "web:1", "originalReference": "AUTH1", "amount": {"value": 4000, "currency": "EUR"}}
EXPECT payments (payment_id, status, method, amount)
{"payment_id": "adyen:AUTH1", "status": "captured", "method": "unknown", "amount": 40}
GIVEN raw_adyen_notifications
{"pspReference": "AUTH1", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:09:02Z", "eventDate": "2026-11-11T01:00:01+01:00", "success": "true", "merchantReference": "web:1", "paymentMethod": "visa", "amount": {"value": 4000, "currency": "EUR"}}
EXPECT payments (payment_id, status, method, amount, created_at)
{"payment_id": "adyen:AUTH1", "status": "captured", "method": "visa", "amount": 40, "created_at": "2026-11-11T00:00:01Z"}

-- test: refused, cancelled and waiting authorisations
GIVEN raw_adyen_notifications
{"pspReference": "A1", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "false", "merchantReference": "web:1", "amount": {"value": 100, "currency": "EUR"}, "reason": "Refused"}
{"pspReference": "A2", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "web:2", "amount": {"value": 100, "currency": "EUR"}}
{"pspReference": "C2", "eventCode": "CANCEL_OR_REFUND", "received_at": "2026-11-11T00:00:09Z", "eventDate": "2026-11-11T00:00:08Z", "success": "true", "merchantReference": "web:2", "originalReference": "A2", "amount": {"value": 100, "currency": "EUR"}, "additionalData": {"modification.action": "cancel"}}
{"pspReference": "A3", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "web:3", "amount": {"value": 100, "currency": "EUR"}}
EXPECT payments (payment_id, status, paid_at)
{"payment_id": "adyen:A1", "status": "failed", "paid_at": null}
{"payment_id": "adyen:A2", "status": "voided", "paid_at": null}
{"payment_id": "adyen:A3", "status": "authorised", "paid_at": null}

-- test: a refund that comes back, one that fails, a chargeback
GIVEN raw_adyen_notifications
{"pspReference": "R1", "eventCode": "REFUND", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "web:1", "originalReference": "A1", "amount": {"value": 100, "currency": "EUR"}}
{"pspReference": "R2", "eventCode": "REFUND", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "web:2", "originalReference": "A2", "amount": {"value": 9900, "currency": "JPY"}}
{"pspReference": "D3", "eventCode": "NOTIFICATION_OF_CHARGEBACK", "received_at": "2026-11-30T00:00:02Z", "eventDate": "2026-11-30T00:00:01Z", "success": "true", "merchantReference": "web:3", "originalReference": "A3", "amount": {"value": 300, "currency": "EUR"}}
EXPECT refunds (refund_id, order_id, kind, status, currency, amount)
{"refund_id": "adyen:R1", "order_id": "web:1", "kind": "refund", "status": "succeeded", "currency": "EUR", "amount": 1}
{"refund_id": "adyen:R2", "order_id": "web:2", "kind": "refund", "status": "succeeded", "currency": "JPY", "amount": 9900}
{"refund_id": "adyen:D3", "order_id": "web:3", "kind": "chargeback", "status": "requested", "currency": "EUR", "amount": 3}
GIVEN raw_adyen_notifications
{"pspReference": "R1", "eventCode": "REFUNDED_REVERSED", "received_at": "2026-11-13T00:00:02Z", "eventDate": "2026-11-13T00:00:01Z", "success": "true", "merchantReference": "web:1", "originalReference": "A1", "amount": {"value": 100, "currency": "EUR"}}
{"pspReference": "R2", "eventCode": "REFUND_FAILED", "received_at": "2026-11-13T00:00:02Z", "eventDate": "2026-11-13T00:00:01Z", "success": "true", "merchantReference": "web:2", "originalReference": "A2", "amount": {"value": 9900, "currency": "JPY"}}
{"pspReference": "D3", "eventCode": "CHARGEBACK", "received_at": "2026-12-03T00:00:02Z", "eventDate": "2026-12-03T00:00:01Z", "success": "true", "merchantReference": "web:3", "originalReference": "A3", "amount": {"value": 300, "currency": "EUR"}}
EXPECT refunds (refund_id, status, refunded_at)
{"refund_id": "adyen:R1", "status": "reversed", "refunded_at": "2026-11-11T00:00:01Z"}
{"refund_id": "adyen:R2", "status": "failed", "refunded_at": null}
{"refund_id": "adyen:D3", "status": "succeeded", "refunded_at": "2026-12-03T00:00:01Z"}

-- test: what cannot be read is quarantined by reference and code, and leaves when delivered again
GIVEN raw_adyen_notifications
{"pspReference": "X1", "eventCode": "REPORT_AVAILABLE", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "r"}
{"pspReference": "X2", "eventCode": "CAPTURE", "received_at": "2026-11-11T00:00:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "web:1", "amount": {"value": 100, "currency": "EUR"}}
{"pspReference": "X3", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:00:02Z", "eventDate": "soon", "success": "true", "merchantReference": "web:1", "amount": {"value": 100, "currency": "EUR"}}
EXPECT quarantine (id, rule)
{"id": "adyen:X1/REPORT_AVAILABLE", "rule": "event_unknown"}
{"id": "adyen:X2/CAPTURE", "rule": "payload_invalid"}
{"id": "adyen:X3/AUTHORISATION", "rule": "time_invalid"}
GIVEN raw_adyen_notifications
{"pspReference": "X3", "eventCode": "AUTHORISATION", "received_at": "2026-11-11T00:05:02Z", "eventDate": "2026-11-11T00:00:01Z", "success": "true", "merchantReference": "web:1", "amount": {"value": 100, "currency": "EUR"}}
EXPECT quarantine (id)
{"id": "adyen:X1/REPORT_AVAILABLE"}
{"id": "adyen:X2/CAPTURE"}
EXPECT payments (payment_id)
{"payment_id": "adyen:X3"}
