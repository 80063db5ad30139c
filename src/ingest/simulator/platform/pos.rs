//! Tills: one CSV row per receipt line, in the store's wall clock.

use super::super::post::Post;
use super::super::story::Story;
use super::super::stream::Stream;
use super::super::value::{Major, Value, wall_clock};
use super::Holds;

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    for line in 0..story.lines.len() {
        post.send(story.placed_ms, holds.order_ms, Stream::PosLines, || sold(story, line, 2, "SALE"));
        if let Some(cancelled_ms) = story.cancelled_ms {
            post.send(cancelled_ms, 0, Stream::PosLines, || sold(story, line, 4, "VOID"));
        }
    }
    for index in 0..story.refunds.len() {
        post.send(story.refunds[index].requested_ms, 0, Stream::PosLines, || returned(story, index));
    }
}

fn clock(story: &Story, at_ms: i64) -> Value {
    Value::text(wall_clock(at_ms, if story.region.starts_with("JP") { 9 } else { 8 }))
}

fn tender(story: &Story) -> Value {
    Value::Word(match story.payments.first().map(|payment| payment.method) {
        Some("card") => "CARD",
        Some("wechat") => "WECHAT",
        Some("alipay") => "ALIPAY",
        _ => "CASH",
    })
}

fn sold(story: &Story, line: usize, export: i64, kind: &'static str) -> Vec<Value> {
    let of = &story.lines[line];
    vec![
        Value::Word(story.region),
        Value::Code("", story.number),
        Value::Number(line as i64 + 1),
        Value::Number(export),
        Value::Word(kind),
        clock(story, story.placed_ms),
        Value::product(of.product),
        Value::text(of.quantity.to_string()),
        Value::text(Major(of.unit_minor).to_string()),
        Value::text(Major(of.amount_minor).to_string()),
        Value::Word(story.currency),
        tender(story),
        story.buyer.map_or(Value::Null, |buyer| Value::Code("M", buyer)),
        Value::Null,
        Value::Null,
    ]
}

fn returned(story: &Story, index: usize) -> Vec<Value> {
    let refund = &story.refunds[index];
    let line = refund.line.unwrap_or_default();
    let of = &story.lines[line];
    vec![
        Value::Word(story.region),
        Value::Code("R", story.number),
        Value::Number(line as i64 + 1),
        Value::Number(2),
        Value::Word("RETURN"),
        clock(story, refund.requested_ms),
        Value::product(of.product),
        Value::text((-of.quantity).to_string()),
        Value::text(Major(of.unit_minor).to_string()),
        Value::text(Major(-refund.amount_minor).to_string()),
        Value::Word(story.currency),
        tender(story),
        story.buyer.map_or(Value::Null, |buyer| Value::Code("M", buyer)),
        Value::text(format!("{}-{}", story.region, story.number)),
        Value::text((line + 1).to_string()),
    ]
}
