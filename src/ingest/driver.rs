//! Sources at work: one thread each, a bounded channel out, flush, stop and statistics.
//!
//! A source is driven in passes: a pass hands over all that had arrived when it began. Between passes the thread sleeps at most
//! [`POLL_MS`]; a flush wakes it. A full channel blocks the thread, not the process: that is the back-pressure.
//!
//! Guarantees: batches have at most [`BATCH_ROWS_MAX`] rows. A flush requested while a pass runs is answered after the next whole
//! pass. A source the outside world fails keeps its place and is tried again every [`RETRY_MS`]; a flush meanwhile is answered
//! with what could be read.
//!
//! Non-guarantees: nothing is remembered across restarts; a source starts at the beginning of its input.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use flume::{Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use super::decode::Decoder;
use super::files::FileSource;
use super::options::{self, Connector};
use super::simulator::SimulatorSource;
use crate::connect::PassEnd;
use crate::model::error::code;
use crate::model::{InputBatch, RelationId, SqlError, SqlResult, TableDef, UnknownFields};

/// Rows in a batch.
pub const BATCH_ROWS_MAX: usize = 8192;
/// Bytes of input in a batch, roughly.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Pause between passes that found nothing, in milliseconds.
pub const POLL_MS: u64 = 50;
/// Pause after a failed pass, in milliseconds.
pub const RETRY_MS: u64 = 1000;
/// How often a blocked thread looks whether it should stop, in milliseconds.
const STOP_CHECK_MS: u64 = 50;

