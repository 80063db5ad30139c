//! An Adyen-like payment platform: a notification per thing that happened.

use serde_json::json;

use super::super::post::Post;
use super::super::story::{Payment, PaymentEnd, RefundEnd, Story};
use super::super::stream::Stream;
use super::super::value::{Value, with_offset};
use super::{Holds, ids, order_id, orphan_order_id};

/// What a notification says.
struct Notification {
    reference: String,
    code: &'static str,
    success: bool,
    original: Option<String>,
    amount_minor: i64,
    method: &'static str,
    orphan: bool,
}

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    for (index, payment) in story.payments.iter().enumerate() {
        tell_payment(story, index, payment, holds.payments_ms, post);
    }
    if let Some(orphan) = &story.orphan {
        tell_payment(story, ids::ORPHAN, orphan, holds.payments_ms, post);
    }
    for index in 0..story.refunds.len() {
        tell_refund(story, index, post);
    }
}

fn send(story: &Story, at_ms: i64, held_ms: i64, post: &mut Post<'_>, about: impl FnOnce() -> Notification) {
    post.send(at_ms, held_ms, Stream::AdyenNotifications, || {
        let about = about();
        let value = if story.currency == "JPY" { about.amount_minor / 100 } else { about.amount_minor };
        vec![
            Value::text(about.reference),
            Value::Word(about.code),
            Value::Null,
            Value::text(with_offset(at_ms, 1)),
            Value::Word(if about.success { "true" } else { "false" }),
            Value::Word("OwnShopEU"),
            Value::text(if about.orphan { orphan_order_id(story) } else { order_id(story) }),
            about.original.map_or(Value::Null, Value::text),
            Value::Word(about.method),
            Value::Json(json!({"value": value, "currency": story.currency}).to_string().into()),
            if about.success { Value::Null } else { Value::Word("Refused") },
            Value::Null,
        ]
    });
}

fn tell_payment(story: &Story, index: usize, payment: &Payment, held_ms: i64, post: &mut Post<'_>) {
    let about = |code: &'static str, prefix: &str, success: bool| Notification {
        reference: match code {
            "AUTHORISATION" => ids::adyen_payment(story, index),
            _ => format!("{prefix}{:010}{index}", story.number),
        },
        code,
        success,
        original: (code != "AUTHORISATION").then(|| ids::adyen_payment(story, index)),
        amount_minor: payment.amount_minor,
        method: if payment.method == "card" { "visa" } else { payment.method },
        orphan: index == ids::ORPHAN,
    };
    let is_accepted = payment.end != PaymentEnd::Failed;
    send(story, payment.created_ms, held_ms, post, || about("AUTHORISATION", "", is_accepted));
    match payment.end {
        PaymentEnd::Failed | PaymentEnd::Authorised => {}
        PaymentEnd::Voided(at_ms) => send(story, at_ms, held_ms, post, || about("CANCELLATION", "8835", true)),
        PaymentEnd::Captured(at_ms) => send(story, at_ms, held_ms, post, || about("CAPTURE", "8814", true)),
    }
}

fn tell_refund(story: &Story, index: usize, post: &mut Post<'_>) {
    let refund = &story.refunds[index];
    let about = |code: &'static str| Notification {
        reference: ids::adyen_refund(story, index),
        code,
        success: true,
        original: Some(ids::adyen_payment(story, refund.payment)),
        amount_minor: refund.amount_minor,
        method: "visa",
        orphan: false,
    };
    let (first, then) = match refund.chargeback {
        true => ("CHARGEBACK", "CHARGEBACK_REVERSED"),
        false => ("REFUND", "REFUNDED_REVERSED"),
    };
    if refund.chargeback {
        send(story, refund.requested_ms, 0, post, || about("NOTIFICATION_OF_CHARGEBACK"));
    }
    match refund.end {
        RefundEnd::Requested => {}
        RefundEnd::Failed(at_ms) => {
            send(story, refund.requested_ms, 0, post, || about(first));
            send(story, at_ms, 0, post, || about("REFUND_FAILED"));
        }
        RefundEnd::Succeeded(at_ms) => send(story, at_ms, 0, post, || about(first)),
        RefundEnd::Reversed { paid_ms, back_ms } => {
            send(story, paid_ms, 0, post, || about(first));
            send(story, back_ms, 0, post, || about(then));
        }
    }
}
