//! A Douyin-like shop: snapshots in fen and Unix seconds, after-sale notices per product order.

use serde_json::json;

use super::super::post::Post;
use super::super::story::{PaymentEnd, RefundEnd, Story};
use super::super::stream::Stream;
use super::super::value::Value;
use super::{Holds, ids, moments, on_grid};

pub(super) fn tell(story: &Story, holds: &Holds, post: &mut Post<'_>) {
    for (step, (at_ms, version_ms)) in moments(story).into_iter().enumerate() {
        let held_ms = if step == 0 { holds.order_ms } else { 0 };
        post.send(at_ms, held_ms, Stream::DouyinOrders, || order(story, at_ms, version_ms));
    }
    for index in 0..story.refunds.len() {
        let refund = &story.refunds[index];
        let end_ms = match refund.end {
            RefundEnd::Succeeded(at_ms) | RefundEnd::Reversed { paid_ms: at_ms, .. } => Some(at_ms),
            RefundEnd::Requested | RefundEnd::Failed(_) => None,
        };
        let steps = on_grid(std::iter::once(refund.requested_ms).chain(end_ms).collect());
        for ((at_ms, version_ms), notice) in steps.into_iter().zip(["1", "0"]) {
            post.send(at_ms, 0, Stream::DouyinRefunds, || refund_row(story, index, version_ms, notice));
        }
    }
}

fn seconds(at_ms: Option<i64>) -> Value {
    Value::text(at_ms.map_or(0, |at_ms| at_ms / 1000).to_string())
}

fn paid_ms(story: &Story, at_ms: i64) -> Option<i64> {
    let paid_ms = story.payments.iter().find_map(|payment| match payment.end {
        PaymentEnd::Captured(paid_ms) => Some(paid_ms),
        _ => None,
    });
    paid_ms.filter(|paid_ms| *paid_ms <= at_ms)
}

fn status(story: &Story, at_ms: i64) -> &'static str {
    let shipped = story.shipments.iter().filter(|shipment| shipment.shipped_ms <= at_ms).count();
    let is_delivered = story.shipments.iter().all(|shipment| shipment.delivered_ms.is_some_and(|on_ms| on_ms <= at_ms));
    match () {
        () if story.is_cancelled(at_ms) => "4",
        () if paid_ms(story, at_ms).is_none() => "1",
        () if shipped == 0 => "2",
        () if is_delivered => "5",
        () if shipped < story.lines.len() => "101",
        () => "3",
    }
}

fn order(story: &Story, at_ms: i64, version_ms: i64) -> Vec<Value> {
    let amount_minor = story.amount_minor(at_ms);
    let lines = story.lines.iter().enumerate().map(|(index, line)| {
        json!({
            "order_id": ids::douyin_child(story, index),
            "code": format!("P{}", line.product),
            "item_num": line.quantity,
            "goods_price": line.unit_minor,
            "pay_amount": story.line_minor(line, at_ms),
            "order_status": status(story, at_ms).parse::<i64>().unwrap_or_default(),
        })
    });
    let shipped = story.shipments.iter().enumerate().filter(|(_, shipment)| shipment.shipped_ms <= at_ms);
    let parcels = shipped.map(|(index, shipment)| {
        json!({
            "tracking_no": format!("SF{:012}{index}", story.number),
            "ship_time": shipment.shipped_ms / 1000,
            "product_info": [{"sku_order_id": ids::douyin_child(story, shipment.line), "product_count": shipment.quantity}],
        })
    });
    let json = |value: serde_json::Value| Value::Json(value.to_string().into());
    let finished_ms = story.cancelled_ms.filter(|cancelled_ms| *cancelled_ms <= at_ms);
    vec![
        Value::text(ids::douyin_order(story)),
        Value::Number(version_ms / 1000),
        Value::Word(status(story, at_ms)),
        seconds(Some(story.placed_ms)),
        seconds(paid_ms(story, at_ms)),
        seconds(finished_ms),
        Value::Word(match story.payments.first().map(|payment| payment.method) {
            Some("wechat_pay") => "1",
            Some("alipay") => "2",
            _ => "7",
        }),
        Value::text(story.list_minor().to_string()),
        Value::text(amount_minor.to_string()),
        Value::text((story.list_minor() - amount_minor).to_string()),
        story.coupon.map_or(Value::Null, |coupon| Value::Code("CPN", coupon)),
        Value::Code("dy", story.buyer.unwrap_or_default()),
        json(json!({"province": {"name": story.region}})),
        json(lines.collect()),
        json(parcels.collect()),
    ]
}

fn refund_row(story: &Story, index: usize, version_ms: i64, notice: &'static str) -> Vec<Value> {
    let refund = &story.refunds[index];
    vec![
        Value::text(ids::douyin_child(story, index)),
        Value::Number(version_ms / 1000),
        Value::text(ids::douyin_order(story)),
        Value::text(ids::douyin_child(story, refund.line.unwrap_or_default())),
        Value::Word(notice),
        Value::text(refund.amount_minor.to_string()),
        Value::text(refund.amount_minor.to_string()),
        Value::Word(if story.shipments.is_empty() { "1" } else { "2" }),
        seconds(Some(refund.requested_ms)),
    ]
}
