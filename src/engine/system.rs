//! The relations of schema `trueup`: what the server says about itself.
//!
//! `tables` and `stale_versions` say what tables' input was like. Rows count as if they came one by one: `duplicates` changed nothing
//! (equal to what is stored, or of a key that `DO NOTHING` keeps, or a delete of what is not there); `stale` came after a newer
//! version, so they are the late versions; `corrections` replaced a stored row; `conflicts` are the rows that lose, now, against
//! another of their version (`trueup.errors` lists them). NULL is what such a table cannot know: without a key, or without a
//! version. `stale_versions` holds the newest 1,000 stale rows of each table; `newest_version` is the one they lost against at their tick.
//! `operators` adds up per worker and operator name: rows and bytes kept now, rows put out and time taken so far.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::catalog::{Catalog, Entry, Object};
use super::status::{Freshness, OperatorSize, SinkStatus, SourceStatus, Status, TableInput, TableOutcome};
use crate::dataflow::{Counts, OperatorWork, Runs, StaleVersion};
use crate::ingest::driver::SourceStats;
use crate::model::snapshot::consolidate;
use crate::model::{RelationId, SqlError, SqlResult, Tick, UnknownFields};
use crate::views::Snapshot;

/// What has come in and how ticks ran, up to the published tick.
#[derive(Default)]
pub(crate) struct Counters {
    input: BTreeMap<RelationId, Input>,
    /// What the tick to come brings.
    coming: BTreeMap<RelationId, Input>,
    ticks: u64,
    rows: u64,
    last: Option<(Tick, usize, Duration)>,
    pub freshness: Freshness,
}

/// What a table received.
#[derive(Default)]
struct Input {
    rows: u64,
    bad: u64,
    unknown: UnknownFields,
}

impl Input {
    fn add(&mut self, rows: u64, bad: u64, unknown: &UnknownFields) {
        self.rows += rows;
        self.bad += bad;
        self.unknown.add(unknown);
    }
}

impl Counters {
    /// Counts input of the tick to come.
    pub(crate) fn input(&mut self, table: RelationId, rows: usize, bad: usize, unknown: &UnknownFields) {
        self.coming.entry(table).or_default().add(rows as u64, bad as u64, unknown);
    }

    pub(crate) fn tick(&mut self, tick: Tick, rows: usize, took: Duration) {
        for (table, coming) in std::mem::take(&mut self.coming) {
            self.input.entry(table).or_default().add(coming.rows, coming.bad, &coming.unknown);
        }
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
        let source = |(id, stats): (RelationId, SourceStats)| {
            let (rows, bad_rows) = self.input.get(&id).map_or((0, 0), |input| (input.rows, input.bad));
            let SourceStats { position, lag_bytes, finished, error, .. } = stats;
            let connector = catalog.by_id(id).map_or("", connector).to_string();
            let relation = name_of(catalog, id).to_string();
            SourceStatus { relation, connector, rows, bad_rows, position, lag_bytes, finished, error }
        };
        Status {
            tick,
            ticks: self.ticks,
            rows: self.rows,
            tables: self.tables(catalog, &BTreeMap::new()),
            sources: sources.map(source).collect(),
            freshness: self.freshness.clone(),
            ..Status::default()
        }
    }

    /// What every table received, and by the workers' counts what came of it.
    pub(crate) fn tables(&self, catalog: &Catalog, counts: &BTreeMap<RelationId, Counts>) -> Vec<TableInput> {
        let nothing = Input::default();
        let table = |entry: &Entry| {
            let Object::Table(def) = &entry.object else { return None };
            let input = self.input.get(&entry.id).unwrap_or(&nothing);
            let counts = counts.get(&entry.id).copied().unwrap_or_default();
            let keyed = |count: u64| (!def.primary_key.is_empty()).then_some(count);
            let versioned = |count: u64| def.version.map(|_| count);
            Some(TableInput {
                table: entry.name.clone(),
                received: input.rows,
                bad_rows: input.bad,
                unknown_field_rows: input.unknown.rows,
                unknown_fields: input.unknown.names.iter().cloned().collect(),
                outcome: TableOutcome {
                    rows: counts.rows.max(0) as u64,
                    duplicates: keyed(counts.duplicates),
                    stale: versioned(counts.stale),
                    conflicts: versioned(counts.conflicts.max(0) as u64),
                    corrections: keyed(counts.corrections),
                    deletes: counts.deletes,
                },
            })
        };
        catalog.iter().filter_map(table).collect()
    }

