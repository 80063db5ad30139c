//! The workers' loop: commands in, one at a time, the same on every worker.
//!
//! A worker owns its traces. Whoever wants to read sends a command and gets shared, immutable runs back; nothing outside holds a
//! trace's compaction.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::execution::SessionState;
use timely::progress::Timestamp;
use timely::worker::Worker;

use super::profile::Profile;
use super::reading::{compact, slices};
use super::render::table::{TableInput, TableRows};
use super::render::{Clock, Meter, Registry, Renderer, Served, history, table};
use super::tally::{Counts, StaleVersion, Tally};
use super::trace;
use crate::model::RunSlice;
use crate::model::{BadRow, RelationId, SqlResult, TableDef, Tick};
use crate::plan::lir::Plan;

/// Rows for one table at one tick: this worker's share.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableShare {
    pub rows: Vec<TableRows>,
    /// Bad rows with their arrival numbers.
    pub bad: Vec<(BadRow, u64)>,
}

/// What a worker is told.
pub(crate) enum Command {
    /// Build a table's dataflow, and the history it keeps under an id of its own.
    Table(RelationId, Arc<TableDef>, Option<RelationId>),
    /// Build a view's dataflow over the relations it reads, as they are now.
    View(RelationId, Arc<Plan>),
    /// Drop a relation; its dataflow goes when nothing reads it any more.
    Drop(RelationId),
    /// Feed a tick and run until every relation has reached it.
    Tick { tick: Tick, input: BTreeMap<RelationId, TableShare> },
    /// Start or stop handing out a relation's changes with every tick.
    Watch(Watched, bool),
    /// Hand out what relations hold now.
    Snapshot(Vec<Watched>),
    /// Say what operators keep and what they did.
    Operators,
    /// Say what has happened to relations so far.
    Counts,
    /// Say which rows came after newer versions of themselves.
    StaleVersions,
    /// Stop.
    Stop,
}

/// A relation's rows or its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Watched {
    Rows(RelationId),
    Errors(RelationId),
}

/// Runs of rows, one list per batch.
pub(crate) type Runs = Vec<Vec<RunSlice>>;

/// What an operator keeps and what it did; operators of a relation with one name are one.
#[derive(Clone, Debug)]
pub(crate) struct OperatorWork {
    pub relation: RelationId,
    pub operator: String,
    pub rows: usize,
    pub bytes: usize,
    /// Rows that it put out, those that left too.
    pub updates: u64,
    /// Time on the worker's thread.
    pub busy: Duration,
    /// The last tick in which it put rows out.
    pub last: Option<Tick>,
}

/// What a worker answers.
pub(crate) enum Answer {
    /// Done; for a tick, the changes of watched relations.
    Done(SqlResult<Vec<(Watched, Vec<RunSlice>)>>),
    Snapshot(Vec<(Watched, Runs)>),
    Operators(Vec<OperatorWork>),
    Counts(Vec<(RelationId, Counts)>),
    StaleVersions(SqlResult<Vec<(RelationId, Vec<StaleVersion>)>>),
}

struct Dataflow {
    index: usize,
    clocks: Vec<Clock>,
    uses: BTreeSet<RelationId>,
    dropped: bool,
}

/// Tells the other workers when this one panics: they would wait for it for ever.
#[derive(Clone, Default)]
pub(crate) struct Alarm(Arc<AtomicBool>);

