//! The world itself: when orders come, and the queue of news that follows from them.
//!
//! Orders come along the curve of [`Curve`](super::Curve); each order's whole story is made up when it is placed, and its news is put into
//! buckets by arrival time. A bucket is sorted and handed out once no later order can add to it. All arithmetic is on integers but
//! for the rate and a few averages, so that a seed means the same everywhere.

use std::collections::BTreeMap;

use super::catalogue::{Channel, Wishes};
use super::config::WorldConfig;
use super::dice::{Concern, Dice};
use super::reference::Registrar;
use super::story::{Author, DAY_MS, MINUTE_MS, Story};
use super::stream::{Event, Stream, StreamSet};
use super::{marketing, platform};

/// What a bucket of the queue spans, in milliseconds.
const BUCKET_MS: i64 = 100;
/// History begins so many days before the world.
const HISTORY_DAYS: i64 = 30;
/// Streams that tell of orders, one way or another.
const ABOUT_ORDERS: [Stream; 16] = [
    Stream::WebOrders,
    Stream::WebItems,
    Stream::WebPayments,
    Stream::WebRefunds,
    Stream::WebShipments,
    Stream::ShopifyOrders,
    Stream::ShopifyTransactions,
    Stream::StripeEvents,
    Stream::AdyenNotifications,
    Stream::TmallTrades,
    Stream::TmallRefunds,
    Stream::DouyinOrders,
    Stream::DouyinRefunds,
    Stream::PosLines,
    Stream::Touchpoints,
    Stream::Settlements,
];

/// The stories of a world, in the order they are told.
pub(super) struct Stories {
    config: WorldConfig,
    wishes: Wishes,
    told: u64,
    /// When the next order is placed, in nanoseconds after the start.
    next_ns: i64,
}

impl Stories {
    pub(super) fn new(config: WorldConfig) -> Stories {
        Stories { config, wishes: Wishes::new(), told: 0, next_ns: 0 }
    }

    pub(super) fn are_over(&self) -> bool {
        self.config.orders > 0 && self.told == self.config.orders
    }

    fn next_is_history(&self) -> bool {
        self.told < self.config.history
    }

    /// When the next order is placed; orders of the past are told at the start.
    pub(super) fn next_ms(&self) -> i64 {
        self.config.start_ms + if self.next_is_history() { 0 } else { self.next_ns / 1_000_000 }
    }

    /// The next order's story, unless its channel is of no interest.
    pub(super) fn tell(&mut self, is_wanted: impl Fn(Channel) -> bool) -> Option<Story> {
        let (is_history, told_ms) = (self.next_is_history(), self.next_ms());
        self.told += 1;
        let mut dice = Dice::of(self.config.seed, self.told, Concern::Arrival);
        let channel = Channel::drawn(dice.between(0, 9999) as u64, self.config.web_percent);
        let placed_ms = if is_history {
            self.config.start_ms - dice.between(MINUTE_MS, HISTORY_DAYS * DAY_MS)
        } else {
            let gap_ns = (1e9 / self.config.rate) as i64 * 1000 / self.config.curve.permille(self.next_ns / 1_000_000);
            self.next_ns += dice.between(0, 2 * gap_ns.max(1));
            told_ms
        };
        is_wanted(channel).then(|| {
            let dice = Dice::of(self.config.seed, self.told, Concern::Story);
            let mut author = Author { faults: &self.config.faults, wishes: &self.wishes, dice };
            let mut story = author.tell(self.told, channel, placed_ms, told_ms);
            story.hasten(self.config.haste);
            story
        })
    }
}

/// All events in the order they arrive. Endless worlds never return `None`.
pub struct World {
    wanted: StreamSet,
    stories: Stories,
    next_minute: i64,
    /// News by arrival time.
    buckets: BTreeMap<i64, Vec<Event>>,
    /// A bucket that is complete, the first event last.
    ready: Vec<Event>,
    fresh: Vec<Event>,
}

impl World {
    /// The world at its start.
    pub fn new(config: WorldConfig) -> World {
        World::of(config, StreamSet::ALL)
    }

