//! Readers of the same views at the same interval: the history they share, and where it ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::model::Tick;

/// Messages of a history, at most.
const HISTORY_MESSAGES_MAX: usize = 2048;

/// What readers have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    /// Names, sorted.
    pub(super) views: Vec<String>,
    /// Ticks are in milliseconds, and so is this; 0: every tick.
    pub(super) interval_ms: u64,
    /// One view, written without its name.
    pub(super) is_single: bool,
}

/// What comes next for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next message.
    Message { tick: Tick, text: Bytes },
    /// Nothing: all up to this tick has been read.
    Nothing(Tick),
    /// It needs a snapshot.
    Behind,
    /// There will be nothing more, and why.
    Closed(String),
}

#[derive(Debug)]
struct History {
    messages: VecDeque<(Tick, Bytes)>,
    bytes: usize,
    /// Readers that have seen this tick find all that came later here.
    floor: Tick,
    /// All changes up to here have been put in.
    position: Tick,
    closed: Option<String>,
}

#[derive(Debug)]
pub(super) struct Group {
    history: Mutex<History>,
    /// Counts up when there is something new.
    news: watch::Sender<u64>,
    readers: AtomicUsize,
}

impl Group {
    pub(super) fn new() -> Group {
        let history = History { messages: VecDeque::new(), bytes: 0, floor: Tick::MAX, position: 0, closed: None };
        Group { history: Mutex::new(history), news: watch::Sender::new(0), readers: AtomicUsize::new(0) }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a reader at `position` gets. `lag_max`: one that has been up to date is behind when it is further back than this.
    pub(super) fn next(&self, position: Tick, lag_max: Option<Duration>) -> Next {
        let history = self.history();
        if let Some(why) = &history.closed {
            return Next::Closed(why.clone());
        }
        if position < history.floor {
            return Next::Behind;
        }
        let at = history.messages.partition_point(|(tick, _)| *tick <= position);
        match (history.messages.get(at), history.messages.back()) {
            (Some((tick, text)), Some((newest, _))) => {
                if lag_max.is_some_and(|most| u128::from(newest.saturating_sub(*tick)) > most.as_millis()) {
                    return Next::Behind;
                }
                Next::Message { tick: *tick, text: text.clone() }
            }
            _ => Next::Nothing(history.position),
        }
    }

    /// Tells readers when there is something new.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Puts a message in; forgets the oldest beyond `bytes_max`. How many bytes are held.
    pub(super) fn push(&self, tick: Tick, text: Bytes, bytes_max: usize) -> usize {
        let mut history = self.history();
        history.bytes += text.len();
        history.messages.push_back((tick, text));
        history.position = tick;
        while history.messages.len() > HISTORY_MESSAGES_MAX || history.bytes > bytes_max {
            let Some((oldest, text)) = history.messages.pop_front() else { break };
            history.bytes -= text.len();
            history.floor = oldest;
        }
        let bytes = history.bytes;
        drop(history);
        self.tell();
        bytes
    }

    /// Nothing changed up to a tick.
    pub(super) fn pass(&self, tick: Tick) {
        self.history().position = tick;
    }

    /// Forgets everything: the history begins at a tick. Readers that are not there need a snapshot.
    pub(super) fn begin(&self, tick: Tick) {
        let mut history = self.history();
        history.messages.clear();
        history.bytes = 0;
        history.floor = tick;
        history.position = tick;
        drop(history);
        self.tell();
    }

    pub(super) fn close(&self, why: &str) {
        self.history().closed = Some(why.to_string());
        self.tell();
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// Whether a reader that has seen `tick` finds the rest here.
    pub(super) fn covers(&self, tick: Tick) -> bool {
        let history = self.history();
        history.closed.is_none() && (history.floor..=history.position).contains(&tick)
    }

    /// Bytes of messages after a tick.
    pub(super) fn bytes_after(&self, tick: Tick) -> usize {
        let history = self.history();
        let at = history.messages.partition_point(|(t, _)| *t <= tick);
        history.messages.range(at..).map(|(_, text)| text.len()).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.history().bytes
    }

    pub(super) fn enter(&self) {
        self.readers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn leave(&self) {
        self.readers.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.readers.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &str) -> Bytes {
        Bytes::copy_from_slice(of.as_bytes())
    }

    #[test]
    fn readers_get_what_they_have_not_seen_or_are_behind() {
        let group = Group::new();
        assert_eq!(group.next(5, None), Next::Behind, "there is nothing before the first snapshot");
        group.begin(10);
        assert_eq!(group.next(9, None), Next::Behind);
        assert_eq!(group.next(10, None), Next::Nothing(10));
        group.push(12, text("twelve"), 100);
        group.pass(15);
        group.push(20, text("twenty"), 100);
        assert_eq!(group.next(10, None), Next::Message { tick: 12, text: text("twelve") });
        assert_eq!(group.next(15, None), Next::Message { tick: 20, text: text("twenty") });
        assert_eq!(group.next(20, None), Next::Nothing(20));
        assert!(group.covers(10) && group.covers(20) && !group.covers(9) && !group.covers(21));
        assert_eq!(group.bytes_after(12), 6);
        group.close("dropped");
        assert_eq!(group.next(20, None), Next::Closed("dropped".to_string()));
    }

    #[test]
    fn the_history_is_bounded_in_bytes_and_messages() {
        let group = Group::new();
        group.begin(0);
        for tick in 1..=10 {
            assert!(group.push(tick, text("0123456789"), 35) <= 35);
        }
        assert_eq!(group.next(6, None), Next::Behind);
        assert!(matches!(group.next(7, None), Next::Message { tick: 8, .. }));
        for tick in 11..=11 + HISTORY_MESSAGES_MAX as Tick {
            group.push(tick, text(""), 35);
        }
        assert!(!group.covers(10) && group.covers(11), "the messages of ticks 12 and later are kept");
    }

    #[test]
    fn one_that_was_up_to_date_may_be_so_far_behind_and_no_further() {
        let group = Group::new();
        group.begin(0);
        group.push(100, text("a"), 100);
        group.push(5_100, text("b"), 100);
        let lag_max = Some(Duration::from_millis(5_000));
        assert!(matches!(group.next(0, lag_max), Next::Message { tick: 100, .. }));
        group.push(5_101, text("c"), 100);
        assert_eq!(group.next(0, lag_max), Next::Behind);
        assert!(matches!(group.next(0, None), Next::Message { tick: 100, .. }), "one that comes back catches up");
        assert!(matches!(group.next(100, lag_max), Next::Message { tick: 5_100, .. }));
    }
}