impl Alarm {
    fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// How long a worker sleeps at most before it looks whether another has failed.
const ALARM_INTERVAL: Duration = Duration::from_millis(100);

/// Runs a worker until it is told to stop.
pub(crate) fn run(
    worker: &mut Worker,
    state: &SessionState,
    commands: &flume::Receiver<Command>,
    answers: &flume::Sender<Answer>,
    alarm: Alarm,
) {
    let profile = Profile::of(worker);
    let mut this = This {
        worker,
        profile,
        state,
        alarm,
        registry: Registry::default(),
        dataflows: BTreeMap::new(),
        inputs: BTreeMap::new(),
        watched: BTreeSet::new(),
        upper: Tick::minimum(),
    };
    while let Ok(command) = commands.recv() {
        let answer = match command {
            Command::Stop => break,
            Command::Table(id, def, history) => Answer::Done(this.build(id, |renderer| {
                table::render(renderer, &def, history).map(|input| (Some(input), BTreeSet::new(), vec![]))
            })),
            Command::View(id, plan) => {
                Answer::Done(this.build(id, |renderer| renderer.view(&plan).map(|(uses, clocks)| (None, uses, clocks))))
            }
            Command::Drop(id) => {
                this.drop(id);
                Answer::Done(Ok(vec![]))
            }
            Command::Tick { tick, input } => {
                this.tick(tick, input);
                Answer::Done(Ok(this.changes()))
            }
            Command::Watch(relation, on) => {
                if on {
                    this.watched.insert(relation)
                } else {
                    this.watched.remove(&relation)
                };
                Answer::Done(Ok(vec![]))
            }
            Command::Snapshot(relations) => {
                Answer::Snapshot(relations.into_iter().map(|r| (r, this.snapshot(r))).collect())
            }
            Command::Operators => Answer::Operators(this.operators()),
            Command::Counts => Answer::Counts(this.counts()),
            Command::StaleVersions => Answer::StaleVersions(this.stale_versions()),
        };
        if answers.send(answer).is_err() {
            break;
        }
    }
    this.stop();
}

type Built = (Option<TableInput>, BTreeSet<RelationId>, Vec<Clock>);

struct This<'w> {
    worker: &'w mut Worker,
    profile: Profile,
    state: &'w SessionState,
    alarm: Alarm,
    registry: Registry,
    dataflows: BTreeMap<RelationId, Dataflow>,
    inputs: BTreeMap<RelationId, TableInput>,
    watched: BTreeSet<Watched>,
    /// The next tick possible: everything before it is complete.
    upper: Tick,
}

