//! Who is connected, and how their statements are cancelled.
//!
//! A cancel request names a process number and its secret key; it stops the statement that runs at that moment and nothing
//! when none does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pgwire::messages::startup::SecretKey;
use tokio::sync::oneshot;

use super::PgCounters;
use crate::model::{SqlError, error::code};

/// Why a statement is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client asked for it.
    Cancelled,
    /// The server is stopping.
    Shutdown,
}

impl Stop {
    /// What the client is told.
    pub(crate) fn error(self) -> SqlError {
        match self {
            Stop::Cancelled => SqlError::new(code::QUERY_CANCELED, "canceling statement due to user request"),
            Stop::Shutdown => shutting_down(),
        }
    }
}

/// The error that ends a connection when the server stops.
pub(crate) fn shutting_down() -> SqlError {
    SqlError::new(code::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}

/// All connections.
pub(crate) struct Backends {
    connected: Mutex<HashMap<i32, Arc<Backend>>>,
    next_process: AtomicI32,
    connections_max: usize,
    counters: Arc<PgCounters>,
}

impl Backends {
    pub(crate) fn new(connections_max: usize, counters: Arc<PgCounters>) -> Self {
        Backends { connected: Mutex::default(), next_process: AtomicI32::new(1), connections_max, counters }
    }

    /// Registers a connection; refused when there are too many.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<Connected, SqlError> {
        let process = self.next_process.fetch_add(1, Ordering::Relaxed);
        let backend = Arc::new(Backend { process, secret: rand::random(), running: Mutex::new(None) });
        let mut connected = lock(&self.connected);
        if connected.len() >= self.connections_max {
            return Err(SqlError::new("53300", "sorry, too many clients already")
                .detail(format!("this server takes {} connections at a time", self.connections_max)));
        }
        connected.insert(process, backend.clone());
        self.counters.connections.store(connected.len() as u64, Ordering::Relaxed);
        Ok(Connected { backend, all: self.clone() })
    }

    /// Answers a cancel request.
    pub(crate) fn cancel(&self, process: i32, secret: &SecretKey) {
        let backend = lock(&self.connected).get(&process).cloned();
        if let Some(backend) = backend
            && *secret == SecretKey::I32(backend.secret)
        {
            backend.stop(Stop::Cancelled);
        }
    }

    /// Stops whatever still runs.
    pub(crate) fn stop_all(&self) {
        for backend in lock(&self.connected).values() {
            backend.stop(Stop::Shutdown);
        }
    }
}

/// One connection, as others may reach it.
pub(crate) struct Backend {
    pub(crate) process: i32,
    pub(crate) secret: i32,
    running: Mutex<Option<oneshot::Sender<Stop>>>,
}

impl Backend {
    /// A statement begins: resolves when it should stop.
    pub(crate) fn begin(&self) -> oneshot::Receiver<Stop> {
        let (sender, receiver) = oneshot::channel();
        *lock(&self.running) = Some(sender);
        receiver
    }

    /// The statement has ended: what comes for it now is too late.
    pub(crate) fn end(&self) {
        lock(&self.running).take();
    }

    fn stop(&self, why: Stop) {
        if let Some(sender) = lock(&self.running).take() {
            // A statement that has just ended does not listen any more.
            let _ = sender.send(why);
        }
    }
}

/// A connection's place in the list, given back when dropped.
pub(crate) struct Connected {
    pub(crate) backend: Arc<Backend>,
    all: Arc<Backends>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut connected = lock(&self.all.connected);
        connected.remove(&self.backend.process);
        self.all.counters.connections.store(connected.len() as u64, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_stops_only_a_running_statement() {
        let backends = Arc::new(Backends::new(1, Arc::default()));
        let connected = backends.connect().unwrap();
        let backend = connected.backend.clone();
        let key = SecretKey::I32(backend.secret);
        backends.cancel(backend.process, &key);
        let mut stop = backend.begin();
        backends.cancel(backend.process, &SecretKey::I32(backend.secret.wrapping_add(1)));
        assert!(stop.try_recv().is_err());
        backends.cancel(backend.process, &key);
        assert_eq!(stop.try_recv(), Ok(Stop::Cancelled));
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let backends = Arc::new(Backends::new(1, Arc::default()));
        let first = backends.connect().unwrap();
        assert_eq!(backends.connect().err().map(|error| error.code), Some("53300"));
        drop(first);
        assert!(backends.connect().is_ok());
    }
}
