//! Arrangements of byte rows: differential traces whose batches are sorted runs of [`crate::model::RowBuf`] rows.
//!
//! **One tick is in flight at a time.** No row carries a tick: which tick changed it is known by the batch it arrived in,
//! and readers keep *prior* and *novel* apart by physical compaction ([`TraceReader::set_physical_compaction`]) and
//! `batches_through`. Within a trace, rows equal in bytes add their counts whatever their ticks. An arrangement asserts
//! that all rows it receives between two frontiers are of one tick, and that this tick is closed by the second; it cannot
//! see whether the rest of the dataflow has finished the tick.
//!
//! | file | holds |
//! |---|---|
//! | `arrange` | the operators, what a trace holds: snapshots and sizes |
//! | `exchange` | rows between workers: by order word, in memory or as bytes |
//! | `batcher`, `sort` | a tick's rows, sorted and consolidated once |
//! | `chunk`, `merge` | the unit of storage, how the spine merges them |
//! | `probe`, `gather`, `cursor` | reading: many words at once, all rows of each, or one group in order |
//!
//! [`TraceReader::set_physical_compaction`]: differential_dataflow::trace::TraceReader::set_physical_compaction

pub(crate) mod arrange;
pub(crate) mod batcher;
pub(crate) mod chunk;
pub(crate) mod cursor;
pub(crate) mod exchange;
pub(crate) mod gather;
mod merge;
pub(crate) mod probe;
pub(crate) mod sort;
#[cfg(test)]
mod testing;

use std::rc::Rc;

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::chunk::{ChunkBatch, ChunkSpine};

pub(crate) use arrange::{arrange, arrange_local, size, snapshot};
pub(crate) use chunk::RowChunk;
pub(crate) use cursor::group_cursor;
pub(crate) use exchange::{RowDistributor, route};
pub(crate) use gather::{Gather, GatheredRow};
pub(crate) use probe::distinct_words;

/// What an arrangement emits per tick, and what its trace is made of.
pub(crate) type Batch = Rc<ChunkBatch<RowChunk>>;
/// The log-structured merge tree of batches.
pub(crate) type Spine = ChunkSpine<RowChunk>;
/// A reader's handle on an arrangement.
pub(crate) type Trace = TraceAgent<Spine>;
