//! What a table's input came to: rows without effect, rows that came too late, corrections. A table keeps its newest rows;
//! unless it has a history, these counts are all it says about what it did not keep.
//!
//! Guarantees: rows count as if they had come one by one, in order of arrival, so that totals depend neither on ticks nor on the
//! number of workers. Not guaranteed: a row that came twice and is outdated by then counts as stale, not as a duplicate, as the
//! version it repeats is forgotten.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::model::codec::RowCodec;
use crate::model::{SqlResult, Tick};

/// Stale rows remembered per table: the newest.
pub(crate) const STALE_ROWS_MAX: usize = 1000;

/// What has happened to a relation so far. Of a view only `changes` is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows that came and rows that went.
    pub changes: u64,
    /// Rows it holds.
    pub rows: i64,
    /// Input without effect: equal to what is stored, or of a key that `DO NOTHING` keeps.
    pub duplicates: u64,
    /// Input of a version older than one that had come.
    pub stale: u64,
    /// Rows that lose against another of their version, now.
    pub conflicts: i64,
    /// Stored rows replaced.
    pub corrections: u64,
    /// Deletes that took effect, those before their row too.
    pub deletes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.changes += other.changes;
        self.rows += other.rows;
        self.duplicates += other.duplicates;
        self.stale += other.stale;
        self.conflicts += other.conflicts;
        self.corrections += other.corrections;
        self.deletes += other.deletes;
    }
}

/// A table's tally on one worker: written by its operator, read by the worker when it is asked.
#[derive(Default)]
pub(crate) struct Tally {
    pub counts: Cell<Counts>,
    stale: RefCell<Newest<StaleRow>>,
}

/// A row that came after a newer version of itself, as bytes.
#[derive(Default)]
struct StaleRow {
    tick: Tick,
    row: Vec<u8>,
    /// The version it lost against, in place of its own.
    newest: Vec<u8>,
}

/// The same as text.
#[derive(Clone, Debug)]
pub(crate) struct StaleVersion {
    pub tick: Tick,
    /// Arrival number.
    pub sequence: u64,
    /// The key's columns, joined by `, `.
    pub key: String,
    pub version: String,
    pub newest: String,
}

impl Tally {
    /// Remembers a stale row. `start..` is where its version stands, `newest` the version it lost against.
    pub(crate) fn note_stale(&self, tick: Tick, sequence: u64, row: &[u8], start: usize, newest: &[u8]) {
        self.stale.borrow_mut().insert(sequence, |kept| {
            kept.tick = tick;
            kept.row.clear();
            kept.row.extend_from_slice(row);
            kept.newest.clear();
            kept.newest.extend_from_slice(row);
            kept.newest[start..start + newest.len()].copy_from_slice(newest);
        });
    }

    /// The stale rows remembered, in order of arrival. The version is the first column after the key.
    pub(crate) fn stale_versions(&self, codec: &RowCodec) -> SqlResult<Vec<StaleVersion>> {
        let kept = self.stale.borrow();
        let rows = kept.rows.values().flat_map(|kept| [kept.row.as_slice(), kept.newest.as_slice()]);
        let version = codec.key_columns();
        let columns = codec.decode_wanted(rows, |column| column <= version)?;
        let text = |column: usize, at: usize| {
            arrow::util::display::array_value_to_string(&columns[column], at).unwrap_or_default()
        };
        let described = kept.rows.iter().enumerate().map(|(at, (sequence, kept))| StaleVersion {
            tick: kept.tick,
            sequence: *sequence,
            key: (0..version).map(|column| text(column, 2 * at)).collect::<Vec<_>>().join(", "),
            version: text(version, 2 * at),
            newest: text(version, 2 * at + 1),
        });
        Ok(described.collect())
    }
}

/// The [`STALE_ROWS_MAX`] values of the highest numbers.
#[derive(Default)]
struct Newest<T> {
    rows: BTreeMap<u64, T>,
}

impl<T: Default> Newest<T> {
    /// Puts a value in, made of the one that makes room for it.
    fn insert(&mut self, number: u64, fill: impl FnOnce(&mut T)) {
        let mut value = T::default();
        if self.rows.len() >= STALE_ROWS_MAX {
            let Some(first) = self.rows.first_entry().filter(|first| *first.key() < number) else { return };
            value = first.remove();
        }
        fill(&mut value);
        self.rows.insert(number, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_whatever_order_they_come_in() {
        let mut newest = Newest::default();
        let count = STALE_ROWS_MAX as u64 + 50;
        // All numbers once, far from sorted.
        for number in (0..count).map(|at| at * 701 % count) {
            newest.insert(number, |value: &mut u64| *value = number);
        }
        let kept: Vec<u64> = newest.rows.values().copied().collect();
        assert_eq!(kept, (50..count).collect::<Vec<_>>());
    }
}
