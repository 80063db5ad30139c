//! Tmall-like trades: snapshots with sub-orders, in Beijing wall clock, and refunds per sub-order.

use serde_json::json;

use super::super::post::Post;
use super::super::story::{PaymentEnd, RefundEnd, Story};
use super::super::stream::Stream;
use super::super::value::{Major, Value, wall_clock};
use super::{Holds, ids, moments, on_grid};

const BEIJING_HOURS: i64 = 8;
const BEIJING_MS: i64 = BEIJING_HOURS * 3_600_000;

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    for (step, (at_ms, version_ms)) in moments(story).into_iter().enumerate() {
        let held_ms = if step == 0 { holds.order_ms } else { 0 };
        post.send(at_ms, held_ms, Stream::TmallTrades, || trade(story, at_ms, version_ms));
    }
    for index in 0..story.refunds.len() {
        let refund = &story.refunds[index];
        let (end_ms, end) = match refund.end {
            RefundEnd::Requested => (None, ""),
            RefundEnd::Failed(at_ms) => (Some(at_ms), "CLOSED"),
            RefundEnd::Succeeded(at_ms) | RefundEnd::Reversed { paid_ms: at_ms, .. } => (Some(at_ms), "SUCCESS"),
        };
        let steps = on_grid(std::iter::once(refund.requested_ms).chain(end_ms).collect());
        for ((at_ms, version_ms), status) in steps.into_iter().zip(["WAIT_SELLER_AGREE", end]) {
            post.send(at_ms, 0, Stream::TmallRefunds, || refund_row(story, index, version_ms, status));
        }
    }
}

fn beijing(at_ms: i64) -> Value {
    Value::text(wall_clock(at_ms, BEIJING_HOURS))
}

fn paid_ms(story: &Story) -> Option<i64> {
    story.payments.iter().find_map(|payment| match payment.end {
        PaymentEnd::Captured(paid_ms) => Some(paid_ms),
        _ => None,
    })
}

fn status(story: &Story, at_ms: i64) -> &'static str {
    let is_paid = paid_ms(story).is_some_and(|paid_ms| paid_ms <= at_ms);
    let shipped = story.shipments.iter().filter(|shipment| shipment.shipped_ms <= at_ms).count();
    let is_delivered = story.shipments.iter().all(|shipment| shipment.delivered_ms.is_some_and(|on_ms| on_ms <= at_ms));
    match () {
        () if story.is_cancelled(at_ms) && !is_paid => "TRADE_CLOSED_BY_TAOBAO",
        () if story.is_cancelled(at_ms) => "TRADE_CLOSED",
        () if !is_paid => "WAIT_BUYER_PAY",
        () if shipped == 0 => "WAIT_SELLER_SEND_GOODS",
        () if shipped < story.lines.len() => "SELLER_CONSIGNED_PART",
        // Half of the exports say it in Chinese.
        () if is_delivered && story.number.is_multiple_of(2) => "交易成功",
        () if is_delivered => "TRADE_FINISHED",
        () => "WAIT_BUYER_CONFIRM_GOODS",
    }
}

fn trade(story: &Story, at_ms: i64, version_ms: i64) -> Vec<Value> {
    let amount_minor = story.amount_minor(at_ms);
    let lines = story.lines.iter().enumerate().map(|(index, line)| {
        let shipment = story.shipments.iter().find(|shipment| shipment.line == index && shipment.shipped_ms <= at_ms);
        let is_signed = shipment.is_some_and(|shipment| shipment.delivered_ms.is_some_and(|on_ms| on_ms <= at_ms));
        let mut sub_order = json!({
            "oid": ids::tmall_child(story, index),
            "outer_sku_id": format!("P{}", line.product),
            "num": line.quantity,
            "price": Major(line.unit_minor).to_string(),
            "payment": Major(story.line_minor(line, at_ms)).to_string(),
            "status": if is_signed { "TRADE_BUYER_SIGNED" } else { status(story, at_ms) },
        });
        if let Some(shipment) = shipment {
            sub_order["consign_time"] = wall_clock(shipment.shipped_ms, BEIJING_HOURS).into();
        }
        // Before the buyer signs, a sub-order's own status never says so.
        if !is_signed && ["TRADE_FINISHED", "交易成功"].contains(&status(story, at_ms)) {
            sub_order["status"] = "WAIT_BUYER_CONFIRM_GOODS".into();
        }
        sub_order
    });
    let orders = json!({"order": lines.collect::<Vec<_>>()});
    let paid_ms = paid_ms(story).filter(|paid_ms| *paid_ms <= at_ms);
    let is_over = story.is_cancelled(at_ms);
    vec![
        Value::Number(ids::tmall_trade(story) as i64),
        Value::Time(version_ms + BEIJING_MS),
        Value::Word(status(story, at_ms)),
        beijing(story.placed_ms),
        paid_ms.map_or(Value::Null, beijing),
        if is_over { beijing(at_ms) } else { Value::Null },
        Value::text(Major(amount_minor).to_string()),
        Value::text(Major(story.list_minor()).to_string()),
        Value::text(Major(story.list_minor() - amount_minor).to_string()),
        story.coupon.map_or(Value::Null, |coupon| Value::Code("CPN", coupon)),
        Value::Code("ou", story.buyer.unwrap_or_default()),
        Value::Word(story.region),
        paid_ms.map_or(Value::Null, |_| Value::text(ids::alipay(story))),
        Value::Json(orders.to_string().into()),
    ]
}

fn refund_row(story: &Story, index: usize, version_ms: i64, status: &'static str) -> Vec<Value> {
    let refund = &story.refunds[index];
    let line = refund.line.unwrap_or_default();
    vec![
        Value::Number(ids::tmall_child(story, index) as i64),
        Value::Time(version_ms + BEIJING_MS),
        Value::Number(ids::tmall_trade(story) as i64),
        Value::Number(ids::tmall_child(story, line) as i64),
        Value::Word(status),
        Value::Word("BUYER_NOT_RECEIVED"),
        Value::text(Major(refund.amount_minor).to_string()),
        beijing(refund.requested_ms),
        Value::Word("七天无理由退换货"),
    ]
}
