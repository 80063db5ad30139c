//! The loop of a sink's thread: take changes, send messages, wait and repeat when that fails.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use rand::Rng;
use tokio::sync::watch;

use super::alerts::{Alerts, Message};
use super::client::{Answer, Client, shown};
use super::{Shared, SinkDef, SinkFeed, SinkState};

/// The longest pause a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

pub(super) struct Deliver {
    def: SinkDef,
    alerts: Alerts,
    client: Client,
    shared: Arc<Shared>,
    /// Failures in a row.
    failures: u32,
}

/// What became of a delivery.
enum Outcome {
    Delivered,
    Rejected(String),
    Failed { why: String, retry_after: Option<Duration> },
}

impl Deliver {
    pub(super) fn new(def: SinkDef, alerts: Alerts, client: Client, shared: Arc<Shared>) -> Deliver {
        Deliver { def, alerts, client, shared, failures: 0 }
    }

    /// Until the feed has ended and all is delivered or a delivery fails, or until cancelled.
    pub(super) async fn run(mut self, mut feed: impl SinkFeed, mut cancelled: watch::Receiver<bool>) {
        tokio::select! {
            () = self.deliver(&mut feed) => {}
            // An error means that the handle has gone: nobody wants the sink any more.
            _ = cancelled.wait_for(|cancel| *cancel) => {}
        }
        self.shared.with(|status| status.state = SinkState::Stopped);
    }

    async fn deliver(&mut self, feed: &mut impl SinkFeed) {
        let mut is_open = true;
        loop {
            self.shared.with(|status| status.pending = self.alerts.pending() as u64);
            let Some(message) = self.alerts.next() else {
                if !is_open {
                    return;
                }
                is_open = self.listen(feed).await;
                continue;
            };
            loop {
                let outcome = self.send(&message, feed, &mut is_open).await;
                let Some(pause) = self.settle(&message, outcome) else { break };
                if !is_open {
                    return;
                }
                self.pause(pause, feed, &mut is_open).await;
            }
        }
    }

    /// Sends a message, taking changes meanwhile.
    async fn send(&mut self, message: &Message, feed: &mut impl SinkFeed, is_open: &mut bool) -> Outcome {
        let post = self.client.post(message);
        tokio::pin!(post);
        loop {
            tokio::select! {
                answer = &mut post => return judged(answer),
                tick = feed.next(), if *is_open => *is_open = take(&mut self.alerts, &self.shared, tick),
            }
        }
    }

    async fn pause(&mut self, pause: Duration, feed: &mut impl SinkFeed, is_open: &mut bool) {
        let until = tokio::time::sleep(pause);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return,
                tick = feed.next(), if *is_open => {
                    *is_open = take(&mut self.alerts, &self.shared, tick);
                    if !*is_open {
                        // The server is stopping: one more try, now.
                        return;
                    }
                }
            }
        }
    }

    async fn listen(&mut self, feed: &mut impl SinkFeed) -> bool {
        let tick = feed.next().await;
        take(&mut self.alerts, &self.shared, tick)
    }

    /// Takes note of an outcome; how long to wait before the next try, if there has to be one.
    fn settle(&mut self, message: &Message, outcome: Outcome) -> Option<Duration> {
        match outcome {
            Outcome::Delivered => {
                self.failures = 0;
                self.alerts.settled(message);
                self.shared.with(|status| {
                    status.state = SinkState::Running;
                    status.delivered += 1;
                    status.delivered_tick = Some(message.tick);
                });
                None
            }
            Outcome::Rejected(why) => {
                self.failures = 0;
                self.alerts.settled(message);
                let name = self.shared.with(|status| {
                    status.state = SinkState::Running;
                    status.rejected += 1;
                    status.last_error = Some(why.clone());
                    status.name.clone()
                });
                let body = String::from_utf8_lossy(&message.body);
                tracing::error!(sink = name, why, %body, "the receiver refuses an alert; it is not sent again");
                None
            }
            Outcome::Failed { why, retry_after } => {
                let pause = retry_after.unwrap_or_else(|| backoff(&self.def, self.failures));
                self.failures = self.failures.saturating_add(1);
                let name = self.shared.with(|status| {
                    status.state = SinkState::Retrying;
                    status.retries += 1;
                    status.pending = self.alerts.pending() as u64 + 1;
                    status.last_error = Some(why.clone());
                    status.name.clone()
                });
                if self.failures == 1 {
                    tracing::warn!(sink = name, url = shown(&self.def.url), why, "the receiver fails; trying again");
                }
                Some(pause)
            }
        }
    }
}

/// Takes a tick's changes; false when there will be no more.
fn take(alerts: &mut Alerts, shared: &Shared, tick: Option<crate::model::SqlResult<super::SinkTick>>) -> bool {
    let Some(tick) = tick else { return false };
    match tick.and_then(|tick| alerts.take(tick)) {
        Ok(()) => true,
        Err(error) => {
            // Our own bug; the sink is of no use any more, and says so.
            tracing::error!(%error, "a sink stops");
            shared.with(|status| status.last_error = Some(error.message));
            false
        }
    }
}

fn judged(answer: Result<Answer, String>) -> Outcome {
    let Answer { status, retry_after, text } = match answer {
        Ok(answer) => answer,
        Err(why) => return Outcome::Failed { why, retry_after: None },
    };
    if status.is_success() {
        return Outcome::Delivered;
    }
    let why = format!("the receiver answered {status}: {text}");
    let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || again.contains(&status) {
        Outcome::Failed { why, retry_after: retry_after.map(|pause| pause.min(RETRY_AFTER_MAX)) }
    } else {
        Outcome::Rejected(why)
    }
}

/// Twice as long after every failure, give or take a fifth, so that many sinks do not come back at once.
fn backoff(def: &SinkDef, failures: u32) -> Duration {
    let pause = def.retry_initial.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(def.retry_max);
    pause.mul_f64(rand::rng().random_range(0.8..=1.0))
}
