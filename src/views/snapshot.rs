//! A relation's rows at one tick.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::SchemaRef;

use crate::model::codec::RowCodec;
use crate::model::snapshot::{consolidate, lookup};
use crate::model::{RelationId, RowBuf, RunSlice, SqlError, SqlResult, Tick};

/// Rows per batch handed to readers.
const BATCH_ROWS: usize = 8192;

/// A relation's rows at one tick: runs that cancel in part, and how to read them.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The relation's columns.
    pub schema: SchemaRef,
    codec: RowCodec,
    /// Where each column stands in the stored row.
    positions: Vec<usize>,
    /// The columns the stored row's key is made of, in key order.
    key: Vec<usize>,
    parts: Vec<Vec<RunSlice>>,
}

impl Snapshot {
    /// Rows stored as `codec` says: column `i` of `schema` at `positions[i]`, the key made of columns `key`.
    pub fn new(
        schema: SchemaRef,
        codec: RowCodec,
        positions: Vec<usize>,
        key: Vec<usize>,
        parts: Vec<Vec<RunSlice>>,
    ) -> Self {
        Snapshot { schema, codec, positions, key, parts }
    }

    /// The columns rows are found by.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// All rows, in blocks decoded as they are asked for; only the columns of `projection`, in its order.
    pub fn batches(
        &self,
        projection: Option<Vec<usize>>,
    ) -> impl Iterator<Item = SqlResult<RecordBatch>> + Send + use<> {
        let this = self.clone();
        consolidate(self.parts.clone(), BATCH_ROWS).map(move |block| this.decode(&block, projection.as_deref()))
    }

    /// The rows whose key columns are one of `keys` (columns in key order).
    pub fn lookup(&self, keys: &[ArrayRef], projection: Option<&[usize]>) -> SqlResult<RecordBatch> {
        let mut wanted = RowBuf::default();
        let rows = keys.first().map_or(0, |k| k.len());
        self.codec.encode_keys(keys, rows, &mut wanted)?;
        let mut found = RowBuf::default();
        for (word, key, _) in wanted.iter() {
            for (row, diff) in lookup(&self.parts, word, key) {
                found.push(word, row, diff);
            }
        }
        self.decode(&found, projection)
    }

    fn decode(&self, block: &RowBuf, projection: Option<&[usize]>) -> SqlResult<RecordBatch> {
        let internal = |e: arrow::error::ArrowError| SqlError::internal(e.to_string());
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let picked = projection.unwrap_or(&all);
        let mut wanted = vec![false; self.positions.len()];
        picked.iter().for_each(|c| wanted[self.positions[*c]] = true);
        let columns = self.codec.decode_wanted(block.iter().map(|(_, row, _)| row), |column| wanted[column])?;
        let mut columns: Vec<ArrayRef> = picked.iter().map(|c| Arc::clone(&columns[self.positions[*c]])).collect();
        let mut rows = block.len();
        if let Some((_, row, diff)) = block.iter().find(|(_, _, diff)| *diff < 0) {
            return Err(SqlError::internal(format!("a relation holds a row {diff} times: {row:?}")));
        }
        if block.iter().any(|(_, _, diff)| diff != 1) {
            let repeat = |(at, (_, _, diff)): (usize, (u64, &[u8], i64))| {
                std::iter::repeat_n(at as u64, usize::try_from(diff).unwrap_or(0))
            };
            let indices = UInt64Array::from_iter_values(block.iter().enumerate().flat_map(repeat));
            rows = indices.len();
            columns = columns
                .iter()
                .map(|c| arrow::compute::take(c, &indices, None))
                .collect::<Result<_, _>>()
                .map_err(internal)?;
        }
        let schema = Arc::new(self.schema.project(picked).map_err(internal)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(internal)
    }
}

/// Relations at one published tick.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// The tick.
    pub tick: Tick,
    /// By relation; an index stands beside its relation under its own id.
    pub relations: HashMap<RelationId, Snapshot>,
    /// Indexes by the relation they are on.
    pub indexes: HashMap<RelationId, Vec<RelationId>>,
    /// System relations' rows by name.
    pub system: HashMap<String, RecordBatch>,
}
