//! A Shopify-like shop: snapshots of the whole order, and transactions where the shop takes the money itself.

use serde_json::json;

use super::super::post::Post;
use super::super::story::{PaymentEnd, Provider, Refund, RefundEnd, Story};
use super::super::stream::Stream;
use super::super::value::{Major, Value, with_offset};
use super::{Holds, ids, moments};

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    for (step, (at_ms, version_ms)) in moments(story).into_iter().enumerate() {
        let held_ms = if step == 0 { holds.order_ms } else { 0 };
        post.send(at_ms, held_ms, Stream::ShopifyOrders, || snapshot(story, at_ms, version_ms));
    }
    if story.provider == Provider::Channel {
        tell_transactions(story, holds, post);
    }
}

fn money(minor: i64) -> String {
    Major(minor).to_string()
}

fn gateway(story: &Story) -> &'static str {
    match story.provider {
        Provider::Channel => "shopify_payments",
        Provider::Stripe => "stripe",
        Provider::Adyen => "adyen",
    }
}

fn financial_status(story: &Story, at_ms: i64) -> &'static str {
    let (paid_minor, returned_minor) = (story.paid_minor(at_ms), story.returned_minor(at_ms));
    let is_voided = |end: PaymentEnd| matches!(end, PaymentEnd::Voided(voided_ms) if voided_ms <= at_ms);
    let is_authorised = story.payments.iter().any(|payment| payment.in_two_steps && payment.created_ms <= at_ms);
    match () {
        () if paid_minor > 0 && returned_minor >= paid_minor => "refunded",
        () if returned_minor > 0 => "partially_refunded",
        () if paid_minor > 0 && paid_minor >= story.amount_minor(at_ms) => "paid",
        () if paid_minor > 0 => "partially_paid",
        () if story.payments.iter().any(|payment| is_voided(payment.end)) => "voided",
        () if is_authorised => "authorized",
        () => "pending",
    }
}

fn snapshot(story: &Story, at_ms: i64, version_ms: i64) -> Vec<Value> {
    let amount_minor = story.amount_minor(at_ms);
    let shown = |at_ms: i64| with_offset(at_ms, story.offset_hours);
    let json = |value: serde_json::Value| Value::Json(value.to_string().into());
    let lines = story.lines.iter().enumerate().map(|(index, line)| {
        json!({
            "id": ids::shopify_line(story, index),
            "sku": format!("P{}", line.product),
            "quantity": line.quantity,
            "price": money(line.unit_minor),
            "total_discount": money(line.unit_minor * line.quantity - story.line_minor(line, at_ms)),
        })
    });
    let shipped = story.shipments.iter().enumerate().filter(|(_, shipment)| shipment.shipped_ms <= at_ms);
    let fulfillments: Vec<_> = shipped
        .map(|(index, shipment)| {
            let is_delivered = shipment.delivered_ms.is_some_and(|delivered_ms| delivered_ms <= at_ms);
            json!({
                "id": ids::shopify_order(story) * 10 + index as u64,
                "status": "success",
                "shipment_status": if is_delivered { "delivered" } else { "in_transit" },
                "created_at": shown(shipment.shipped_ms),
                "line_items": [{"id": ids::shopify_line(story, shipment.line), "quantity": shipment.quantity}],
            })
        })
        .collect();
    let asked_for = |refund: &Refund| !refund.chargeback && refund.requested_ms <= at_ms;
    let refunds = story.refunds.iter().enumerate().filter(|(_, refund)| asked_for(refund));
    let refunds: Vec<_> = refunds.map(|(index, refund)| refund_json(story, index, refund, at_ms)).collect();
    let fulfilled = match fulfillments.len() {
        0 => Value::Null,
        some if some < story.lines.len() => Value::Word("partial"),
        _ => Value::Word("fulfilled"),
    };
    let discount_codes = story.coupon.map(|coupon| json!({"code": format!("CPN{coupon}"), "type": "percentage"}));
    let cancelled_ms = story.cancelled_ms.filter(|cancelled_ms| *cancelled_ms <= at_ms);
    vec![
        Value::Number(ids::shopify_order(story) as i64),
        Value::Time(version_ms),
        Value::Code("#", story.number),
        Value::text(shown(story.placed_ms)),
        cancelled_ms.map_or(Value::Null, |cancelled_ms| Value::text(shown(cancelled_ms))),
        Value::Word(story.currency),
        Value::text(money(amount_minor)),
        Value::text(money(story.list_minor() - amount_minor)),
        Value::Word(financial_status(story, at_ms)),
        fulfilled,
        json(json!({"id": story.buyer.unwrap_or_default()})),
        json(json!({"province": story.region})),
        json(discount_codes.into_iter().collect()),
        json(lines.collect()),
        json(fulfillments.into()),
        json(refunds.into()),
    ]
}

fn refund_json(story: &Story, index: usize, refund: &Refund, at_ms: i64) -> serde_json::Value {
    let shown = |at_ms: i64| with_offset(at_ms, story.offset_hours);
    let (status, processed_ms) = match refund.end {
        RefundEnd::Succeeded(paid_ms) | RefundEnd::Reversed { paid_ms, .. } if paid_ms <= at_ms => ("success", paid_ms),
        RefundEnd::Failed(failed_ms) if failed_ms <= at_ms => ("failure", failed_ms),
        _ => ("pending", refund.requested_ms),
    };
    let id = ids::shopify_refund(story, index);
    let lines = refund.line.map(|line| {
        json!({"id": id * 10, "line_item_id": ids::shopify_line(story, line), "quantity": story.lines[line].quantity,
            "subtotal": money(refund.amount_minor)})
    });
    json!({
        "id": id,
        "created_at": shown(refund.requested_ms),
        "refund_line_items": lines.into_iter().collect::<Vec<_>>(),
        "transactions": [{
            "id": id,
            "kind": "refund",
            "status": status,
            "gateway": gateway(story),
            "amount": money(refund.amount_minor),
            "currency": story.currency,
            "processed_at": shown(processed_ms),
        }],
    })
}

fn tell_transactions(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    for (index, payment) in story.payments.iter().enumerate() {
        let root = ids::shopify_transaction(story, index);
        let mut step = 0;
        let mut send = |at_ms: i64, kind: &'static str, status: &'static str| {
            let (id, parent) = (root + step, (step > 0).then_some(root));
            step += 1;
            post.send(at_ms, holds.payments_ms, Stream::ShopifyTransactions, || {
                let shown = Value::text(with_offset(at_ms, story.offset_hours));
                vec![
                    Value::Number(id as i64),
                    Value::Null,
                    Value::Number(ids::shopify_order(story) as i64),
                    parent.map_or(Value::Null, |parent| Value::Number(parent as i64)),
                    Value::Word(kind),
                    Value::Word(status),
                    Value::Word("shopify_payments"),
                    Value::text(money(payment.amount_minor)),
                    Value::Word(story.currency),
                    shown.clone(),
                    shown,
                ]
            });
        };
        if payment.in_two_steps {
            send(payment.created_ms, "authorization", "success");
            match payment.end {
                PaymentEnd::Captured(at_ms) => send(at_ms, "capture", "success"),
                PaymentEnd::Voided(at_ms) => send(at_ms, "void", "success"),
                PaymentEnd::Authorised | PaymentEnd::Failed => {}
            }
        } else {
            send(payment.created_ms, "sale", if payment.end == PaymentEnd::Failed { "failure" } else { "success" });
        }
    }
}
