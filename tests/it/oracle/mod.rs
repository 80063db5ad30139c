//! The oracle: random input, every construct of SQL, and at every tick each view equals what plain DataFusion answers over the
//! rows the tables hold by a hand-written model of the contract.
//!
//! All views of a group run side by side in one engine per worker count, over the same stream. Some views are made mid-stream, some
//! are dropped and made again, so that they begin from arrangements others hold and leave arrangements others read. A failing run
//! prints its seed; `TRUEUP_SEED=n` runs that stream again, `TRUEUP_ONLY=name` only the queries whose name begins so.
//!
//! What the reference itself cannot answer is not a query here; what the engine refuses on purpose is in [`queries::NOT_YET`].

mod compare;
mod edges;
mod model;
mod queries;
mod reference;
mod worlds;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use datafusion::physical_plan::collect;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trueup::engine::Engine;
use trueup::engine::api::Database;
use trueup::model::{InputBatch, RelationId, Tick};

use crate::harness::{run, start};
use model::Table;
use queries::{LAYERS, Layer};
use reference::{Batch, Reference};

/// Ticks of a run.
const TICKS: usize = 10;
/// Differences shown of a run that fails.
const SHOWN: usize = 40;

/// One engine under test.
struct Subject {
    workers: usize,
    engine: Engine,
    tables: Vec<RelationId>,
}

impl Subject {
    async fn start(workers: usize, tables: &[&str]) -> Subject {
        let engine = start(workers);
        let mut ids = vec![];
        for sql in tables {
            run(&engine, sql).await;
            ids.push(engine.relation(&Table::new(sql).def.name).expect("the table was just made"));
        }
        Subject { workers, engine, tables: ids }
    }

    /// What a view holds.
    async fn rows(&self, view: &str) -> Result<Vec<RecordBatch>, String> {
        let context = self.engine.context();
        let provider = context.table_provider(format!("trueup.public.{view}")).await.map_err(|e| e.to_string())?;
        let state = context.state();
        let plan = provider.scan(&state, None, &[], None).await.map_err(|e| e.to_string())?;
        collect(plan, state.task_ctx()).await.map_err(|e| e.to_string())
    }
}

/// A query under test and when its view lives.
struct Case {
    name: String,
    sql: &'static str,
    reference: Reference,
    /// Made before this tick.
    made: usize,
    /// Dropped before this tick, and made again two ticks later.
    dropped: Option<usize>,
}

impl Case {
    fn is_there(&self, tick: usize) -> bool {
        tick >= self.made && self.dropped.is_none_or(|dropped| tick < dropped || tick >= dropped + 2)
    }

    fn is_made(&self, tick: usize) -> bool {
        tick == self.made || self.dropped.is_some_and(|dropped| tick == dropped + 2)
    }
}

/// What went wrong, and where.
#[derive(Default)]
struct Failures {
    texts: Vec<String>,
    seen: BTreeMap<String, usize>,
}

impl Failures {
    /// Notes a failure of a query once.
    fn note(&mut self, name: &str, sql: &str, text: String) {
        *self.seen.entry(name.to_string()).or_default() += 1;
        if self.seen[name] == 1 {
            self.texts.push(format!("{name}: {sql}\n  {text}"));
        }
    }
}

fn seed() -> u64 {
    match std::env::var("TRUEUP_SEED") {
        Ok(seed) => seed.parse().expect("TRUEUP_SEED is a number"),
        Err(_) => rand::random_range(0..1_000_000),
    }
}

fn is_wanted(name: &str) -> bool {
    std::env::var("TRUEUP_ONLY").map_or(true, |only| only.split(',').any(|prefix| name.starts_with(prefix)))
}

