//! What channels deliver: typed rows with an operation each, and the rows that could not be read.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;

use super::RelationId;

/// What an input row asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Op {
    /// Insert; on a keyed table insert or supersede.
    Upsert = 0,
    /// Delete the row of this key (the other columns are ignored, but for the version); on a bag, one equal row.
    Delete = 1,
}

/// A row that could not be decoded. It is listed in `trueup.errors` until a good row of the same key arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct BadRow {
    /// Where it came from, e.g. `orders.ndjson:17`.
    pub position: String,
    /// SQLSTATE.
    pub code: String,
    /// What is wrong, naming the column.
    pub message: String,
    /// The row as it came, cut to a few KiB.
    pub payload: String,
    /// The row's primary key where it could be read: one row, the table's key columns in key order.
    pub key: Option<RecordBatch>,
}

/// Rows for one table, to be taken in whole at one tick.
#[derive(Clone, Debug)]
pub struct InputBatch {
    /// The table.
    pub table: RelationId,
    /// Rows in the table's schema.
    pub rows: RecordBatch,
    /// One operation per row; `None`: all [`Op::Upsert`].
    pub ops: Option<Vec<Op>>,
    /// Rows that could not be read, from the same stretch of input.
    pub bad: Vec<BadRow>,
    /// Fields of that stretch that are no column.
    pub unknown: UnknownFields,
}

impl InputBatch {
    /// Good rows only.
    pub fn of_rows(table: RelationId, rows: RecordBatch, ops: Option<Vec<Op>>) -> InputBatch {
        InputBatch { table, rows, ops, bad: vec![], unknown: UnknownFields::default() }
    }
}

/// Names of unknown fields remembered.
pub const UNKNOWN_NAMES_MAX: usize = 32;

/// Fields of the input that are no column of the table: they are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownFields {
    /// Rows that had any, good and bad.
    pub rows: u64,
    /// Their names, the first [`UNKNOWN_NAMES_MAX`].
    pub names: BTreeSet<String>,
}

impl UnknownFields {
    /// Remembers a name; whether it is new and there is room for it.
    pub fn insert(&mut self, name: &str) -> bool {
        self.names.len() < UNKNOWN_NAMES_MAX && !self.names.contains(name) && self.names.insert(name.to_string())
    }

    /// Adds what another stretch of input had.
    pub fn add(&mut self, other: &UnknownFields) {
        self.rows += other.rows;
        for name in &other.names {
            self.insert(name);
        }
    }
}