    /// Some streams of the world: the same events as among all, found faster.
    pub fn of(config: WorldConfig, wanted: StreamSet) -> World {
        let mut world = World {
            wanted,
            stories: Stories::new(config),
            next_minute: 0,
            buckets: BTreeMap::new(),
            ready: Vec::new(),
            fresh: Vec::new(),
        };
        world.registrar(|registrar, wishes| registrar.open(wishes));
        world
    }

    /// The next event if it has arrived by then.
    pub fn next_until(&mut self, now_ms: i64) -> Option<Event> {
        if self.ready.is_empty() {
            self.refill(now_ms);
        }
        self.ready.pop_if(|event| event.arrival_ms <= now_ms)
    }

    /// No event will come any more.
    pub fn is_over(&self) -> bool {
        self.ready.is_empty() && self.buckets.is_empty() && self.stories.are_over()
    }

    /// Makes the first bucket ready once all that can fall into it has been told. Nothing is told that begins after `now_ms`.
    fn refill(&mut self, now_ms: i64) {
        loop {
            let story_ms = if self.stories.are_over() { i64::MAX } else { self.stories.next_ms() };
            let minute_ms = match story_ms {
                // With the last order the world's clock stops too.
                i64::MAX => i64::MAX,
                _ => self.stories.config.start_ms + self.next_minute * MINUTE_MS,
            };
            let complete_ms = story_ms.min(minute_ms);
            let first = self.buckets.first_entry().filter(|first| {
                let ends_ms = (first.key() + 1).saturating_mul(BUCKET_MS);
                ends_ms <= complete_ms
            });
            if let Some(first) = first {
                self.ready = first.remove();
                self.ready.sort_by_key(|event| event.arrival_ms);
                self.ready.reverse();
                return;
            }
            if complete_ms == i64::MAX || complete_ms > now_ms.saturating_add(BUCKET_MS) {
                return;
            }
            if minute_ms <= story_ms {
                let minute = self.next_minute;
                self.next_minute += 1;
                self.registrar(|registrar, _| registrar.minute(minute));
            } else {
                self.tell();
            }
        }
    }

    fn tell(&mut self) {
        let wanted = self.wanted;
        let has_any = wanted.has_any(&ABOUT_ORDERS);
        let beyond = wanted.has_any(&[
            Stream::StripeEvents,
            Stream::AdyenNotifications,
            Stream::Touchpoints,
            Stream::Settlements,
        ]);
        let is_wanted = |channel: Channel| {
            has_any
                && (beyond
                    || match channel {
                        Channel::Web => wanted.has_any(&Stream::WEB),
                        Channel::Shopify => wanted.has_any(&[Stream::ShopifyOrders, Stream::ShopifyTransactions]),
                        Channel::Tmall => wanted.has_any(&[Stream::TmallTrades, Stream::TmallRefunds]),
                        Channel::Douyin => wanted.has_any(&[Stream::DouyinOrders, Stream::DouyinRefunds]),
                        Channel::Pos => wanted.has(Stream::PosLines),
                    })
        };
        if let Some(story) = self.stories.tell(is_wanted) {
            let config = &self.stories.config;
            marketing::touch(config, wanted, &story, &mut self.fresh);
            platform::tell(config, wanted, &story, &mut self.fresh);
            marketing::settle(config, wanted, &story, &mut self.fresh);
        }
        self.file();
    }

    fn registrar(&mut self, work: impl FnOnce(&mut Registrar<'_>, &Wishes)) {
        let Stories { config, wishes, .. } = &self.stories;
        work(&mut Registrar { config, wanted: self.wanted, out: &mut self.fresh }, wishes);
        self.file();
    }

    /// Puts fresh events into their buckets.
    fn file(&mut self) {
        for event in self.fresh.drain(..) {
            self.buckets.entry(event.arrival_ms.div_euclid(BUCKET_MS)).or_default().push(event);
        }
    }
}

impl Iterator for World {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_until(i64::MAX)
    }
}
