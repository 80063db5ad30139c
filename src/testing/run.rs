//! Runs cases: an engine of its own for every run, built from plans made once.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::START_MS;
use super::bind::{BoundCase, BoundStep, bind_all};
use super::compare::difference;
use super::deal::{Action, dealt, straight};
use crate::engine::{Diagnostic, Engine, EngineConfig, Prepared, Script};
use crate::model::{Clock, InputBatch, SqlResult};

/// How far before the first tick of a case the clock stands while its relations are built.
const BUILD_LEAD_MS: u64 = 3_600_000;
/// Rows of `trueup.errors` shown with a failure.
const ERRORS_SHOWN: usize = 5;

/// How tests are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides how input is dealt.
    pub seed: u64,
    /// Rounds of dealt input per case.
    pub rounds: u64,
    /// Only cases whose name or file contains this.
    pub only: Option<String>,
    /// Cases at a time.
    pub jobs: usize,
}

/// How one case went.
#[derive(Clone, Debug)]
pub struct Report {
    /// `file:line: name`.
    pub case: String,
    /// What went wrong first, several lines; `None`: nothing.
    pub failure: Option<String>,
}

/// Runs the cases of some test files; `tell` hears of each as it ends, with the number of all. Reports come in the files' order.
pub async fn run(
    prepared: Arc<Prepared>,
    files: &[Script],
    options: &Options,
    mut tell: impl FnMut(&Report, usize),
) -> Result<Vec<Report>, Vec<Diagnostic>> {
    let mut cases = bind_all(&prepared, files)?;
    if let Some(only) = &options.only {
        cases.retain(|case| case.name.contains(only) || case.path.to_string_lossy().contains(only));
    }
    let count = cases.len();
    let shapes = Arc::new(Shapes { base: prepared, replaced: Mutex::default() });
    let runs = cases.into_iter().map(|case| {
        let (shapes, options) = (Arc::clone(&shapes), options.clone());
        tokio::spawn(async move {
            let failure = run_case(&case, &shapes, &options).await.err();
            Report { case: format!("{}:{}: {}", case.path.display(), case.line, case.name), failure }
        })
    });
    // A task is spawned when its turn comes: that many run at a time.
    let mut running = futures::stream::iter(runs).buffered(options.jobs.max(1));
    let mut reports = vec![];
    while let Some(report) = running.next().await {
        let report = report.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        tell(&report, count);
        reports.push(report);
    }
    Ok(reports)
}

/// Replaced views and wanted relations.
type Needs = (BTreeSet<String>, BTreeSet<String>);

/// The plans, once per set of replaced views and wanted relations.
struct Shapes {
    base: Arc<Prepared>,
    replaced: Mutex<BTreeMap<Needs, Arc<Prepared>>>,
}

impl Shapes {
    fn of(&self, case: &BoundCase) -> SqlResult<Arc<Prepared>> {
        let (views, wanted) = (&case.replaced, &case.wanted);
        if views.is_empty() {
            return Ok(Arc::clone(&self.base));
        }
        let mut known = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (views.clone(), wanted.clone());
        if let Some(shape) = known.get(&key) {
            return Ok(Arc::clone(shape));
        }
        let shape = Arc::new(self.base.replacing(views, wanted)?);
        known.insert(key, Arc::clone(&shape));
        Ok(shape)
    }
}

/// A case straight, then dealt; what went wrong first.
async fn run_case(case: &BoundCase, shapes: &Shapes, options: &Options) -> Result<(), String> {
    let prepared = &shapes.of(case).map_err(|e| format!("planning with replaced views: {e}"))?;
    let actions = straight(case, START_MS);
    run_once(case, prepared, 1, &actions).await.map_err(|failure| format!("straight, 1 worker: {failure}"))?;
    for round in 1..=options.rounds {
        let mut hasher = DefaultHasher::new();
        (options.seed, round, &case.name).hash(&mut hasher);
        let actions = dealt(case, START_MS, &mut ChaCha8Rng::seed_from_u64(hasher.finish()));
        let workers = 1 + (round % 2) as usize;
        run_once(case, prepared, workers, &actions).await.map_err(|failure| {
            let order = describe(case, &actions);
            format!("round {round} of seed {}, {workers} workers: {failure}\n  input {order}", options.seed)
        })?;
    }
    Ok(())
}