    /// The one row of `trueup.ticks`.
    pub(crate) fn columns(&self, tick: Tick) -> Vec<ArrayRef> {
        let (_, rows, took) = self.last.unwrap_or_default();
        vec![
            ticks([tick].into_iter()),
            ints([self.ticks].into_iter()),
            ints([self.rows].into_iter()),
            ints([rows as u64].into_iter()),
            Arc::new(Float64Array::from(vec![took.as_secs_f64() * 1e3])),
        ]
    }
}

fn name_of(catalog: &Catalog, id: RelationId) -> &str {
    catalog.by_id(id).map_or("", |entry| entry.name.as_str())
}

fn connector(entry: &Entry) -> &str {
    match &entry.object {
        Object::Table(def) => def.connector.as_ref().map_or("", |c| c.name.as_str()),
        _ => "",
    }
}

/// What operators keep, added up per relation.
pub(crate) fn operator_sizes(catalog: &Catalog, operators: &[(usize, OperatorWork)]) -> Vec<OperatorSize> {
    let mut by_relation: BTreeMap<RelationId, (u64, u64)> = BTreeMap::new();
    for (_, operator) in operators {
        let (rows, bytes) = by_relation.entry(operator.relation).or_default();
        *rows += operator.rows as u64;
        *bytes += operator.bytes as u64;
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
                ("changes", int.clone()),
            ]),
        ),
        (
            "tables",
            schema(&[
                ("relation", text.clone()),
                ("rows", int.clone()),
                ("received", int.clone()),
                ("duplicates", int.clone()),
                ("stale", int.clone()),
                ("conflicts", int.clone()),
                ("corrections", int.clone()),
                ("deletes", int.clone()),
                ("bad_rows", int.clone()),
                ("unknown_field_rows", int.clone()),
                ("unknown_fields", text.clone()),
            ]),
        ),
        (
            "stale_versions",
            schema(&[
                ("tick", tick.clone()),
                ("relation", text.clone()),
                ("key", text.clone()),
                ("version", text.clone()),
                ("newest_version", text.clone()),
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
                ("updates", int.clone()),
                ("busy_ms", int.clone()),
                ("last_tick", tick.clone()),
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

fn ints(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| value as i64)))
}

/// Integers some of which are not known.
fn known(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values.map(|value| value.map(|value| value as i64))))
}

