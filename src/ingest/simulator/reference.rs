//! The reference tables: there when the world begins, and what changes in them minute by minute.
//!
//! Spend of the past week is restated in the first ten minutes; today's grows every minute. Exchange rates come a day ahead. The stock
//! of the hot product is a tenth less than a wave will ask for.

use super::catalogue::{CAMPAIGNS, CURRENCIES, HOT_PRODUCT, PRODUCTS, Wishes, category, orders_per_wave, price_minor};
use super::config::WorldConfig;
use super::dice::{Concern, Dice};
use super::story::{DAY_MS, MINUTE_MS};
use super::stream::{Event, Stream, StreamSet};
use super::value::{Value, day_of};

/// Days of spend before the world begins.
const SPEND_DAYS: i64 = 14;
/// Days of exchange rates before it.
const RATE_DAYS: i64 = 40;
/// Restatements of a day of the past.
const RESTATED: i64 = 2;
const WAREHOUSES: [&str; 2] = ["华东仓", "华南仓"];
/// The sale that others are compared with.
const EARLIER_SALE: &str = "earlier";
/// A line has so many units on average, in tenths.
const UNITS_PER_LINE_TENTHS: i64 = 20;
/// An order has so many lines on average, in tenths.
const LINES_PER_ORDER_TENTHS: i64 = 14;
/// An order comes to so much on average, in yuan hundredths.
const ORDER_MINOR: i64 = 76_000;

/// Makes reference rows.
pub(super) struct Registrar<'a> {
    pub(super) config: &'a WorldConfig,
    pub(super) wanted: StreamSet,
    pub(super) out: &'a mut Vec<Event>,
}

