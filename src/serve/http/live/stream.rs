//! One reader's stream: a position in its group's history, written as fast as the reader reads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::connection::stopped;
use super::group::{Group, GroupKey, Next};
use super::{Joined, LiveCounters, Start, encode};
use crate::model::error::code;
use crate::model::{SqlError, SqlResult, Tick};
use crate::serve::http::HttpState;

/// A place among the streams, given back when dropped.
pub(super) struct Place(Arc<LiveCounters>);

impl Place {
    /// `None` when there is none left.
    pub(super) fn take(counters: &Arc<LiveCounters>, most: usize) -> Option<Place> {
        let place = Place(Arc::clone(counters));
        (counters.streams.fetch_add(1, Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

/// A reader of a group.
struct Reader(Arc<Group>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.leave();
    }
}

pub(super) struct EventStream {
    state: HttpState,
    key: GroupKey,
    /// Views asked for that do not exist.
    missing: Vec<String>,
    reader: Reader,
    news: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    position: Tick,
    /// It has once read all there was.
    was_up_to_date: bool,
    chunks: VecDeque<Bytes>,
    last_sent: Instant,
    is_over: bool,
    _place: Place,
}

impl EventStream {
    pub(super) fn new(
        state: HttpState,
        key: GroupKey,
        missing: Vec<String>,
        joined: Joined,
        place: Place,
        is_return: bool,
    ) -> EventStream {
        let mut stream = EventStream {
            stopping: state.0.live.stopping.clone(),
            state,
            key,
            missing,
            news: joined.group.news(),
            reader: Reader(Arc::clone(&joined.group)),
            position: 0,
            was_up_to_date: false,
            chunks: VecDeque::new(),
            last_sent: Instant::now(),
            is_over: false,
            _place: place,
        };
        stream.start(joined.start, if is_return { "expired" } else { "start" });
        stream
    }

    /// The events as chunks of bytes.
    pub(super) fn into_chunks(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        futures::stream::unfold(self, |mut stream| async {
            let chunk = stream.chunk().await?;
            let counters = &stream.state.0.live.counters;
            counters.bytes.fetch_add(chunk.len() as u64, Relaxed);
            stream.last_sent = Instant::now();
            Some((Ok(chunk), stream))
        })
    }

    fn start(&mut self, start: Start, reason: &str) {
        match start {
            Start::Snapshot { tick, text } => {
                self.position = tick;
                self.chunks.push_back(encode::snapshot_head(tick, reason, &self.missing));
                self.chunks.push_back(text);
            }
            Start::Resumed(tick) => {
                self.position = tick;
                self.chunks.push_back(encode::resumed(tick));
            }
        }
    }

    /// The next bytes; `None` when it is over.
    async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Some(chunk);
            }
            if self.is_over {
                return None;
            }
            self.news.mark_unchanged();
            let lag_max = self.was_up_to_date.then_some(self.state.0.live.lag_max);
            match self.reader.0.next(self.position, lag_max) {
                Next::Message { tick, text } => {
                    self.position = tick;
                    self.state.0.live.counters.messages.fetch_add(1, Relaxed);
                    return Some(text);
                }
                Next::Nothing(tick) => {
                    self.was_up_to_date = true;
                    if let Some(heartbeat) = self.wait(tick).await {
                        return Some(heartbeat);
                    }
                }
                Next::Behind => self.begin_again().await,
                Next::Closed(why) => self.end(&why, "the views can't be followed any longer"),
            }
        }
    }

    /// Waits for news; a heartbeat when there are none for long.
    async fn wait(&mut self, tick: Tick) -> Option<Bytes> {
        let heartbeat = self.last_sent + self.state.0.live.heartbeat;
        tokio::select! {
            news = self.news.changed() => {
                if news.is_err() {
                    self.end("stopping", "the server is stopping");
                }
                None
            }
            () = stopped(&mut self.stopping) => {
                self.end("stopping", "the server is stopping");
                None
            }
            () = tokio::time::sleep_until(heartbeat) => {
                self.position = self.position.max(tick);
                Some(encode::heartbeat(self.position, &self.state.0.live.complete.text()))
            }
        }
    }

    /// Too far behind: on with the newest state.
    async fn begin_again(&mut self) {
        let reason = if self.reader.0.bytes() == 0 { "reset" } else { "slow" };
        match rejoin(&self.state, &self.key).await {
            Ok(joined) => {
                if reason == "slow" {
                    self.state.0.live.counters.coalesced.fetch_add(1, Relaxed);
                }
                self.news = joined.group.news();
                self.reader = Reader(Arc::clone(&joined.group));
                self.was_up_to_date = false;
                self.start(joined.start, reason);
            }
            Err(error) if error.code == code::ADMIN_SHUTDOWN => self.end("stopping", &error.message),
            Err(error) if error.code == code::UNDEFINED_TABLE => self.end("dropped", &error.message),
            Err(error) => self.end("failed", &error.message),
        }
    }

    fn end(&mut self, reason: &str, message: &str) {
        self.chunks.push_back(encode::end(reason, message));
        self.is_over = true;
    }
}

async fn rejoin(state: &HttpState, key: &GroupKey) -> SqlResult<Joined> {
    let mut stopping = state.0.live.stopping.clone();
    tokio::select! {
        joined = state.0.live.join(key.clone(), None) => joined,
        () = stopped(&mut stopping) => Err(SqlError::new(code::ADMIN_SHUTDOWN, "the server is stopping")),
    }
}
