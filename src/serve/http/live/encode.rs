//! The texts of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::Schema;
use bytes::Bytes;

use super::super::views::{columns_json, key_names};
use super::group::GroupKey;
use super::{LiveCounters, SNAPSHOT_ROWS_MAX};
use crate::engine::{ChangeSet, Followed};
use crate::model::error::code;
use crate::model::{SqlError, SqlResult, Tick};
use crate::views::json::{RowWriter, string, tick_time};

/// A view's part of a message: `[{"diff":1,"row":{…}},…]`; `None` when all changes cancel out.
pub(super) fn changes(view: &Followed, writer: &RowWriter, changes: ChangeSet) -> SqlResult<Option<Bytes>> {
    let mut out = vec![b'['];
    for changes in view.decode(changes) {
        let changes = changes?;
        for (row, diff) in changes.diffs.iter().enumerate() {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(format!("{{\"diff\":{diff},\"row\":").as_bytes());
            writer.object(&mut out, &changes.batch, row)?;
            out.push(b'}');
        }
    }
    out.push(b']');
    Ok((out.len() > 2).then(|| out.into()))
}

/// Rows of one view in a snapshot.
pub(super) struct SnapshotPart {
    pub(super) columns: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) rows: Vec<u8>,
}

/// Columns and key of a view, without rows yet.
pub(super) fn head(schema: &Schema, key: &[usize]) -> SnapshotPart {
    let names = schema.fields().iter().map(|field| field.name().clone());
    let key = serde_json::Value::from(key_names(schema, key)).to_string().into_bytes();
    SnapshotPart { columns: columns_json(schema, names), key, rows: b"[]".to_vec() }
}

/// All rows of a view; `count` is those of the whole snapshot so far.
pub(super) fn snapshot(
    view: &Followed,
    writer: &RowWriter,
    rows: ChangeSet,
    count: &mut usize,
) -> SqlResult<SnapshotPart> {
    let mut out = vec![b'['];
    for changes in view.decode(rows) {
        let changes = changes?;
        for (row, diff) in changes.diffs.iter().enumerate() {
            for _ in 0..*diff {
                *count += 1;
                if *count > SNAPSHOT_ROWS_MAX {
                    let message = format!("\"{}\" has more rows than can be followed: {SNAPSHOT_ROWS_MAX}", view.name);
                    return Err(SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, message)
                        .hint("follow a view with fewer rows, or use COPY (SUBSCRIBE TO view) TO STDOUT"));
                }
                if out.len() > 1 {
                    out.push(b',');
                }
                writer.object(&mut out, &changes.batch, row)?;
            }
        }
    }
    out.push(b']');
    Ok(SnapshotPart { rows: out, ..head(&view.schema, &view.key) })
}

/// What a message begins with, up to its views.
fn stamp(out: &mut Vec<u8>, tick: Tick, complete: &str) {
    out.extend_from_slice(
        format!("\"tick\":{tick},\"as_of\":\"{}\",\"complete\":{complete}", tick_time(tick)).as_bytes(),
    );
}

/// A `changes` event.
pub(super) fn changes_event(key: &GroupKey, tick: Tick, complete: &str, parts: &[(&str, Bytes)]) -> Bytes {
    let mut out = format!("event: changes\nid: {tick}\ndata: {{").into_bytes();
    stamp(&mut out, tick, complete);
    out.extend_from_slice(if key.is_single { b",\"changes\":" } else { b",\"views\":{" });
    for (at, (name, changes)) in parts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if !key.is_single {
            string(&mut out, name);
            out.push(b':');
        }
        out.extend_from_slice(changes);
    }
    out.extend_from_slice(if key.is_single { b"}\n\n" } else { b"}}\n\n" });
    out.into()
}

/// What a `snapshot` event holds behind its reason.
pub(super) fn snapshot_text(key: &GroupKey, tick: Tick, complete: &str, parts: &[(&str, SnapshotPart)]) -> Vec<u8> {
    let mut out = vec![];
    stamp(&mut out, tick, complete);
    if !key.is_single {
        out.extend_from_slice(b",\"views\":{");
    }
    for (at, (name, part)) in parts.iter().enumerate() {
        if key.is_single {
            out.extend_from_slice(b",\"view\":");
            string(&mut out, name);
            out.push(b',');
        } else {
            if at > 0 {
                out.push(b',');
            }
            string(&mut out, name);
            out.extend_from_slice(b":{");
        }
        for (field, text) in [("columns", &part.columns), ("key", &part.key), ("rows", &part.rows)] {
            if field != "columns" {
                out.push(b',');
            }
            out.extend_from_slice(format!("\"{field}\":").as_bytes());
            out.extend_from_slice(text);
        }
        if !key.is_single {
            out.push(b'}');
        }
    }
    out.extend_from_slice(if key.is_single { b"}\n\n" } else { b"}}\n\n" });
    out
}

/// The beginning of a `snapshot` event.
pub(super) fn snapshot_head(tick: Tick, reason: &str, missing: &[String]) -> Bytes {
    let mut out = format!("event: snapshot\nid: {tick}\ndata: {{\"reason\":\"{reason}\",");
    if !missing.is_empty() {
        out.push_str(&format!("\"missing\":{},", serde_json::Value::from(missing)));
    }
    out.into()
}

pub(super) fn resumed(tick: Tick) -> Bytes {
    format!("event: resumed\nid: {tick}\ndata: {{\"tick\":{tick},\"as_of\":\"{}\"}}\n\n", tick_time(tick)).into()
}

pub(super) fn heartbeat(tick: Tick, complete: &str) -> Bytes {
    let mut out = format!("event: heartbeat\nid: {tick}\ndata: {{").into_bytes();
    stamp(&mut out, tick, complete);
    out.extend_from_slice(b"}\n\n");
    out.into()
}

pub(super) fn end(reason: &str, message: &str) -> Bytes {
    format!("event: end\ndata: {}\n\n", serde_json::json!({"reason": reason, "message": message})).into()
}

/// A text that is counted as long as anybody holds it.
pub(super) fn accounted(text: Vec<u8>, counters: &Arc<LiveCounters>) -> Bytes {
    struct Accounted {
        text: Vec<u8>,
        counters: Arc<LiveCounters>,
    }
    impl AsRef<[u8]> for Accounted {
        fn as_ref(&self) -> &[u8] {
            &self.text
        }
    }
    impl Drop for Accounted {
        fn drop(&mut self) {
            self.held().fetch_sub(self.text.len(), Ordering::Relaxed);
        }
    }
    impl Accounted {
        fn held(&self) -> &AtomicUsize {
            &self.counters.snapshot_bytes
        }
    }
    let accounted = Accounted { text, counters: Arc::clone(counters) };
    accounted.held().fetch_add(accounted.text.len(), Ordering::Relaxed);
    Bytes::from_owner(accounted)
}
