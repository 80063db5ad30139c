//! Who follows which relations, and what they have not been told yet.
//!
//! A subscriber follows any number of relations through one bounded channel; a message holds all that changed in them up to its
//! tick, so that they are always seen at one tick. What does not fit the channel waits here, merged, and goes out with a later
//! tick: the coordinator never waits for a reader. One that is [`SUBSCRIBER_ROWS_MAX`] rows behind is cut off.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::dataflow::Watched;
use crate::model::{RelationId, RunSlice, Tick};

/// Rows a slow subscriber may be behind before it is cut off.
const SUBSCRIBER_ROWS_MAX: usize = 4_000_000;

/// What is new up to and including a tick, since the message before; relations without news are absent.
#[derive(Debug)]
pub(crate) struct FeedMessage {
    pub tick: Tick,
    pub parts: BTreeMap<Watched, FeedPart>,
}

/// What is new in one relation.
#[derive(Debug, Default)]
pub(crate) struct FeedPart {
    /// All its rows at the message's tick, when the subscriber asked to begin with them.
    pub snapshot: Option<Vec<RunSlice>>,
    /// Its changes.
    pub changes: Vec<RunSlice>,
    /// It was dropped: nothing more will come.
    pub ended: bool,
}

impl FeedPart {
    fn extend(&mut self, runs: &[RunSlice]) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.extend_from_slice(runs);
        }
        self.changes.extend_from_slice(runs);
    }

    fn rows(&self) -> usize {
        self.snapshot.iter().flatten().chain(&self.changes).map(RunSlice::len).sum()
    }
}

struct Subscriber {
    number: u64,
    watched: BTreeSet<Watched>,
    feed: flume::Sender<FeedMessage>,
    /// What did not fit the channel.
    pending: BTreeMap<Watched, FeedPart>,
}

impl Subscriber {
    /// Sends what is pending; false when the subscriber has gone or is too far behind.
    fn send(&mut self, tick: Tick) -> bool {
        match self.feed.try_send(FeedMessage { tick, parts: std::mem::take(&mut self.pending) }) {
            Ok(()) => true,
            Err(flume::TrySendError::Full(message)) => {
                self.pending = message.parts;
                let behind = self.pending.values().map(FeedPart::rows).sum::<usize>();
                if behind > SUBSCRIBER_ROWS_MAX {
                    tracing::warn!("a subscriber is {SUBSCRIBER_ROWS_MAX} rows behind and is cut off");
                }
                behind <= SUBSCRIBER_ROWS_MAX
            }
            Err(flume::TrySendError::Disconnected(_)) => false,
        }
    }
}

/// All subscribers.
#[derive(Default)]
pub(crate) struct Feeds {
    subscribers: Vec<Subscriber>,
    /// How many follow each relation.
    watched: HashMap<Watched, usize>,
    next: u64,
}

impl Feeds {
    /// Counts one more follower of each; those that had none before.
    pub(crate) fn watch(&mut self, watched: &[Watched]) -> Vec<Watched> {
        watched.iter().filter(|w| *self.watched.entry(**w).and_modify(|c| *c += 1).or_insert(1) == 1).copied().collect()
    }

    fn unwatch(&mut self, watched: impl IntoIterator<Item = Watched>) -> Vec<Watched> {
        let mut last = vec![];
        for w in watched {
            if let Some(count) = self.watched.get_mut(&w) {
                *count -= 1;
                if *count == 0 {
                    self.watched.remove(&w);
                    last.push(w);
                }
            }
        }
        last
    }

    /// Adds a subscriber of relations already counted by [`Feeds::watch`] and sends it its first message.
    pub(crate) fn subscribe(
        &mut self,
        tick: Tick,
        watched: Vec<Watched>,
        snapshots: Vec<(Watched, Vec<RunSlice>)>,
        feed: flume::Sender<FeedMessage>,
    ) -> u64 {
        self.next += 1;
        let number = self.next;
        let watched = watched.into_iter().collect();
        self.subscribers.push(Subscriber { number, watched, feed, pending: BTreeMap::new() });
        self.deliver(number, tick, snapshots, &[]);
        number
    }

    /// Lets a subscriber follow more; those nobody followed before.
    pub(crate) fn add(&mut self, subscriber: u64, added: &[Watched]) -> Vec<Watched> {
        let Some(at) = self.subscribers.iter().position(|s| s.number == subscriber) else { return vec![] };
        let new: Vec<Watched> = added.iter().filter(|w| self.subscribers[at].watched.insert(**w)).copied().collect();
        self.watch(&new)
    }

    /// Lets a subscriber follow less; those nobody follows any more.
    pub(crate) fn remove(&mut self, subscriber: u64, removed: &[RelationId]) -> Vec<Watched> {
        let Some(found) = self.subscribers.iter_mut().find(|s| s.number == subscriber) else { return vec![] };
        let mut left = vec![];
        for watched in removed.iter().map(|id| Watched::Rows(*id)) {
            found.pending.remove(&watched);
            if found.watched.remove(&watched) {
                left.push(watched);
            }
        }
        self.unwatch(left)
    }

