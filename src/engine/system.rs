//! The relations of schema `trueup`: what the server says about itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::catalog::{Catalog, Entry, Object};
use super::status::{Freshness, OperatorSize, SinkStatus, SourceStatus, Status, TableInput};
use crate::dataflow::{Runs, Size};
use crate::ingest::driver::SourceStats;
use crate::model::snapshot::consolidate;
use crate::model::{RelationId, SqlError, SqlResult, Tick};
use crate::views::Snapshot;

/// What has come in and how ticks ran.
#[derive(Default)]
pub(crate) struct Counters {
    /// Rows and bad rows received per table.
    input: BTreeMap<RelationId, (u64, u64)>,
    ticks: u64,
    rows: u64,
    last: Option<(Tick, usize, Duration)>,
    pub freshness: Freshness,
}

impl Counters {
    pub(crate) fn input(&mut self, table: RelationId, rows: usize, bad: usize) {
        let counts = self.input.entry(table).or_default();
        counts.0 += rows as u64;
        counts.1 += bad as u64;
    }

    pub(crate) fn tick(&mut self, tick: Tick, rows: usize, took: Duration) {
        self.ticks += 1;
        self.rows += rows as u64;
        self.last = Some((tick, rows, took));
    }

    /// What is known without asking the workers.
    pub(crate) fn status(
        &self,
        catalog: &Catalog,
        tick: Tick,
        sources: impl Iterator<Item = (RelationId, SourceStats)>,
    ) -> Status {
        let name = |id: &RelationId| catalog.by_id(*id).map_or(String::new(), |e| e.name.clone());
        let input =
            |(id, (rows, bad)): (&RelationId, &(u64, u64))| TableInput { table: name(id), rows: *rows, bad_rows: *bad };
        let source = |(id, stats): (RelationId, SourceStats)| {
            let (rows, bad_rows) = self.input.get(&id).copied().unwrap_or_default();
            let SourceStats { position, lag_bytes, finished, error, .. } = stats;
            let connector = catalog.by_id(id).map_or("", connector).to_string();
            SourceStatus { relation: name(&id), connector, rows, bad_rows, position, lag_bytes, finished, error }
        };
        Status {
            tick,
            ticks: self.ticks,
            rows: self.rows,
            tables: self.input.iter().filter(|(id, _)| catalog.by_id(**id).is_some()).map(input).collect(),
            sources: sources.map(source).collect(),
            freshness: self.freshness.clone(),
            ..Status::default()
        }
    }
}

fn connector(entry: &Entry) -> &str {
    match &entry.object {
        Object::Table(def) => def.connector.as_ref().map_or("", |c| c.name.as_str()),
        _ => "",
    }
}

/// What operators keep, added up per relation.
pub(crate) fn operator_sizes(catalog: &Catalog, sizes: &[(usize, Size)]) -> Vec<OperatorSize> {
    let mut by_relation: BTreeMap<RelationId, (u64, u64)> = BTreeMap::new();
    for (_, size) in sizes {
        let (rows, bytes) = by_relation.entry(size.relation).or_default();
        *rows += size.rows as u64;
        *bytes += size.bytes as u64;
    }
    let named = |(id, (rows, bytes)): (RelationId, (u64, u64))| {
        catalog.by_id(id).map(|entry| OperatorSize { relation: entry.name.clone(), rows, bytes })
    };
    by_relation.into_iter().filter_map(named).collect()
}

/// How many rows some runs come to.
pub(crate) fn live_rows(runs: Runs) -> u64 {
    let of_block = |block: crate::model::RowBuf| block.iter().map(|(_, _, diff)| diff.max(0) as u64).sum::<u64>();
    consolidate(runs, ERROR_BLOCK_ROWS).map(of_block).sum()
}

/// Error rows counted at a time.
const ERROR_BLOCK_ROWS: usize = 8192;

