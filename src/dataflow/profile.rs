//! What operators did: rows put out, time taken, the last tick with an effect.
//!
//! Timely says when an operator runs, differential how many rows an arrangement's batches have, and our operators how many rows they
//! yield; all of it is added up here as the worker flushes its logs, which it does with every step.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Scope;
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::logging_core::Logger;
use timely::worker::Worker;

use super::operator::Batched;
use crate::model::Tick;

/// What an operator did so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    pub name: String,
    /// Timely's number of its dataflow.
    pub dataflow: usize,
    /// Rows that came and rows that went.
    pub updates: u64,
    /// Time on this worker's thread.
    pub busy: Duration,
    /// The last tick that came with updates.
    pub last: Option<Tick>,
}

/// The name under which what a dataflow does beside its plan is added up: progress, errors, serving.
const OTHER: &str = "other";

/// Operators of every dataflow that are no part of its plan.
const PLUMBING: [&str; 8] = ["Bad", "Concatenate", "Errors", "Flatten", "Import", "Input", "Split", "Tap"];

/// A worker's operators, by timely's number.
#[derive(Default)]
pub(crate) struct Profile(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// By timely's number, which are given one after the other.
    operators: Vec<Option<Work>>,
    tick: Tick,
    /// Those that have started and not stopped; the innermost last.
    running: Vec<usize>,
    /// When the last of them started or one in it stopped.
    since: Duration,
}

impl State {
    fn work(&mut self, operator: usize) -> Option<&mut Work> {
        self.operators.get_mut(operator)?.as_mut()
    }

    fn updates(&mut self, operator: usize, rows: usize) {
        let tick = self.tick;
        if let Some(work) = self.work(operator).filter(|_| rows > 0) {
            work.updates += rows as u64;
            work.last = Some(tick);
        }
    }

    fn event(&mut self, at: Duration, event: TimelyEvent) {
        match event {
            TimelyEvent::Operates(operator) => {
                let dataflow = operator.addr.first().copied().unwrap_or_default();
                let is_plumbing = operator.addr.len() == 1 || PLUMBING.contains(&operator.name.as_str());
                let name = if is_plumbing { OTHER.to_string() } else { operator.name };
                self.operators.resize_with(self.operators.len().max(operator.id + 1), Default::default);
                self.operators[operator.id] = Some(Work { name, dataflow, ..Work::default() });
            }
            TimelyEvent::Schedule(run) => {
                // What runs is the innermost that has started: a dataflow's own time is what its operators leave.
                let busy = at.saturating_sub(self.since);
                if let Some(work) = self.running.last().copied().and_then(|id| self.work(id)) {
                    work.busy += busy;
                }
                self.since = at;
                match run.start_stop {
                    StartStop::Start => self.running.push(run.id),
                    StartStop::Stop => {
                        self.running.pop();
                    }
                }
            }
            TimelyEvent::Shutdown(operator) => {
                if let Some(work) = self.operators.get_mut(operator.id) {
                    *work = None;
                }
            }
            _ => {}
        }
    }
}

/// Operator and rows.
type YieldedBuilder = CapacityContainerBuilder<Vec<(Duration, (usize, usize))>>;

/// The log our operators write.
const YIELDED: &str = "trueup/yielded";

/// Tells the profile how many rows an operator yields.
pub(crate) struct Yielded {
    log: Option<Logger<YieldedBuilder>>,
    operator: usize,
}

impl Yielded {
    pub(crate) fn new(scope: &Scope<'_, Tick>, operator: usize) -> Yielded {
        Yielded { log: scope.worker().logger_for(YIELDED), operator }
    }

    pub(crate) fn count<R: Batched>(&self, batches: &[R]) {
        let rows: usize = batches.iter().map(R::rows).sum();
        if let Some(log) = self.log.as_ref().filter(|_| rows > 0) {
            log.log((self.operator, rows));
        }
    }
}

impl Profile {
    /// Begins to listen; before the worker builds a dataflow.
    pub(crate) fn of(worker: &Worker) -> Profile {
        let profile = Profile::default();
        if let Some(mut register) = worker.log_register() {
            let state = Rc::clone(&profile.0);
            register.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
                let mut state = state.borrow_mut();
                events.iter_mut().flat_map(|e| e.drain(..)).for_each(|(at, event)| state.event(at, event));
            });
            let state = Rc::clone(&profile.0);
            register.insert::<DifferentialEventBuilder, _>("differential/arrange", move |_, events| {
                let mut state = state.borrow_mut();
                for (_, event) in events.iter_mut().flat_map(|e| e.drain(..)) {
                    if let DifferentialEvent::Batch(batch) = event {
                        state.updates(batch.operator, batch.length);
                    }
                }
            });
            let state = Rc::clone(&profile.0);
            register.insert::<YieldedBuilder, _>(YIELDED, move |_, events| {
                let mut state = state.borrow_mut();
                let yielded = events.iter_mut().flat_map(|e| e.drain(..));
                yielded.for_each(|(_, (operator, rows))| state.updates(operator, rows));
            });
        }
        profile
    }

    /// What is done from now on is of this tick.
    pub(crate) fn tick(&self, tick: Tick) {
        self.0.borrow_mut().tick = tick;
    }

    /// All operators of all dataflows, in the order they were made.
    pub(crate) fn operators(&self) -> Vec<Work> {
        self.0.borrow().operators.iter().flatten().cloned().collect()
    }
}
