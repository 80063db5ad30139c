//! Where ticks get their time from: the computer's clock, or one that stands until it is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Tick;

/// A source of milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The computer's.
    #[default]
    System,
    /// Stands still until set: what tests of time-dependent views want. Clones share it.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `now_ms`.
    pub fn manual(now_ms: u64) -> Clock {
        Clock::Manual(Arc::new(AtomicU64::new(now_ms)))
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> Tick {
        match self {
            Clock::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as Tick),
            Clock::Manual(now) => now.load(Ordering::Acquire),
        }
    }

    /// Sets a manual clock; the computer's is not ours to set.
    pub fn set(&self, now_ms: u64) {
        if let Clock::Manual(now) = self {
            now.store(now_ms, Ordering::Release);
        }
    }
}
