//! Event streams: views as they change, several at one tick, to many readers at once.
//!
//! `GET /api/views/{view}/changes` follows one view, `GET /api/changes?views=a,b,c` several. Events, each with the tick as its id:
//!
//! | event | data |
//! |---|---|
//! | `snapshot` | all rows; replaces what the reader has. `reason`: `start`, `expired` (the history for `Last-Event-ID` is gone), `slow` (the reader was too far behind: this is the newest state), `reset` (too much changed at once) |
//! | `resumed` | instead of a snapshot: `Last-Event-ID` is still covered, changes follow |
//! | `changes` | all that changed since the event before, to be applied together |
//! | `heartbeat` | nothing else changed up to this tick; at least every [`HttpOptions::heartbeat`] |
//! | `end` | the last event: the server is stopping, or a view was dropped |
//!
//! `interval=100` asks for at most one `changes` per 100 ms of ticks, the changes between merged. `missing=allow` lists views that
//! do not exist in the snapshot rather than answering 404.
//!
//! # How
//! One thread, the [`hub`], follows every view that somebody reads, through one feed, so that all are seen at one tick. Readers of the
//! same views at the same interval are a [`group`]: a message is encoded once for all of them, and a bounded history of messages is
//! kept for those who read slowly or come back. A reader is a position in that history and nothing else; one that is behind the
//! history, or further than [`HttpOptions::lag_max`] behind the present, gets the newest snapshot.
//!
//! # Guarantees
//! A snapshot and all `changes` after it add up to the view at the event's tick. Memory is bounded: by
//! [`HttpOptions::history_bytes_max`] for the history of all groups, by [`SNAPSHOTS_BYTES_MAX`] for snapshots that slow readers have
//! not read yet. A view of more than [`SNAPSHOT_ROWS_MAX`] rows can't be followed here.
//!
//! # Non-guarantees
//! `complete` is up to a second old. System relations (`trueup.…`) are looked at once a second, not at every tick.

mod encode;
mod group;
mod hub;
mod request;
mod sample;
mod stream;

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub(super) use request::{changes, changes_of_one};

use self::group::{Group, GroupKey};
use self::hub::Hub;
use super::HttpOptions;
use crate::engine::Database;
use crate::engine::status::Completeness;
use crate::model::{SqlError, SqlResult, Tick};

/// Rows of all views of a stream in a snapshot, at most.
pub const SNAPSHOT_ROWS_MAX: usize = 100_000;
/// Bytes of snapshots that have been made and not yet been read by everybody they were made for.
pub const SNAPSHOTS_BYTES_MAX: usize = 256 << 20;
/// Requests of streams that may wait for the hub.
const REQUESTS: usize = 4096;

/// Counters of event streams, for `/metrics`.
#[derive(Debug, Default)]
pub(super) struct LiveCounters {
    /// Streams open now.
    pub(super) streams: AtomicUsize,
    pub(super) bytes: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) snapshots: AtomicU64,
    /// Readers that got the newest state because they were too slow.
    pub(super) coalesced: AtomicU64,
    /// Bytes of history held now.
    pub(super) history_bytes: AtomicUsize,
    /// Bytes of snapshots held now.
    pub(super) snapshot_bytes: AtomicUsize,
}

/// How complete the views are, as JSON; looked at by the hub, read by all.
#[derive(Clone)]
struct Complete(Arc<RwLock<Arc<str>>>);

impl Complete {
    fn text(&self) -> Arc<str> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, completeness: &Completeness) {
        // Numbers can't fail to be written.
        let text = serde_json::to_string(completeness).unwrap_or_default();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = text.into();
    }
}

/// A stream asks for a place in a group.
struct Join {
    key: GroupKey,
    /// The last tick the reader has seen.
    resume: Option<Tick>,
    reply: oneshot::Sender<SqlResult<Joined>>,
}

/// A place in a group.
struct Joined {
    group: Arc<Group>,
    start: Start,
}

/// Where a stream begins.
enum Start {
    /// With all rows; `text` is the event but for its beginning.
    Snapshot { tick: Tick, text: bytes::Bytes },
    /// Behind what it has seen.
    Resumed(Tick),
}

/// What streams share.
pub(super) struct Live {
    joins: flume::Sender<Join>,
    pub(super) counters: Arc<LiveCounters>,
    complete: Complete,
    heartbeat: Duration,
    lag_max: Duration,
    streams_max: usize,
    stopping: watch::Receiver<bool>,
}

impl Live {
    pub(super) fn new(database: Arc<dyn Database>, options: &HttpOptions, stopping: watch::Receiver<bool>) -> Live {
        let (joins, requests) = flume::bounded(REQUESTS);
        let counters = Arc::new(LiveCounters::default());
        let complete = Complete(Arc::new(RwLock::new("null".into())));
        let hub = Hub::new(database, requests, Arc::clone(&counters), complete.clone(), options.history_bytes_max);
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name("http-live".to_string()).spawn(move || hub.run(&runtime));
        if let Err(error) = thread {
            // Streams then find nobody and answer 503.
            tracing::error!(%error, "can't start the thread of event streams");
        }
        let HttpOptions { heartbeat, lag_max, streams_max, .. } = *options;
        Live { joins, counters, complete, heartbeat, lag_max, streams_max, stopping }
    }

    async fn join(&self, key: GroupKey, resume: Option<Tick>) -> SqlResult<Joined> {
        let (reply, answer) = oneshot::channel();
        self.joins.send_async(Join { key, resume, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> SqlError {
    SqlError::new(crate::model::error::code::ADMIN_SHUTDOWN, "the server is stopping")
}
