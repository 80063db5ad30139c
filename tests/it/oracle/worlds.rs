//! The shipped dataflows under random worlds: small ones, told in any order, many things twice, on one to three workers.
//!
//! At a tick, each materialized view must be what plain DataFusion makes of the relations it reads, as they stand at that tick; and so, view by
//! view, of the tables. At the end the order state and the sums of money are the simulator's own truth. A failing world prints its seed;
//! `TRUEUP_SEED=n` runs it alone, `TRUEUP_WORLDS=n` another number of worlds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rand::seq::{IndexedRandom, SliceRandom};
use trueup::app::sql_files;
use trueup::engine::Prepared;
use trueup::ingest::simulator::{Event, OrderTruth, Truth, World, WorldConfig, input_batch, truth};
use trueup::plan::parse::parse;
use trueup::plan::statement::StatementKind;

use super::*;
use crate::harness::rows;
use crate::world::line;

/// Worlds of a run, told in order and in no order.
const WORLDS: u64 = 100;
/// Views are compared at the end of every world, at a tick on the way of every so many, at every tick of every so many.
const LOOKED_AT: u64 = 10;
const WATCHED: u64 = 50;

/// The dataflows, planned once for the engine and once for the reference.
struct Shipped {
    prepared: Prepared,
    batch: Batch,
    /// Tables, their histories and materialized views: what the reference reads.
    stored: Vec<String>,
    views: Vec<(String, Reference)>,
}

impl Shipped {
    async fn plan() -> Shipped {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows"));
        let scripts = sql_files(&[folder]).expect("the dataflows are there");
        let prepared = Prepared::new(&scripts).unwrap_or_else(|findings| panic!("{findings:?}"));
        let (mut stored, mut plain, mut kept) = (vec![], vec![], vec![]);
        for statement in scripts.iter().flat_map(|script| parse(&script.text).expect("it parses")) {
            match statement.kind {
                StatementKind::CreateTable { def, .. } => {
                    stored.extend([Some(def.name), def.history].into_iter().flatten())
                }
                StatementKind::CreateView { name, query, materialized: true, .. } => {
                    stored.push(name.clone());
                    kept.push((name, query.to_string()));
                }
                // The system says nothing of itself to the reference.
                StatementKind::CreateView { query, .. } if query.to_string().contains("trueup.") => {}
                StatementKind::CreateView { name, query, .. } => plain.push((name, query.to_string())),
                _ => {}
            }
        }
        let schema = |name: &String| prepared.columns(name).expect("it was planned").schema;
        let batch = Batch::new(&stored.iter().map(|name| (name.clone(), schema(name))).collect::<Vec<_>>());
        // Each after those it reads.
        while !plain.is_empty() {
            let before = plain.len();
            let mut later = vec![];
            for (name, sql) in plain {
                if batch.view(&name, &sql).await.is_err() {
                    later.push((name, sql));
                }
            }
            assert!(later.len() < before, "the reference refuses {later:?}");
            plain = later;
        }
        let mut views = vec![];
        for (name, sql) in kept {
            let reference = batch.plan(&sql).await.unwrap_or_else(|e| panic!("the reference refuses {name}: {e}"));
            views.push((name, reference));
        }
        Shipped { prepared, batch, stored, views }
    }

    async fn engine(&self, workers: usize) -> Subject {
        let engine = start(workers);
        let plain = ["attribution_order_credits".to_string()];
        let wanted: BTreeSet<String> = self.stored.iter().chain(&plain).cloned().collect();
        engine.build(&self.prepared, &wanted).await.unwrap_or_else(|e| panic!("{e}"));
        Subject { workers, engine, tables: vec![] }
    }

    /// Sends events, those of a table together.
    fn send(&self, subject: &Subject, events: &[Event]) {
        let mut by_table: BTreeMap<&str, Vec<Event>> = BTreeMap::new();
        for event in events {
            by_table.entry(event.stream.name()).or_default().push(event.clone());
        }
        for (name, events) in by_table {
            let table = self.prepared.columns(name).expect("a table").table.expect("a table");
            let relation = subject.engine.relation(name).expect("it was built");
            subject.engine.send(input_batch(&table, relation, &events).expect("rows")).expect("the engine takes input");
        }
    }

