//! The thread behind all event streams: follows what is read, encodes each tick once, keeps the groups' histories.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::encode;
use super::group::{Group, GroupKey};
use super::sample::{Sampled, sample};
use super::{Complete, Join, Joined, LiveCounters, SNAPSHOTS_BYTES_MAX, Start, gone};
use crate::engine::{ChangeSet, Database, Followed, FollowedTick, Follower, Heard};
use crate::model::{RelationId, SqlError, SqlResult, Tick};
use crate::views::json::RowWriter;

/// How long a group without readers keeps its history for those who come back.
const IDLE_KEPT: Duration = Duration::from_secs(60);
/// Groups at a time.
const GROUPS_MAX: usize = 64;
/// How often completeness and system relations are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1000);
/// Rows that may change between two messages; beyond, readers get a snapshot.
const CHANGED_ROWS_MAX: usize = 100_000;
/// A snapshot is used again while no more than this has changed since, or no more than its own size.
const REPLAY_BYTES: usize = 64 << 10;

type Reply = oneshot::Sender<SqlResult<Joined>>;

/// A relation that is followed.
struct View {
    followed: Followed,
    writer: RowWriter,
}

/// What a group's member is.
enum Member {
    Followed(RelationId),
    System(String),
}

struct GroupState {
    group: Arc<Group>,
    members: Vec<(String, Member)>,
    /// It has had its first snapshot.
    is_live: bool,
    /// Changes not sent yet, and the tick after which they begin.
    pending: BTreeMap<RelationId, ChangeSet>,
    pending_system: BTreeMap<String, Vec<u8>>,
    sent_to: Tick,
    waiting: Vec<Reply>,
    snapshot: Option<(Tick, Bytes)>,
    idle_since: Option<Instant>,
}

pub(super) struct Hub {
    database: Arc<dyn Database>,
    joins: flume::Receiver<Join>,
    counters: Arc<LiveCounters>,
    history_bytes_max: usize,
    groups: HashMap<GroupKey, GroupState>,
    views: HashMap<RelationId, View>,
    system: BTreeMap<String, Sampled>,
    complete: Complete,
    looked: Option<Instant>,
}

impl Hub {
    pub(super) fn new(
        database: Arc<dyn Database>,
        joins: flume::Receiver<Join>,
        counters: Arc<LiveCounters>,
        complete: Complete,
        history_bytes_max: usize,
    ) -> Hub {
        Hub {
            database,
            joins,
            counters,
            history_bytes_max,
            groups: HashMap::new(),
            views: HashMap::new(),
            system: BTreeMap::new(),
            complete,
            looked: None,
        }
    }

    /// Until the engine has stopped or nobody can ask any more.
    pub(super) fn run(mut self, runtime: &Handle) {
        // Nothing is followed before somebody asks.
        while let Ok(join) = self.joins.recv() {
            let Ok(follower) = runtime.block_on(self.database.follow()) else {
                drop(join.reply.send(Err(gone())));
                continue;
            };
            self.look(runtime);
            self.join(join, &follower, runtime);
            if self.serve(&follower, runtime).is_break() {
                break;
            }
        }
        self.close_all("stopping");
    }