/// Names and columns of the system relations.
pub(crate) static SCHEMAS: LazyLock<Vec<(&'static str, SchemaRef)>> = LazyLock::new(|| {
    let schema = |fields: &[(&str, DataType)]| {
        Arc::new(Schema::new(fields.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>()))
    };
    let (text, int, tick, flag) = (DataType::Utf8, DataType::Int64, DataType::UInt64, DataType::Boolean);
    vec![
        (
            "views",
            schema(&[
                ("name", text.clone()),
                ("kind", text.clone()),
                ("tick", tick.clone()),
                ("depends_on", text.clone()),
                ("definition", text.clone()),
            ]),
        ),
        (
            "operators",
            schema(&[
                ("relation", text.clone()),
                ("worker", int.clone()),
                ("operator", text.clone()),
                ("rows", int.clone()),
                ("bytes", int.clone()),
            ]),
        ),
        (
            "errors",
            schema(&[
                ("tick", tick.clone()),
                ("relation", text.clone()),
                ("position", text.clone()),
                ("code", text.clone()),
                ("message", text.clone()),
                ("payload", text.clone()),
            ]),
        ),
        (
            "sources",
            schema(&[
                ("relation", text.clone()),
                ("connector", text.clone()),
                ("rows", int.clone()),
                ("bad_rows", int.clone()),
                ("position", text.clone()),
                ("finished", flag),
                ("lag_bytes", int.clone()),
                ("error", text.clone()),
            ]),
        ),
        (
            "sinks",
            schema(&[
                ("name", text.clone()),
                ("relation", text.clone()),
                ("connector", text.clone()),
                ("state", text.clone()),
                ("pending", int.clone()),
                ("delivered", int.clone()),
                ("rejected", int.clone()),
                ("retries", int.clone()),
                ("delivered_tick", tick.clone()),
                ("last_error", text.clone()),
            ]),
        ),
        (
            "ticks",
            schema(&[
                ("tick", tick),
                ("ticks", int.clone()),
                ("rows", int.clone()),
                ("last_rows", int),
                ("last_ms", DataType::Float64),
            ]),
        ),
    ]
});

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn ints(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// The rows of all system relations.
pub(crate) fn relations(
    catalog: &Catalog,
    counters: &Counters,
    errors: Vec<(String, Snapshot)>,
    sizes: &[(usize, Size)],
    sources: &[(RelationId, SourceStats)],
    sinks: &[SinkStatus],
    tick: Tick,
) -> SqlResult<HashMap<String, RecordBatch>> {
    let name = |id: RelationId| catalog.by_id(id).map_or("", |e| e.name.as_str());
    let entries: Vec<_> = catalog.iter().collect();
    let depends: Vec<String> =
        entries.iter().map(|e| e.depends_on.iter().map(|d| name(*d)).collect::<Vec<_>>().join(", ")).collect();
    let columns = |relation: &str| -> SqlResult<Vec<ArrayRef>> {
        Ok(match relation {
            "views" => vec![
                texts(entries.iter().map(|e| e.name.as_str())),
                texts(entries.iter().map(|e| e.kind())),
                Arc::new(UInt64Array::from_iter_values(entries.iter().map(|_| tick))),
                texts(depends.iter().map(String::as_str)),
                texts(entries.iter().map(|e| e.sql.as_str())),
            ],
            "operators" => vec![
                texts(sizes.iter().map(|(_, s)| name(s.relation))),
                ints(sizes.iter().map(|(w, _)| *w as i64)),
                texts(sizes.iter().map(|(_, s)| s.operator.as_str())),
                ints(sizes.iter().map(|(_, s)| s.rows as i64)),
                ints(sizes.iter().map(|(_, s)| s.bytes as i64)),
            ],
            "sources" => {
                let connector = |id: RelationId| catalog.by_id(id).map_or("", connector);
                vec![
                    texts(sources.iter().map(|(id, _)| name(*id))),
                    texts(sources.iter().map(|(id, _)| connector(*id))),
                    ints(sources.iter().map(|(id, _)| counters.input.get(id).map_or(0, |c| c.0 as i64))),
                    ints(sources.iter().map(|(id, _)| counters.input.get(id).map_or(0, |c| c.1 as i64))),
                    texts(sources.iter().map(|(_, s)| s.position.as_str())),
                    Arc::new(BooleanArray::from_iter(sources.iter().map(|(_, s)| Some(s.finished)))),
                    Arc::new(Int64Array::from_iter(sources.iter().map(|(_, s)| s.lag_bytes.map(|b| b as i64)))),
                    Arc::new(StringArray::from_iter(sources.iter().map(|(_, s)| s.error.as_deref()))),
                ]
            }
            "sinks" => vec![
                texts(sinks.iter().map(|s| s.name.as_str())),
                texts(sinks.iter().map(|s| s.relation.as_str())),
                texts(sinks.iter().map(|s| s.connector)),
                texts(sinks.iter().map(|s| s.state.name())),
                ints(sinks.iter().map(|s| s.pending as i64)),
                ints(sinks.iter().map(|s| s.delivered as i64)),
                ints(sinks.iter().map(|s| s.rejected as i64)),
                ints(sinks.iter().map(|s| s.retries as i64)),
                Arc::new(UInt64Array::from_iter(sinks.iter().map(|s| s.delivered_tick))),
                Arc::new(StringArray::from_iter(sinks.iter().map(|s| s.last_error.as_deref()))),
            ],
            _ => {
                let (_, rows, took) = counters.last.unwrap_or_default();
                vec![
                    Arc::new(UInt64Array::from(vec![tick])),
                    ints([counters.ticks as i64].into_iter()),
                    ints([counters.rows as i64].into_iter()),
                    ints([rows as i64].into_iter()),
                    Arc::new(Float64Array::from(vec![took.as_secs_f64() * 1e3])),
                ]
            }
        })
    };
    let mut relations = HashMap::new();
    for (relation, schema) in SCHEMAS.iter() {
        let batch = match *relation {
            "errors" => self::errors(schema, &errors)?,
            _ => RecordBatch::try_new(Arc::clone(schema), columns(relation)?)
                .map_err(|e| SqlError::internal(e.to_string()))?,
        };
        relations.insert((*relation).to_string(), batch);
    }
    Ok(relations)
}

/// All relations' errors, each with its relation's name.
fn errors(schema: &SchemaRef, snapshots: &[(String, Snapshot)]) -> SqlResult<RecordBatch> {
    let internal = |e: arrow::error::ArrowError| SqlError::internal(e.to_string());
    let mut all = vec![];
    for (relation, snapshot) in snapshots {
        for batch in snapshot.batches(None) {
            let batch = batch?;
            let mut columns = batch.columns().to_vec();
            columns.insert(1, texts(std::iter::repeat_n(relation.as_str(), batch.num_rows())));
            all.push(RecordBatch::try_new(Arc::clone(schema), columns).map_err(internal)?);
        }
    }
    arrow::compute::concat_batches(schema, &all).map_err(internal)
}