/// Runs the queries of some groups over one random stream, on one, two and three workers.
async fn check(groups: &[(&str, &'static [&'static str])]) {
    let seed = seed();
    println!("TRUEUP_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tables: Vec<Table> = model::TABLES.iter().map(|sql| Table::new(sql)).collect();
    let batch = Batch::new(&tables.iter().map(|t| (t.def.name.clone(), t.schema())).collect::<Vec<_>>());
    let mut subjects = vec![];
    for workers in 1..=3 {
        subjects.push(Subject::start(workers, &model::TABLES).await);
    }
    let mut failures = Failures::default();
    for Layer { name, materialized, sql } in LAYERS {
        batch.view(name, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let kind = if *materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        for subject in &subjects {
            let create = format!("CREATE {kind} {name} AS {sql}");
            subject.engine.run(&create).await.unwrap_or_else(|e| panic!("{create}: {e}"));
        }
    }
    let mut cases = cases(groups, &batch, &mut random, &mut failures).await;
    for tick in 0..TICKS {
        prepare(&subjects, &mut cases, tick, &mut failures).await;
        let quiet = random.random_bool(0.1);
        let mut input = vec![];
        for table in &mut tables {
            // Portions of very different size; now and then none.
            let changes = if quiet || random.random_bool(0.1) { 0 } else { random.random_range(1..25) };
            input.push(table.draw(seed, &mut random, changes));
        }
        batch.fill(tables.iter().map(Table::rows).collect());
        let mut ticks = vec![];
        for subject in &subjects {
            ticks.push(feed(subject, &input, &mut random.clone()).await);
        }
        compare_all(&subjects, &ticks, &batch, &cases, tick, &mut failures).await;
        if tick == TICKS - 1 {
            compare_queries(&subjects[1], ticks[1], &batch, &cases, &mut failures).await;
        }
    }
    for subject in &subjects {
        subject.engine.stop().await;
    }
    let count = failures.seen.len();
    let shown = failures.texts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(failures.texts.is_empty(), "TRUEUP_SEED={seed}: {count} of {} queries fail\n\n{shown}", cases.len());
}

/// Plans the queries and says when their views live.
async fn cases(
    groups: &[(&str, &'static [&'static str])],
    batch: &Batch,
    random: &mut ChaCha8Rng,
    failures: &mut Failures,
) -> Vec<Case> {
    let mut cases = vec![];
    for (group, queries) in groups {
        for (at, sql) in queries.iter().enumerate() {
            let name = format!("{group}_{:02}", at + 1);
            let made = if random.random_bool(0.6) { 0 } else { random.random_range(1..TICKS - 3) };
            let dropped = random.random_bool(0.15).then(|| random.random_range(made + 1..TICKS - 1));
            if !is_wanted(&name) {
                continue;
            }
            let plan = async { batch.run(&batch.plan(sql).await?, 1).await.map(drop) };
            match (plan.await, batch.plan(sql).await) {
                (Ok(()), Ok(reference)) => cases.push(Case { name, sql, reference, made, dropped }),
                (Err(error), _) | (_, Err(error)) => {
                    failures.note(&name, sql, format!("the reference refuses it: {error}"))
                }
            }
        }
    }
    cases
}

/// Makes and drops views before a tick.
async fn prepare(subjects: &[Subject], cases: &mut Vec<Case>, tick: usize, failures: &mut Failures) {
    let mut refused = vec![];
    for case in cases.iter() {
        for subject in subjects {
            if case.dropped == Some(tick) {
                let drop = format!("DROP MATERIALIZED VIEW {}", case.name);
                subject.engine.run(&drop).await.unwrap_or_else(|e| panic!("{drop}: {e}"));
            }
            if case.is_made(tick) {
                let create =
                    format!("CREATE MATERIALIZED VIEW {} ({}) AS {}", case.name, case.reference.columns(), case.sql);
                if let Err(error) = subject.engine.run(&create).await {
                    failures.note(&case.name, case.sql, format!("refused: {error}"));
                    refused.push(case.name.clone());
                }
            }
        }
    }
    cases.retain(|case| !refused.contains(&case.name));
}

/// Sends a tick's input, each table's in portions, portions of tables mixed; closes the tick.
async fn feed(subject: &Subject, input: &[(RecordBatch, Vec<trueup::model::Op>)], random: &mut ChaCha8Rng) -> Tick {
    let mut portions = vec![];
    for (table, (rows, ops)) in subject.tables.iter().zip(input) {
        let mut from = 0;
        let mut parts = vec![];
        while from < rows.num_rows() {
            let len = random.random_range(1..=rows.num_rows() - from);
            let ops = ops[from..from + len].to_vec();
            parts.push(InputBatch::of_rows(*table, rows.slice(from, len), Some(ops)));
            from += len;
        }
        portions.push(parts.into_iter());
    }
    // Portions of one table keep their order: a plain keyed table goes by arrival.
    let mut turns: Vec<usize> = portions.iter().enumerate().flat_map(|(at, p)| vec![at; p.len()]).collect();
    turns.shuffle(random);
    for turn in turns {
        let portion = portions[turn].next().expect("as many turns as portions");
        subject.engine.send(portion).expect("the engine takes input");
    }
    subject.engine.tick().await.unwrap_or_else(|e| panic!("{} workers: {e}", subject.workers))
}

async fn compare_all(
    subjects: &[Subject],
    ticks: &[Tick],
    batch: &Batch,
    cases: &[Case],
    tick: usize,
    failures: &mut Failures,
) {
    for case in cases.iter().filter(|case| case.is_there(tick)) {
        if failures.seen.contains_key(&case.name) {
            continue;
        }
        let mut answer = None;
        for (subject, at) in subjects.iter().zip(ticks) {
            if answer.is_none() || case.reference.is_timed() {
                answer = Some(batch.run(&case.reference, *at).await);
            }
            let place = format!("tick {tick} ({at}), {} workers", subject.workers);
            let text = match (subject.rows(&case.name).await, answer.as_ref()) {
                (Ok(rows), Some(Ok(answer))) => compare::difference(&rows, answer),
                (_, Some(Err(error))) => Some(format!("the reference fails: {error}")),
                (Err(error), _) => Some(error),
                (_, None) => None,
            };
            if let Some(text) = text {
                failures.note(&case.name, case.sql, format!("{place}: {text}"));
                break;
            }
        }
    }
}

/// The same SQL as an ad-hoc query gives the same answer.
async fn compare_queries(subject: &Subject, at: Tick, batch: &Batch, cases: &[Case], failures: &mut Failures) {
    for case in cases {
        let text = match (subject.engine.query(case.sql).await, batch.run(&case.reference, at).await) {
            (Ok(rows), Ok(answer)) => compare::difference(&[rows], &answer),
            (Err(error), _) => Some(error.to_string()),
            (_, Err(error)) => Some(error.to_string()),
        };
        if let Some(text) = text {
            failures.note(&case.name, case.sql, format!("as an ad-hoc query: {text}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stateless_stretches_equal_the_batch_engine() {
    check(&[("rows", queries::ROWS), ("sets", queries::SETS), ("times", queries::TIMES), ("twins", queries::TWINS)])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_and_subqueries_equal_the_batch_engine() {
    check(&[("joins", queries::JOINS), ("subqueries", queries::SUBQUERIES)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_equal_the_batch_engine() {
    check(&[("aggregates", queries::AGGREGATES), ("layers", queries::VIEWS_ON_VIEWS)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_and_windows_equal_the_batch_engine() {
    check(&[("firsts", queries::FIRSTS), ("windows", queries::WINDOWS)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_yet_is_refused_by_name() {
    let subject = Subject::start(2, &model::TABLES).await;
    for sql in queries::NOT_YET {
        let refusal = subject.engine.run(&format!("CREATE MATERIALIZED VIEW v AS {sql}")).await;
        let error = refusal.err().unwrap_or_else(|| panic!("accepted: {sql}"));
        assert_eq!(error.code, "0A000", "{sql}: {error}");
        assert!(error.hint.is_some(), "{sql}: no hint in {error}");
        subject.engine.tick().await.expect("the others go on");
    }
    subject.engine.stop().await;
}
