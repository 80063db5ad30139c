//! `trueup bench`: how fresh are the views of some dataflows under a given load?
//!
//! **Open loop.** Every event has an intended time, fixed before the run: by a rate, or by a curve of rates. Events are sent when they
//! are due, or later if the system does not take them; *freshness* is the time from the intended moment to the moment a published tick
//! shows the event. So a system that stands still for a second is charged for every event it made wait, also for those that a
//! closed loop would never have sent meanwhile.
//!
//! Guarantees: input is in memory, decoded, before the clock starts; an event counts as visible when the first tick with it has been
//! published, which is after every view has reached that tick; every kept view is checked against the batch engine's answer to its
//! SQL, and `order_state` against the simulator's truth, unless that is switched off, and a run with wrong answers is an error, not a number.
//!
//! Not measured: decoding, connectors, the network, reading. Events in the warm-up count for nothing but the state they leave behind.
//! The load and the engine share the machine.

mod check;
mod drive;
mod load;
mod report;
mod resources;
mod schedule;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use report::{Busy, Freshness, Outcome, Second};
pub use schedule::Curve;

use crate::engine::{Engine, EngineConfig, Prepared};
use crate::model::SqlError;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Timely workers.
    pub workers: usize,
    /// Events per second on average; `None`: as fast as they are taken, freshness then counts from the sending.
    pub rate: Option<f64>,
    /// How the rate changes over the run.
    pub curve: Curve,
    /// Before this, nothing is measured.
    pub warm_up: Duration,
    /// How long to measure.
    pub duration: Duration,
    /// Files `<table>.ndjson`, `.json` or `.csv` to send; `None`: the simulator.
    pub input: Option<PathBuf>,
    /// Decides the simulated input.
    pub seed: u64,
    /// Compare the views with the batch engine's answers at the end.
    pub check: bool,
    /// Makes the engine stand still in the middle of the measured time: the bench's own test.
    pub stall: Option<Duration>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The dataflows or their run.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Input that can't be read.
    #[error("{0}: {1}")]
    Input(String, #[source] std::io::Error),
    /// Nothing to send.
    #[error("{0}")]
    NoInput(String),
    /// The views are not what the batch engine makes of the same input.
    #[error("wrong answers: {0}")]
    WrongAnswers(String),
}

/// Runs a bench; `tell` gets a line now and then.
///
/// # Errors
/// See [`BenchError`].
pub async fn run(
    prepared: &Prepared,
    options: &Options,
    mut tell: impl FnMut(&str) + Send,
) -> Result<Outcome, BenchError> {
    let seconds = (options.warm_up + options.duration).as_secs_f64();
    let wanted = options.rate.map(|rate| (rate * seconds) as u64);
    let load = match &options.input {
        Some(folder) => load::from_files(prepared, folder, wanted)?,
        None => {
            let length = options.warm_up + options.duration;
            load::from_simulator(prepared, options.seed, wanted, length, options.curve)?
        }
    };
    let load = Arc::new(load);
    let bad = if load.bad > 0 { format!("; {} bad records are left out", load.bad) } else { String::new() };
    tell(&format!("{} events for {} tables are in memory{bad}", load.events, load.tables.len()));
    let engine = Engine::start(EngineConfig { workers: options.workers, ..EngineConfig::default() })?;
    engine.build(prepared, &prepared.relations().into_iter().collect()).await?;
    load.open(&engine).await?;
    let mut outcome = drive::drive(&engine, &load, options, &mut tell).await?;
    if options.check {
        tell("comparing every view with the batch engine's answer");
        let checked = check::compare(&engine, prepared).await?;
        outcome.checked_views = Some(checked);
        outcome.checked_orders = check::compare_truth(&engine, prepared, &load).await?;
    }
    engine.stop().await;
    Ok(outcome)
}
