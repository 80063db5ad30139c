//! A Stripe-like payment platform: events, each an envelope with the object it is about.

use serde_json::{Value as Json, json};

use super::super::post::Post;
use super::super::story::{Payment, PaymentEnd, RefundEnd, Story};
use super::super::stream::Stream;
use super::super::value::Value;
use super::{Holds, ids, order_id, orphan_order_id};

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    let mut events = 0;
    for (index, payment) in story.payments.iter().enumerate() {
        tell_payment(story, index, payment, holds.payments_ms, &mut events, post);
    }
    if let Some(orphan) = &story.orphan {
        tell_payment(story, ids::ORPHAN, orphan, holds.payments_ms, &mut events, post);
    }
    for index in 0..story.refunds.len() {
        tell_refund(story, index, &mut events, post);
    }
}

/// Amounts in the currency's own minor unit: yen have none.
fn minor_units(story: &Story, minor: i64) -> i64 {
    if story.currency == "JPY" { minor / 100 } else { minor }
}

/// Sends an event about an object.
fn send(
    story: &Story,
    at_ms: i64,
    held_ms: i64,
    events: &mut u64,
    post: &mut Post<'_>,
    about: impl FnOnce() -> (&'static str, Json),
) {
    *events += 1;
    let event = *events;
    post.send(at_ms, held_ms, Stream::StripeEvents, || {
        let (kind, object) = about();
        vec![
            Value::text(format!("evt_{}x{event}", story.number)),
            Value::Null,
            Value::Word(kind),
            Value::Number(at_ms / 1000),
            Value::Word("2026-09-30"),
            Value::Flag(true),
            Value::Json(json!({"object": object}).to_string().into()),
        ]
    });
}

fn tell_payment(story: &Story, index: usize, payment: &Payment, held_ms: i64, events: &mut u64, post: &mut Post<'_>) {
    let intent = |status: &str| {
        let order = if index == ids::ORPHAN { orphan_order_id(story) } else { order_id(story) };
        json!({
            "id": ids::stripe_intent(story, index),
            "object": "payment_intent",
            "amount": minor_units(story, payment.amount_minor),
            "currency": story.currency.to_lowercase(),
            "status": status,
            "payment_method_types": [payment.method],
            "created": payment.created_ms / 1000,
            "metadata": {"order_id": order},
        })
    };
    if payment.in_two_steps || payment.end == PaymentEnd::Authorised {
        send(story, payment.created_ms, held_ms, events, post, || {
            ("payment_intent.amount_capturable_updated", intent("requires_capture"))
        });
    }
    match payment.end {
        PaymentEnd::Authorised => {}
        PaymentEnd::Failed => send(story, payment.created_ms, held_ms, events, post, || {
            ("payment_intent.payment_failed", intent("requires_payment_method"))
        }),
        PaymentEnd::Voided(at_ms) => {
            send(story, at_ms, held_ms, events, post, || ("payment_intent.canceled", intent("canceled")));
        }
        PaymentEnd::Captured(at_ms) => {
            send(story, at_ms, held_ms, events, post, || ("payment_intent.succeeded", intent("succeeded")));
            // Said a second time about the charge, which must not count.
            send(story, at_ms, held_ms, events, post, || {
                ("charge.succeeded", json!({"object": "charge", "paid": true}))
            });
        }
    }
}

fn tell_refund(story: &Story, index: usize, events: &mut u64, post: &mut Post<'_>) {
    let refund = &story.refunds[index];
    let object = |kind: &str, status: &str| {
        json!({
            "id": ids::stripe_refund(story, index),
            "object": kind,
            "amount": minor_units(story, refund.amount_minor),
            "currency": story.currency.to_lowercase(),
            "status": status,
            "payment_intent": ids::stripe_intent(story, refund.payment),
            "created": refund.requested_ms / 1000,
            "metadata": {},
        })
    };
    let (requested_ms, is_dispute) = (refund.requested_ms, refund.chargeback);
    send(story, requested_ms, 0, events, post, || match is_dispute {
        true => ("charge.dispute.created", object("dispute", "needs_response")),
        false => ("refund.created", object("refund", "pending")),
    });
    match refund.end {
        RefundEnd::Requested => {}
        RefundEnd::Failed(at_ms) => {
            send(story, at_ms, 0, events, post, || ("refund.failed", object("refund", "failed")))
        }
        RefundEnd::Succeeded(at_ms) => send(story, at_ms, 0, events, post, || match is_dispute {
            true => ("charge.dispute.funds_withdrawn", object("dispute", "under_review")),
            false => ("refund.updated", object("refund", "succeeded")),
        }),
        RefundEnd::Reversed { paid_ms, back_ms } => {
            send(story, paid_ms, 0, events, post, || {
                ("charge.dispute.funds_withdrawn", object("dispute", "under_review"))
            });
            send(story, back_ms, 0, events, post, || ("charge.dispute.funds_reinstated", object("dispute", "won")));
        }
    }
}
