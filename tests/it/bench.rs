//! `trueup bench`: a system that stands still must look like one, and input comes from where it is said to come from.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use trueup::bench::{self, BenchError, Curve, Options, Outcome};
use trueup::engine::{Prepared, Script};

use super::cli::{text, trueup};

const SQL: &str = "
CREATE TABLE orders (
    order_id BIGINT PRIMARY KEY, version INT NOT NULL, product_id INT NOT NULL, amount DECIMAL(18, 2) NOT NULL
) WITH VERSION COLUMN (version) WITH (connector = 'file', path = 'nowhere.ndjson') FORMAT PLAIN ENCODE JSON;
CREATE MATERIALIZED VIEW by_product AS SELECT product_id, COUNT(*) AS orders, SUM(amount) AS amount FROM orders GROUP BY product_id;
";

fn options(input: &Path) -> Options {
    Options {
        workers: 1,
        rate: Some(1000.0),
        curve: Curve::Flat,
        warm_up: Duration::from_millis(500),
        duration: Duration::from_secs(3),
        input: Some(input.to_path_buf()),
        seed: 1,
        check: true,
        stall: None,
    }
}

/// Writes orders, some of them twice, into a folder.
fn write_orders(folder: &Path, lines: u64) {
    let line = |n: u64| {
        let id = n - n % 10 % 9;
        format!("{{\"order_id\": {id}, \"version\": {n}, \"product_id\": {}, \"amount\": {n}}}\n", n % 7)
    };
    std::fs::write(folder.join("orders.ndjson"), (0..lines).map(line).collect::<String>()).expect("writing a file");
}

async fn run(options: &Options) -> Result<Outcome, BenchError> {
    let script = Script { path: "bench.sql".into(), text: SQL.to_string() };
    let prepared = Prepared::new(&[script]).unwrap_or_else(|errors| panic!("{}", errors[0]));
    bench::run(&prepared, options, |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_of_standstill_shows_in_the_99th_percentile() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_orders(folder.path(), 10_000);
    let smooth = run(&options(folder.path())).await.expect("a run");
    let stalled = Options { stall: Some(Duration::from_secs(1)), ..options(folder.path()) };
    let stalled = run(&stalled).await.expect("a run");
    for outcome in [&smooth, &stalled] {
        assert_eq!((outcome.events, outcome.measured_events, outcome.checked_views), (3500, 3000, Some(1)));
        assert_eq!(outcome.freshness.count, 3000, "every event is charged, also those sent late");
        assert!((2.9..6.0).contains(&outcome.seconds), "{outcome}");
        assert!(outcome.peak_bytes > 1_000_000 && outcome.ticks.count > 10, "{outcome}");
    }
    assert!((900.0..2000.0).contains(&stalled.freshness.p99_ms), "{stalled}");
    assert!(smooth.freshness.p99_ms < 600.0, "{smooth}");
    // A third of all events fall into the second, and are late by half of it on average.
    assert!(stalled.freshness.mean_ms > smooth.freshness.mean_ms + 100.0, "{smooth}\n{stalled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_fast_as_taken_sends_everything_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_orders(folder.path(), 50_000);
    let options = Options { rate: None, warm_up: Duration::ZERO, ..options(folder.path()) };
    let outcome = run(&options).await.expect("a run");
    assert_eq!((outcome.events, outcome.measured_events, outcome.checked_views), (50_000, 50_000, Some(1)));
    assert!(outcome.events_per_second > 1000.0 * 3.0, "{outcome}");
}

#[tokio::test]
async fn without_input_there_is_no_result() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = run(&options(folder.path())).await.expect_err("nothing to send");
    assert!(error.to_string().contains("no file <table>.ndjson"), "{error}");
    let error = run(&Options { input: None, ..options(folder.path()) }).await.expect_err("nothing to send");
    assert_eq!(error.to_string(), "no table has the connector simulator; give --input DIR");
}

#[test]
fn the_program_benches_the_simulator_and_writes_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sql =
        "CREATE TABLE o (order_id BIGINT PRIMARY KEY, version INT, amount DECIMAL(18, 2)) WITH VERSION COLUMN (version)
               WITH (connector = 'simulator', stream = 'raw_web_orders');
               CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS orders, SUM(amount) AS amount FROM o;";
    std::fs::write(folder.path().join("o.sql"), sql).expect("writing a file");
    let arguments = ["bench", "o.sql", "--rate", "2000", "--warm-up", "200ms", "--duration", "1.3s", "--curve", "sale"];
    let output = trueup(&[&arguments[..], &["--json", "result.json"]].concat(), folder.path());
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(shown.contains("answers     1 views equal the batch engine's"), "{shown}");
    assert!(told.lines().any(|line| line.contains("freshness p50")), "{told}");
    let result = std::fs::read(folder.path().join("result.json")).expect("a result");
    let result: Value = serde_json::from_slice(&result).expect("JSON");
    assert_eq!(result["checked_views"], Value::from(1));
    // A world ends with an order's last event: about as many events as asked for.
    assert!(result["events"].as_u64().is_some_and(|events| (2700..3300).contains(&events)), "{result}");
    assert!(result["freshness"]["p99_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{result}");
    assert_eq!(result["timeline"].as_array().map(|seconds| seconds.is_empty()), Some(false), "{result}");
    let output = trueup(&["bench", "o.sql", "--duration", "soon"], folder.path());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}
