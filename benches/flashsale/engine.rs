//! The system under test: the views as SQL (`flashsale.sql`), run by the engine in process.
//!
//! Input is Arrow batches of [`BATCH_ROWS`] at most, made before the clock starts, as a decoder would deliver them. A tick is timed from the
//! first batch sent to the tick being published.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int16Array, Int32Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use trueup::engine::{Engine, EngineConfig};
use trueup::model::{InputBatch, RelationId, SqlResult};

use super::measure::{Meter, Run};
use super::{Digest, Event, VIEWS, generate};

/// Rows a source delivers at once.
const BATCH_ROWS: usize = 4096;

/// The tables and views.
const SQL: &str = include_str!("flashsale.sql");

/// Runs the workload; with `operators`, prints what each operator holds at the end.
pub fn run(orders: u64, orders_per_tick: u64, workers: usize, operators: bool) -> SqlResult<Run> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime starts");
    let engine = Engine::start(EngineConfig { workers, idle_tick: None, ..EngineConfig::default() })?;
    runtime.block_on(engine.run(SQL))?;
    let mut events = 0;
    let ticks = generate(orders, orders_per_tick)
        .into_iter()
        .map(|tick| {
            events += tick.len();
            batches(&engine, &tick)
        })
        .collect::<SqlResult<Vec<_>>>()?;
    let mut meter = Meter::start();
    for tick in &ticks {
        meter.tick(|| {
            for batch in tick {
                engine.send(batch.clone())?;
            }
            runtime.block_on(engine.tick())
        })?;
    }
    let mut run = meter.stop("trueup", workers, orders, events);
    run.answers = VIEWS.iter().map(|view| digest(&runtime, &engine, view)).collect::<SqlResult<_>>()?;
    if operators {
        let rows = runtime.block_on(engine.query("SELECT * FROM trueup.operators ORDER BY bytes DESC"))?;
        eprintln!("{}", arrow::util::pretty::pretty_format_batches(&[rows]).expect("rows print"));
    }
    runtime.block_on(engine.stop());
    Ok(run)
}

/// Columns of one table's rows.
#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    versions: Vec<i32>,
    order_ids: Vec<i64>,
    skus: Vec<i32>,
    channels: Vec<i16>,
    amounts: Vec<i64>,
    minutes: Vec<i32>,
}

impl Columns {
    fn order(self) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("order_id", Arc::new(Int64Array::from(self.ids))),
            ("version", Arc::new(Int32Array::from(self.versions))),
            ("sku", Arc::new(Int32Array::from(self.skus))),
            ("channel", Arc::new(Int16Array::from(self.channels))),
            ("amount", Arc::new(Int64Array::from(self.amounts))),
            ("minute", Arc::new(Int32Array::from(self.minutes))),
        ]
    }

    fn movement(self, id: &'static str) -> Vec<(&'static str, ArrayRef)> {
        vec![
            (id, Arc::new(Int64Array::from(self.ids))),
            ("version", Arc::new(Int32Array::from(self.versions))),
            ("order_id", Arc::new(Int64Array::from(self.order_ids))),
            ("amount", Arc::new(Int64Array::from(self.amounts))),
        ]
    }

    fn add_movement(&mut self, id: i64, version: i32, order_id: i64, amount: i64) {
        self.ids.push(id);
        self.versions.push(version);
        self.order_ids.push(order_id);
        self.amounts.push(amount);
    }
}

/// A tick's events as input batches.
fn batches(engine: &Engine, events: &[Event]) -> SqlResult<Vec<InputBatch>> {
    let (mut orders, mut payments, mut refunds) = (Columns::default(), Columns::default(), Columns::default());
    for event in events {
        match *event {
            Event::Order { id, version, sku, channel, amount, minute } => {
                orders.ids.push(id);
                orders.versions.push(version);
                orders.skus.push(sku);
                orders.channels.push(channel);
                orders.amounts.push(amount);
                orders.minutes.push(minute);
            }
            Event::Payment { id, version, order_id, amount } => payments.add_movement(id, version, order_id, amount),
            Event::Refund { id, version, order_id, amount } => refunds.add_movement(id, version, order_id, amount),
        }
    }
    let mut batches = cut(engine.relation("orders")?, orders.order());
    batches.extend(cut(engine.relation("payments")?, payments.movement("payment_id")));
    batches.extend(cut(engine.relation("refunds")?, refunds.movement("refund_id")));
    Ok(batches)
}

/// One table's rows in batches.
pub fn cut(table: RelationId, columns: Vec<(&'static str, ArrayRef)>) -> Vec<InputBatch> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let rows = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
    let starts = (0..rows.num_rows()).step_by(BATCH_ROWS);
    let part = |start: usize| rows.slice(start, BATCH_ROWS.min(rows.num_rows() - start));
    starts.map(|start| InputBatch::of_rows(table, part(start), None)).collect()
}

/// Reads a view out.
fn digest(runtime: &tokio::runtime::Runtime, engine: &Engine, view: &str) -> SqlResult<Digest> {
    let rows = runtime.block_on(engine.query(&format!("SELECT * FROM {view}")))?;
    let columns: Vec<ArrayRef> = rows
        .columns()
        .iter()
        .map(|column| cast(column, &DataType::Int64).expect("all columns are whole numbers"))
        .collect();
    let columns: Vec<_> = columns.iter().map(|column| column.as_primitive::<Int64Type>().values()).collect();
    let mut digest = Digest::default();
    let mut row = vec![0; columns.len()];
    for at in 0..rows.num_rows() {
        row.iter_mut().zip(&columns).for_each(|(value, column)| *value = column[at]);
        digest.add(&row);
    }
    Ok(digest)
}
