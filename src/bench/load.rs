//! The input of a run: rows per table, decoded, with their places in the order of all events.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Prepared;
use crate::ingest::decode::{CsvOptions, Decoder, Layout, Position};
use crate::ingest::driver::BATCH_ROWS_MAX;
use crate::ingest::simulator::{Event, Stream, StreamSet, World, WorldConfig, check_schema, input_batch};
use crate::ingest::split::{Framing, Record, Splitter};
use crate::model::{Clock, InputBatch, RelationId, SqlError, SqlResult, TableDef};

use super::{BenchError, Curve};

/// Events of the simulator without a rate.
const EVENTS_WITHOUT_RATE: u64 = 1_000_000;
/// Orders that tell how many events an order brings.
const SAMPLE_ORDERS: u64 = 2000;

/// All events of a run.
pub(super) struct Load {
    pub tables: Vec<TableLoad>,
    /// Rows of all tables.
    pub events: usize,
    /// Records that could not be decoded: left out.
    pub bad: usize,
    /// The simulator's world, if it is its events: knows the truth.
    pub world: Option<WorldConfig>,
}

/// One table's rows in the order they arrive.
pub(super) struct TableLoad {
    pub name: String,
    /// With the table's id yet to be filled in.
    pub batches: Vec<InputBatch>,
    /// Per row its number among all events, ascending.
    pub order: Vec<u64>,
    pub bad: usize,
}

/// A table being filled.
struct Filling {
    name: String,
    decoder: Decoder,
    layout: Layout,
    batches: Vec<InputBatch>,
    order: Vec<u64>,
    bad: usize,
}

impl Filling {
    fn new(def: &TableDef, decoder: Decoder) -> Filling {
        Filling { name: def.name.clone(), decoder, layout: Layout::default(), batches: vec![], order: vec![], bad: 0 }
    }

    fn push(&mut self, record: &[u8], line: u64) -> SqlResult<()> {
        self.decoder.push(record, Position { source: &self.name, line }, &mut self.layout);
        if self.decoder.pending_rows() >= BATCH_ROWS_MAX { self.take() } else { Ok(()) }
    }

    fn take(&mut self) -> SqlResult<()> {
        if let Some(mut batch) = self.decoder.take(RelationId(0))? {
            self.bad += std::mem::take(&mut batch.bad).len();
            self.batches.push(batch);
        }
        Ok(())
    }

    /// Rows taken so far, without bad ones.
    fn finished(mut self) -> SqlResult<TableLoad> {
        self.take()?;
        let rows: usize = self.batches.iter().map(|batch| batch.rows.num_rows()).sum();
        self.order.truncate(rows);
        Ok(TableLoad { name: self.name, batches: self.batches, order: self.order, bad: self.bad })
    }
}

fn finished(tables: Vec<TableLoad>, missing: &str) -> Result<Load, BenchError> {
    let bad = tables.iter().map(|table| table.bad).sum();
    let tables: Vec<TableLoad> = tables.into_iter().filter(|table| !table.order.is_empty()).collect();
    let events = tables.iter().map(|table| table.order.len()).sum();
    if events == 0 {
        return Err(BenchError::NoInput(missing.to_string()));
    }
    Ok(Load { tables, events, bad, world: None })
}

/// The events of a finite world for the tables that have the simulator for a connector.
pub(super) fn from_simulator(
    prepared: &Prepared,
    seed: u64,
    events: Option<u64>,
    length: Duration,
    curve: Curve,
) -> Result<Load, BenchError> {
    let mut fed: Vec<(Stream, Arc<TableDef>)> = vec![];
    for name in prepared.relations() {
        let Some(connector) = prepared.connector(&name).filter(|c| c.name == "simulator") else { continue };
        let Some(def) = prepared.columns(&name)?.table else { continue };
        let stream = connector.options.get("stream").unwrap_or(&name);
        let Some(stream) = Stream::from_name(stream) else {
            return Err(SqlError::internal(format!("the simulator has no stream {stream}")).into());
        };
        check_schema(&def, stream)?;
        fed.push((stream, def));
    }
    if fed.is_empty() {
        return Err(BenchError::NoInput("no table has the connector simulator; give --input DIR".to_string()));
    }
    let streams: StreamSet = fed.iter().map(|(stream, _)| *stream).collect();
    let world = world(seed, events.unwrap_or(EVENTS_WITHOUT_RATE), length, curve, streams);
    let mut waiting: BTreeMap<Stream, Vec<(u64, Event)>> = BTreeMap::new();
    for (number, event) in World::of(world.clone(), streams).enumerate() {
        waiting.entry(event.stream).or_default().push((number as u64, event));
    }
    let mut tables = vec![];
    for (stream, def) in fed {
        let (order, events): (Vec<u64>, Vec<Event>) = waiting.remove(&stream).unwrap_or_default().into_iter().unzip();
        let batches = events.chunks(BATCH_ROWS_MAX).map(|part| input_batch(&def, RelationId(0), part));
        let batches = batches.collect::<Result<Vec<_>, _>>().map_err(|e| SqlError::internal(e.to_string()))?;
        tables.push(TableLoad { name: def.name.clone(), batches, order, bad: 0 });
    }
    let load = finished(tables, "the simulator has nothing for these tables")?;
    Ok(Load { world: Some(world), ..load })
}

