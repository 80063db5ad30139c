//! How the engine is doing, as its servers show it.

use std::time::Duration;

use crate::model::Tick;
pub use crate::sink::{SinkState, SinkStatus};

/// Upper bounds of the freshness histogram, in milliseconds.
pub const FRESHNESS_BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

/// How the engine is doing at one published tick.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The published tick.
    pub tick: Tick,
    /// Ticks closed.
    pub ticks: u64,
    /// Rows taken in over all ticks.
    pub rows: u64,
    /// What has come in, per table.
    pub tables: Vec<TableInput>,
    /// Tables with a connector.
    pub sources: Vec<SourceStatus>,
    /// Views sent outside.
    pub sinks: Vec<SinkStatus>,
    /// How old input was when its tick was published.
    pub freshness: Freshness,
    /// What operators keep, per relation; empty unless asked for.
    pub operators: Vec<OperatorSize>,
    /// Rows of `trueup.errors`, if asked for.
    pub errors: Option<u64>,
}

impl Status {
    /// How complete the views are, as far as the sources know.
    pub fn completeness(&self) -> Completeness {
        let count = |keep: &dyn Fn(&SourceStatus) -> bool| self.sources.iter().filter(|s| keep(s)).count();
        Completeness {
            sources: self.sources.len(),
            behind: count(&|s| s.lag_bytes.is_some_and(|bytes| bytes > 0)),
            failing: count(&|s| s.error.is_some()),
            finished: count(&|s| s.finished),
            bad_rows: self.sources.iter().map(|s| s.bad_rows).sum(),
        }
    }
}

/// How complete the views are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Completeness {
    /// Tables with a connector.
    pub sources: usize,
    /// Those with known input not read yet.
    pub behind: usize,
    /// Those whose outside system fails at the moment.
    pub failing: usize,
    /// Those that will bring nothing more.
    pub finished: usize,
    /// Rows of theirs that could not be read, ever; `trueup.errors` lists those not corrected.
    pub bad_rows: u64,
}

/// What has come into a table, from wherever.
#[derive(Clone, Debug)]
pub struct TableInput {
    /// Its name.
    pub table: String,
    /// Good rows.
    pub received: u64,
    /// Bad rows.
    pub bad_rows: u64,
    /// Rows, good and bad, with fields that are no column.
    pub unknown_field_rows: u64,
    /// Names of such fields, the first few.
    pub unknown_fields: Vec<String>,
    /// What came of the good rows; empty unless asked for.
    pub outcome: TableOutcome,
}

/// What came of a table's good rows. `None` is what such a table does not know: without a key rows are not told apart, without a
/// version none is older than another.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableOutcome {
    /// Rows it holds.
    pub rows: u64,
    /// Without effect: equal to what is stored, or of a key that `DO NOTHING` keeps.
    pub duplicates: Option<u64>,
    /// Of a version older than one that had come: late versions.
    pub stale: Option<u64>,
    /// Rows that lose against another of their version, now.
    pub conflicts: Option<u64>,
    /// Stored rows replaced.
    pub corrections: Option<u64>,
    /// Deletes that took effect.
    pub deletes: u64,
}

/// A table's connector.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The table.
    pub relation: String,
    /// The connector.
    pub connector: String,
    /// Good rows read.
    pub rows: u64,
    /// Bad rows read.
    pub bad_rows: u64,
    /// Where it stands.
    pub position: String,
    /// Input known to be there and not read yet.
    pub lag_bytes: Option<u64>,
    /// Nothing more will come.
    pub finished: bool,
    /// Why it is not getting on, if it is not.
    pub error: Option<String>,
}

/// What the operators of a relation keep.
#[derive(Clone, Debug)]
pub struct OperatorSize {
    /// The relation.
    pub relation: String,
    /// Rows arranged.
    pub rows: u64,
    /// Bytes of arrangements.
    pub bytes: u64,
}

/// How old input was when its tick was published: per tick, the age of its oldest row since the coordinator took it. The wait in
/// a full input channel before that is not in it.
#[derive(Clone, Debug, Default)]
pub struct Freshness {
    /// Ticks per bound of [`FRESHNESS_BOUNDS_MS`] (not cumulative), then those above the last.
    pub counts: [u64; FRESHNESS_BOUNDS_MS.len() + 1],
    /// Sum of all ages, in seconds.
    pub sum_s: f64,
}

impl Freshness {
    pub(crate) fn record(&mut self, age: Duration) {
        let milliseconds = age.as_secs_f64() * 1e3;
        let at = FRESHNESS_BOUNDS_MS.iter().position(|bound| milliseconds <= *bound as f64);
        self.counts[at.unwrap_or(FRESHNESS_BOUNDS_MS.len())] += 1;
        self.sum_s += age.as_secs_f64();
    }
}