    /// Serves through one feed; breaks when there is nobody left to serve.
    fn serve(&mut self, follower: &Follower, runtime: &Handle) -> std::ops::ControlFlow<()> {
        loop {
            match follower.hear(&self.joins, LOOK_EVERY) {
                Heard::Tick(tick) => {
                    if let Err(error) = self.tick(tick) {
                        tracing::error!(%error, "event streams start anew");
                        return self.start_anew();
                    }
                }
                Heard::Other(join) => self.join(join, follower, runtime),
                Heard::Nothing => {}
                Heard::Ended => return self.start_anew(),
                Heard::Alone => return std::ops::ControlFlow::Break(()),
            }
            if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                self.look(runtime);
                self.clean(follower);
            }
        }
    }

    /// The feed is gone: readers ask again, and get snapshots if the engine is still there.
    fn start_anew(&mut self) -> std::ops::ControlFlow<()> {
        for (_, state) in self.groups.drain() {
            state.group.begin(Tick::MAX);
        }
        self.views.clear();
        std::ops::ControlFlow::Continue(())
    }

    fn close_all(&mut self, why: &str) {
        self.groups.drain().for_each(|(_, state)| state.group.close(why));
    }

    fn join(&mut self, join: Join, follower: &Follower, runtime: &Handle) {
        let Join { key, resume, reply } = join;
        if !self.groups.contains_key(&key) {
            match self.new_group(&key, runtime) {
                Ok(state) => drop(self.groups.insert(key.clone(), state)),
                Err(error) => return drop(reply.send(Err(error))),
            }
        }
        let Some(state) = self.groups.get_mut(&key) else { return };
        state.idle_since = None;
        if state.is_live {
            if let Some(tick) = resume.filter(|tick| state.group.covers(*tick)) {
                return state.answer(reply, Start::Resumed(tick));
            }
            if let Some((tick, text)) = state.fresh_snapshot() {
                return state.answer(reply, Start::Snapshot { tick, text });
            }
        }
        state.waiting.push(reply);
        if state.waiting.len() == 1 {
            // One that fails tells so by its feed's end.
            drop(follower.change(state.relations().collect(), vec![]));
        }
    }

    fn new_group(&mut self, key: &GroupKey, runtime: &Handle) -> SqlResult<GroupState> {
        if self.groups.len() >= GROUPS_MAX {
            let idle = self.groups.iter().find(|(_, state)| state.group.is_idle() && state.waiting.is_empty());
            let Some(idle) = idle.map(|(key, _)| key.clone()) else {
                return Err(SqlError::new(
                    "53400",
                    format!("{GROUPS_MAX} different sets of views are followed already"),
                ));
            };
            self.groups.remove(&idle);
        }
        let mut members = vec![];
        for name in &key.views {
            if let Some(system) = name.strip_prefix("trueup.") {
                if !self.system.contains_key(system) {
                    let sampled = runtime.block_on(sample(&self.database, system))?;
                    self.system.insert(system.to_string(), sampled);
                }
                members.push((name.clone(), Member::System(system.to_string())));
            } else {
                let followed = self.database.followed(name)?;
                let id = followed.id;
                let writer = RowWriter::new(&followed.schema);
                self.views.entry(id).or_insert(View { followed, writer });
                members.push((name.clone(), Member::Followed(id)));
            }
        }
        Ok(GroupState {
            group: Arc::new(Group::new()),
            members,
            is_live: false,
            pending: BTreeMap::new(),
            pending_system: BTreeMap::new(),
            sent_to: 0,
            waiting: vec![],
            snapshot: None,
            idle_since: None,
        })
    }

    /// Takes one message of the feed.
    fn tick(&mut self, message: FollowedTick) -> SqlResult<()> {
        let FollowedTick { tick, parts } = message;
        for part in parts.iter().filter(|part| part.ended) {
            self.end(part.relation);
        }
        let budget = self.history_bytes_max / self.groups.len().max(1);
        let mut encoded: HashMap<(RelationId, Tick), Option<Bytes>> = HashMap::new();
        let mut groups = std::mem::take(&mut self.groups);
        for (key, state) in &mut groups {
            if state.is_live {
                for part in parts.iter().filter(|part| !part.changes.is_empty()) {
                    if state.follows(part.relation) {
                        state.pending.entry(part.relation).or_default().extend(&part.changes);
                    }
                }
                let is_due = !state.waiting.is_empty()
                    || key.interval_ms == 0
                    || tick / key.interval_ms > state.sent_to / key.interval_ms;
                if state.is_unchanged() {
                    state.group.pass(tick);
                    state.sent_to = tick;
                } else if is_due {
                    self.send(key, state, tick, &mut encoded, budget)?;
                }
            }
            let snapshot_of = |id: &RelationId| parts.iter().find(|part| part.relation == *id)?.snapshot.as_ref();
            if !state.waiting.is_empty() && state.relations().all(|id| snapshot_of(&id).is_some()) {
                self.begin(key, state, tick, &snapshot_of)?;
            }
        }
        self.groups = groups;
        let held = self.groups.values().map(|state| state.group.bytes()).sum();
        self.counters.history_bytes.store(held, Ordering::Relaxed);
        Ok(())
    }

    /// Sends a group what has changed.
    fn send(
        &self,
        key: &GroupKey,
        state: &mut GroupState,
        tick: Tick,
        encoded: &mut HashMap<(RelationId, Tick), Option<Bytes>>,
        budget: usize,
    ) -> SqlResult<()> {
        let pending = std::mem::take(&mut state.pending);
        let mut system = std::mem::take(&mut state.pending_system);
        let since = std::mem::replace(&mut state.sent_to, tick);
        if pending.values().map(ChangeSet::rows).sum::<usize>() > CHANGED_ROWS_MAX {
            state.snapshot = None;
            state.group.begin(tick);
            return Ok(());
        }
        let mut parts = vec![];
        for (name, member) in &state.members {
            match member {
                Member::System(system_name) => {
                    if let Some(mut items) = system.remove(system_name) {
                        items.insert(0, b'[');
                        items.push(b']');
                        parts.push((name.as_str(), Bytes::from(items)));
                    }
                }
                Member::Followed(id) => {
                    let (Some(changes), Some(view)) = (pending.get(id), self.views.get(id)) else { continue };
                    let text = match encoded.get(&(*id, since)) {
                        Some(text) => text.clone(),
                        None => {
                            let text = encode::changes(&view.followed, &view.writer, changes.clone())?;
                            encoded.insert((*id, since), text.clone());
                            text
                        }
                    };
                    parts.extend(text.map(|text| (name.as_str(), text)));
                }
            }
        }
        if parts.is_empty() {
            state.group.pass(tick);
        } else {
            state.group.push(tick, encode::changes_event(key, tick, &self.complete.text(), &parts), budget);
        }
        Ok(())
    }

    /// Makes a snapshot for those who wait for one.
    fn begin<'a>(
        &self,
        key: &GroupKey,
        state: &mut GroupState,
        tick: Tick,
        snapshot_of: &impl Fn(&RelationId) -> Option<&'a ChangeSet>,
    ) -> SqlResult<()> {
        if self.counters.snapshot_bytes.load(Ordering::Relaxed) > SNAPSHOTS_BYTES_MAX {
            let error = SqlError::new("53400", "readers are too slow: no memory is left for further snapshots");
            state.refuse_waiting(&error);
            return Ok(());
        }
        let mut parts = vec![];
        let mut count = 0;
        for (name, member) in &state.members {
            let part = match member {
                Member::System(system) => self.system.get(system).map(|sampled| Ok(sampled.part())),
                Member::Followed(id) => match (self.views.get(id), snapshot_of(id)) {
                    (Some(view), Some(rows)) => {
                        Some(encode::snapshot(&view.followed, &view.writer, rows.clone(), &mut count))
                    }
                    _ => None,
                },
            };
            match part {
                Some(Ok(part)) => parts.push((name.as_str(), part)),
                Some(Err(error)) => {
                    state.refuse_waiting(&error);
                    return Ok(());
                }
                None => {}
            }
        }
        let text = encode::accounted(encode::snapshot_text(key, tick, &self.complete.text(), &parts), &self.counters);
        self.counters.snapshots.fetch_add(1, Ordering::Relaxed);
        if !state.is_live {
            state.is_live = true;
            state.group.begin(tick);
        }
        state.sent_to = tick;
        state.snapshot = Some((tick, text.clone()));
        for reply in std::mem::take(&mut state.waiting) {
            state.answer(reply, Start::Snapshot { tick, text: text.clone() });
        }
        Ok(())
    }

    /// A relation was dropped: so are the groups that follow it.
    fn end(&mut self, relation: RelationId) {
        let ended: Vec<GroupKey> =
            self.groups.iter().filter(|(_, state)| state.follows(relation)).map(|(key, _)| key.clone()).collect();
        for mut state in ended.iter().filter_map(|key| self.groups.remove(key)) {
            state.refuse_waiting(&SqlError::new(crate::model::error::code::UNDEFINED_TABLE, "the view was dropped"));
            state.group.close("dropped");
        }
        self.views.remove(&relation);
    }

    /// Looks at what has no feed.
    fn look(&mut self, runtime: &Handle) {
        self.looked = Some(Instant::now());
        if let Ok(status) = runtime.block_on(self.database.status(false)) {
            self.complete.set(&status.completeness());
        }
        for name in self.system.keys().cloned().collect::<Vec<_>>() {
            let Ok(now) = runtime.block_on(sample(&self.database, &name)) else { continue };
            let changes = self.system.get(&name).map(|before| now.changes_since(before)).unwrap_or_default();
            self.system.insert(name.clone(), now);
            if changes.is_empty() {
                continue;
            }
            for state in self.groups.values_mut().filter(|state| state.is_live && state.samples(&name)) {
                let items = state.pending_system.entry(name.clone()).or_default();
                if !items.is_empty() {
                    items.push(b',');
                }
                items.extend_from_slice(&changes);
            }
        }
    }

    /// Lets go of what nobody reads any more.
    fn clean(&mut self, follower: &Follower) {
        self.groups.retain(|_, state| {
            if !state.group.is_idle() || !state.waiting.is_empty() {
                state.idle_since = None;
                return true;
            }
            state.idle_since.get_or_insert_with(Instant::now).elapsed() < IDLE_KEPT
        });
        let unread: Vec<RelationId> =
            self.views.keys().filter(|id| !self.groups.values().any(|state| state.follows(**id))).copied().collect();
        for id in &unread {
            self.views.remove(id);
        }
        if !unread.is_empty() {
            // One that fails tells so by its feed's end.
            drop(follower.change(vec![], unread));
        }
        let groups = &self.groups;
        self.system.retain(|name, _| groups.values().any(|state| state.samples(name)));
    }
}

