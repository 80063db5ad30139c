//! The platforms: how each of them tells a story, in rows of its raw tables.
//!
//! Snapshots carry a version on a grid of two seconds, so that a flawed copy can come before each, and two of them are never equal.

mod adyen;
mod douyin;
mod ids;
mod pos;
mod shopify;
mod stripe;
mod tmall;
mod web;

pub(super) use ids::{ORPHAN, order_id, orphan_order_id, payment_id, refund_id};

use super::catalogue::Channel;
use super::config::WorldConfig;
use super::dice::{Concern, Dice};
use super::post::Post;
use super::story::{PaymentEnd, Provider, RefundEnd, SECOND_MS, Story};
use super::stream::{Event, Stream, StreamSet};

/// How long an order's news is held back.
struct Holds {
    order_ms: i64,
    payments_ms: i64,
}

/// Tells a story on every platform that has a part in it.
pub(super) fn tell(config: &WorldConfig, wanted: StreamSet, story: &Story, out: &mut Vec<Event>) {
    let mut post = Post {
        faults: &config.faults,
        wanted,
        start_ms: config.start_ms,
        haste: config.haste,
        dice: Dice::of(config.seed, story.number, Concern::Platform),
        out,
    };
    let first_paid_ms = story.payments.first().map(|payment| payment.created_ms);
    let refunded_ms = story.refunds.first().map(|refund| refund.requested_ms);
    let holds = Holds {
        order_ms: post.hold_order(story.placed_ms, first_paid_ms),
        payments_ms: post.hold_payments(first_paid_ms, refunded_ms),
    };
    match story.channel {
        Channel::Web => web::tell(story, &holds, &mut post),
        Channel::Shopify if wanted.has_any(&[Stream::ShopifyOrders, Stream::ShopifyTransactions]) => {
            shopify::tell(story, &holds, &mut post);
        }
        Channel::Tmall if wanted.has_any(&[Stream::TmallTrades, Stream::TmallRefunds]) => {
            tmall::tell(story, &holds, &mut post);
        }
        Channel::Douyin if wanted.has_any(&[Stream::DouyinOrders, Stream::DouyinRefunds]) => {
            douyin::tell(story, &holds, &mut post);
        }
        Channel::Pos if wanted.has(Stream::PosLines) => pos::tell(story, &holds, &mut post),
        _ => {}
    }
    post.dice = Dice::of(config.seed, story.number, Concern::Payments);
    match story.provider {
        Provider::Stripe if wanted.has(Stream::StripeEvents) => stripe::tell(story, &holds, &mut post),
        Provider::Adyen if wanted.has(Stream::AdyenNotifications) => adyen::tell(story, &holds, &mut post),
        _ => {}
    }
}

/// Every moment at which something changes, in order, the placing first; with the version of the snapshot taken then.
fn moments(story: &Story) -> Vec<(i64, i64)> {
    let mut moments = vec![story.placed_ms];
    moments.extend(story.revised_ms);
    moments.extend(story.cancelled_ms);
    for payment in &story.payments {
        match payment.end {
            PaymentEnd::Captured(at_ms) | PaymentEnd::Voided(at_ms) => moments.push(at_ms),
            PaymentEnd::Failed | PaymentEnd::Authorised => moments.push(payment.created_ms),
        }
    }
    for shipment in &story.shipments {
        moments.push(shipment.shipped_ms);
        moments.extend(shipment.delivered_ms);
    }
    for refund in story.refunds.iter().filter(|refund| !refund.chargeback) {
        moments.push(refund.requested_ms);
        match refund.end {
            RefundEnd::Requested => {}
            RefundEnd::Failed(at_ms) | RefundEnd::Succeeded(at_ms) => moments.push(at_ms),
            RefundEnd::Reversed { paid_ms, back_ms } => moments.extend([paid_ms, back_ms]),
        }
    }
    moments.sort_unstable();
    moments.dedup();
    on_grid(moments)
}

/// Moments, each with a version: the first even second after it that is after the version before.
fn on_grid(moments: Vec<i64>) -> Vec<(i64, i64)> {
    let mut last_ms = 0;
    let version = |at_ms: i64| {
        let even_ms = (at_ms + 2 * SECOND_MS - 1).div_euclid(2 * SECOND_MS) * 2 * SECOND_MS;
        last_ms = even_ms.max(last_ms + 2 * SECOND_MS);
        last_ms
    };
    moments.iter().copied().zip(moments.iter().copied().map(version).collect::<Vec<_>>()).collect()
}
