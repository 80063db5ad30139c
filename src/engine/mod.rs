//! The running database: one coordinator thread that owns the catalog, takes input, closes ticks and publishes them.
//!
//! Guarantees: statements that change the catalog run between ticks, one at a time, and change nothing when they fail; a write
//! returns once the tick that holds it is published; a query reads every relation at one published tick. Not guaranteed: isolation
//! between a client's statements; each stands alone.
//!
//! Everything else meets the coordinator over bounded channels: sessions send requests and wait for the answer, sources send input
//! batches and wait while the channel is full.

pub mod api;
mod audit;
mod catalog;
mod coordinator;
mod dml;
mod feeds;
mod follow;
mod intake;
mod isolate;
mod load;
mod parameters;
mod planner;
mod prepared;
mod query;
mod sinks;
pub mod status;
mod system;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use datafusion::prelude::SessionContext;

pub use api::{
    Answer, Database, Description, Outcome, Posted, RejectedRow, RelationSummary, RowsShape, SessionState,
    Subscription, SubscriptionMessage, Transaction,
};
pub use coordinator::TickReport;
pub use follow::{ChangeSet, Followed, FollowedPart, FollowedTick, Follower, Heard};
pub use load::{Diagnostic, Script, explain};
pub use parameters::parameter_types;
pub use prepared::{Columns, Prepared, Reading};
pub use status::Status;

use crate::model::{Clock, InputBatch, RelationId, SqlError, SqlResult, Tick};
use crate::views::Snapshots;
use catalog::Catalog;
use coordinator::{Channels, Coordinator, Request};

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Timely workers.
    pub workers: usize,
    /// A tick is closed at least this often, so that `now()` moves; `None`: only when asked, as tests want it.
    pub idle_tick: Option<Duration>,
    /// Ticks are closed at most this often, unless somebody waits or much has come.
    pub tick_min: Duration,
    /// Input is taken in portions that keep ticks about this long at most.
    pub tick_max: Duration,
    /// What ticks are numbered by, and so what `now()` says.
    pub clock: Clock,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            workers: 1,
            idle_tick: Some(Duration::from_millis(500)),
            tick_min: Duration::from_millis(5),
            tick_max: Duration::from_millis(250),
            clock: Clock::System,
        }
    }
}

/// A handle on the running database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What sessions share.
struct Shared {
    requests: flume::Sender<Request>,
    input: flume::Sender<InputBatch>,
    catalog: Arc<RwLock<Arc<Catalog>>>,
    context: SessionContext,
    published: Arc<AtomicU64>,
    thread: std::sync::Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// Input batches that may wait; sources stand still when it is full.
const INPUT_BATCHES: usize = 256;
/// Tick reports that may wait.
pub const OBSERVED_TICKS: usize = 1 << 16;
/// Requests that may wait.
const REQUESTS: usize = 1024;

impl Engine {
    /// Starts the workers and the coordinator.
    pub fn start(config: EngineConfig) -> SqlResult<Engine> {
        let (requests, request_receiver) = flume::bounded(REQUESTS);
        let (input, input_receiver) = flume::bounded(INPUT_BATCHES);
        let catalog = Arc::new(RwLock::new(Arc::new(Catalog::default())));
        let context = query::context(&catalog, &requests)?;
        let published = Arc::new(AtomicU64::new(0));
        let channels = Channels { requests: request_receiver, input: input_receiver, input_sender: input.clone() };
        let coordinator =
            Coordinator::new(config, Arc::clone(&catalog), context.state(), channels, Arc::clone(&published))?;
        let thread = std::thread::Builder::new().name("coordinator".to_string()).spawn(move || coordinator.run());
        let thread = thread.map_err(|e| SqlError::internal(format!("cannot start the coordinator: {e}")))?;
        let thread = std::sync::Mutex::new(Some(thread));
        let shared = Shared { requests, input, catalog, context, published, thread };
        Ok(Engine { shared: Arc::new(shared) })
    }

    /// The catalog as it stands.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.catalog.read().unwrap_or_else(|e| e.into_inner()))
    }

    /// The id of a table or view, to address input with.
    pub fn relation(&self, name: &str) -> SqlResult<RelationId> {
        self.catalog().require(name).map(|e| e.id)
    }

    /// Sends rows into a table; they are in the next tick. Waits while the input channel is full.
    pub fn send(&self, batch: InputBatch) -> SqlResult<()> {
        self.shared.input.send(batch).map_err(|_| stopped())
    }

    /// Closes a tick over all that has been sent; returns it once it is published.
    pub async fn tick(&self) -> SqlResult<Tick> {
        self.ask(|reply| Request::Tick { reply }).await?
    }

    /// The latest published tick; 0 before the first.
    pub fn published(&self) -> Tick {
        self.shared.published.load(Ordering::Acquire)
    }

    /// Waits until all that has arrived at the sources is in the views; the tick that shows it.
    pub async fn flush(&self) -> SqlResult<Tick> {
        let waits = self.ask(|reply| Request::FlushSources { reply }).await?;
        for wait in waits {
            // A source that has ended has nothing more to flush.
            wait.recv_async().await.ok();
        }
        self.tick().await
    }

    /// Every tick from now on, as it is published; ends when the receiver is [`OBSERVED_TICKS`] behind or dropped.
    pub async fn observe(&self) -> SqlResult<flume::Receiver<TickReport>> {
        let (reports, receiver) = flume::bounded(OBSERVED_TICKS);
        self.ask(|reply| Request::Observe { reports, reply }).await?;
        Ok(receiver)
    }

    /// Makes the coordinator stand still: what a bench injects to see whether it would notice.
    pub async fn stall(&self, time: Duration) -> SqlResult<()> {
        let make = Box::new(move |_: &Catalog| {
            std::thread::sleep(time);
            Ok(vec![])
        });
        self.ask(|reply| Request::Drop { make, reply }).await?
    }

    /// Takes no more input, publishes what there is and stops the workers.
    pub async fn stop(&self) {
        drop(self.ask(|reply| Request::Stop { reply }).await);
        let thread = self.shared.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread {
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }

    pub(crate) async fn ask<T: Send>(&self, request: impl FnOnce(flume::Sender<T>) -> Request) -> SqlResult<T> {
        ask(&self.shared.requests, request).await
    }
}

/// Sends a request and waits for its answer.
pub(crate) async fn ask<T: Send>(
    requests: &flume::Sender<Request>,
    request: impl FnOnce(flume::Sender<T>) -> Request,
) -> SqlResult<T> {
    let (reply, answer) = flume::bounded(1);
    requests.send_async(request(reply)).await.map_err(|_| stopped())?;
    answer.recv_async().await.map_err(|_| stopped())
}

fn stopped() -> SqlError {
    SqlError::new(crate::model::error::code::ADMIN_SHUTDOWN, "the server is stopping")
}
