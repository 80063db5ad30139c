//! The workload *flashsale-v0*, the answers asked for, and how a run is measured: the same for every system.
//!
//! The generator is deterministic: about two events per order, payments up to five ticks after their order, refunds ten ticks after,
//! 4 % revised orders, 2 % exact duplicates, 30 % of the orders on one SKU. Every tick holds the events of `orders_per_tick` orders.

pub mod engine;
pub mod measure;

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// Orders per minute of the sale.
const ORDERS_PER_MINUTE: u64 = 600_000;

/// What happens in the sale. Of the versions of one id the highest counts.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Order { id: i64, version: i32, sku: i32, channel: i16, amount: i64, minute: i32 },
    Payment { id: i64, version: i32, order_id: i64, amount: i64 },
    Refund { id: i64, version: i32, order_id: i64, amount: i64 },
}

/// The whole sale, tick by tick.
pub fn generate(orders: u64, orders_per_tick: u64) -> Vec<Vec<Event>> {
    let mut random = 1u64;
    let mut ticks = vec![];
    let mut tick = vec![];
    for order in 0..orders {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        events_of(order, random, orders_per_tick, &mut tick);
        if (order + 1) % orders_per_tick == 0 || order + 1 == orders {
            ticks.push(std::mem::take(&mut tick));
        }
    }
    ticks
}

/// Order `order` as it is placed, and what happens at that moment to earlier orders.
fn events_of(order: u64, random: u64, orders_per_tick: u64, events: &mut Vec<Event>) {
    let id = order as i64;
    let sku = if random % 100 < 30 { 7 } else { ((random >> 8) % 10_000) as i32 };
    let channel = ((random >> 24) % 20) as i16;
    let amount = ((random >> 32) % 10_000) as i64;
    let minute = (order / ORDERS_PER_MINUTE) as i32;
    events.push(Event::Order { id, version: 0, sku, channel, amount, minute });
    let lag = (random >> 40) % (5 * orders_per_tick);
    if random % 10 < 9 && order >= lag {
        events.push(Event::Payment { id, version: 0, order_id: (order - lag) as i64, amount });
    }
    if random.is_multiple_of(20) && order >= 10 * orders_per_tick {
        events.push(Event::Refund { id, version: 0, order_id: (order - 10 * orders_per_tick) as i64, amount: 100 });
    }
    if random % 25 == 3 && order > orders_per_tick {
        let revised = (order - orders_per_tick) as i64;
        events.push(Event::Order { id: revised, version: 1, sku, channel: 3, amount: 500, minute });
    }
    if (random >> 16) % 50 == 7 {
        events.extend(events.last().copied());
    }
}

/// Status codes: 1 placed, 2 paid, 3 refunded.
pub fn status(ordered: i64, paid: i64, refunded: i64) -> i64 {
    if refunded > 0 {
        3
    } else if paid >= ordered {
        2
    } else {
        1
    }
}

/// The four views, in the order in which systems report them.
pub const VIEWS: [&str; 4] = ["order_state", "by_sku", "by_channel", "by_status"];

/// A view's rows without their order: how many, and the sum of their hashes.
///
/// Rows are integers in view order: `order_id, sku, channel, minute, ordered, paid, refunded, status` of an order, `group, minute,
/// orders, ordered, paid, refunded` of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub rows: u64,
    pub checksum: u64,
}

impl Digest {
    pub fn add(&mut self, row: &[i64]) {
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        self.rows += 1;
        self.checksum = self.checksum.wrapping_add(hasher.finish());
    }

    pub fn merge(&mut self, other: Digest) {
        self.rows += other.rows;
        self.checksum = self.checksum.wrapping_add(other.checksum);
    }
}
