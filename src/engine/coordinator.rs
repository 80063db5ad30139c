//! The coordinator: the loop that turns input into ticks and serves requests between them.
//!
//! A tick is closed as soon as the one before is done and there is input, or when the idle interval has passed; its number is the
//! wall clock's millisecond, or one more than the last. How much input a tick takes follows how long the last ones ran.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::execution::SessionState as DataFusionState;

use super::catalog::{Catalog, Entry, Object};
use super::feeds::{FeedMessage, Feeds};
use super::{EngineConfig, Status, sinks, system};
use crate::dataflow::{Ask, Runs, TableRows, TableShare, Watched, Workers};
use crate::ingest::driver::{self, SourceHandle, SourceStats};
use crate::model::codec::RowCodec;
use crate::model::error::code;
use crate::model::{BadRow, InputBatch, Op, RelationId, RunSlice, SqlError, SqlResult, Tick, UnknownFields};
use crate::plan::lir::Layout;
use crate::sink::{SinkDef, SinkHandle};
use crate::views::{Snapshot, Snapshots};

/// An answer to come.
pub(crate) type Reply<T> = flume::Sender<T>;

/// Plans an object against the catalog as it is when its turn comes.
pub(crate) type Make = Box<dyn FnOnce(RelationId, &Catalog, &DataFusionState) -> SqlResult<Entry> + Send>;

/// Finds what to drop, those that depend on others first.
pub(crate) type Select = Box<dyn FnOnce(&Catalog) -> SqlResult<Vec<RelationId>> + Send>;

/// What the coordinator is asked.
pub(crate) enum Request {
    /// Make an object.
    Create { make: Make, policy: Existing, reply: Reply<SqlResult<Option<RelationId>>> },
    /// Drop objects.
    Drop { make: Select, reply: Reply<SqlResult<()>> },
    /// Write rows; answered when the tick that holds them is published.
    Write {
        relation: RelationId,
        rows: Vec<TableRows>,
        bad: Vec<BadRow>,
        unknown: UnknownFields,
        reply: Reply<SqlResult<Tick>>,
    },
    /// Close a tick over everything sent so far.
    Tick { reply: Reply<SqlResult<Tick>> },
    /// Ask every source to read to its end.
    FlushSources { reply: Reply<Vec<flume::Receiver<()>>> },
    /// What relations hold at the latest published tick, and what the named system relations say then.
    Snapshot { relations: Vec<RelationId>, system: Vec<String>, reply: Reply<SqlResult<Arc<Snapshots>>> },
    /// Follow the changes of relations; answers the subscriber's number.
    Subscribe { watched: Vec<Watched>, snapshot: bool, feed: flume::Sender<FeedMessage>, reply: Reply<SqlResult<u64>> },
    /// Follow more and other relations by the same feed; those added begin with a snapshot, also when they are followed already.
    Follow { subscriber: u64, add: Vec<RelationId>, remove: Vec<RelationId> },
    /// How the engine is doing; `full` asks the workers too.
    Status { full: bool, reply: Reply<SqlResult<Status>> },
    /// Report every tick from now on.
    Observe { reports: flume::Sender<TickReport>, reply: Reply<()> },
    /// Publish what there is and stop.
    Stop { reply: Reply<()> },
}

/// A tick that was published.
#[derive(Clone, Copy, Debug)]
pub struct TickReport {
    /// The tick.
    pub tick: Tick,
    /// Rows it took in, bad ones too.
    pub rows: usize,
    /// How long the workers ran.
    pub took: Duration,
    /// When readers could see it.
    pub published: Instant,
}

/// What to do when the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Keep,
    Replace,
}

/// How long stopping waits for sinks to deliver what they have.
const SINK_FLUSH: Duration = Duration::from_secs(3);
/// Rows a tick may take however long it then lasts: where more is waiting, smaller ticks only cost more in all. (Shipped dataflows, 2
/// cores, all at once: a half more events a second than with a quarter of it, and all of them sooner visible.)
const TICK_ROWS_MIN: usize = 1 << 15;

/// What the coordinator is reached by.
pub(crate) struct Channels {
    pub requests: flume::Receiver<Request>,
    pub input: flume::Receiver<InputBatch>,
    /// For the sources it starts.
    pub input_sender: flume::Sender<InputBatch>,
}

