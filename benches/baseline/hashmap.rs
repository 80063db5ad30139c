//! Baseline 2: one thread, hash maps, written by hand for exactly these four views.
//!
//! It keeps the newest version per id and hands out the changes of the three aggregates after every tick. It has no history, no
//! sharing, no second thread, and answers nothing but what it was written for.

use hashbrown::HashMap;

use crate::flashsale::measure::{Meter, Run};
use crate::flashsale::{Digest, Event, generate, status};

/// What is known of an order; `version` is −1 until the order itself has arrived.
#[derive(Clone, Copy)]
struct State {
    version: i32,
    sku: i32,
    channel: i16,
    minute: i32,
    ordered: i64,
    paid: i64,
    refunded: i64,
}

impl Default for State {
    fn default() -> Self {
        State { version: -1, sku: 0, channel: 0, minute: 0, ordered: 0, paid: 0, refunded: 0 }
    }
}

impl State {
    fn status(&self) -> i64 {
        status(self.ordered, self.paid, self.refunded)
    }
}

type Group = (i32, i32);
type Sums = [i64; 4];

/// An aggregate by group: its sums, and those of the groups touched in this tick as they were before.
#[derive(Default)]
struct View {
    groups: HashMap<Group, Sums>,
    before: HashMap<Group, Sums>,
}

impl View {
    fn add(&mut self, group: Group, row: Sums, sign: i64) {
        let sums = self.groups.entry(group).or_default();
        self.before.entry(group).or_insert(*sums);
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += sign * value);
    }

    /// The tick's changes: the old row out, the new row in.
    fn changes(&mut self) -> Vec<(Group, Sums, i64)> {
        let mut changes = Vec::with_capacity(2 * self.before.len());
        for (group, old) in self.before.drain() {
            let new = self.groups[&group];
            if old != new {
                changes.extend((old[0] != 0).then_some((group, old, -1)));
                changes.extend((new[0] != 0).then_some((group, new, 1)));
            }
            if new[0] == 0 {
                self.groups.remove(&group);
            }
        }
        changes
    }

    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for ((group, minute), [orders, ordered, paid, refunded]) in &self.groups {
            digest.add(&[i64::from(*group), i64::from(*minute), *orders, *ordered, *paid, *refunded]);
        }
        digest
    }
}

#[derive(Default)]
struct Program {
    orders: HashMap<i64, State>,
    /// Version, order and amount by id.
    payments: HashMap<i64, (i32, i64, i64)>,
    refunds: HashMap<i64, (i32, i64, i64)>,
    views: [View; 3],
}

impl Program {
    fn change(&mut self, order_id: i64, change: impl FnOnce(&mut State)) {
        let state = self.orders.entry(order_id).or_default();
        let old = *state;
        change(state);
        let new = *state;
        for (state, sign) in [(old, -1), (new, 1)] {
            if state.version >= 0 {
                let row = [1, state.ordered, state.paid, state.refunded];
                let groups = [state.sku, i32::from(state.channel), state.status() as i32];
                self.views.iter_mut().zip(groups).for_each(|(view, group)| view.add((group, state.minute), row, sign));
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Order { id, version, sku, channel, amount, minute } => {
                if self.orders.get(&id).is_none_or(|held| held.version < version) {
                    self.change(id, |s| *s = State { version, sku, channel, minute, ordered: amount, ..*s });
                }
            }
            Event::Payment { id, version, order_id, amount } => {
                let held = self.payments.get(&id).copied();
                if held.is_none_or(|(held, ..)| held < version) {
                    if let Some((_, order_id, amount)) = held {
                        self.change(order_id, |s| s.paid -= amount);
                    }
                    self.payments.insert(id, (version, order_id, amount));
                    self.change(order_id, |s| s.paid += amount);
                }
            }
            Event::Refund { id, version, order_id, amount } => {
                let held = self.refunds.get(&id).copied();
                if held.is_none_or(|(held, ..)| held < version) {
                    if let Some((_, order_id, amount)) = held {
                        self.change(order_id, |s| s.refunded -= amount);
                    }
                    self.refunds.insert(id, (version, order_id, amount));
                    self.change(order_id, |s| s.refunded += amount);
                }
            }
        }
    }

    fn order_state(&self) -> Digest {
        let mut digest = Digest::default();
        for (id, s) in self.orders.iter().filter(|(_, s)| s.version >= 0) {
            let (sku, channel, minute) = (i64::from(s.sku), i64::from(s.channel), i64::from(s.minute));
            digest.add(&[*id, sku, channel, minute, s.ordered, s.paid, s.refunded, s.status()]);
        }
        digest
    }
}

/// Runs the workload.
pub fn run(orders: u64, orders_per_tick: u64) -> Run {
    let ticks = generate(orders, orders_per_tick);
    let mut program = Program::default();
    let mut meter = Meter::start();
    for events in &ticks {
        meter.tick(|| {
            events.iter().for_each(|e| program.apply(e));
            program.views.iter_mut().for_each(|v| drop(std::hint::black_box(v.changes())));
        });
    }
    let mut run = meter.stop("hashmap", 1, orders, ticks.iter().map(Vec::len).sum());
    run.answers = std::iter::once(program.order_state()).chain(program.views.iter().map(View::digest)).collect();
    run
}
