//! Simulated worlds against their own truth: whatever the channels sent, late, twice, flawed and corrected, the order model and the
//! order state are what happened.
//!
//! `TRUEUP_WORLDS=100 cargo test --test it world` tries that many worlds instead of a few.

use std::path::{Path, PathBuf};

use trueup::app::sql_files;
use trueup::engine::{Engine, Prepared, Script};
use trueup::ingest::InputFolder;
use trueup::ingest::simulator::{OrderTruth, Stream, Truth, WorldConfig, truth, write};
use trueup::model::TableDef;

use super::harness::{rows, start};

/// Channels, model, order state and history; what is built on them is tested beside its SQL.
pub fn scripts() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    let paths = ["channels", "model.sql", "reference.sql", "order_state.sql", "order_history.sql"]
        .map(|name| folder.join(name));
    sql_files(&paths).expect("the shipped dataflows are there")
}

fn config(seed: u64) -> WorldConfig {
    let mut config = WorldConfig { seed, orders: 250, history: 50, ..WorldConfig::default() };
    config.faults.malformed = 0.05;
    config.faults.duplicated = 0.1;
    config.faults.orphaned = 0.02;
    config.faults.refunded = 0.2;
    config.faults.chargeback = 0.05;
    config
}

/// An engine with the dataflows, its tables fed as said, and everything read.
pub async fn settled(workers: usize, feed: impl FnMut(&mut TableDef)) -> Engine {
    let engine = start(workers);
    engine.load_fed(&scripts(), feed).await.unwrap_or_else(|findings| panic!("{}", findings[0]));
    engine.flush().await.expect("everything is read");
    engine
}

/// Points simulated tables at a finite world, told all at once.
fn simulate(config: &WorldConfig) -> impl FnMut(&mut TableDef) {
    let options = [
        ("seed", config.seed.to_string()),
        ("orders", config.orders.to_string()),
        ("history", config.history.to_string()),
        ("malformed", config.faults.malformed.to_string()),
        ("duplicated", config.faults.duplicated.to_string()),
        ("orphaned", config.faults.orphaned.to_string()),
        ("refunded", config.faults.refunded.to_string()),
        ("chargeback", config.faults.chargeback.to_string()),
        ("rate", config.rate.to_string()),
        ("haste", config.haste.to_string()),
        ("pace", "none".to_string()),
    ];
    move |table| {
        if let Some(connector) = &mut table.connector {
            connector.options.extend(options.iter().map(|(name, value)| (name.to_string(), value.clone())));
        }
    }
}

fn major(minor: i64) -> String {
    format!("{}{}.{:02}", if minor < 0 { "-" } else { "" }, minor.abs() / 100, minor.abs() % 100)
}

pub fn line(order: &OrderTruth) -> String {
    let money = [
        order.amount_minor,
        order.authorised_minor,
        order.paid_minor,
        order.refunded_minor,
        order.charged_back_minor,
        order.net_minor,
    ];
    let units = [order.units, order.shipped_units, order.delivered_units, order.returned_units];
    let mut fields =
        vec![order.order_id.clone(), order.channel.to_string(), order.status.to_string(), order.currency.to_string()];
    fields.extend(money.map(major));
    fields.extend(units.map(|units| units.to_string()));
    fields.join("|")
}

async fn check(engine: &Engine, truth: &Truth, context: &str) {
    let found = rows(
        engine,
        "SELECT order_id, channel, status, currency, amount, authorised, paid, refunded, charged_back, net,
                units, shipped_units, delivered_units, returned_units FROM order_state",
    )
    .await;
    let mut expected: Vec<String> = truth.orders.values().map(line).collect();
    expected.sort();
    let wrong: Vec<_> = found.iter().filter(|row| expected.binary_search(row).is_err()).collect();
    let missing: Vec<_> = expected.iter().filter(|row| found.binary_search(row).is_err()).collect();
    assert!(found == expected, "{context}: found {wrong:#?} instead of {missing:#?}");
    for (relation, count) in [
        ("orders", truth.count),
        ("order_items", truth.lines),
        ("payments", truth.payments),
        ("refunds", truth.refunds),
        ("shipments", truth.shipments),
        ("orphan_payments", truth.orphans),
        ("quarantine", 0),
    ] {
        let found = rows(engine, &format!("SELECT count(*) FROM {relation}")).await;
        assert_eq!(found, [count.to_string()], "{context}: rows of {relation}");
    }
    check_histories(engine, context).await;
}

