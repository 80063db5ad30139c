//! The words every stage shares: ticks, rows and their signed counts, table definitions, errors. No IO.
//!
//! A *change* is a row with a signed count at a tick; a [`Changes`] value holds the changes of one relation at one tick as
//! plain Arrow. A [`TableDef`] says how rows of a table supersede each other; [`InputBatch`] is what a channel delivers.

pub mod bytes;
pub mod clock;
pub mod codec;
pub mod error;
mod fixed;
pub mod input;
mod mixed;
mod regular;
pub mod rows;
pub mod snapshot;
pub mod table;

use arrow::array::RecordBatch;

pub use clock::Clock;
pub use codec::RowCodec;
pub use error::{SqlError, SqlResult};
pub use input::{BadRow, InputBatch, Op, UnknownFields};
pub use rows::{RowBuf, Run, RunSlice};
pub use table::{ConnectorDef, Encode, HISTORY_COLUMNS, OnConflict, TableDef};

/// Logical time: milliseconds since the Unix epoch, strictly increasing. All that arrives between two ticks carries the later.
pub type Tick = u64;

/// A signed count of equal rows.
pub type Diff = i64;

/// Names a relation for as long as it exists; never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationId(pub u32);

/// Changes of one relation at one tick: row `i` of `batch` changes its count by `diffs[i]`.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The rows, in the relation's schema.
    pub batch: RecordBatch,
    /// One signed count per row; never zero.
    pub diffs: Vec<Diff>,
}
