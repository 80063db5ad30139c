//! Views that leave the building: `CREATE SINK s FROM v WITH (connector = 'webhook', …)`.
//!
//! A row that appears in the view is an alert that fires, a row that goes is one that is resolved; each is a JSON POST. One thread
//! per sink delivers them in order, one at a time.
//!
//! ```json
//! {"status":"firing","updated":false,"sink":"pager","view":"oversold","dedupe_key":"…","tick":1763805871200,
//!  "as_of":"2025-11-22T10:04:31.200Z","row":{"sku":"kettle","short":3}}
//! ```
//!
//! # Guarantees
//! - **At least once.** A message is repeated until the receiver answers 2xx, with exponential back-off between
//!   `retry_initial_ms` and `retry_max_ms`; `Retry-After` is obeyed. What the receiver refuses for good (3xx, and 4xx but 408, 425
//!   and 429) is logged, counted as rejected and not repeated: it would hold up all that follow.
//! - **Dedupe keys.** `dedupe_key` (header `Trueup-Dedupe-Key`) names the alert: a hash of sink and view key (option `key`, else the
//!   key the view is known to have, else the whole row). It is the same when the alert fires, is updated and is resolved, and after
//!   a restart. Header `Idempotency-Key` adds tick and status: the same only for repetitions of one message.
//! - **Bounded.** While the receiver is away at most [`QUEUE_MESSAGES_MAX`] messages wait; then each alert's messages are merged
//!   into its newest, and alerts that came and went unseen are left out.
//!
//! # Non-guarantees
//! Nothing is remembered across restarts: what stands in the view then fires again. A view's row that changes and changes back
//! between two ticks is not seen. Whoever may query sees a sink's options in `trueup.views`; secrets go into the environment
//! (`${TRUEUP_SECRET_NAME}`), and whoever may make a sink can send them anywhere.

mod alerts;
mod client;
mod deliver;
mod options;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use tokio::sync::watch;

pub use alerts::QUEUE_MESSAGES_MAX;
pub use options::SinkDef;

use crate::model::error::code;
use crate::model::{Changes, SqlError, SqlResult, Tick};

/// What a sink reads: a view's changes, the first of them all its rows.
#[async_trait]
pub trait SinkFeed: Send + 'static {
    /// The next tick's; `None` when there will be none. Cancelling it loses nothing.
    async fn next(&mut self) -> Option<SqlResult<SinkTick>>;
}

/// Changes up to and including a tick.
#[derive(Debug)]
pub struct SinkTick {
    /// The tick.
    pub tick: Tick,
    /// What changed.
    pub changes: Vec<Changes>,
}

/// How a sink is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkState {
    /// Delivering, or nothing to deliver.
    #[default]
    Running,
    /// The receiver fails; waiting to try again.
    Retrying,
    /// Dropped, or the server is stopping.
    Stopped,
}

impl SinkState {
    /// The word in `trueup.sinks`.
    pub fn name(self) -> &'static str {
        match self {
            SinkState::Running => "running",
            SinkState::Retrying => "retrying",
            SinkState::Stopped => "stopped",
        }
    }
}

/// What a sink has done so far.
#[derive(Clone, Debug, Default)]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub relation: String,
    /// `webhook`.
    pub connector: &'static str,
    /// How it is doing.
    pub state: SinkState,
    /// Messages waiting.
    pub pending: u64,
    /// Messages the receiver has taken.
    pub delivered: u64,
    /// Messages the receiver has refused for good.
    pub rejected: u64,
    /// Deliveries that failed and were, or will be, repeated.
    pub retries: u64,
    /// The tick of the last message delivered.
    pub delivered_tick: Option<Tick>,
    /// The last failure, even if deliveries succeed again.
    pub last_error: Option<String>,
}

/// What a sink reads, and under which name.
#[derive(Clone, Debug)]
pub struct SinkView {
    /// The sink's name.
    pub sink: String,
    /// The view's name.
    pub view: String,
    /// The view's columns.
    pub schema: SchemaRef,
    /// The columns that tell its rows apart, where known.
    pub key: Vec<usize>,
}

#[derive(Default)]
struct Shared {
    status: Mutex<SinkStatus>,
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut SinkStatus) -> T) -> T {
        work(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running sink.
pub struct SinkHandle {
    shared: Arc<Shared>,
    cancel: watch::Sender<bool>,
    done: flume::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl SinkHandle {
    /// Starts the sink's thread.
    ///
    /// # Errors
    /// Options that do not fit the view, secrets that are not set, certificates that can't be read, no thread to be had.
    pub fn start(def: &SinkDef, view: SinkView, feed: impl SinkFeed) -> SqlResult<SinkHandle> {
        let def = def.revealed(&view.sink, &|name| std::env::var(name).ok())?;
        let alerts = alerts::Alerts::new(&def, &view)?;
        let client = client::Client::new(&def)?;
        let shared = Arc::new(Shared::default());
        shared.with(|status| {
            status.name.clone_from(&view.sink);
            status.relation.clone_from(&view.view);
            status.connector = options::WEBHOOK;
        });
        let (cancel, cancelled) = watch::channel(false);
        let (finished, done) = flume::bounded(1);
        let io_error = |e: std::io::Error| SqlError::new(code::IO_ERROR, format!("could not start a sink: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io_error)?;
        let deliver = deliver::Deliver::new(def, alerts, client, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name(format!("sink-{}", view.sink)).spawn(move || {
            runtime.block_on(deliver.run(feed, cancelled));
            // Whoever waited may have gone.
            let _ = finished.send(());
        });
        Ok(SinkHandle { shared, cancel, done, thread: Some(thread.map_err(io_error)?) })
    }

    /// What it has done so far.
    pub fn status(&self) -> SinkStatus {
        self.shared.with(|status| status.clone())
    }

    /// Stops at once; what was not delivered is not.
    pub fn cancel(mut self) {
        self.cancel.send_replace(true);
        self.join();
    }

    /// Waits for a sink whose feed has ended to deliver what it has, at most until `deadline`.
    pub fn finish(mut self, deadline: Instant) {
        // Either it is done, or time is up.
        let _ = self.done.recv_deadline(deadline);
        self.cancel.send_replace(true);
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
