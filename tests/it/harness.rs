//! What tests of the engine share: starting one, running statements, reading rows as text.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use trueup::engine::{Engine, EngineConfig};
use trueup::model::{InputBatch, Op, SqlError};

/// An engine that closes ticks only when asked.
pub fn start(workers: usize) -> Engine {
    Engine::start(EngineConfig { workers, idle_tick: None, ..Default::default() }).expect("the engine starts")
}

/// Runs statements that must succeed.
pub async fn run(engine: &Engine, sql: &str) {
    engine.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Runs statements that must be refused.
pub async fn refused(engine: &Engine, sql: &str) -> SqlError {
    engine.run(sql).await.err().unwrap_or_else(|| panic!("accepted: {sql}"))
}

/// A query's rows, columns joined by `|`, sorted.
pub async fn rows(engine: &Engine, sql: &str) -> Vec<String> {
    let batch = engine.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    lines(&batch)
}

/// A batch's rows, columns joined by `|`, sorted.
pub fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatter = |column: &ArrayRef| {
        ArrayFormatter::try_new(column.as_ref(), &options).expect("every type has a text").value(0).to_string()
    };
    let row = |at: usize| batch.columns().iter().map(|c| formatter(&c.slice(at, 1))).collect::<Vec<_>>().join("|");
    let mut rows: Vec<String> = (0..batch.num_rows()).map(row).collect();
    rows.sort();
    rows
}

/// Sends rows into a table without closing a tick; the columns in the table's order.
pub fn send(engine: &Engine, table: &str, columns: Vec<ArrayRef>, ops: Option<Vec<Op>>) {
    let names = (0..columns.len()).map(|at| format!("c{at}"));
    let rows = RecordBatch::try_from_iter_with_nullable(names.zip(columns).map(|(n, c)| (n, c, true)))
        .expect("columns of one length");
    let table = engine.relation(table).expect("the table exists");
    engine.send(InputBatch::of_rows(table, rows, ops)).expect("the engine takes input");
}

/// A change of `t (id, version, text)`.
pub type Change = (i64, i32, &'static str, Op);

/// Sends changes of `t` without closing a tick.
pub fn send_changes(engine: &Engine, changes: &[Change]) {
    let ids = Int64Array::from_iter_values(changes.iter().map(|c| c.0));
    let versions = Int32Array::from_iter_values(changes.iter().map(|c| c.1));
    let texts = StringArray::from_iter_values(changes.iter().map(|c| c.2));
    let ops = changes.iter().map(|c| c.3).collect();
    send(engine, "t", vec![Arc::new(ids), Arc::new(versions), Arc::new(texts)], Some(ops));
}

/// Sends changes of `t` and closes the tick.
pub async fn apply(engine: &Engine, changes: &[Change]) {
    send_changes(engine, changes);
    engine.tick().await.expect("ticks");
}

/// The versioned table `t`.
pub const VERSIONED: &str =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, version INT NOT NULL, text TEXT) WITH VERSION COLUMN (version)";

/// An engine with the versioned table `t`.
pub async fn versioned(workers: usize) -> Engine {
    let engine = start(workers);
    run(&engine, VERSIONED).await;
    engine
}

/// An engine with the versioned table `t` and its history `t_history`.
pub async fn with_history(workers: usize) -> Engine {
    let engine = start(workers);
    run(&engine, &format!("{VERSIONED} WITH (history = 't_history')")).await;
    engine
}
