//! The world itself: who orders what when, what follows from it, and how late and how often the news of it arrives.
//!
//! Orders come at [`WorldConfig::rate`] with a spike in every minute. Each order's whole story is made up when it is placed and
//! put into a queue by arrival time; the queue is drained up to the next order. All arithmetic is on integers but for one
//! division, so that a seed means the same everywhere.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::event::{Event, Order, Payment, Refund, Row};
use crate::model::Op;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;

/// The spike at the start of every minute: this long, this many times the rate.
const SPIKE_MS: i64 = 5 * SECOND_MS;
const SPIKE_FACTOR: i64 = 4;

const PRODUCTS: i32 = 1000;
/// The product everybody wants.
const HOT_PRODUCT: i32 = 1;
const HOT_SHARE: f64 = 0.30;
const BUYERS: i64 = 200_000;
const NEVER_PAID: f64 = 0.08;

/// Channels and their share in percent.
const CHANNELS: [(&str, u32); 6] =
    [("search", 34), ("social", 22), ("live", 18), ("direct", 12), ("affiliate", 9), ("email", 5)];

/// Probabilities, 0 to 1, of what goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// An event arrives ten seconds to five minutes late.
    pub late: f64,
    /// An event arrives a second time, exactly the same.
    pub duplicated: f64,
    /// An event is overtaken by those of the next seconds.
    pub out_of_order: f64,
    /// An order gets higher versions: other price, other quantity, cancelled.
    pub revised: f64,
    /// An order arrives after its payment.
    pub payment_first: f64,
    /// An order is paid in two or three parts.
    pub partial: f64,
    /// A payment attempt fails before the one that works.
    pub failed: f64,
    /// A paid order is refunded, in part or in full.
    pub refunded: f64,
    /// Of the refunded: the refund arrives before the payment.
    pub refund_first: f64,
    /// An order is deleted.
    pub deleted: f64,
    /// A written line is preceded by a broken copy of itself (files only).
    pub malformed: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            late: 0.01,
            duplicated: 0.02,
            out_of_order: 0.05,
            revised: 0.04,
            payment_first: 0.03,
            partial: 0.08,
            failed: 0.05,
            refunded: 0.06,
            refund_first: 0.10,
            deleted: 0.001,
            malformed: 0.0005,
        }
    }
}

/// Which world.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldConfig {
    /// Decides everything random.
    pub seed: u64,
    /// Orders in all; 0: endless.
    pub orders: u64,
    /// Orders per second outside of spikes.
    pub rate: f64,
    /// The first moment, in milliseconds since the epoch.
    pub start_ms: i64,
    /// What goes wrong.
    pub faults: Faults,
}

impl WorldConfig {
    /// The highest rate: one order per microsecond.
    pub const RATE_MAX: f64 = 1e6;
}

impl Default for WorldConfig {
    fn default() -> Self {
        // 2026-11-11T00:00:00Z.
        WorldConfig { seed: 42, orders: 0, rate: 200.0, start_ms: 1_794_355_200_000, faults: Faults::default() }
    }
}

struct Queued {
    arrival_ms: i64,
    sequence: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Queued {
    fn key(&self) -> (i64, u64) {
        (self.arrival_ms, self.sequence)
    }
}

/// All events in the order they arrive. Endless worlds never return `None`.
pub struct World {
    config: WorldConfig,
    rng: ChaCha8Rng,
    /// Running totals of the products' weights, for drawing one.
    product_weights: Vec<u64>,
    queue: BinaryHeap<Reverse<Queued>>,
    sequence: u64,
    orders_made: u64,
    payments_made: i64,
    refunds_made: i64,
    /// When the next order is placed, in microseconds after the start.
    next_order_us: i64,
}

impl World {
    /// The world at its start.
    pub fn new(config: WorldConfig) -> World {
        // Zipf with exponent 1: the n-th product is wanted 1/n as much as the first.
        let weights = (2..=PRODUCTS).scan(0_u64, |total, n| {
            *total += 1_000_000_000 / n as u64;
            Some(*total)
        });
        World {
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            product_weights: weights.collect(),
            queue: BinaryHeap::new(),
            sequence: 0,
            orders_made: 0,
            payments_made: 0,
            refunds_made: 0,
            next_order_us: 0,
            config,
        }
    }