async fn run_once(case: &BoundCase, prepared: &Prepared, workers: usize, actions: &[Action]) -> Result<(), String> {
    let first = actions.iter().find_map(|a| match a {
        Action::Tick(time) | Action::Statement(_, time) => Some(*time),
        _ => None,
    });
    let clock = Clock::manual(first.unwrap_or(START_MS).saturating_sub(BUILD_LEAD_MS));
    let config = EngineConfig { workers, idle_tick: None, clock: clock.clone(), ..EngineConfig::default() };
    let engine = Engine::start(config).map_err(|e| e.to_string())?;
    engine.build(prepared, &case.wanted).await.map_err(|e| format!("building the views: {e}"))?;
    let outcome = act(case, &engine, &clock, actions).await;
    let outcome = match outcome {
        Err(failure) => Err(failure + &errors(&engine).await),
        Ok(()) => Ok(()),
    };
    engine.stop().await;
    outcome
}

async fn act(case: &BoundCase, engine: &Engine, clock: &Clock, actions: &[Action]) -> Result<(), String> {
    for action in actions {
        match action {
            Action::SendAll(at) => send(case, engine, *at, None).map_err(|e| e.to_string())?,
            Action::Send(at, row) => send(case, engine, *at, Some(*row)).map_err(|e| e.to_string())?,
            Action::Tick(time) => {
                clock.set(*time);
                engine.tick().await.map_err(|e| e.to_string())?;
            }
            Action::Statement(at, time) => {
                clock.set(*time);
                if let BoundStep::Statement(sql, line) = &case.steps[*at] {
                    engine.run(sql).await.map_err(|e| format!("statement on line {line}: {e}"))?;
                }
            }
            Action::Expect(at) => {
                if let BoundStep::Expect(expect) = &case.steps[*at] {
                    let place = format!("line {}: {}", expect.line, expect.title);
                    let found = engine.query(&expect.sql).await.map_err(|e| format!("{place}: {e}"))?;
                    if let Some(difference) = difference(expect, &found).map_err(|e| e.to_string())? {
                        return Err(format!("{place}: {difference}"));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Sends rows of a `GIVEN`: one, or all with the bad ones.
fn send(case: &BoundCase, engine: &Engine, at: usize, row: Option<usize>) -> SqlResult<()> {
    let BoundStep::Given(given) = &case.steps[at] else { return Ok(()) };
    let table = engine.relation(&given.relation)?;
    let batch = match row {
        None => InputBatch { table, ..given.input.clone() },
        Some(row) => {
            let ops = given.input.ops.as_ref().map(|ops| vec![ops[row]]);
            InputBatch::of_rows(table, given.input.rows.slice(row, 1), ops)
        }
    };
    engine.send(batch)
}

/// What stands in `trueup.errors`: often the reason.
async fn errors(engine: &Engine) -> String {
    let sql = "SELECT relation, message FROM trueup.errors ORDER BY relation, message";
    let Ok(batch) = engine.query(sql).await else { return String::new() };
    let text = |column: usize, row: usize| {
        arrow::util::display::array_value_to_string(batch.column(column), row).unwrap_or_default()
    };
    (0..batch.num_rows().min(ERRORS_SHOWN))
        .fold(String::new(), |all, row| all + &format!("\n    trueup.errors: {}: {}", text(0, row), text(1, row)))
}

/// The order of a dealt input: lines of the file, ticks apart.
fn describe(case: &BoundCase, actions: &[Action]) -> String {
    let mut parts = vec![];
    for action in actions {
        match action {
            Action::SendAll(at) | Action::Send(at, _) => {
                let BoundStep::Given(given) = &case.steps[*at] else { continue };
                let row = if let Action::Send(_, row) = action { *row } else { 0 };
                let line = given.lines.get(row).map_or_else(|| "bad rows".to_string(), |line| format!("line {line}"));
                parts.push(format!("{} {line}", given.relation));
            }
            Action::Tick(_) => parts.push("tick".to_string()),
            Action::Statement(at, _) => {
                if let BoundStep::Statement(_, line) = &case.steps[*at] {
                    parts.push(format!("statement on line {line}"));
                }
            }
            Action::Expect(_) => {}
        }
    }
    parts.join(", ")
}