pub(crate) struct Coordinator {
    config: EngineConfig,
    catalog: Arc<RwLock<Arc<Catalog>>>,
    state: DataFusionState,
    workers: Workers,
    channels: Channels,
    sources: BTreeMap<RelationId, SourceHandle>,
    sinks: BTreeMap<RelationId, SinkHandle>,
    feeds: Feeds,
    /// The latest published tick.
    published: Tick,
    /// The same, for whoever asks without waiting.
    latest: Arc<AtomicU64>,
    /// Input of the tick to come, per worker.
    shares: Vec<BTreeMap<RelationId, TableShare>>,
    pending_rows: usize,
    /// When the first row of the tick to come was taken.
    pending_since: Option<Instant>,
    next_worker: usize,
    sequence: u64,
    waiting: Vec<Reply<SqlResult<Tick>>>,
    rows_max: usize,
    counters: system::Counters,
    observers: Vec<flume::Sender<TickReport>>,
}

impl Coordinator {
    pub(crate) fn new(
        config: EngineConfig,
        catalog: Arc<RwLock<Arc<Catalog>>>,
        state: DataFusionState,
        channels: Channels,
        latest: Arc<AtomicU64>,
    ) -> SqlResult<Coordinator> {
        let workers = Workers::start(config.workers.max(1), state.clone())?;
        let shares = vec![BTreeMap::new(); workers.count()];
        Ok(Coordinator {
            config,
            catalog,
            state,
            workers,
            channels,
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            feeds: Feeds::default(),
            published: 0,
            latest,
            shares,
            pending_rows: 0,
            pending_since: None,
            next_worker: 0,
            sequence: 0,
            waiting: vec![],
            rows_max: TICK_ROWS_MIN,
            counters: system::Counters::default(),
            observers: vec![],
        })
    }

    /// Runs until told to stop, or until nobody holds the engine any more.
    pub(crate) fn run(mut self) {
        let outcome = self.serve();
        if let Err(error) = outcome {
            tracing::error!(%error, "the coordinator stops: a worker has failed");
            self.waiting.drain(..).for_each(|w| drop(w.send(Err(error.clone()))));
        }
        for source in std::mem::take(&mut self.sources).into_values() {
            source.stop();
        }
        // The feeds end here: sinks send what they have been told, then their threads do.
        self.feeds = Feeds::default();
        let until = Instant::now() + SINK_FLUSH;
        for sink in std::mem::take(&mut self.sinks).into_values() {
            sink.finish(until);
        }
        self.refuse_from_now_on();
    }

    /// A request that comes too late, or came just before the end, is dropped: whoever waits for its answer learns that there will
    /// be none. (A channel keeps what nobody has received as long as it has senders.)
    fn refuse_from_now_on(&self) {
        let requests = self.channels.requests.clone();
        let refuse = move || requests.iter().for_each(drop);
        if let Err(error) = std::thread::Builder::new().name("stopped".to_string()).spawn(refuse) {
            tracing::warn!(%error, "requests that came with the end are not answered");
        }
    }

    fn serve(&mut self) -> SqlResult<()> {
        let mut last_tick = Instant::now();
        loop {
            let until = |interval: Duration| interval.saturating_sub(last_tick.elapsed());
            let timeout = self
                .config
                .idle_tick
                .map(|idle| until(if self.pending_rows > 0 { self.config.tick_min } else { idle }));
            match self.next_event(timeout) {
                Event::Request(Request::Stop { reply }) => {
                    self.take_input(usize::MAX);
                    self.close_tick()?;
                    reply.send(()).ok();
                    return Ok(());
                }
                Event::Request(request) => self.handle(request)?,
                Event::Input(batch) => self.accept(batch),
                Event::Timeout => {}
                Event::Closed => return Ok(()),
            }
            while let Ok(request) = self.channels.requests.try_recv() {
                if let Request::Stop { reply } = request {
                    self.take_input(usize::MAX);
                    self.close_tick()?;
                    reply.send(()).ok();
                    return Ok(());
                }
                self.handle(request)?;
            }
            let idle = self.config.idle_tick.is_some_and(|idle| last_tick.elapsed() >= idle);
            let manual = self.config.idle_tick.is_none();
            if !self.waiting.is_empty() {
                self.take_input(usize::MAX);
            } else if !manual {
                self.take_input(self.rows_max);
            }
            let due = self.pending_rows > 0
                && !manual
                && (last_tick.elapsed() >= self.config.tick_min || self.pending_rows >= self.rows_max);
            if !self.waiting.is_empty() || due || idle {
                self.close_tick()?;
                last_tick = Instant::now();
            }
        }
    }