    /// The next event if it has arrived by then.
    pub fn next_until(&mut self, now_ms: i64) -> Option<Event> {
        self.fill();
        match self.queue.peek() {
            Some(Reverse(queued)) if queued.arrival_ms <= now_ms => {
                self.queue.pop().map(|Reverse(queued)| queued.event)
            }
            _ => None,
        }
    }

    /// No event will come any more.
    pub fn is_over(&self) -> bool {
        self.queue.is_empty() && self.orders_are_over()
    }

    fn orders_are_over(&self) -> bool {
        self.config.orders > 0 && self.orders_made == self.config.orders
    }

    /// Places orders until the queue's first event is the first of all: later orders bring only later arrivals.
    fn fill(&mut self) {
        while !self.orders_are_over() {
            let next_ms = self.config.start_ms + self.next_order_us / 1000;
            if self.queue.peek().is_some_and(|Reverse(first)| first.arrival_ms < next_ms) {
                break;
            }
            self.place_order(next_ms);
            let mut gap_us = (1e6 / self.config.rate) as i64;
            if self.next_order_us / 1000 % MINUTE_MS < SPIKE_MS {
                gap_us /= SPIKE_FACTOR;
            }
            self.next_order_us += self.rng.random_range(0..=2 * gap_us);
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        self.rng.random_range(low..=high)
    }

    /// Puts the news of something that happens at `at_ms` into the queue, with whatever goes wrong on its way.
    fn send(&mut self, at_ms: i64, op: Op, row: Row) {
        let mut arrival_ms = at_ms + self.between(5, 200);
        if self.chance(self.config.faults.out_of_order) {
            arrival_ms += self.between(500, 5 * SECOND_MS);
        }
        if self.chance(self.config.faults.late) {
            arrival_ms += if self.chance(0.8) {
                self.between(10 * SECOND_MS, MINUTE_MS)
            } else {
                self.between(MINUTE_MS, 5 * MINUTE_MS)
            };
        }
        if self.chance(self.config.faults.duplicated) {
            let again_ms = arrival_ms + self.between(0, 30 * SECOND_MS);
            self.enqueue(Event { arrival_ms: again_ms, op, row: row.clone() });
        }
        self.enqueue(Event { arrival_ms, op, row });
    }

    fn enqueue(&mut self, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Queued { arrival_ms: event.arrival_ms, sequence: self.sequence, event }));
    }

    /// Makes up an order and all that follows from it.
    fn place_order(&mut self, now_ms: i64) {
        self.orders_made += 1;
        let mut order = self.draw_order(now_ms);
        let pays = !self.chance(NEVER_PAID);
        let pays_ms = now_ms + self.between(300, 20 * SECOND_MS);
        let mut placed_news_ms = now_ms;
        if pays && self.chance(self.config.faults.payment_first) {
            placed_news_ms = pays_ms + self.between(500, 10 * SECOND_MS);
        }
        self.send(placed_news_ms, Op::Upsert, Row::Order(order.clone()));
        if self.chance(self.config.faults.revised) {
            self.revise(&mut order, now_ms);
        }
        if pays {
            self.pay(&order, pays_ms);
        }
        if self.chance(self.config.faults.deleted) {
            order.version += 1;
            let deleted_ms = now_ms + self.between(30 * SECOND_MS, 2 * MINUTE_MS);
            self.send(deleted_ms, Op::Delete, Row::Order(order));
        }
    }

    fn draw_order(&mut self, now_ms: i64) -> Order {
        let product_id = if self.chance(HOT_SHARE) {
            HOT_PRODUCT
        } else {
            let total = self.product_weights.last().copied().unwrap_or(1);
            let drawn = self.rng.random_range(0..total);
            HOT_PRODUCT + 1 + self.product_weights.partition_point(|running| *running <= drawn) as i32
        };
        let mut share = self.rng.random_range(0..100);
        let mut channel = CHANNELS[0].0;
        for (name, percent) in CHANNELS {
            channel = name;
            if share < percent {
                break;
            }
            share -= percent;
        }
        let quantity = self.between(1, if product_id == HOT_PRODUCT { 2 } else { 5 }) as i32;
        Order {
            order_id: self.orders_made as i64,
            version: 1,
            buyer_id: self.between(1, BUYERS),
            product_id,
            channel,
            quantity,
            amount_minor: price_minor(product_id) * i64::from(quantity),
            status: "placed",
            placed_ms: now_ms,
        }
    }

