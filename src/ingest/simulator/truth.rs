//! What a finite world amounts to: every order's end state in the order model's terms, and totals.
//!
//! Read off the stories, not off the events: it does not depend on how news travelled, only on what happened.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::catalogue::Channel;
use super::config::WorldConfig;
use super::marketing::{Settled, movements};
use super::platform::{order_id, orphan_order_id};
use super::story::{PaymentEnd, RefundEnd, Story};
use super::world::Stories;

/// The end state of one order. Money is in hundredths of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the columns of the order model")]
pub struct OrderTruth {
    pub order_id: String,
    pub channel: &'static str,
    /// What comes of it, in the words of `order_state`.
    pub status: &'static str,
    pub currency: &'static str,
    pub placed_ms: i64,
    pub amount_minor: i64,
    pub authorised_minor: i64,
    pub paid_minor: i64,
    pub refunded_minor: i64,
    pub charged_back_minor: i64,
    pub net_minor: i64,
    pub units: i64,
    pub shipped_units: i64,
    pub delivered_units: i64,
    pub returned_units: i64,
    pub payments: u64,
    pub refunds: u64,
}

/// The end state of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Truth {
    /// By order id.
    #[serde(skip)]
    pub orders: BTreeMap<String, OrderTruth>,
    /// Orders there are.
    pub count: u64,
    /// Lines of all orders but voided receipts.
    pub lines: u64,
    /// Payments, those for orders nobody knows included.
    pub payments: u64,
    /// Orders named by payments that nobody knows.
    pub orphans: u64,
    /// Refunds and chargebacks.
    pub refunds: u64,
    /// Parcels' lines.
    pub shipments: u64,
    /// Orders by status.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Money moved that the bank never mentions.
    pub settlements_missing: u64,
    /// Money moved of which the bank's last word differs from ours.
    pub settlements_differing: u64,
}

/// Runs a finite world to its end.
///
/// # Panics
/// When the world is endless.
pub fn truth(config: &WorldConfig) -> Truth {
    assert!(config.orders > 0, "an endless world has no end state");
    let mut stories = Stories::new(config.clone());
    let mut truth = Truth::default();
    while !stories.are_over() {
        let Some(story) = stories.tell(|_| true) else { continue };
        for (_, _, _, settled) in movements(config, &story) {
            truth.settlements_missing += u64::from(settled == Settled::Never);
            truth.settlements_differing += u64::from(settled == Settled::Wrongly);
        }
        let order = order_truth(&story);
        truth.count += 1;
        truth.lines += if is_voided(&story) { 0 } else { story.lines.len() as u64 };
        truth.payments += order.payments + story.orphan.iter().len() as u64;
        truth.orphans += story.orphan.iter().len() as u64;
        truth.refunds += order.refunds;
        truth.shipments += story.shipments.len() as u64;
        *truth.by_status.entry(order.status).or_default() += 1;
        truth.orders.insert(order.order_id.clone(), order);
        debug_assert!(!truth.orders.contains_key(&orphan_order_id(&story)));
    }
    truth
}

/// Writes the truth as NDJSON: a line per order, then one with the totals.
///
/// # Errors
/// The first error of the writer.
pub fn write_truth(truth: &Truth, mut writer: impl Write) -> io::Result<()> {
    for order in truth.orders.values() {
        serde_json::to_writer(&mut writer, order)?;
        writeln!(writer)?;
    }
    serde_json::to_writer(&mut writer, &serde_json::json!({"totals": truth}))?;
    writeln!(writer)?;
    writer.flush()
}

fn order_truth(story: &Story) -> OrderTruth {
    let end_ms = i64::MAX;
    let authorised = story.payments.iter().filter(|payment| payment.end == PaymentEnd::Authorised);
    let given_back = |chargeback: bool| {
        let gone = story.refunds.iter().filter(|refund| refund.chargeback == chargeback);
        gone.filter(|refund| matches!(refund.end, RefundEnd::Succeeded(_)))
            .map(|refund| refund.amount_minor)
            .sum::<i64>()
    };
    let units_where = |is_counted: &dyn Fn(Option<i64>, Option<i64>) -> bool| {
        let counted = story.shipments.iter().filter(|shipment| is_counted(shipment.delivered_ms, shipment.returned_ms));
        counted.map(|shipment| shipment.quantity).sum::<i64>()
    };
    let paid_minor = story.paid_minor(end_ms);
    let (refunded_minor, charged_back_minor) = (given_back(false), given_back(true));
    let mut order = OrderTruth {
        order_id: order_id(story),
        channel: story.channel.name(),
        status: "placed",
        currency: story.currency,
        placed_ms: story.placed_ms,
        amount_minor: story.amount_minor(end_ms),
        authorised_minor: authorised.map(|payment| payment.amount_minor).sum(),
        paid_minor,
        refunded_minor,
        charged_back_minor,
        net_minor: paid_minor - refunded_minor - charged_back_minor,
        units: story.lines.iter().map(|line| line.quantity).sum(),
        shipped_units: units_where(&|_, _| true),
        delivered_units: units_where(&|delivered, returned| delivered.is_some() && returned.is_none()),
        returned_units: units_where(&|_, returned| returned.is_some()),
        payments: story.payments.len() as u64,
        refunds: story.refunds.len() as u64,
    };
    if is_voided(story) {
        order.units = 0;
    }
    order.status = status(&order, story.is_cancelled(end_ms));
    order
}

/// A voided receipt sold nothing.
fn is_voided(story: &Story) -> bool {
    story.channel == Channel::Pos && story.cancelled_ms.is_some()
}

/// The status that follows from the facts, as `order_state` has it.
fn status(order: &OrderTruth, is_cancelled: bool) -> &'static str {
    let OrderTruth { amount_minor, paid_minor, charged_back_minor, refunded_minor, .. } = *order;
    let returned_minor = refunded_minor + charged_back_minor;
    let is_paid = paid_minor >= amount_minor;
    match () {
        () if charged_back_minor > 0 => "charged_back",
        () if is_cancelled && paid_minor == returned_minor => "cancelled",
        () if returned_minor > 0 && returned_minor >= paid_minor => "refunded",
        () if is_cancelled => "refund_due",
        () if returned_minor > 0 => "partially_refunded",
        () if is_paid && order.units > 0 && order.delivered_units >= order.units => "completed",
        () if is_paid && order.units > 0 && order.shipped_units >= order.units => "shipped",
        () if is_paid && order.shipped_units > 0 => "partially_shipped",
        () if is_paid => "paid",
        () if paid_minor > 0 => "partially_paid",
        () if order.authorised_minor > 0 => "authorised",
        () => "placed",
    }
}
