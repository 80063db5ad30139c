//! The input of a run: rows per table, decoded, with their places in the order of all events.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use crate::engine::Prepared;
use crate::ingest::decode::{CsvOptions, Decoder, Layout, Position};
use crate::ingest::driver::BATCH_ROWS_MAX;
use crate::ingest::simulator::{WorldConfig, write};
use crate::ingest::split::{Framing, Record, Splitter};
use crate::model::{InputBatch, RelationId, SqlResult, TableDef};

use super::BenchError;

/// Events of the simulator without a rate.
const EVENTS_WITHOUT_RATE: u64 = 1_000_000;
/// What an order brings, roughly: only how fast simulated time goes by depends on it.
const EVENTS_PER_ORDER: f64 = 2.5;

/// All events of a run.
pub(super) struct Load {
    pub tables: Vec<TableLoad>,
    /// Rows of all tables.
    pub events: usize,
    /// Records that could not be decoded: left out.
    pub bad: usize,
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
    Ok(Load { tables, events, bad })
}

/// The simulator's events for the tables that have it for a connector.
pub(super) fn from_simulator(
    prepared: &Prepared,
    seed: u64,
    rate: Option<f64>,
    events: Option<u64>,
) -> Result<Load, BenchError> {
    let mut streams: BTreeMap<String, Filling> = BTreeMap::new();
    for name in prepared.relations() {
        let Some(connector) = prepared.connector(&name).filter(|c| c.name == "simulator") else { continue };
        let Some(def) = prepared.columns(&name)?.table else { continue };
        let stream = connector.options.get("stream").cloned().unwrap_or_else(|| name.clone());
        streams.insert(stream, Filling::new(&def, Decoder::json(&def)?));
    }
    if streams.is_empty() {
        let message = "no table has the connector simulator; give --input DIR";
        return Err(BenchError::NoInput(message.to_string()));
    }
    let mut config = WorldConfig { seed, orders: 0, start_ms: now_ms(), ..WorldConfig::default() };
    config.faults.malformed = 0.0;
    if let Some(rate) = rate {
        config.rate = (rate / EVENTS_PER_ORDER).clamp(1e-3, WorldConfig::RATE_MAX);
    }
    let left = events.unwrap_or(EVENTS_WITHOUT_RATE);
    let mut sorter = Sorter { streams, line: vec![], taken: 0, left, failure: None };
    // It ends when the sorter has enough.
    drop(write::write_all(&config, &mut sorter, false));
    if let Some(error) = sorter.failure {
        return Err(error.into());
    }
    let tables = sorter.streams.into_values().map(Filling::finished).collect::<SqlResult<Vec<_>>>()?;
    finished(tables, "the simulator has nothing for these tables")
}

fn now_ms() -> i64 {
    crate::model::Clock::System.now() as i64
}

/// Takes the simulator's lines apart by table as they are written.
struct Sorter {
    streams: BTreeMap<String, Filling>,
    /// The line so far.
    line: Vec<u8>,
    taken: u64,
    left: u64,
    failure: Option<crate::model::SqlError>,
}

impl Sorter {
    fn take_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let table = line.strip_prefix(br#"{"table":""#).and_then(|rest| rest.split(|b| *b == b'"').next());
        let Some(filling) = table.and_then(|t| self.streams.get_mut(std::str::from_utf8(t).ok()?)) else {
            return Ok(());
        };
        filling.order.push(self.taken);
        if let Err(error) = filling.push(&line, self.taken + 1) {
            self.failure = Some(error);
            return Err(io::Error::other("decoding failed"));
        }
        self.taken += 1;
        if self.taken >= self.left { Err(io::Error::other("enough")) } else { Ok(()) }
    }
}

impl Write for Sorter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            self.take_line()?;
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