    /// Compares every view with the reference; what differs first.
    async fn difference(&self, subject: &Subject, tick: Tick) -> Option<String> {
        let (mut contents, mut filled) = (BTreeMap::new(), vec![]);
        for name in &self.stored {
            let schema = self.prepared.columns(name).expect("it was planned").schema;
            let batches = subject.rows(name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            let columns = |batch: RecordBatch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec());
            let batches = batches.into_iter().map(columns).collect::<Result<Vec<_>, _>>().expect("the view's columns");
            let rows = arrow::compute::concat_batches(&schema, &batches).expect("one schema");
            contents.insert(name.as_str(), rows.clone());
            filled.push(rows);
        }
        self.batch.fill(filled);
        for (name, reference) in &self.views {
            let text = match self.batch.run(reference, tick).await {
                Ok(answer) => compare::difference(&[contents[name.as_str()].clone()], &answer),
                Err(error) => Some(format!("the reference fails: {error}")),
            };
            if let Some(text) = text {
                return Some(format!("{name}: {text}"));
            }
        }
        None
    }
}

/// A small world in which much goes wrong.
fn config(seed: u64) -> WorldConfig {
    let mut config = WorldConfig { seed, orders: 20, history: 6, rate: 1.0, web_percent: 40, ..WorldConfig::default() };
    let faults = &mut config.faults;
    (faults.malformed, faults.duplicated, faults.orphaned) = (0.1, 0.1, 0.05);
    (faults.revised, faults.cancelled, faults.pay_cancel_race) = (0.2, 0.1, 0.05);
    (faults.partial, faults.paid_twice, faults.price_zero) = (0.2, 0.05, 0.03);
    (faults.refunded, faults.refund_reversed, faults.late_refund) = (0.4, 0.2, 0.1);
    (faults.chargeback, faults.settlement_differs, faults.settlement_missing) = (0.1, 0.1, 0.1);
    config
}