/// What histories say agrees with what tables counted.
async fn check_histories(engine: &Engine, context: &str) {
    let told: Vec<String> = Stream::ALL
        .iter()
        .filter(|stream| stream.name().starts_with("raw_"))
        .map(|stream| format!("SELECT '{0}' AS relation, trueup_outcome AS outcome FROM {0}_history", stream.name()))
        .collect();
    assert_eq!(told.len(), 14);
    let told = format!(
        "SELECT relation, count(*), count(*) FILTER (WHERE outcome = 'stale'), count(*) FILTER (WHERE outcome = 'corrected'),
                count(*) FILTER (WHERE outcome = 'inserted') FROM ({}) AS t GROUP BY relation",
        told.join(" UNION ALL ")
    );
    let counted = "SELECT relation, received - duplicates, stale, corrections, rows FROM trueup.tables
                   WHERE relation LIKE 'raw_%' AND received > 0";
    assert_eq!(rows(engine, &told).await, rows(engine, counted).await, "{context}");
    let late = "SELECT count(*), count(DISTINCT order_id) FROM order_history
                WHERE trueup_outcome = 'stale' AND order_id IS NOT NULL";
    let late_by_order = "SELECT sum(stale_versions), count(*) FROM stale_facts";
    let (late, late_by_order) = (rows(engine, late).await, rows(engine, late_by_order).await);
    assert!(late == late_by_order && !late[0].starts_with("0|"), "{context}: {late:?}, by order {late_by_order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn worlds_come_out_as_they_happened() {
    let worlds = std::env::var("TRUEUP_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for seed in 1..=worlds {
        let haste = if seed % 3 == 0 { 60 } else { 1 };
        let config = WorldConfig { haste, ..config(seed) };
        let engine = settled(1 + seed as usize % 3, simulate(&config)).await;
        check(&engine, &truth(&config), &format!("seed {seed}")).await;
        assert_eq!(rows(&engine, "SELECT count(*) FROM trueup.errors").await, ["0"], "seed {seed}");
        engine.stop().await;
    }
}

/// What `sim --out` writes is what `run --input` reads; lines cut in half are errors, and the good ones beside them count.
#[tokio::test(flavor = "multi_thread")]
async fn files_tell_the_same_world() {
    let mut config = config(4);
    config.faults.garbled = 0.02;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary = write::write_files(&config, folder.path(), false).expect("writing");
    assert!(summary.garbled > 20, "{summary:?}");
    let mut input = InputFolder::open(folder.path(), false).expect("the folder");
    let engine = settled(2, |table| input.feed(table)).await;
    assert_eq!(input.unused().collect::<Vec<_>>(), Vec::<&str>::new());
    check(&engine, &truth(&config), "files").await;
    let errors = rows(&engine, "SELECT count(*) > 0 FROM trueup.errors").await;
    assert_eq!(errors, ["true"]);
    engine.stop().await;
}

/// The folder the README's example names.
#[test]
fn every_simulated_table_is_one_of_the_dataflows() {
    let all = sql_files(&[PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows"))]).expect("dataflows");
    for stream in Stream::ALL {
        let declared = format!("CREATE TABLE {} (", stream.name());
        assert!(all.iter().any(|script| script.text.contains(&declared)), "{}", stream.name());
    }
}

/// What the benches' README compares the whole of the dataflows with.
#[test]
fn the_least_a_flash_sale_needs_can_be_planned() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = scripts();
    all.extend(sql_files(&[root.join("benches/flashsale/shipped.sql")]).expect("it is there"));
    if let Err(findings) = Prepared::check(&all) {
        panic!("{}", findings[0]);
    }
}