    fn next_event(&self, timeout: Option<Duration>) -> Event {
        let selector = flume::Selector::new()
            .recv(&self.channels.requests, |r| r.map_or(Event::Closed, Event::Request))
            .recv(&self.channels.input, |r| r.map_or(Event::Closed, Event::Input));
        match timeout {
            Some(timeout) => selector.wait_timeout(timeout).unwrap_or(Event::Timeout),
            None => selector.wait(),
        }
    }

    fn take_input(&mut self, rows_max: usize) {
        while self.pending_rows < rows_max
            && let Ok(batch) = self.channels.input.try_recv()
        {
            self.accept(batch);
        }
    }

    /// Puts a batch into the coming tick, whole, at the next worker.
    fn accept(&mut self, batch: InputBatch) {
        let InputBatch { table, rows, ops, bad, unknown } = batch;
        let asks = ops.map(|ops| ops.into_iter().map(Ask::from).collect()).unwrap_or_default();
        self.note_input(table, rows.num_rows(), bad.len(), unknown);
        let sequence = self.sequence;
        self.sequence += rows.num_rows() as u64 + bad.len() as u64;
        let first_bad = sequence + rows.num_rows() as u64;
        let share = self.share(table);
        if rows.num_rows() > 0 {
            share.rows.push(TableRows { batch: rows, asks, sequence });
        }
        share.bad.extend(bad.into_iter().enumerate().map(|(at, row)| (row, first_bad + at as u64)));
    }

    fn note_input(&mut self, table: RelationId, rows: usize, bad: usize, unknown: UnknownFields) {
        self.counters.input(table, rows, bad, &unknown);
        self.pending_rows += rows + bad;
        self.pending_since.get_or_insert_with(Instant::now);
    }

    fn share(&mut self, table: RelationId) -> &mut TableShare {
        self.next_worker = (self.next_worker + 1) % self.shares.len();
        self.shares[self.next_worker].entry(table).or_default()
    }

    /// Feeds the tick, waits for the workers, publishes.
    fn close_tick(&mut self) -> SqlResult<()> {
        let mut now = self.config.clock.now();
        if now <= self.published && self.config.idle_tick.is_some() {
            // More than one tick a millisecond: wait for the next rather than run ahead of the clock.
            std::thread::sleep(Duration::from_millis(1));
            now = self.config.clock.now();
        }
        let tick = now.max(self.published + 1);
        let empty = vec![BTreeMap::new(); self.shares.len()];
        let shares = std::mem::replace(&mut self.shares, empty);
        let rows = std::mem::take(&mut self.pending_rows);
        let started = Instant::now();
        let changes = self.workers.tick(tick, shares)?;
        let took = started.elapsed();
        self.published = tick;
        self.latest.store(tick, Ordering::Release);
        self.adapt(rows, took);
        let report = TickReport { tick, rows, took, published: Instant::now() };
        self.observers.retain(|observer| observer.try_send(report).is_ok());
        self.counters.tick(tick, rows, took);
        if let Some(since) = self.pending_since.take() {
            self.counters.freshness.record(since.elapsed());
        }
        for unwatched in self.feeds.publish(tick, changes) {
            self.workers.watch(unwatched, false)?;
        }
        self.waiting.drain(..).for_each(|w| drop(w.send(Ok(tick))));
        Ok(())
    }

    /// More input per tick while ticks are short, less when they grow too long.
    fn adapt(&mut self, rows: usize, took: Duration) {
        if took > self.config.tick_max {
            self.rows_max = (self.rows_max / 2).max(TICK_ROWS_MIN);
        } else if rows >= self.rows_max && took * 2 < self.config.tick_max {
            self.rows_max *= 2;
        }
    }

