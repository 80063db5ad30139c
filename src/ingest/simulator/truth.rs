//! What a finite world amounts to: the newest version of every order, and the money that moved for it.
//!
//! Computed the slow and obvious way, by keeping the newest version of every key, for tests to compare views with.

use std::collections::BTreeMap;

use super::event::{Order, Row};
use super::world::{World, WorldConfig};
use crate::model::Op;

/// The end state of one order id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderTruth {
    /// Its newest version; `None` when it was deleted.
    pub order: Option<Order>,
    /// The sum of its captured payments, in hundredths.
    pub paid_minor: i64,
    /// The sum of its succeeded refunds, in hundredths.
    pub refunded_minor: i64,
}

/// The end state of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// By order id.
    pub orders: BTreeMap<i64, OrderTruth>,
    /// Payments by id: all there are.
    pub payments: u64,
    /// Refunds by id: all there are.
    pub refunds: u64,
}

/// Runs a finite world to its end.
///
/// # Panics
/// When the world is endless.
pub fn truth(config: &WorldConfig) -> Truth {
    assert!(config.orders > 0, "an endless world has no end state");
    let (mut orders, mut payments, mut refunds) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for event in World::new(config.clone()) {
        match event.row {
            Row::Order(order) => keep_newest(&mut orders, order.order_id, order.version, (event.op, order)),
            Row::Payment(payment) => keep_newest(&mut payments, payment.payment_id, payment.version, payment),
            Row::Refund(refund) => keep_newest(&mut refunds, refund.refund_id, refund.version, refund),
        }
    }
    let mut truth = Truth { payments: payments.len() as u64, refunds: refunds.len() as u64, ..Truth::default() };
    for (order_id, (_, (op, order))) in orders {
        truth.orders.entry(order_id).or_default().order = (op == Op::Upsert).then_some(order);
    }
    for (_, payment) in payments.into_values().filter(|(_, payment)| payment.status == "captured") {
        truth.orders.entry(payment.order_id).or_default().paid_minor += payment.amount_minor;
    }
    for (_, refund) in refunds.into_values().filter(|(_, refund)| refund.status == "succeeded") {
        truth.orders.entry(refund.order_id).or_default().refunded_minor += refund.amount_minor;
    }
    truth
}

fn keep_newest<T>(kept: &mut BTreeMap<i64, (i32, T)>, key: i64, version: i32, row: T) {
    if kept.get(&key).is_none_or(|(stored, _)| *stored < version) {
        kept.insert(key, (version, row));
    }
}
