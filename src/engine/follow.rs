//! Following relations: their changes tick by tick, several at one tick, decoded when wanted.
//!
//! Guarantees: all relations of a [`Follower`] are seen at the same ticks, in order; a snapshot and the changes after it add up.
//! A reader that does not keep up gets several ticks merged into one. Not guaranteed: that every tick gets a message of its own.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::coordinator::Request;
use super::feeds::FeedMessage;
use super::{Engine, stopped};
use crate::dataflow::Watched;
use crate::model::codec::RowCodec;
use crate::model::error::code;
use crate::model::snapshot::consolidate;
use crate::model::{Changes, RelationId, RunSlice, SqlError, SqlResult, Tick};
use crate::plan::lir::Layout;

/// Messages that may wait before ticks are merged.
const FEED_MESSAGES: usize = 64;
/// Rows decoded at a time.
const BLOCK_ROWS: usize = 8192;

/// Changes not decoded yet; cheap to clone and to add up.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet(Vec<RunSlice>);

impl ChangeSet {
    /// Whether there is nothing in it; what is there may still cancel out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows in it, before equal ones are added up.
    pub fn rows(&self) -> usize {
        self.0.iter().map(RunSlice::len).sum()
    }

    /// Adds later changes of the same relation.
    pub fn extend(&mut self, later: &ChangeSet) {
        self.0.extend_from_slice(&later.0);
    }
}

/// A relation that can be followed, and how its changes are decoded.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The relation.
    pub id: RelationId,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns that tell its rows apart, where known.
    pub key: Vec<usize>,
    reader: ChangeReader,
}

impl Followed {
    /// The net changes, in blocks; rows whose changes cancel out are left out.
    ///
    /// # Errors
    /// Internal ones only.
    pub fn decode(&self, changes: ChangeSet) -> impl Iterator<Item = SqlResult<Changes>> + use<> {
        self.reader.decode(changes.0)
    }
}

/// What is new in one relation.
#[derive(Debug)]
pub struct FollowedPart {
    /// Which.
    pub relation: RelationId,
    /// All rows at the message's tick, if they were asked for.
    pub snapshot: Option<ChangeSet>,
    /// Changes since the message before.
    pub changes: ChangeSet,
    /// It was dropped, or did not exist.
    pub ended: bool,
}

/// What is new up to and including a tick.
#[derive(Debug)]
pub struct FollowedTick {
    /// The tick, now finished.
    pub tick: Tick,
    /// The relations with news.
    pub parts: Vec<FollowedPart>,
}

/// One reader's feed over any number of relations.
pub struct Follower {
    number: u64,
    messages: flume::Receiver<FeedMessage>,
    requests: flume::Sender<Request>,
}

impl Follower {
    /// Follows more relations, or asks for a snapshot of them once more, and leaves others. What comes of it is in the messages.
    ///
    /// # Errors
    /// The engine has stopped.
    pub fn change(&self, add: Vec<RelationId>, remove: Vec<RelationId>) -> SqlResult<()> {
        self.requests.send(Request::Follow { subscriber: self.number, add, remove }).map_err(|_| stopped())
    }

    /// Waits for the next message, or for something else to come.
    pub fn hear<T>(&self, other: &flume::Receiver<T>, timeout: Duration) -> Heard<T> {
        let selector = flume::Selector::new()
            .recv(&self.messages, |message| message.map_or(Heard::Ended, |message| Heard::Tick(followed(message))))
            .recv(other, |other| other.map_or(Heard::Alone, Heard::Other));
        selector.wait_timeout(timeout).unwrap_or(Heard::Nothing)
    }
}

/// What came first.
#[derive(Debug)]
pub enum Heard<T> {
    /// A message.
    Tick(FollowedTick),
    /// Something else.
    Other(T),
    /// Nothing in time.
    Nothing,
    /// No more messages: the engine has stopped, or has cut this reader off.
    Ended,
    /// Nobody is left who could send something else.
    Alone,
}

fn followed(message: FeedMessage) -> FollowedTick {
    let part = |(watched, part): (Watched, super::feeds::FeedPart)| {
        let (Watched::Rows(relation) | Watched::Errors(relation)) = watched;
        FollowedPart {
            relation,
            snapshot: part.snapshot.map(ChangeSet),
            changes: ChangeSet(part.changes),
            ended: part.ended,
        }
    };
    FollowedTick { tick: message.tick, parts: message.parts.into_iter().map(part).collect() }
}

impl Engine {
    /// A relation to follow.
    ///
    /// # Errors
    /// No such relation, or one that is not kept up to date.
    pub fn followed(&self, name: &str) -> SqlResult<Followed> {
        let catalog = self.catalog();
        let entry = catalog.require(name)?;
        if !entry.is_kept() {
            return Err(SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not kept up to date", entry.name))
                .hint("make it a MATERIALIZED VIEW"));
        }
        Ok(Followed {
            id: entry.id,
            name: entry.name.clone(),
            schema: Arc::clone(&entry.schema),
            key: entry.key(),
            reader: ChangeReader::new(&entry.schema, &entry.layout)?,
        })
    }

    /// Opens a feed that follows nothing yet.
    pub async fn follow(&self) -> SqlResult<Follower> {
        let (feed, messages) = flume::bounded(FEED_MESSAGES);
        let number = self.ask(|reply| Request::Subscribe { watched: vec![], snapshot: false, feed, reply }).await??;
        Ok(Follower { number, messages, requests: self.shared.requests.clone() })
    }
}

/// Runs to changes.
#[derive(Clone, Debug)]
pub(crate) struct ChangeReader {
    schema: SchemaRef,
    codec: RowCodec,
    positions: Vec<usize>,
}

impl ChangeReader {
    pub(crate) fn new(schema: &SchemaRef, layout: &Layout) -> SqlResult<ChangeReader> {
        let fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let codec = RowCodec::new(&layout.fields(schema), layout.key.len())?;
        Ok(ChangeReader { schema: Arc::new(Schema::new(fields)), codec, positions: layout.positions() })
    }

    pub(crate) fn decode(&self, runs: Vec<RunSlice>) -> impl Iterator<Item = SqlResult<Changes>> + use<> {
        let this = self.clone();
        let parts = runs.into_iter().map(|run| vec![run]).collect();
        consolidate(parts, BLOCK_ROWS).map(move |block| {
            let columns = this.codec.decode(block.iter().map(|(_, row, _)| row))?;
            let columns: Vec<ArrayRef> = this.positions.iter().map(|p| Arc::clone(&columns[*p])).collect();
            let batch = RecordBatch::try_new(Arc::clone(&this.schema), columns)
                .map_err(|e| SqlError::internal(e.to_string()))?;
            Ok(Changes { batch, diffs: block.diffs })
        })
    }
}