impl This<'_> {
    fn build(
        &mut self,
        id: RelationId,
        make: impl FnOnce(Renderer<'_, '_>) -> SqlResult<Built>,
    ) -> SqlResult<Vec<(Watched, Vec<RunSlice>)>> {
        let (registry, state) = (&mut self.registry, self.state);
        let place = (self.worker.index(), self.worker.peers());
        let index = self.worker.next_dataflow_index();
        let built = self.worker.dataflow::<Tick, _, _>(|scope| make(Renderer::new(scope, registry, state, id, place)));
        let (input, uses, clocks) = match built {
            Ok(built) => built,
            Err(error) => {
                // Every worker fails alike, being told the same; nothing of the dataflow stays.
                self.registry.forget(id);
                self.worker.drop_dataflow(index);
                return Err(error);
            }
        };
        self.dataflows.insert(id, Dataflow { index, clocks, uses, dropped: false });
        if let Some(input) = input {
            self.inputs.insert(id, input);
        }
        self.advance(self.upper);
        self.settle();
        self.changes();
        Ok(vec![])
    }

    fn tick(&mut self, tick: Tick, input: BTreeMap<RelationId, TableShare>) {
        assert!(tick >= self.upper, "tick {tick} after {} was closed", self.upper);
        self.profile.tick(tick);
        // All that a tick brings is stamped with the frontier before it, input and output alike, so that frontiers make one step.
        for (relation, share) in input {
            let Some(table) = self.inputs.get_mut(&relation) else { continue };
            share.rows.into_iter().for_each(|r| table.rows.send(r));
            share.bad.into_iter().for_each(|r| table.bad.send(r));
        }
        self.advance(tick + 1);
        self.settle();
    }

    fn advance(&mut self, to: Tick) {
        for input in self.inputs.values_mut() {
            if *input.rows.time() < to {
                input.rows.advance_to(to);
                input.bad.advance_to(to);
            }
        }
        for clock in self.dataflows.values_mut().flat_map(|d| &mut d.clocks).filter(|c| *c.time() < to) {
            clock.advance_to(to);
        }
        self.upper = to;
    }

    /// Steps until every relation has reached the frontier, then lets traces merge what readers no longer tell apart.
    fn settle(&mut self) {
        let upper = self.upper;
        let reached: Vec<_> = self.registry.served.values().map(|s| Rc::clone(&s.reached)).collect();
        while reached.iter().any(|reached| reached.get() < upper) {
            assert!(!self.alarm.is_raised(), "another worker has failed");
            self.worker.step_or_park(Some(ALARM_INTERVAL));
        }
        for served in self.registry.served.values_mut() {
            compact(&mut served.trace, upper);
            if let Some(errors) = &mut served.errors {
                compact(&mut errors.trace, upper);
            }
        }
        self.registry.shared.values_mut().for_each(|s| compact(&mut s.trace, upper));
        for (_, meter) in self.registry.meters.values_mut().flatten() {
            if let Meter::Trace(trace) = meter {
                compact(trace, upper);
            }
        }
    }

    /// The latest tick's changes of watched relations; those of others are counted and let go.
    fn changes(&mut self) -> Vec<(Watched, Vec<RunSlice>)> {
        let mut changes = vec![];
        for (id, served) in &mut self.registry.served {
            let rows = (Watched::Rows(*id), &served.tap);
            let errors = served.errors.as_ref().map(|errors| (Watched::Errors(*id), &errors.tap));
            for (watched, tap) in [rows].into_iter().chain(errors) {
                let batches: Vec<_> = tap.take();
                if watched == Watched::Rows(*id) {
                    served.changes += batches.iter().flat_map(|b| &b.chunks).map(|c| c.slice.len() as u64).sum::<u64>();
                }
                if self.watched.contains(&watched) {
                    changes.push((watched, batches.iter().flat_map(slices).collect()));
                }
            }
        }
        changes
    }

    fn snapshot(&mut self, relation: Watched) -> Runs {
        match relation {
            Watched::Rows(id) => self.registry.served.get_mut(&id).map(|s| trace::snapshot(&s.trace, self.upper)),
            Watched::Errors(id) => {
                let errors = self.registry.served.get(&id).and_then(|s| s.errors.as_ref());
                errors.map(|errors| trace::snapshot(&errors.trace, self.upper))
            }
        }
        .unwrap_or_default()
    }

    fn operators(&self) -> Vec<OperatorWork> {
        let mut all: BTreeMap<(RelationId, String), OperatorWork> = BTreeMap::new();
        let mut of = |relation: RelationId, operator: &str, add: &mut dyn FnMut(&mut OperatorWork)| {
            let operator = operator.to_string();
            add(all.entry((relation, operator.clone())).or_insert(OperatorWork {
                relation,
                operator,
                rows: 0,
                bytes: 0,
                updates: 0,
                busy: Duration::ZERO,
                last: None,
            }));
        };
        for (id, meters) in &self.registry.meters {
            for (operator, meter) in meters {
                let (rows, bytes) = match meter {
                    Meter::Trace(trace) => trace::size(trace),
                    Meter::Gauge(gauge) => gauge.get(),
                };
                of(*id, operator, &mut |work| {
                    work.rows += rows;
                    work.bytes += bytes;
                });
            }
        }
        let relations: BTreeMap<usize, RelationId> = self.dataflows.iter().map(|(id, d)| (d.index, *id)).collect();
        for done in self.profile.operators() {
            let Some(mut relation) = relations.get(&done.dataflow) else { continue };
            if done.name == history::ARRANGEMENT {
                let kept =
                    self.registry.served.iter().find(|(id, served)| served.owner == *relation && *id != relation);
                relation = kept.map_or(relation, |(id, _)| id);
            }
            of(*relation, &done.name, &mut |work| {
                work.updates += done.updates;
                work.busy += done.busy;
                work.last = work.last.max(done.last);
            });
        }
        all.into_values().collect()
    }

    fn counts(&self) -> Vec<(RelationId, Counts)> {
        let of = |(id, served): (&RelationId, &Served)| {
            let counts = self.registry.tallies.get(id).map_or(Counts::default(), |tally| tally.counts.get());
            (*id, Counts { changes: served.changes, ..counts })
        };
        self.registry.served.iter().map(of).collect()
    }

    fn stale_versions(&self) -> SqlResult<Vec<(RelationId, Vec<StaleVersion>)>> {
        let tallied = self.registry.tallies.iter();
        let of = |(id, tally): (&RelationId, &Rc<Tally>)| {
            self.registry.served.get(id).map(|served| tally.stale_versions(&served.codec).map(|rows| (*id, rows)))
        };
        tallied.filter_map(of).collect()
    }

    fn drop(&mut self, id: RelationId) {
        if let Some(dataflow) = self.dataflows.get_mut(&id) {
            dataflow.dropped = true;
        }
        self.watched.remove(&Watched::Rows(id));
        self.watched.remove(&Watched::Errors(id));
        // A dropped dataflow whose arrangements others read stays until they go.
        loop {
            let used: BTreeSet<RelationId> = self.dataflows.values().flat_map(|d| d.uses.iter().copied()).collect();
            let free: Vec<RelationId> =
                self.dataflows.iter().filter(|(id, d)| d.dropped && !used.contains(id)).map(|(id, _)| *id).collect();
            if free.is_empty() {
                break;
            }
            for id in free {
                self.registry.forget(id);
                self.inputs.remove(&id);
                if let Some(dataflow) = self.dataflows.remove(&id) {
                    self.worker.drop_dataflow(dataflow.index);
                }
            }
        }
    }

    fn stop(mut self) {
        self.inputs.clear();
        self.registry = Registry::default();
        for dataflow in std::mem::take(&mut self.dataflows).into_values() {
            drop(dataflow.clocks);
            self.worker.drop_dataflow(dataflow.index);
        }
    }
}