/// What a source has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Good rows sent.
    pub rows: u64,
    /// Bytes read; 0 for sources that make their own rows.
    pub bytes: u64,
    /// Bad rows sent.
    pub bad: u64,
    /// Where the source stands, e.g. `orders.ndjson@1048576`.
    pub position: String,
    /// Bytes known to be there and not yet read.
    pub lag_bytes: Option<u64>,
    /// Nothing more will come.
    pub finished: bool,
    /// Why the source is not getting on, if it is not.
    pub error: Option<String>,
}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// The outside world: tried again.
    #[error(transparent)]
    Outside(#[from] std::io::Error),
    /// Our own bug: the thread stops.
    #[error(transparent)]
    Internal(#[from] SqlError),
}

/// Something that delivers rows in passes.
pub(super) trait Source: Send {
    /// Sends all that had arrived when it was called.
    fn pass(&mut self, outbox: &mut Outbox) -> Result<PassEnd, SourceError>;
}

/// Checks a table's connector clause without touching the outside world.
///
/// # Errors
/// Unknown connector, option or format, values of the wrong kind, columns the input cannot carry.
pub fn validate(table: &TableDef) -> SqlResult<()> {
    match options::connector(table)? {
        Some(Connector::File(file)) => FileSource::new(table, file).map(drop),
        Some(Connector::Simulator(_)) | None => Ok(()),
    }
}

/// Starts the thread that feeds `table` from its connector.
///
/// # Errors
/// Those of [`validate`]; no connector; a plain path to read once that does not exist.
pub fn start(def: &TableDef, table: RelationId, sender: Sender<InputBatch>) -> SqlResult<SourceHandle> {
    let source: Box<dyn Source> = match options::connector(def)? {
        Some(Connector::File(file)) => {
            if let Some(path) = FileSource::must_exist(&file) {
                std::fs::metadata(path).map_err(|error| {
                    let message = format!("could not open \"{path}\" for table \"{}\": {error}", def.name);
                    SqlError::new(code::IO_ERROR, message)
                })?;
            }
            Box::new(FileSource::new(def, file)?)
        }
        Some(Connector::Simulator(simulator)) => Box::new(SimulatorSource::new(def, table, *simulator)),
        None => return Err(SqlError::internal(format!("table \"{}\" has no connector", def.name))),
    };
    let shared = Arc::new(Shared::default());
    let (control, requests) = flume::unbounded();
    let outbox =
        Outbox { table, name: def.name.clone(), sender, shared: shared.clone(), logged: UnknownFields::default() };
    let thread = std::thread::Builder::new()
        .name(format!("source-{}", def.name))
        .spawn(move || run(source, outbox, &requests))
        .map_err(|error| SqlError::new(code::IO_ERROR, format!("could not start a thread: {error}")))?;
    Ok(SourceHandle { control: Some(control), shared, thread: Some(thread) })
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    stats: Mutex<SourceStats>,
}

impl Shared {
    fn with_stats<T>(&self, work: impl FnOnce(&mut SourceStats) -> T) -> T {
        work(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running source. Dropping it stops the thread without waiting for it.
pub struct SourceHandle {
    /// Flush requests; closing it wakes the thread.
    control: Option<Sender<Sender<()>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl SourceHandle {
    /// Asks for everything that has arrived by now to be sent. The receiver gets one message once it has been; it is
    /// disconnected when the source stops first.
    pub fn flush(&self) -> Receiver<()> {
        let (done, receiver) = flume::bounded(1);
        if let Some(control) = &self.control {
            // A stopped source drops the request and with it `done`, which the receiver sees.
            let _ = control.send(done);
        }
        receiver
    }

    /// Stops the source and waits for its thread; what was read and not sent is lost.
    pub fn stop(mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }

    /// What the source has done so far.
    pub fn stats(&self) -> SourceStats {
        self.shared.with_stats(|stats| stats.clone())
    }

    fn ask_to_stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.control = None;
    }
}

impl Drop for SourceHandle {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// Where a source puts its rows.
pub(super) struct Outbox {
    table: RelationId,
    name: String,
    sender: Sender<InputBatch>,
    shared: Arc<Shared>,
    /// Unknown fields already told.
    logged: UnknownFields,
}

impl Outbox {
    /// Whether the decoder holds a batch worth sending.
    pub(super) fn is_full(&self, decoder: &Decoder) -> bool {
        decoder.pending_rows() >= BATCH_ROWS_MAX || decoder.pending_bytes() >= BATCH_BYTES_MAX
    }

    /// Sends what the decoder holds, if anything.
    pub(super) fn send(&mut self, decoder: &mut Decoder) -> Result<ControlFlow<()>, SourceError> {
        let Some(batch) = decoder.take(self.table)? else { return Ok(ControlFlow::Continue(())) };
        for field in &batch.unknown.names {
            if self.logged.insert(field) {
                tracing::warn!(table = self.name, field, "an input field that is no column is passed over");
            }
        }
        Ok(self.send_batch(batch))
    }

    /// Sends a batch, waiting for room; breaks when the source should stop or nobody listens any more.
    pub(super) fn send_batch(&mut self, batch: InputBatch) -> ControlFlow<()> {
        let (rows, bad) = (batch.rows.num_rows() as u64, batch.bad.len() as u64);
        let mut waiting = batch;
        loop {
            if self.stopping() {
                return ControlFlow::Break(());
            }
            match self.sender.send_timeout(waiting, Duration::from_millis(STOP_CHECK_MS)) {
                Ok(()) => break,
                Err(SendTimeoutError::Timeout(back)) => waiting = back,
                Err(SendTimeoutError::Disconnected(_)) => return ControlFlow::Break(()),
            }
        }
        self.record(|stats| {
            stats.rows += rows;
            stats.bad += bad;
        });
        ControlFlow::Continue(())
    }

    /// Changes the statistics.
    pub(super) fn record(&self, work: impl FnOnce(&mut SourceStats)) {
        self.shared.with_stats(work);
    }

    /// Whether the source was asked to stop.
    pub(super) fn stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }
}

fn run(mut source: Box<dyn Source>, mut outbox: Outbox, requests: &Receiver<Sender<()>>) {
    let mut flushes: Vec<Sender<()>> = Vec::new();
    loop {
        flushes.extend(requests.try_iter());
        let pause = match source.pass(&mut outbox) {
            _ if outbox.stopping() => return,
            Ok(PassEnd::Stopped) => return,
            Ok(PassEnd::Idle) => {
                outbox.record(|stats| stats.error = None);
                Some(POLL_MS)
            }
            Ok(PassEnd::Finished) => {
                outbox.record(|stats| {
                    stats.error = None;
                    stats.finished = true;
                });
                None
            }
            Err(SourceError::Outside(error)) => {
                report(&outbox, &error);
                Some(RETRY_MS)
            }
            Err(SourceError::Internal(error)) => panic!("source of table {}: {error}", outbox.name),
        };
        for done in flushes.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
        match wait(requests, pause) {
            Ok(request) => flushes.extend(request),
            Err(Closed) => return,
        }
    }
}

struct Closed;

/// Sleeps until the pause is over or a flush is asked for.
fn wait(requests: &Receiver<Sender<()>>, pause: Option<u64>) -> Result<Option<Sender<()>>, Closed> {
    match pause {
        None => requests.recv().map(Some).map_err(|_| Closed),
        Some(milliseconds) => match requests.recv_timeout(Duration::from_millis(milliseconds)) {
            Ok(request) => Ok(Some(request)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Closed),
        },
    }
}

/// Logs a failure once, not at every try.
fn report(outbox: &Outbox, error: &std::io::Error) {
    let text = error.to_string();
    let is_new = outbox.shared.with_stats(|stats| stats.error.replace(text.clone()).as_ref() != Some(&text));
    if is_new {
        tracing::warn!(table = outbox.name, error = text, "source is waiting to read on");
    }
}