impl GroupState {
    fn relations(&self) -> impl Iterator<Item = RelationId> {
        self.members.iter().filter_map(|(_, member)| match member {
            Member::Followed(id) => Some(*id),
            Member::System(_) => None,
        })
    }

    fn follows(&self, relation: RelationId) -> bool {
        self.relations().any(|id| id == relation)
    }

    fn samples(&self, system: &str) -> bool {
        self.members.iter().any(|(_, member)| matches!(member, Member::System(name) if name == system))
    }

    fn is_unchanged(&self) -> bool {
        self.pending.is_empty() && self.pending_system.is_empty()
    }

    /// The last snapshot, if reading on from it is cheaper than a new one.
    fn fresh_snapshot(&self) -> Option<(Tick, Bytes)> {
        let (tick, text) = self.snapshot.as_ref()?;
        let is_fresh = self.group.covers(*tick) && self.group.bytes_after(*tick) <= text.len().max(REPLAY_BYTES);
        is_fresh.then(|| (*tick, text.clone()))
    }

    fn answer(&self, reply: Reply, start: Start) {
        self.group.enter();
        if reply.send(Ok(Joined { group: Arc::clone(&self.group), start })).is_err() {
            self.group.leave();
        }
    }

    fn refuse_waiting(&mut self, error: &SqlError) {
        self.waiting.drain(..).for_each(|reply| drop(reply.send(Err(error.clone()))));
    }
}
