//! Our own shop: typed, flat rows, a version counted up by two with every change.

use super::super::post::Post;
use super::super::story::{Payment, PaymentEnd, Provider, RefundEnd, Story};
use super::super::stream::Stream;
use super::super::value::Value;
use super::{Holds, ids};

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    tell_order(story, holds, post);
    if story.provider == Provider::Channel {
        for (index, payment) in story.payments.iter().enumerate() {
            tell_payment(story, index, payment, holds, post);
        }
        if let Some(orphan) = &story.orphan {
            tell_payment(story, ids::ORPHAN, orphan, holds, post);
        }
        tell_refunds(story, post);
    }
    tell_shipments(story, post);
}

fn tell_order(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    let mut moments = [Some(story.placed_ms), story.revised_ms, story.cancelled_ms];
    moments.sort_unstable();
    for (step, at_ms) in moments.into_iter().flatten().enumerate() {
        let held_ms = if step == 0 { holds.order_ms } else { 0 };
        let version = 2 * (step as i64 + 1);
        post.send(at_ms, held_ms, Stream::WebOrders, || order_row(story, version, at_ms));
        if step == 0 || story.revised_ms == Some(at_ms) {
            for line in 0..story.lines.len() {
                post.send(at_ms, held_ms, Stream::WebItems, || item_row(story, line, version, at_ms));
            }
        }
    }
}

fn order_row(story: &Story, version: i64, at_ms: i64) -> Vec<Value> {
    let amount_minor = story.amount_minor(at_ms);
    let cancelled_ms = story.cancelled_ms.filter(|cancelled_ms| *cancelled_ms <= at_ms);
    vec![
        Value::Number(story.number as i64),
        Value::Number(version),
        Value::Number(story.buyer.unwrap_or_default() as i64),
        Value::Word(if cancelled_ms.is_some() { "cancelled" } else { "placed" }),
        Value::Word(story.currency),
        Value::Money(amount_minor),
        Value::Money(story.list_minor() - amount_minor),
        story.coupon.map_or(Value::Null, |coupon| Value::Code("CPN", coupon)),
        Value::Word(story.region),
        Value::Time(story.placed_ms),
        Value::time(cancelled_ms),
        Value::Time(at_ms),
    ]
}

fn item_row(story: &Story, line: usize, version: i64, at_ms: i64) -> Vec<Value> {
    let of = &story.lines[line];
    vec![
        Value::Number(story.number as i64),
        Value::Number(line as i64 + 1),
        Value::Number(version),
        Value::product(of.product),
        Value::Number(of.quantity),
        Value::Money(of.unit_minor),
        Value::Money(story.line_minor(of, at_ms)),
    ]
}

fn tell_payment(story: &Story, index: usize, payment: &Payment, holds: &Holds, post: &mut Post<'_>) {
    let row = |version: i64, status: &'static str, paid_ms: Option<i64>| {
        vec![
            Value::Number(ids::web_child(story, index) as i64),
            Value::Number(version),
            Value::Number(ids::web_order(story, index) as i64),
            Value::Word(payment.method),
            Value::Word(status),
            Value::Word(story.currency),
            Value::Money(payment.amount_minor),
            Value::Time(payment.created_ms),
            Value::time(paid_ms),
        ]
    };
    let mut version = 0;
    let mut send = |at_ms: i64, status: &'static str, paid_ms: Option<i64>| {
        version += 2;
        post.send(at_ms, holds.payments_ms, Stream::WebPayments, || row(version, status, paid_ms));
    };
    if payment.in_two_steps || payment.end == PaymentEnd::Authorised {
        send(payment.created_ms, "authorised", None);
    }
    match payment.end {
        PaymentEnd::Authorised => {}
        PaymentEnd::Failed => send(payment.created_ms, "failed", None),
        PaymentEnd::Voided(at_ms) => send(at_ms, "voided", None),
        PaymentEnd::Captured(at_ms) => send(at_ms, "captured", Some(at_ms)),
    }
}

fn tell_refunds(story: &Story, post: &mut Post<'_>) {
    for (index, refund) in story.refunds.iter().enumerate() {
        let row = |version: i64, status: &'static str, refunded_ms: Option<i64>| {
            vec![
                Value::Number(ids::web_child(story, index) as i64),
                Value::Number(version),
                Value::Number(story.number as i64),
                refund.line.map_or(Value::Null, |line| Value::Number(line as i64 + 1)),
                Value::Word(status),
                Value::Word(story.currency),
                Value::Money(refund.amount_minor),
                Value::Time(refund.requested_ms),
                Value::time(refunded_ms),
            ]
        };
        let mut version = 0;
        let mut send = |at_ms: i64, status: &'static str, refunded_ms: Option<i64>| {
            version += 2;
            post.send(at_ms, 0, Stream::WebRefunds, || row(version, status, refunded_ms));
        };
        send(refund.requested_ms, "requested", None);
        match refund.end {
            RefundEnd::Requested => {}
            RefundEnd::Failed(at_ms) => send(at_ms, "failed", None),
            RefundEnd::Succeeded(at_ms) => send(at_ms, "succeeded", Some(at_ms)),
            RefundEnd::Reversed { paid_ms, back_ms } => {
                send(paid_ms, "succeeded", Some(paid_ms));
                send(back_ms, "reversed", Some(paid_ms));
            }
        }
    }
}

fn tell_shipments(story: &Story, post: &mut Post<'_>) {
    for (index, shipment) in story.shipments.iter().enumerate() {
        let steps = [
            (Some(shipment.shipped_ms), "shipped"),
            (shipment.delivered_ms, "delivered"),
            (shipment.returned_ms, "returned"),
        ];
        for (step, (at_ms, status)) in steps.into_iter().enumerate() {
            let Some(at_ms) = at_ms else { continue };
            post.send(at_ms, 0, Stream::WebShipments, || {
                vec![
                    Value::Number(ids::web_child(story, index) as i64),
                    Value::Number(2 * (step as i64 + 1)),
                    Value::Number(story.number as i64),
                    Value::Number(shipment.line as i64 + 1),
                    Value::Number(shipment.quantity),
                    Value::Word(status),
                    Value::Time(shipment.shipped_ms),
                ]
            });
        }
    }
}