impl Registrar<'_> {
    fn send(&mut self, arrival_ms: i64, stream: Stream, values: Vec<Value>) {
        if self.wanted.has(stream) {
            self.out.push(Event { arrival_ms, stream, values });
        }
    }

    fn dice(&self, number: u64) -> Dice {
        Dice::of(self.config.seed, number, Concern::Reference)
    }

    /// What is there when the world begins.
    pub(super) fn open(&mut self, wishes: &Wishes) {
        let start_ms = self.config.start_ms;
        for product in 1..=PRODUCTS {
            let values = vec![
                Value::product(product),
                Value::Number(1),
                Value::text(format!("{} {product}", category(product))),
                Value::Word(category(product)),
                Value::Money(price_minor(product)),
                Value::Word("CNY"),
            ];
            self.send(start_ms, Stream::Products, values);
            for warehouse in 0..WAREHOUSES.len() {
                self.stock(wishes, product, warehouse, 1, start_ms);
            }
        }
        for (index, (platform, name)) in CAMPAIGNS.iter().enumerate() {
            let values = vec![
                Value::Code("C", index as u64 + 1),
                Value::Number(1),
                Value::Word(name),
                Value::Word(platform),
                Value::Date(day_of(start_ms - SPEND_DAYS * DAY_MS)),
                Value::Null,
                Value::Money(5_000_000 + index as i64 * 1_000_000),
                Value::Word("CNY"),
            ];
            self.send(start_ms, Stream::Campaigns, values);
        }
        for day in -RATE_DAYS..=1 {
            self.rates(day_of(start_ms + day * DAY_MS), start_ms);
        }
        for day in -SPEND_DAYS..0 {
            for version in 1..=1 + RESTATED {
                let arrival_ms = start_ms + (version - 1) * 5 * MINUTE_MS - day * 10_000 * (version - 1).min(1);
                self.spend_of_day(day_of(start_ms + day * DAY_MS), version, arrival_ms);
            }
        }
        self.earlier_sale();
    }

    /// What a minute of the world brings.
    pub(super) fn minute(&mut self, minute: i64) {
        let at_ms = self.config.start_ms + minute * MINUTE_MS;
        let (today, since_midnight_ms) = (day_of(at_ms), at_ms.rem_euclid(DAY_MS));
        // Spend so far, and a last word on the day before at midnight.
        self.spend_so_far(today, since_midnight_ms, at_ms);
        if since_midnight_ms < MINUTE_MS && minute > 0 {
            self.spend_of_day(today - 1, 1 << 20, at_ms);
            self.rates(today + 1, at_ms);
        }
        let wave_s = self.config.curve.wave_s();
        let (first_s, last_s) = (minute * 60, minute * 60 + 60);
        for wave in first_s.div_euclid(wave_s)..=last_s.div_euclid(wave_s) {
            if (first_s..last_s).contains(&(wave * wave_s)) {
                self.sale(wave, at_ms);
            }
        }
    }

    fn stock(&mut self, wishes: &Wishes, product: u32, warehouse: usize, version: i64, at_ms: i64) {
        let lines = orders_per_wave(self.config) * LINES_PER_ORDER_TENTHS / 10 * wishes.permille(product) / 1000;
        let wanted = if product == HOT_PRODUCT { lines * 15 / 10 } else { lines * UNITS_PER_LINE_TENTHS / 10 };
        let given = if product == HOT_PRODUCT { wanted * 9 / 10 } else { wanted * 2 + 50 };
        let values = vec![
            Value::product(product),
            Value::Word(WAREHOUSES[warehouse]),
            Value::Number(version),
            Value::Number(given / WAREHOUSES.len() as i64),
            Value::Time(at_ms),
        ];
        self.send(at_ms, Stream::Stock, values);
    }

    fn rates(&mut self, day: i32, at_ms: i64) {
        for (index, (currency, worth)) in CURRENCIES.iter().enumerate() {
            let mut dice = self.dice(day as u64 * 8 + index as u64);
            let rate = worth * 100_000 * (10_000 + dice.between(-100, 100)) / 10_000;
            let values = vec![Value::Word(currency), Value::Date(day), Value::Number(1), Value::Rate(rate)];
            self.send(at_ms, Stream::FxRates, values);
        }
    }

    fn spend(&mut self, campaign: usize, day: i32, version: i64, spend_minor: i64, at_ms: i64) {
        let clicks = spend_minor / 150;
        let values = vec![
            Value::Code("C", campaign as u64 + 1),
            Value::Date(day),
            Value::Number(version),
            Value::Word("CNY"),
            Value::Money(spend_minor),
            Value::Number(clicks * 40),
            Value::Number(clicks),
        ];
        self.send(at_ms, Stream::AdSpend, values);
    }

    /// A campaign's budget of a day.
    fn daily_minor(&self, campaign: usize, day: i32) -> i64 {
        let mut dice = self.dice(1 << 40 | (day as u64) << 8 | campaign as u64);
        dice.between(50_000, 500_000)
    }

    /// A whole day's spend; later versions come a little closer to what it was.
    fn spend_of_day(&mut self, day: i32, version: i64, at_ms: i64) {
        for campaign in 0..CAMPAIGNS.len() {
            let spend_minor = self.daily_minor(campaign, day);
            self.spend(campaign, day, version, spend_minor - spend_minor / 20 / version, at_ms);
        }
    }

    fn spend_so_far(&mut self, day: i32, since_midnight_ms: i64, at_ms: i64) {
        for campaign in 0..CAMPAIGNS.len() {
            let minutes = since_midnight_ms / MINUTE_MS + 1;
            let spend_minor = self.daily_minor(campaign, day) * minutes / (24 * 60);
            self.spend(campaign, day, minutes, spend_minor, at_ms);
        }
    }

    fn sale(&mut self, wave: i64, at_ms: i64) {
        let (begins_s, ends_s) = self.config.curve.sale_s(wave);
        let values = vec![
            Value::Code("wave-", wave as u64 + 1),
            Value::Number(1),
            Value::Code("Flash sale, wave ", wave as u64 + 1),
            Value::Time(self.config.start_ms + begins_s * 1000),
            Value::Time(self.config.start_ms + ends_s * 1000),
            Value::Word(EARLIER_SALE),
        ];
        self.send(at_ms, Stream::Sales, values);
    }

    /// Last year's sale: the same curve, a fifth less of everything.
    fn earlier_sale(&mut self) {
        let start_ms = self.config.start_ms;
        let curve = &self.config.curve;
        let (begins_s, ends_s) = curve.sale_s(0);
        let minutes = (ends_s - begins_s + 59) / 60;
        let loads: Vec<i64> = (0..minutes)
            .map(|minute| curve.load(begins_s + minute * 60, (begins_s + minute * 60 + 60).min(ends_s)))
            .collect();
        for (minute, load) in loads.into_iter().enumerate() {
            let orders = (load as f64 * self.config.rate / 1000.0 * 0.8) as i64;
            let values = vec![
                Value::Word(EARLIER_SALE),
                Value::Number(minute as i64),
                Value::Number(orders),
                Value::Money(orders * ORDER_MINOR),
                Value::Money(orders * ORDER_MINOR * 9 / 10),
            ];
            self.send(start_ms, Stream::EarlierSales, values);
        }
    }
}
