//! Sinks: from the statement to a catalog entry, and from a feed to a running sink.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::catalog::{Catalog, Entry, Object};
use super::feeds::FeedMessage;
use super::follow::ChangeReader;
use crate::model::error::code;
use crate::model::{RelationId, SqlError, SqlResult};
use crate::plan::lir::Layout;
use crate::sink::{SinkDef, SinkFeed, SinkHandle, SinkTick, SinkView};

/// Messages that may wait for a sink before ticks are merged.
pub(super) const FEED_MESSAGES: usize = 64;

/// A sink as an entry.
pub(super) fn entry(
    id: RelationId,
    catalog: &Catalog,
    name: &str,
    from: &str,
    options: &BTreeMap<String, String>,
    sql: &str,
) -> SqlResult<Entry> {
    let def = SinkDef::new(name, options)?;
    let view = catalog.require(from)?;
    if !view.is_kept() || !view.is_relation() {
        return Err(SqlError::new(
            code::WRONG_OBJECT_TYPE,
            format!("\"{from}\" is a {}: it has no changes to send", view.kind()),
        )
        .hint("make it a MATERIALIZED VIEW"));
    }
    Ok(Entry {
        id,
        name: name.to_string(),
        object: Object::Sink { def: Arc::new(def), relation: view.id },
        schema: Arc::clone(&view.schema),
        layout: Layout::new(vec![], 0),
        depends_on: BTreeSet::from([view.id]),
        sql: sql.to_string(),
    })
}

/// Starts a sink that reads `from` through `messages`.
pub(super) fn start(
    name: &str,
    def: &SinkDef,
    from: &Entry,
    messages: flume::Receiver<FeedMessage>,
) -> SqlResult<SinkHandle> {
    let view =
        SinkView { sink: name.to_string(), view: from.name.clone(), schema: Arc::clone(&from.schema), key: from.key() };
    let reader = ChangeReader::new(&from.schema, &from.layout)?;
    SinkHandle::start(def, view, Feed { reader, messages })
}

struct Feed {
    reader: ChangeReader,
    messages: flume::Receiver<FeedMessage>,
}

#[async_trait]
impl SinkFeed for Feed {
    async fn next(&mut self) -> Option<SqlResult<SinkTick>> {
        loop {
            let FeedMessage { tick, parts } = self.messages.recv_async().await.ok()?;
            let Some(part) = parts.into_values().next() else { continue };
            if part.ended {
                return None;
            }
            let changes = self.reader.decode(part.snapshot.unwrap_or(part.changes)).collect::<SqlResult<_>>();
            return Some(changes.map(|changes| SinkTick { tick, changes }));
        }
    }
}