    /// Serves a request. Errors are the workers' only; the client's go to the client.
    fn handle(&mut self, request: Request) -> SqlResult<()> {
        match request {
            Request::Create { make, policy, reply } => drop(reply.send(self.create(make, policy))),
            Request::Drop { make, reply } => {
                let catalog = self.current();
                let outcome = make(&catalog).and_then(|ids| ids.into_iter().try_for_each(|id| self.drop_object(id)));
                drop(reply.send(outcome));
            }
            Request::Write { relation, rows, bad, unknown, reply } => {
                self.write(relation, rows, bad, unknown);
                self.waiting.push(reply);
            }
            Request::Tick { reply } => self.waiting.push(reply),
            Request::FlushSources { reply } => {
                drop(reply.send(self.sources.values().map(SourceHandle::flush).collect()))
            }
            Request::Snapshot { relations, system, reply } => {
                drop(reply.send(self.snapshot(&relations, &system).map(Arc::new)))
            }
            Request::Subscribe { watched, snapshot, feed, reply } => {
                drop(reply.send(self.subscribe(watched, snapshot, feed)));
            }
            Request::Follow { subscriber, add, remove } => self.follow(subscriber, &add, &remove)?,
            Request::Status { full, reply } => drop(reply.send(self.status(full))),
            Request::Observe { reports, reply } => {
                self.observers.push(reports);
                reply.send(()).ok();
            }
            Request::Stop { reply } => drop(reply.send(()).ok()),
        }
        Ok(())
    }

    /// Takes rows a client waits for.
    fn write(&mut self, relation: RelationId, rows: Vec<TableRows>, bad: Vec<BadRow>, unknown: UnknownFields) {
        let count = rows.iter().map(|part| part.batch.num_rows()).sum();
        self.note_input(relation, count, bad.len(), unknown);
        for mut part in rows {
            part.sequence = self.sequence;
            self.sequence += part.batch.num_rows() as u64;
            self.share(relation).rows.push(part);
        }
        if !bad.is_empty() {
            let first = self.sequence;
            self.sequence += bad.len() as u64;
            let numbered = bad.into_iter().enumerate().map(|(at, row)| (row, first + at as u64));
            self.share(relation).bad.extend(numbered);
        }
    }