    /// Sends a subscriber snapshots at a tick, and the word that some relations do not exist.
    pub(crate) fn deliver(
        &mut self,
        subscriber: u64,
        tick: Tick,
        snapshots: Vec<(Watched, Vec<RunSlice>)>,
        gone: &[RelationId],
    ) {
        let Some(found) = self.subscribers.iter_mut().find(|s| s.number == subscriber) else { return };
        for (watched, runs) in snapshots {
            found.pending.entry(watched).or_default().snapshot = Some(runs);
        }
        for id in gone {
            found.pending.entry(Watched::Rows(*id)).or_default().ended = true;
        }
        // One that has gone is found out at the next tick.
        found.send(tick);
    }

    /// A relation was dropped: its followers are told at the next tick.
    pub(crate) fn end(&mut self, id: RelationId) {
        let of_it = |w: &Watched| matches!(w, Watched::Rows(r) | Watched::Errors(r) if *r == id);
        self.watched.retain(|w, _| !of_it(w));
        for subscriber in &mut self.subscribers {
            let ended: Vec<Watched> = subscriber.watched.iter().filter(|w| of_it(w)).copied().collect();
            for watched in ended {
                subscriber.watched.remove(&watched);
                subscriber.pending.insert(watched, FeedPart { ended: true, ..FeedPart::default() });
            }
        }
    }

    /// Tells everybody about a finished tick; the relations nobody follows any more.
    pub(crate) fn publish(&mut self, tick: Tick, changes: Vec<(Watched, Vec<RunSlice>)>) -> Vec<Watched> {
        let mut by_relation: HashMap<Watched, Vec<RunSlice>> = HashMap::new();
        changes.into_iter().for_each(|(relation, runs)| by_relation.entry(relation).or_default().extend(runs));
        let mut left = vec![];
        self.subscribers.retain_mut(|subscriber| {
            for (watched, runs) in
                by_relation.iter().filter(|(w, runs)| !runs.is_empty() && subscriber.watched.contains(w))
            {
                subscriber.pending.entry(*watched).or_default().extend(runs);
            }
            let stays = subscriber.send(tick);
            if !stays {
                left.extend(subscriber.watched.iter().copied());
            }
            stays
        });
        self.unwatch(left)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Run;

    const A: Watched = Watched::Rows(RelationId(1));
    const B: Watched = Watched::Rows(RelationId(2));

    fn runs(rows: usize) -> Vec<RunSlice> {
        let mut run = Run::with_capacity(0);
        (0..rows as u64).for_each(|word| run.push(word, b"x", 1));
        vec![RunSlice::whole(Arc::new(run))]
    }

    fn counts(message: &FeedMessage) -> Vec<(Option<usize>, usize, bool)> {
        let rows = |slices: &Vec<RunSlice>| slices.iter().map(RunSlice::len).sum();
        message.parts.values().map(|p| (p.snapshot.as_ref().map(rows), rows(&p.changes), p.ended)).collect()
    }

    #[test]
    fn what_does_not_fit_goes_out_merged_at_a_later_tick() {
        let mut feeds = Feeds::default();
        let (sender, receiver) = flume::bounded(1);
        assert_eq!(feeds.watch(&[A, B]), [A, B]);
        feeds.subscribe(1, vec![A, B], vec![(A, runs(5))], sender);
        feeds.publish(2, vec![(A, runs(1)), (B, runs(2))]);
        feeds.publish(3, vec![(A, runs(3))]);
        assert_eq!(counts(&receiver.try_recv().unwrap()), [(Some(5), 0, false)]);
        feeds.publish(4, vec![]);
        let late = receiver.try_recv().unwrap();
        assert_eq!((late.tick, counts(&late)), (4, vec![(None, 4, false), (None, 2, false)]));
    }

    #[test]
    fn a_snapshot_that_waits_grows_with_the_changes() {
        let mut feeds = Feeds::default();
        let (sender, receiver) = flume::bounded(1);
        feeds.watch(&[A]);
        let number = feeds.subscribe(1, vec![A], vec![], sender);
        feeds.deliver(number, 1, vec![(A, runs(5))], &[]);
        feeds.publish(2, vec![(A, runs(2))]);
        receiver.try_recv().unwrap();
        feeds.publish(3, vec![]);
        assert_eq!(counts(&receiver.try_recv().unwrap()), [(Some(7), 2, false)]);
    }

    #[test]
    fn relations_are_watched_once_and_as_long_as_somebody_follows() {
        let mut feeds = Feeds::default();
        let (first, first_receiver) = flume::bounded(8);
        let (second, second_receiver) = flume::bounded(8);
        assert_eq!(feeds.watch(&[A]), [A]);
        feeds.subscribe(1, vec![A], vec![], first);
        assert_eq!(feeds.watch(&[A]), []);
        let number = feeds.subscribe(1, vec![A], vec![], second);
        assert_eq!(feeds.add(number, &[A, B]), [B]);
        drop(first_receiver);
        assert_eq!(feeds.publish(2, vec![]), []);
        assert_eq!(feeds.remove(number, &[RelationId(1)]), [A]);
        drop(second_receiver);
        assert_eq!(feeds.publish(3, vec![]), [B]);
    }

    #[test]
    fn a_dropped_relation_ends_for_its_followers_only() {
        let mut feeds = Feeds::default();
        let (sender, receiver) = flume::bounded(8);
        feeds.watch(&[A, B]);
        feeds.subscribe(1, vec![A, B], vec![], sender);
        feeds.end(RelationId(1));
        feeds.publish(2, vec![(B, runs(1))]);
        receiver.try_recv().unwrap();
        assert_eq!(counts(&receiver.try_recv().unwrap()), [(None, 0, true), (None, 1, false)]);
    }
}