    fn revise(&mut self, order: &mut Order, now_ms: i64) {
        let mut at_ms = now_ms;
        for _ in 0..self.between(1, 2) {
            at_ms += self.between(SECOND_MS, 30 * SECOND_MS);
            order.version += 1;
            match self.between(0, 9) {
                0..=4 => order.amount_minor = order.amount_minor * self.between(50, 99) / 100,
                5..=7 => {
                    order.quantity = self.between(1, 5) as i32;
                    order.amount_minor = price_minor(order.product_id) * i64::from(order.quantity);
                }
                _ => order.status = "cancelled",
            }
            self.send(at_ms, Op::Upsert, Row::Order(order.clone()));
        }
    }

    fn pay(&mut self, order: &Order, pays_ms: i64) {
        if self.chance(self.config.faults.failed) {
            let mut payment = self.new_payment(order, order.amount_minor, pays_ms);
            payment.status = "failed";
            self.send(pays_ms, Op::Upsert, Row::Payment(payment));
        }
        let refunded = self.chance(self.config.faults.refunded) || order.status == "cancelled";
        let refunds_ms = pays_ms + self.between(5 * SECOND_MS, MINUTE_MS);
        let mut news_delay_ms = 0;
        if refunded && self.chance(self.config.faults.refund_first) {
            news_delay_ms = refunds_ms - pays_ms + self.between(SECOND_MS, MINUTE_MS);
        }
        let parts = if self.chance(self.config.faults.partial) { self.between(2, 3) } else { 1 };
        // Of those who pay in parts, some never pay the last one.
        let paid_parts = if parts > 1 && self.chance(0.15) { parts - 1 } else { parts };
        let mut captured_minor = 0;
        for part in 0..paid_parts {
            let share_minor = order.amount_minor / parts + if part == 0 { order.amount_minor % parts } else { 0 };
            let at_ms = pays_ms + part * self.between(SECOND_MS, 20 * SECOND_MS);
            if self.pay_part(order, share_minor, at_ms, news_delay_ms) {
                captured_minor += share_minor;
            }
        }
        if refunded && captured_minor > 0 {
            self.refund(order, captured_minor, refunds_ms);
        }
    }

    /// One payment, at once captured or authorised first; false when it stays authorised.
    fn pay_part(&mut self, order: &Order, amount_minor: i64, at_ms: i64, news_delay_ms: i64) -> bool {
        let mut payment = self.new_payment(order, amount_minor, at_ms);
        if self.chance(0.6) {
            self.send(at_ms + news_delay_ms, Op::Upsert, Row::Payment(payment.clone()));
            if self.chance(0.03) {
                return false;
            }
            payment.version += 1;
            payment.paid_ms += self.between(500, 10 * SECOND_MS);
        }
        payment.status = "captured";
        self.send(payment.paid_ms + news_delay_ms, Op::Upsert, Row::Payment(payment));
        true
    }

    fn new_payment(&mut self, order: &Order, amount_minor: i64, paid_ms: i64) -> Payment {
        self.payments_made += 1;
        Payment {
            payment_id: self.payments_made,
            version: 1,
            order_id: order.order_id,
            amount_minor,
            status: "authorised",
            paid_ms,
        }
    }

    /// Money back: all of it in one refund, or parts of it in one or two.
    fn refund(&mut self, order: &Order, captured_minor: i64, at_ms: i64) {
        let in_full = order.status == "cancelled" || self.chance(0.5);
        let count = if in_full { 1 } else { self.between(1, 2) };
        for _ in 0..count {
            let percent = if in_full { 100 } else { self.between(10, 50) };
            self.refunds_made += 1;
            let mut refund = Refund {
                refund_id: self.refunds_made,
                version: 1,
                order_id: order.order_id,
                amount_minor: captured_minor * percent / 100,
                status: "requested",
                refunded_ms: at_ms,
            };
            self.send(at_ms, Op::Upsert, Row::Refund(refund.clone()));
            let outcome = self.between(0, 99);
            if outcome < 90 {
                refund.version += 1;
                refund.status = if outcome < 82 { "succeeded" } else { "failed" };
                refund.refunded_ms += self.between(SECOND_MS, MINUTE_MS);
                self.send(refund.refunded_ms, Op::Upsert, Row::Refund(refund));
            }
        }
    }
}

impl Iterator for World {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_until(i64::MAX)
    }
}

/// A product's price: between 5.00 and 505.00, ending in 9.
fn price_minor(product_id: i32) -> i64 {
    500 + i64::from(product_id) * 7919 % 5000 * 10 + 9
}
