//! The only stage that names timely and differential: renders plans, runs the workers.
//!
//! [`Workers`] is a group of timely workers, each on its thread. It takes one command at a time, gives it to all of them in the same
//! order, and returns when all have answered; so between commands every relation stands at the same tick, and a snapshot taken then
//! is consistent without any lock. It does no IO and knows no clock.

mod operator;
mod profile;
mod reading;
mod render;
mod tally;
pub(crate) mod trace;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use datafusion::execution::SessionState;
use timely::communication::WorkerGuards;

pub(crate) use render::history::layout as history_layout;
pub(crate) use render::table::{Ask, TableRows, layout as table_layout};
pub(crate) use tally::{Counts, STALE_ROWS_MAX, StaleVersion};
use worker::Alarm;
pub(crate) use worker::{Answer, Command, OperatorWork, Runs, TableShare, Watched};

use crate::model::RunSlice;
use crate::model::{RelationId, SqlError, SqlResult, TableDef, Tick};
use crate::plan::lir::{Layout, Plan};

/// The layout and schema of the rows in every relation's errors.
pub(crate) fn error_relation() -> (arrow::datatypes::SchemaRef, Layout) {
    (Arc::clone(&render::ERROR_SCHEMA), render::error_layout())
}

/// The workers of this process.
pub(crate) struct Workers {
    commands: Vec<flume::Sender<Command>>,
    answers: Vec<flume::Receiver<Answer>>,
    guards: Option<WorkerGuards<()>>,
}

impl Workers {
    /// Starts `count` workers. `state` plans the batch operators they run.
    pub(crate) fn start(count: usize, state: SessionState) -> SqlResult<Workers> {
        let (mut commands, mut answers, mut ends) = (vec![], vec![], vec![]);
        for _ in 0..count {
            let (command_sender, command_receiver) = flume::unbounded();
            let (answer_sender, answer_receiver) = flume::unbounded();
            commands.push(command_sender);
            answers.push(answer_receiver);
            ends.push(Some((command_receiver, answer_sender)));
        }
        let (ends, alarm) = (Mutex::new(ends), Alarm::default());
        let guards = timely::execute(timely::Config::process(count), move |worker| {
            let end = ends.lock().expect("no worker panics before it has its channels")[worker.index()].take();
            let (commands, answers) = end.expect("each worker starts once");
            worker::run(worker, &state, &commands, &answers, alarm.clone());
        });
        Ok(Workers { commands, answers, guards: Some(guards.map_err(SqlError::internal)?) })
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.commands.len()
    }

    fn ask(&self, command: impl Fn(usize) -> Command) -> SqlResult<Vec<Answer>> {
        let gone = || SqlError::internal("a worker has stopped; restart the server");
        for (index, sender) in self.commands.iter().enumerate() {
            sender.send(command(index)).map_err(|_| gone())?;
        }
        self.answers.iter().map(|a| a.recv().map_err(|_| gone())).collect()
    }

    fn done(&self, command: impl Fn(usize) -> Command) -> SqlResult<Vec<(Watched, Vec<RunSlice>)>> {
        let mut all = vec![];
        for answer in self.ask(command)? {
            if let Answer::Done(result) = answer {
                all.extend(result?);
            }
        }
        Ok(all)
    }

    /// Builds a table, and the history it keeps under an id of its own.
    pub(crate) fn table(&self, id: RelationId, def: Arc<TableDef>, history: Option<RelationId>) -> SqlResult<()> {
        self.done(|_| Command::Table(id, Arc::clone(&def), history)).map(drop)
    }

    /// Builds a view from what its inputs hold now.
    pub(crate) fn view(&self, id: RelationId, plan: Arc<Plan>) -> SqlResult<()> {
        self.done(|_| Command::View(id, Arc::clone(&plan))).map(drop)
    }

    /// Drops a relation.
    pub(crate) fn drop_relation(&self, id: RelationId) -> SqlResult<()> {
        self.done(|_| Command::Drop(id)).map(drop)
    }

    /// Runs one tick over each worker's share of the input; the changes of watched relations, all workers' together.
    pub(crate) fn tick(
        &self,
        tick: Tick,
        shares: Vec<BTreeMap<RelationId, TableShare>>,
    ) -> SqlResult<Vec<(Watched, Vec<RunSlice>)>> {
        let shares = Mutex::new(shares.into_iter().map(Some).collect::<Vec<_>>());
        let take = |index: usize| shares.lock().ok().and_then(|mut s| s[index].take()).unwrap_or_default();
        self.done(|index| Command::Tick { tick, input: take(index) })
    }

    /// Starts or stops handing out changes.
    pub(crate) fn watch(&self, relation: Watched, on: bool) -> SqlResult<()> {
        self.done(|_| Command::Watch(relation, on)).map(drop)
    }

    /// What the relations hold now, all at the same tick: per relation the runs of all workers.
    pub(crate) fn snapshot(&self, relations: &[Watched]) -> SqlResult<BTreeMap<Watched, Runs>> {
        let mut all: BTreeMap<Watched, Runs> = BTreeMap::new();
        for answer in self.ask(|_| Command::Snapshot(relations.to_vec()))? {
            if let Answer::Snapshot(parts) = answer {
                parts.into_iter().for_each(|(relation, runs)| all.entry(relation).or_default().extend(runs));
            }
        }
        Ok(all)
    }

    /// What has happened to relations so far.
    pub(crate) fn counts(&self) -> SqlResult<BTreeMap<RelationId, Counts>> {
        let mut all: BTreeMap<RelationId, Counts> = BTreeMap::new();
        for answer in self.ask(|_| Command::Counts)? {
            if let Answer::Counts(parts) = answer {
                parts.into_iter().for_each(|(relation, counts)| *all.entry(relation).or_default() += counts);
            }
        }
        Ok(all)
    }

    /// The stale rows remembered per table, in order of arrival.
    pub(crate) fn stale_versions(&self) -> SqlResult<BTreeMap<RelationId, Vec<StaleVersion>>> {
        let mut all: BTreeMap<RelationId, Vec<StaleVersion>> = BTreeMap::new();
        for answer in self.ask(|_| Command::StaleVersions)? {
            if let Answer::StaleVersions(parts) = answer {
                parts?.into_iter().for_each(|(relation, rows)| all.entry(relation).or_default().extend(rows));
            }
        }
        for rows in all.values_mut() {
            rows.sort_unstable_by_key(|row| row.sequence);
            // Each worker remembers as many as all of them together may.
            rows.drain(..rows.len().saturating_sub(STALE_ROWS_MAX));
        }
        Ok(all)
    }

    /// What operators keep and what they did, per worker.
    pub(crate) fn operators(&self) -> SqlResult<Vec<(usize, OperatorWork)>> {
        let answers = self.ask(|_| Command::Operators)?.into_iter().enumerate();
        Ok(answers
            .flat_map(|(worker, a)| {
                if let Answer::Operators(s) = a { s } else { vec![] }.into_iter().map(move |s| (worker, s))
            })
            .collect())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.commands.iter().for_each(|c| drop(c.send(Command::Stop)));
        if let Some(guards) = self.guards.take() {
            // A worker that panicked has said so.
            guards.join().into_iter().for_each(drop);
        }
    }
}