    fn current(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(|e| e.into_inner()))
    }

    fn install(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(catalog);
    }

    fn create(&mut self, make: Make, policy: Existing) -> SqlResult<Option<RelationId>> {
        if self.published == 0 {
            // Views are computed at a tick; before the first one there is none to compute them at.
            self.close_tick()?;
        }
        let current = self.current();
        let mut catalog = Catalog::clone(&current);
        let entry = make(catalog.new_id(), &current, &self.state)?;
        let id = entry.id;
        if let Some(existing) = current.get(&entry.name) {
            match policy {
                Existing::Keep => return Ok(None),
                Existing::Replace
                    if matches!(existing.object, Object::View(_)) == matches!(entry.object, Object::View(_)) =>
                {
                    self.replaceable(&current, existing)?;
                    self.drop_object(existing.id)?;
                    catalog.remove(existing.id);
                }
                _ => {
                    return Err(already_exists(&entry.name));
                }
            }
        }
        let history = entry.history();
        if let Some(taken) = history.as_ref().filter(|history| current.get(&history.name).is_some()) {
            return Err(already_exists(&taken.name));
        }
        match &entry.object {
            Object::Table(def) => self.workers.table(id, Arc::clone(def), history.map(|history| history.id))?,
            Object::MaterializedView(plan) | Object::Index { plan, .. } => self.workers.view(id, Arc::clone(plan))?,
            Object::View(_) | Object::Sink { .. } => {}
            Object::History(_) => return Err(SqlError::internal("a history is made with its table")),
        }
        if let Object::Table(def) = &entry.object
            && def.connector.is_some()
        {
            match driver::start(def, id, self.channels.input_sender.clone()) {
                Ok(source) => drop(self.sources.insert(id, source)),
                Err(error) => {
                    self.workers.drop_relation(id)?;
                    return Err(error);
                }
            }
        }
        if let Object::Sink { def, relation } = &entry.object {
            self.start_sink(id, &entry.name, def, *relation)?;
        }
        catalog.insert(entry);
        self.install(catalog);
        Ok(Some(id))
    }

    fn start_sink(&mut self, id: RelationId, name: &str, def: &Arc<SinkDef>, relation: RelationId) -> SqlResult<()> {
        let catalog = self.current();
        let from = catalog.by_id(relation).ok_or_else(|| SqlError::internal("a sink reads a relation"))?;
        let (feed, messages) = flume::bounded(sinks::FEED_MESSAGES);
        let handle = sinks::start(name, def, from, messages)?;
        self.subscribe(vec![Watched::Rows(relation)], true, feed)?;
        self.sinks.insert(id, handle);
        Ok(())
    }

    fn replaceable(&self, catalog: &Catalog, existing: &Entry) -> SqlResult<()> {
        match catalog.dependents(existing.id).first().and_then(|id| catalog.by_id(*id)) {
            None => Ok(()),
            Some(dependent) => Err(SqlError::new(
                code::DEPENDENT_OBJECTS_STILL_EXIST,
                format!(
                    "cannot replace \"{}\": {} \"{}\" depends on it",
                    existing.name,
                    dependent.kind(),
                    dependent.name
                ),
            )
            .hint("drop and create the dependent views too")),
        }
    }

    fn drop_object(&mut self, id: RelationId) -> SqlResult<()> {
        let mut catalog = Catalog::clone(&self.current());
        let Some(entry) = catalog.remove(id) else { return Ok(()) };
        if let Some(source) = self.sources.remove(&id) {
            source.stop();
        }
        if let Some(sink) = self.sinks.remove(&id) {
            sink.cancel();
        }
        self.feeds.end(id);
        self.shares.iter_mut().for_each(|s| drop(s.remove(&id)));
        if entry.is_kept() {
            self.workers.drop_relation(id)?;
        }
        self.install(catalog);
        Ok(())
    }

    fn snapshot(&mut self, relations: &[RelationId], system: &[String]) -> SqlResult<Snapshots> {
        let catalog = self.current();
        let mut wanted = vec![];
        let mut snapshots = Snapshots { tick: self.published, ..Default::default() };
        for id in relations.iter().filter(|id| catalog.by_id(**id).is_some_and(Entry::is_kept)) {
            wanted.push(Watched::Rows(*id));
            let indexes: Vec<RelationId> = catalog.indexes(*id).map(|e| e.id).collect();
            wanted.extend(indexes.iter().map(|i| Watched::Rows(*i)));
            snapshots.indexes.insert(*id, indexes);
        }
        if system.iter().any(|name| name == "errors") {
            wanted.extend(catalog.iter().filter(|e| e.is_kept()).map(|e| Watched::Errors(e.id)));
        }
        let mut runs = self.workers.snapshot(&wanted)?;
        let mut errors = vec![];
        for watched in wanted {
            let parts = runs.remove(&watched).unwrap_or_default();
            match watched {
                Watched::Rows(id) => {
                    if let Some(entry) = catalog.by_id(id) {
                        snapshots.relations.insert(id, snapshot_of(Arc::clone(&entry.schema), &entry.layout, parts)?);
                    }
                }
                Watched::Errors(id) => {
                    let name = catalog.by_id(id).map(|e| e.name.clone()).unwrap_or_default();
                    errors.push((name, error_snapshot(parts)?));
                }
            }
        }
        for name in system {
            let batch = match name.as_str() {
                "errors" => system::errors(&errors)?,
                _ => self.system_relation(&catalog, name)?,
            };
            snapshots.system.insert(name.clone(), batch);
        }
        Ok(snapshots)
    }

    fn system_relation(&self, catalog: &Catalog, name: &str) -> SqlResult<RecordBatch> {
        let (counters, tick) = (&self.counters, self.published);
        let columns = match name {
            "views" => system::views(catalog, &self.workers.counts()?, tick),
            "operators" => system::operators(catalog, &self.workers.operators()?),
            "tables" => system::tables(&counters.tables(catalog, &self.workers.counts()?)),
            "stale_versions" => system::stale_versions(catalog, &self.workers.stale_versions()?),
            "sources" => system::sources(&counters.status(catalog, tick, self.source_stats()).sources),
            "sinks" => system::sinks(&self.sinks.values().map(SinkHandle::status).collect::<Vec<_>>()),
            "ticks" => counters.columns(tick),
            _ => return Err(SqlError::internal(format!("no system relation {name}"))),
        };
        system::batch(name, columns)
    }

    fn source_stats(&self) -> impl Iterator<Item = (RelationId, SourceStats)> {
        self.sources.iter().map(|(id, source)| (*id, source.stats()))
    }

    fn subscribe(&mut self, watched: Vec<Watched>, snapshot: bool, feed: flume::Sender<FeedMessage>) -> SqlResult<u64> {
        for first in self.feeds.watch(&watched) {
            self.workers.watch(first, true)?;
        }
        let snapshots = if snapshot { self.snapshots_of(&watched)? } else { vec![] };
        // The first message is the state at the published tick, or the word that the feed begins after it.
        Ok(self.feeds.subscribe(self.published, watched, snapshots, feed))
    }

    fn follow(&mut self, subscriber: u64, add: &[RelationId], remove: &[RelationId]) -> SqlResult<()> {
        let catalog = self.current();
        let (alive, gone): (Vec<RelationId>, Vec<RelationId>) =
            add.iter().partition(|id| catalog.by_id(**id).is_some_and(Entry::is_kept));
        let added: Vec<Watched> = alive.into_iter().map(Watched::Rows).collect();
        for first in self.feeds.add(subscriber, &added) {
            self.workers.watch(first, true)?;
        }
        let snapshots = self.snapshots_of(&added)?;
        self.feeds.deliver(subscriber, self.published, snapshots, &gone);
        for last in self.feeds.remove(subscriber, remove) {
            self.workers.watch(last, false)?;
        }
        Ok(())
    }

    fn snapshots_of(&self, watched: &[Watched]) -> SqlResult<Vec<(Watched, Vec<RunSlice>)>> {
        let mut runs = self.workers.snapshot(watched)?;
        Ok(watched.iter().map(|w| (*w, runs.remove(w).into_iter().flatten().flatten().collect())).collect())
    }

    fn status(&self, full: bool) -> SqlResult<Status> {
        let catalog = self.current();
        let mut status = self.counters.status(&catalog, self.published, self.source_stats());
        status.sinks = self.sinks.values().map(SinkHandle::status).collect();
        if full {
            status.tables = self.counters.tables(&catalog, &self.workers.counts()?);
            status.operators = system::operator_sizes(&catalog, &self.workers.operators()?);
            let errors: Vec<Watched> = catalog.iter().filter(|e| e.is_kept()).map(|e| Watched::Errors(e.id)).collect();
            let runs = self.workers.snapshot(&errors)?;
            status.errors = Some(runs.into_values().map(system::live_rows).sum());
        }
        Ok(status)
    }
}

fn already_exists(name: &str) -> SqlError {
    SqlError::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists"))
}

enum Event {
    Request(Request),
    Input(InputBatch),
    Timeout,
    Closed,
}

/// Runs as a readable snapshot.
pub(crate) fn snapshot_of(schema: arrow::datatypes::SchemaRef, layout: &Layout, parts: Runs) -> SqlResult<Snapshot> {
    let codec = RowCodec::new(&layout.fields(&schema), layout.key.len())?;
    Ok(Snapshot::new(schema, codec, layout.positions(), layout.key.clone(), parts))
}

/// A relation's errors as a readable snapshot.
pub(crate) fn error_snapshot(parts: Runs) -> SqlResult<Snapshot> {
    let (schema, layout) = crate::dataflow::error_relation();
    snapshot_of(schema, &layout, parts)
}

/// What DML asks for.
pub(crate) fn asks(op: Op, forced: bool, rows: usize) -> Vec<Ask> {
    let ask = match (op, forced) {
        (Op::Upsert, false) => Ask::Upsert,
        (Op::Upsert, true) => Ask::ForceUpsert,
        (Op::Delete, false) => Ask::Delete,
        (Op::Delete, true) => Ask::ForceDelete,
    };
    vec![ask; rows]
}
