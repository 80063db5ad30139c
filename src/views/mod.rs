//! The boundary between the dataflow and everybody who reads: a relation's rows at one tick, as plain Arrow.
//!
//! A [`Snapshot`] is a set of immutable runs; it holds no lock and no trace, so a slow reader slows nobody. DataFusion reads it
//! through [`RelationTable`]; all relations of one query come from one [`Snapshots`], taken at one published tick. Rows that leave as
//! JSON are written by [`json`].

pub mod json;
mod snapshot;
mod table;

pub use snapshot::{Snapshot, Snapshots};
pub use table::{RelationTable, SnapshotSource, SystemTable};
