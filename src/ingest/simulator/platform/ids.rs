//! Identifiers: on the platforms, and in the order model.

use super::super::catalogue::Channel;
use super::super::story::{Provider, Story};

/// The place of a payment for an order nobody knows, behind all others.
pub(in super::super) const ORPHAN: usize = 9;
/// Added to an order's number for one that nobody knows.
const NOBODY_KNOWS: u64 = 9_000_000_000_000;

/// An order's id in the order model.
pub(in super::super) fn order_id(story: &Story) -> String {
    match story.channel {
        Channel::Web => format!("web:{}", story.number),
        Channel::Shopify => format!("shopify:{}", shopify_order(story)),
        Channel::Tmall => format!("tmall:{}", tmall_trade(story)),
        Channel::Douyin => format!("douyin:{}", douyin_order(story)),
        Channel::Pos => format!("pos:{}-{}", story.region, story.number),
    }
}

/// The order a payment is made for that nobody knows.
pub(in super::super) fn orphan_order_id(story: &Story) -> String {
    format!("web:{}", NOBODY_KNOWS + story.number)
}

/// A payment's id in the order model.
pub(in super::super) fn payment_id(story: &Story, index: usize) -> String {
    match (story.provider, story.channel) {
        (Provider::Stripe, _) => format!("stripe:{}", stripe_intent(story, index)),
        (Provider::Adyen, _) => format!("adyen:{}", adyen_payment(story, index)),
        (_, Channel::Web) => format!("web:{}", web_child(story, index)),
        (_, Channel::Shopify) => format!("shopify:{}", shopify_transaction(story, index)),
        (_, Channel::Tmall) => format!("tmall:{}", alipay(story)),
        (_, Channel::Douyin) => format!("douyin:{}", douyin_order(story)),
        (_, Channel::Pos) => order_id(story),
    }
}

/// A refund's id in the order model.
pub(in super::super) fn refund_id(story: &Story, index: usize) -> String {
    match (story.provider, story.channel) {
        (Provider::Stripe, _) => format!("stripe:{}", stripe_refund(story, index)),
        (Provider::Adyen, _) => format!("adyen:{}", adyen_refund(story, index)),
        (_, Channel::Web) => format!("web:{}", web_child(story, index)),
        (_, Channel::Shopify) => format!("shopify:{}", shopify_refund(story, index)),
        (_, Channel::Tmall) => format!("tmall:{}", tmall_child(story, index)),
        (_, Channel::Douyin) => format!("douyin:{}", douyin_child(story, index)),
        (_, Channel::Pos) => {
            let line = story.refunds[index].line.unwrap_or_default();
            format!("pos:{}-R{}/{}", story.region, story.number, line + 1)
        }
    }
}

pub(super) fn web_child(story: &Story, index: usize) -> u64 {
    story.number * 10 + index as u64
}

/// The number of the order a web payment is for.
pub(super) fn web_order(story: &Story, index: usize) -> u64 {
    if index == ORPHAN { NOBODY_KNOWS + story.number } else { story.number }
}

pub(super) fn shopify_order(story: &Story) -> u64 {
    450_000_000_000 + story.number
}

pub(super) fn shopify_line(story: &Story, line: usize) -> u64 {
    460_000_000_000 + story.number * 10 + line as u64
}

pub(super) fn shopify_transaction(story: &Story, index: usize) -> u64 {
    470_000_000_000 + story.number * 100 + index as u64 * 10
}

pub(super) fn shopify_refund(story: &Story, index: usize) -> u64 {
    480_000_000_000 + story.number * 10 + index as u64
}

pub(super) fn stripe_intent(story: &Story, index: usize) -> String {
    format!("pi_{}x{index}", story.number)
}

pub(super) fn stripe_refund(story: &Story, index: usize) -> String {
    let kind = if story.refunds[index].chargeback { "dp" } else { "re" };
    format!("{kind}_{}x{index}", story.number)
}

pub(super) fn adyen_payment(story: &Story, index: usize) -> String {
    format!("8825{:010}{index}", story.number)
}

pub(super) fn adyen_refund(story: &Story, index: usize) -> String {
    format!("8853{:010}{index}", story.number)
}

pub(super) fn tmall_trade(story: &Story) -> u64 {
    1_900_000_000_000_000 + story.number * 10
}

/// Sub-orders and refunds.
pub(super) fn tmall_child(story: &Story, index: usize) -> u64 {
    tmall_trade(story) + 1 + index as u64
}

pub(super) fn alipay(story: &Story) -> String {
    format!("2026{:016}", story.number)
}

pub(super) fn douyin_order(story: &Story) -> String {
    format!("69{:013}A", story.number)
}

/// Product orders and after-sale cases.
pub(super) fn douyin_child(story: &Story, index: usize) -> String {
    format!("69{:013}{index}", story.number)
}