/// Runs a world to its end.
async fn run_world(shipped: &Shipped, seed: u64) {
    let config = config(seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let subject = shipped.engine(1 + (seed % 3) as usize).await;
    let mut events: Vec<Event> = World::new(config.clone()).collect();
    let again: Vec<Event> = events.choose_multiple(&mut random, events.len() / 10).cloned().collect();
    events.extend(again);
    if !in_order(seed) {
        events.shuffle(&mut random);
    }
    let ticks = random.random_range(2..8usize);
    let looked_at = seed.is_multiple_of(LOOKED_AT).then(|| random.random_range(0..ticks));
    for (at, portion) in events.chunks(events.len().div_ceil(ticks)).enumerate() {
        shipped.send(&subject, portion);
        let tick = subject.engine.tick().await.unwrap_or_else(|e| panic!("world {seed}: {e}"));
        let is_last = (at + 1) * events.len().div_ceil(ticks) >= events.len();
        if is_last || looked_at == Some(at) || seed.is_multiple_of(WATCHED) {
            let workers = subject.workers;
            let difference = shipped.difference(&subject, tick).await;
            assert!(difference.is_none(), "TRUEUP_SEED={seed}, tick {at}, {workers} workers: {}", difference.unwrap());
        }
    }
    compare_truth(&subject, &truth(&config), seed).await;
    subject.engine.stop().await;
}

/// The order state, and sums over it in every view that adds up all orders, against what happened.
async fn compare_truth(subject: &Subject, truth: &Truth, seed: u64) {
    let engine = &subject.engine;
    let state = rows(
        engine,
        "SELECT order_id, channel, status, currency, amount, authorised, paid, refunded, charged_back, net,
                units, shipped_units, delivered_units, returned_units FROM order_state",
    )
    .await;
    let mut expected: Vec<String> = truth.orders.values().map(line).collect();
    expected.sort();
    assert_eq!(state, expected, "TRUEUP_SEED={seed}: order_state");

    let rates = rates(engine).await;
    let mut totals = Totals::default();
    for order in truth.orders.values() {
        totals.add(order, &rates);
    }
    let all = totals.line();
    for (what, sql) in [
        ("sales_by_status", "SELECT sum(orders), sum(placed), sum(paid), sum(net) FROM sales_by_status"),
        ("sale_cells", "SELECT sum(orders), sum(placed), sum(paid), sum(paid) - sum(refunded) FROM sale_cells"),
    ] {
        assert_eq!(rows(engine, sql).await, std::slice::from_ref(&all), "TRUEUP_SEED={seed}: {what}");
    }
    let earned = format!("{}|{}", totals.paid, totals.net);
    let by_model = rows(
        engine,
        "SELECT lookback_days, date_axis, model, CAST(sum(gross) * 100 AS BIGINT), CAST(sum(net) * 100 AS BIGINT)
         FROM attribution_daily GROUP BY lookback_days, date_axis, model",
    )
    .await;
    assert_eq!(by_model.len(), 3 * 2 * 5, "TRUEUP_SEED={seed}");
    assert!(
        by_model.iter().all(|row| row.ends_with(&format!("|{earned}"))),
        "TRUEUP_SEED={seed}: {earned} {by_model:?}"
    );
    let unequal = rows(
        engine,
        "SELECT c.order_id FROM attribution_order_credits c JOIN order_state o ON o.order_id = c.order_id
         GROUP BY c.order_id, c.lookback_days, o.net_cny
         HAVING sum(last_click) <> o.net_cny OR sum(first_click) <> o.net_cny OR sum(linear) <> o.net_cny
             OR sum(time_decay) <> o.net_cny OR sum(position_based) <> o.net_cny",
    )
    .await;
    assert_eq!(unequal, Vec::<String>::new(), "TRUEUP_SEED={seed}: credits of an order add up to its net");
    assert_eq!(rows(engine, "SELECT * FROM trueup.errors").await, Vec::<String>::new(), "TRUEUP_SEED={seed}");
}

/// Exchange rates in hundred-millionths, by currency and day.
async fn rates(engine: &Engine) -> BTreeMap<String, i128> {
    let known =
        rows(engine, "SELECT currency || '|' || CAST(day AS TEXT), CAST(rate * 100000000 AS BIGINT) FROM fx_rates")
            .await;
    let entry = |row: &String| {
        let (key, rate) = row.rsplit_once('|').expect("a key and a rate");
        (key.to_string(), rate.parse().expect("a number"))
    };
    known.iter().map(entry).collect()
}

/// Money in fen.
#[derive(Default)]
struct Totals {
    orders: u64,
    placed: i128,
    paid: i128,
    net: i128,
}

impl Totals {
    fn add(&mut self, order: &OrderTruth, rates: &BTreeMap<String, i128>) {
        self.orders += 1;
        let day = chrono::DateTime::from_timestamp_millis(order.placed_ms).expect("a time").date_naive();
        let rate = match order.currency {
            "CNY" => 100_000_000,
            other => rates[&format!("{other}|{day}")],
        };
        // Half a fen away from zero, as SQL rounds.
        let in_fen = |minor: i64| (2 * i128::from(minor) * rate + 100_000_000) / 200_000_000;
        self.placed += in_fen(order.amount_minor);
        self.paid += in_fen(order.paid_minor);
        self.net += in_fen(order.paid_minor) - in_fen(order.refunded_minor + order.charged_back_minor);
    }

    fn line(&self) -> String {
        let major = |fen: i128| {
            let sign = if fen < 0 { "-" } else { "" };
            format!("{sign}{}.{:02}", fen.abs() / 100, fen.abs() % 100)
        };
        format!("{}|{}|{}|{}", self.orders, major(self.placed), major(self.paid), major(self.net))
    }
}

/// Whether the news of a world comes in its order, or in none. Of worlds looked at on the way, half do.
fn in_order(seed: u64) -> bool {
    seed.count_ones().is_multiple_of(2)
}

/// Runs the worlds of one kind.
async fn run_worlds(wanted: impl Fn(u64) -> bool) {
    let shipped = Shipped::plan().await;
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("TRUEUP_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("TRUEUP_WORLDS").unwrap_or(WORLDS),
    };
    for seed in seeds.filter(|seed| wanted(*seed)) {
        run_world(&shipped, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shipped_views_equal_the_batch_engine_and_the_truth_of_worlds_in_order() {
    run_worlds(in_order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shipped_views_equal_the_batch_engine_and_the_truth_of_worlds_in_no_order() {
    run_worlds(|seed| !in_order(seed)).await;
}