/// A world that ends with about so many events, whose clock goes as the run's does and whose waves are the run's.
fn world(seed: u64, events: u64, length: Duration, curve: Curve, streams: StreamSet) -> WorldConfig {
    let seconds = length.as_secs_f64().max(1.0);
    let mut config = WorldConfig { seed, history: 0, start_ms: now_ms(), ..WorldConfig::default() };
    config.curve = curve.wave(seconds);
    let sample = WorldConfig { orders: SAMPLE_ORDERS, ..config.clone() };
    let per_order = World::of(sample, streams).count() as f64 / SAMPLE_ORDERS as f64;
    config.orders = (events as f64 / per_order.max(f64::MIN_POSITIVE)).ceil().max(1.0) as u64;
    config.rate = (config.orders as f64 / seconds / curve.mean()).clamp(0.01, WorldConfig::RATE_MAX);
    config
}

fn now_ms() -> i64 {
    Clock::System.now() as i64
}

/// The rows of files named after tables. Each file is spread evenly over the run: files do not say how their rows interleave.
pub(super) fn from_files(prepared: &Prepared, folder: &Path, events: Option<u64>) -> Result<Load, BenchError> {
    let mut tables: Vec<TableLoad> = vec![];
    for name in prepared.relations() {
        let Some(def) = prepared.columns(&name)?.table else { continue };
        for extension in ["ndjson", "json", "csv"] {
            let path = folder.join(format!("{name}.{extension}"));
            if path.exists() {
                tables.push(from_file(&def, &path)?);
                break;
            }
        }
    }
    let all: usize = tables.iter().map(|table| table.order.len()).sum();
    let kept = events.map_or(1.0, |events| (events as f64 / all.max(1) as f64).min(1.0));
    for table in &mut tables {
        cut(table, kept);
    }
    interleave(&mut tables);
    finished(tables, &format!("no file <table>.ndjson, .json or .csv in {} has rows", folder.display()))
}

fn from_file(def: &TableDef, path: &Path) -> Result<TableLoad, BenchError> {
    let csv = path.extension().is_some_and(|e| e == "csv");
    let (decoder, framing) = if csv {
        let options = CsvOptions::default();
        let delimiter = options.delimiter;
        (Decoder::csv(def, options)?, Framing::Csv { delimiter })
    } else {
        (Decoder::json(def)?, Framing::Lines)
    };
    let mut filling = Filling::new(def, decoder);
    let bytes = std::fs::read(path).map_err(|error| BenchError::Input(path.display().to_string(), error))?;
    let mut splitter = Splitter::new(framing);
    let mut failure = None;
    let mut take = |record: Record<'_>| {
        if let Record::Whole { bytes, line } = record {
            let pushed = filling.push(bytes, line);
            failure = failure.take().or(pushed.err());
        }
    };
    splitter.push(&bytes, &mut take);
    splitter.finish(&mut take);
    if let Some(error) = failure {
        return Err(error.into());
    }
    filling.take()?;
    let rows: usize = filling.batches.iter().map(|batch| batch.rows.num_rows()).sum();
    filling.order = (0..rows as u64).collect();
    Ok(filling.finished()?)
}

/// Keeps a share of a table's rows, the first ones.
fn cut(table: &mut TableLoad, share: f64) {
    let mut left = (table.order.len() as f64 * share).ceil() as usize;
    table.order.truncate(left);
    table.batches.retain_mut(|batch| {
        let rows = batch.rows.num_rows().min(left);
        batch.rows = batch.rows.slice(0, rows);
        if let Some(ops) = &mut batch.ops {
            ops.truncate(rows);
        }
        left -= rows;
        rows > 0
    });
}

/// Numbers the rows of all tables so that each table's are spread evenly.
fn interleave(tables: &mut [TableLoad]) {
    let mut places: Vec<(f64, usize)> = vec![];
    for (at, table) in tables.iter().enumerate() {
        let rows = table.order.len();
        places.extend((0..rows).map(|row| ((row as f64 + 0.5) / rows as f64, at)));
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    tables.iter_mut().for_each(|table| table.order.clear());
    for (number, (_, at)) in places.into_iter().enumerate() {
        tables[at].order.push(number as u64);
    }
}
