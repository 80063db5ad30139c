//! Changes of a view to messages: which alert fires, is updated, is resolved; and the queue of what is to be sent.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;

use super::{SinkDef, SinkTick, SinkView};
use crate::model::error::code;
use crate::model::{Diff, SqlError, SqlResult, Tick};
use crate::views::json::{self, RowWriter};

/// Messages that wait before those of one alert are merged.
pub const QUEUE_MESSAGES_MAX: usize = 10_000;

/// Names an alert.
type Identity = [u8; 16];

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) identity: Identity,
    pub(super) tick: Tick,
    pub(super) firing: bool,
    pub(super) body: Bytes,
}

impl Message {
    pub(super) fn dedupe_key(&self) -> String {
        hexadecimal(&self.identity)
    }

    /// The same for repetitions of this message only.
    pub(super) fn idempotency_key(&self) -> String {
        format!("{}-{}-{}", self.dedupe_key(), self.tick, status(self.firing))
    }
}

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

fn hexadecimal(identity: &Identity) -> String {
    identity.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in the view, and what the receiver is still to be told.
pub(super) struct Alerts {
    view: SinkView,
    rows: RowWriter,
    /// Columns of the identity; empty: the whole row.
    key: Vec<usize>,
    standing: HashMap<Identity, Diff>,
    /// Alerts the receiver has been told of and that are not resolved.
    told: HashSet<Identity>,
    queue: VecDeque<Message>,
    /// The first changes are what stood already: nothing to tell.
    silent: bool,
}

/// One alert's changes at one tick.
#[derive(Default)]
struct Moved {
    net: Diff,
    /// The row that came; of several the greatest, so that replays agree.
    came: Option<Vec<u8>>,
    went: Option<Vec<u8>>,
}

impl Alerts {
    pub(super) fn new(def: &SinkDef, view: &SinkView) -> SqlResult<Alerts> {
        let column = |name: &String| {
            view.schema.index_of(name).map_err(|_| {
                let message = format!("column \"{name}\" of relation \"{}\" does not exist", view.view);
                SqlError::new(code::UNDEFINED_COLUMN, message)
            })
        };
        let key = match &def.key {
            Some(names) => names.iter().map(column).collect::<SqlResult<_>>()?,
            None => view.key.clone(),
        };
        Ok(Alerts {
            rows: RowWriter::new(&view.schema),
            view: view.clone(),
            key,
            standing: HashMap::new(),
            told: HashSet::new(),
            queue: VecDeque::new(),
            silent: !def.snapshot,
        })
    }

    /// Takes a tick's changes into the queue.
    pub(super) fn take(&mut self, tick: SinkTick) -> SqlResult<()> {
        let mut moved: HashMap<Identity, Moved> = HashMap::new();
        let mut order = vec![];
        for changes in &tick.changes {
            for (at, diff) in changes.diffs.iter().enumerate() {
                let mut row = vec![];
                self.rows.object(&mut row, &changes.batch, at)?;
                let identity = self.identity(&changes.batch, at, &row)?;
                let entry = moved.entry(identity).or_insert_with(|| {
                    order.push(identity);
                    Moved::default()
                });
                entry.net += diff;
                let side = if *diff > 0 { &mut entry.came } else { &mut entry.went };
                if side.as_ref().is_none_or(|other| *other < row) {
                    *side = Some(row);
                }
            }
        }
        for identity in order {
            if let Some(moved) = moved.remove(&identity) {
                self.settle(identity, moved, tick.tick);
            }
        }
        self.silent = false;
        if self.queue.len() > QUEUE_MESSAGES_MAX {
            self.merge();
        }
        Ok(())
    }

    fn identity(&self, batch: &arrow::array::RecordBatch, at: usize, row: &[u8]) -> SqlResult<Identity> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.view.sink.as_bytes());
        hasher.update(b"\0");
        if self.key.is_empty() {
            hasher.update(row);
        } else {
            let mut key = vec![];
            for column in &self.key {
                json::value(&mut key, batch.column(*column).as_ref(), at)?;
                key.push(b'\n');
            }
            hasher.update(&key);
        }
        let mut identity = Identity::default();
        hasher.finalize_xof().fill(&mut identity);
        Ok(identity)
    }

    fn settle(&mut self, identity: Identity, moved: Moved, tick: Tick) {
        let before = self.standing.get(&identity).copied().unwrap_or(0);
        let after = before + moved.net;
        if after > 0 {
            self.standing.insert(identity, after);
        } else {
            self.standing.remove(&identity);
        }
        if self.silent {
            self.told.insert(identity);
            return;
        }
        let is_update = before > 0;
        match (moved.came, moved.went) {
            // One more of a row that is there already is no news.
            (Some(row), went) if after > 0 && (!is_update || went.is_some()) => {
                self.push(identity, tick, true, is_update, &row);
            }
            (_, Some(row)) if after <= 0 && before > 0 => self.push(identity, tick, false, false, &row),
            _ => {}
        }
    }

    fn push(&mut self, identity: Identity, tick: Tick, firing: bool, updated: bool, row: &[u8]) {
        let mut body = format!("{{\"status\":\"{}\",\"updated\":{updated},\"sink\":", status(firing)).into_bytes();
        json::string(&mut body, &self.view.sink);
        body.extend_from_slice(b",\"view\":");
        json::string(&mut body, &self.view.view);
        let rest = format!(
            ",\"dedupe_key\":\"{}\",\"tick\":{tick},\"as_of\":\"{}\",\"row\":",
            hexadecimal(&identity),
            json::tick_time(tick)
        );
        body.extend_from_slice(rest.as_bytes());
        body.extend_from_slice(row);
        body.push(b'}');
        self.queue.push_back(Message { identity, tick, firing, body: body.into() });
    }

    /// Keeps each alert's newest message; none of those that came and went unseen.
    fn merge(&mut self) {
        let mut seen = HashSet::new();
        let mut kept: VecDeque<Message> = VecDeque::new();
        while let Some(message) = self.queue.pop_back() {
            if seen.insert(message.identity) && (message.firing || self.told.contains(&message.identity)) {
                kept.push_front(message);
            }
        }
        self.queue = kept;
    }

    /// Takes the message to send next out of the queue.
    pub(super) fn next(&mut self) -> Option<Message> {
        self.queue.pop_front()
    }

    pub(super) fn pending(&self) -> usize {
        self.queue.len()
    }

    /// The receiver has the message, or never will.
    pub(super) fn settled(&mut self, message: &Message) {
        if message.firing {
            self.told.insert(message.identity);
        } else {
            self.told.remove(&message.identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::model::Changes;

    fn alerts(key: &str) -> Alerts {
        let mut options = std::collections::BTreeMap::from([
            ("connector".to_string(), "webhook".to_string()),
            ("url".to_string(), "http://localhost".to_string()),
        ]);
        if !key.is_empty() {
            options.insert("key".to_string(), key.to_string());
        }
        let def = SinkDef::new("s", &options).unwrap();
        let schema = changes(&[]).batch.schema();
        Alerts::new(&def, &SinkView { sink: "s".to_string(), view: "v".to_string(), schema, key: vec![] }).unwrap()
    }

    fn changes(rows: &[(&str, i64, Diff)]) -> Changes {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0)));
        let counts: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)));
        let batch = RecordBatch::try_from_iter([("sku", names), ("short", counts)]).unwrap();
        Changes { batch, diffs: rows.iter().map(|r| r.2).collect() }
    }

    fn take(alerts: &mut Alerts, tick: Tick, rows: &[(&str, i64, Diff)]) {
        alerts.take(SinkTick { tick, changes: vec![changes(rows)] }).unwrap();
    }

    fn sent(alerts: &mut Alerts) -> Vec<String> {
        let mut all = vec![];
        while let Some(message) = alerts.next() {
            alerts.settled(&message);
            let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
            assert_eq!(body["dedupe_key"], message.dedupe_key());
            all.push(format!("{} {} {}", body["status"].as_str().unwrap(), body["updated"], body["row"]));
        }
        all
    }

    #[test]
    fn with_a_key_an_alert_is_updated_and_keeps_its_name() {
        let mut alerts = alerts("sku");
        take(&mut alerts, 1, &[("a", 1, 1), ("b", 1, 1)]);
        let first = alerts.queue[0].dedupe_key();
        take(&mut alerts, 2, &[("a", 1, -1), ("a", 2, 1)]);
        take(&mut alerts, 3, &[("a", 2, -1)]);
        assert_eq!([alerts.queue[2].dedupe_key(), alerts.queue[3].dedupe_key()], [first.clone(), first.clone()]);
        assert_eq!(alerts.queue[3].idempotency_key(), format!("{first}-3-resolved"));
        assert_eq!(
            sent(&mut alerts),
            [
                r#"firing false {"sku":"a","short":1}"#,
                r#"firing false {"sku":"b","short":1}"#,
                r#"firing true {"sku":"a","short":2}"#,
                r#"resolved false {"sku":"a","short":2}"#,
            ]
        );
    }

    #[test]
    fn without_one_the_row_is_the_alert_however_often_it_is_there() {
        let mut alerts = alerts("");
        take(&mut alerts, 1, &[("a", 1, 1)]);
        take(&mut alerts, 2, &[("a", 1, 2)]);
        take(&mut alerts, 3, &[("a", 1, -2)]);
        assert_eq!(sent(&mut alerts), [r#"firing false {"sku":"a","short":1}"#]);
        take(&mut alerts, 4, &[("a", 1, -1), ("a", 2, 1)]);
        assert_eq!(
            sent(&mut alerts),
            [r#"resolved false {"sku":"a","short":1}"#, r#"firing false {"sku":"a","short":2}"#]
        );
    }

    #[test]
    fn a_long_queue_keeps_the_newest_of_each_alert() {
        let mut alerts = alerts("sku");
        take(&mut alerts, 1, &[("told", 1, 1)]);
        assert_eq!(sent(&mut alerts).len(), 1);
        take(&mut alerts, 2, &[("told", 1, -1), ("stays", 0, 1), ("passes", 0, 1)]);
        take(&mut alerts, 3, &[("passes", 0, -1)]);
        for tick in 0..QUEUE_MESSAGES_MAX as i64 {
            take(&mut alerts, 4 + tick as Tick, &[("stays", tick, -1), ("stays", tick + 1, 1)]);
        }
        assert!(alerts.pending() < QUEUE_MESSAGES_MAX, "{}", alerts.pending());
        let sent = sent(&mut alerts);
        assert_eq!(sent[0], r#"resolved false {"sku":"told","short":1}"#);
        assert!(!sent.iter().any(|message| message.contains("passes")), "{sent:?}");
        let newest = format!(r#"firing true {{"sku":"stays","short":{QUEUE_MESSAGES_MAX}}}"#);
        assert_eq!(sent.last(), Some(&newest));
    }
}