fn ticks(values: impl Iterator<Item = Tick>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn schema(name: &str) -> SqlResult<SchemaRef> {
    let found = SCHEMAS.iter().find(|(n, _)| *n == name);
    found.map(|(_, schema)| Arc::clone(schema)).ok_or_else(|| SqlError::internal(format!("no system relation {name}")))
}

/// A system relation's rows.
pub(crate) fn batch(name: &str, columns: Vec<ArrayRef>) -> SqlResult<RecordBatch> {
    RecordBatch::try_new(schema(name)?, columns).map_err(|e| SqlError::internal(format!("trueup.{name}: {e}")))
}

pub(crate) fn views(catalog: &Catalog, counts: &BTreeMap<RelationId, Counts>, tick: Tick) -> Vec<ArrayRef> {
    let entries: Vec<_> = catalog.iter().collect();
    let depends = |e: &Entry| e.depends_on.iter().map(|d| name_of(catalog, *d)).collect::<Vec<_>>().join(", ");
    let depends: Vec<String> = entries.iter().map(|e| depends(e)).collect();
    vec![
        texts(entries.iter().map(|e| e.name.as_str())),
        texts(entries.iter().map(|e| e.kind())),
        ticks(entries.iter().map(|_| tick)),
        texts(depends.iter().map(String::as_str)),
        texts(entries.iter().map(|e| e.sql.as_str())),
        known(entries.iter().map(|e| counts.get(&e.id).map(|counts| counts.changes))),
    ]
}

pub(crate) fn operators(catalog: &Catalog, all: &[(usize, OperatorWork)]) -> Vec<ArrayRef> {
    vec![
        texts(all.iter().map(|(_, o)| name_of(catalog, o.relation))),
        ints(all.iter().map(|(worker, _)| *worker as u64)),
        texts(all.iter().map(|(_, o)| o.operator.as_str())),
        ints(all.iter().map(|(_, o)| o.rows as u64)),
        ints(all.iter().map(|(_, o)| o.bytes as u64)),
        ints(all.iter().map(|(_, o)| o.updates)),
        ints(all.iter().map(|(_, o)| o.busy.as_millis() as u64)),
        Arc::new(UInt64Array::from_iter(all.iter().map(|(_, o)| o.last))),
    ]
}

pub(crate) fn tables(tables: &[TableInput]) -> Vec<ArrayRef> {
    let names: Vec<String> = tables.iter().map(|t| t.unknown_fields.join(", ")).collect();
    vec![
        texts(tables.iter().map(|t| t.table.as_str())),
        ints(tables.iter().map(|t| t.outcome.rows)),
        ints(tables.iter().map(|t| t.received)),
        known(tables.iter().map(|t| t.outcome.duplicates)),
        known(tables.iter().map(|t| t.outcome.stale)),
        known(tables.iter().map(|t| t.outcome.conflicts)),
        known(tables.iter().map(|t| t.outcome.corrections)),
        ints(tables.iter().map(|t| t.outcome.deletes)),
        ints(tables.iter().map(|t| t.bad_rows)),
        ints(tables.iter().map(|t| t.unknown_field_rows)),
        texts(names.iter().map(String::as_str)),
    ]
}

pub(crate) fn stale_versions(catalog: &Catalog, stale: &BTreeMap<RelationId, Vec<StaleVersion>>) -> Vec<ArrayRef> {
    let rows: Vec<(&str, &StaleVersion)> =
        stale.iter().flat_map(|(id, rows)| rows.iter().map(|row| (name_of(catalog, *id), row))).collect();
    vec![
        ticks(rows.iter().map(|(_, row)| row.tick)),
        texts(rows.iter().map(|(table, _)| *table)),
        texts(rows.iter().map(|(_, row)| row.key.as_str())),
        texts(rows.iter().map(|(_, row)| row.version.as_str())),
        texts(rows.iter().map(|(_, row)| row.newest.as_str())),
    ]
}

pub(crate) fn sources(sources: &[SourceStatus]) -> Vec<ArrayRef> {
    vec![
        texts(sources.iter().map(|s| s.relation.as_str())),
        texts(sources.iter().map(|s| s.connector.as_str())),
        ints(sources.iter().map(|s| s.rows)),
        ints(sources.iter().map(|s| s.bad_rows)),
        texts(sources.iter().map(|s| s.position.as_str())),
        Arc::new(BooleanArray::from_iter(sources.iter().map(|s| Some(s.finished)))),
        known(sources.iter().map(|s| s.lag_bytes)),
        Arc::new(StringArray::from_iter(sources.iter().map(|s| s.error.as_deref()))),
    ]
}

pub(crate) fn sinks(sinks: &[SinkStatus]) -> Vec<ArrayRef> {
    vec![
        texts(sinks.iter().map(|s| s.name.as_str())),
        texts(sinks.iter().map(|s| s.relation.as_str())),
        texts(sinks.iter().map(|s| s.connector)),
        texts(sinks.iter().map(|s| s.state.name())),
        ints(sinks.iter().map(|s| s.pending)),
        ints(sinks.iter().map(|s| s.delivered)),
        ints(sinks.iter().map(|s| s.rejected)),
        ints(sinks.iter().map(|s| s.retries)),
        Arc::new(UInt64Array::from_iter(sinks.iter().map(|s| s.delivered_tick))),
        Arc::new(StringArray::from_iter(sinks.iter().map(|s| s.last_error.as_deref()))),
    ]
}

/// All relations' errors, each with its relation's name.
pub(crate) fn errors(snapshots: &[(String, Snapshot)]) -> SqlResult<RecordBatch> {
    let internal = |e: arrow::error::ArrowError| SqlError::internal(e.to_string());
    let schema = schema("errors")?;
    let mut all = vec![];
    for (relation, snapshot) in snapshots {
        for batch in snapshot.batches(None) {
            let batch = batch?;
            let mut columns = batch.columns().to_vec();
            columns.insert(1, texts(std::iter::repeat_n(relation.as_str(), batch.num_rows())));
            all.push(RecordBatch::try_new(Arc::clone(&schema), columns).map_err(internal)?);
        }
    }
    arrow::compute::concat_batches(&schema, &all).map_err(internal)
}
