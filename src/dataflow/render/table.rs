//! Tables: how rows of one key supersede each other.
//!
//! A keyed table is one operator between its input and its arrangement. A row is laid out key, version, other columns, so that of
//! two rows of a key the greater in byte order is the newer, or, at one version, the one that wins the conflict: arrival order
//! decides nothing. (Tables without a key are [`super::bag`]'s.) The operator reads the stored row from the table's own arrangement; besides it keeps tombstones of deletes,
//! losers of standing conflicts, and rows quarantined under a key.
//!
//! Of a table with a history ([`super::history`]) it also logs every row that came and was no mere duplicate, with what it did.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use differential_dataflow::operators::arrange::TraceAgent;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::{DistributorPact, Exchange, Pipeline};
use timely::dataflow::operators::{Input, Operator as _};

use super::history::{self, Log, Part, Suffix};
use super::join::{Row, fetch};
use super::{ArrangedRows, Gauge, Meter, Renderer, fail, serve};
use crate::dataflow::operator::{Closing, ErrorChange, Out, on_tick2};
use crate::dataflow::reading::{compact, prior};
use crate::dataflow::tally::{Counts, Tally};
use crate::dataflow::trace::sort::sort_words;
use crate::dataflow::trace::{self, Gather, RowDistributor, Spine};
use crate::model::RowBuf;
use crate::model::codec::RowCodec;
use crate::model::error::code;
use crate::model::{BadRow, OnConflict, Op, RelationId, SqlError, SqlResult, TableDef, Tick};
use crate::plan::lir::Layout;

/// What a row asks of a keyed table. `Force…` is SQL's UPDATE and DELETE: they act on the row as it stands, whatever its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ask {
    Upsert = 0,
    Delete = 1,
    ForceUpsert = 2,
    ForceDelete = 3,
}

impl From<Op> for Ask {
    fn from(op: Op) -> Ask {
        match op {
            Op::Upsert => Ask::Upsert,
            Op::Delete => Ask::Delete,
        }
    }
}

/// Rows on their way into a table.
#[derive(Clone, Debug)]
pub(crate) struct TableRows {
    pub batch: RecordBatch,
    /// One per row; empty: all [`Ask::Upsert`].
    pub asks: Vec<Ask>,
    /// Arrival number of the first row; the others follow.
    pub sequence: u64,
}

/// A quarantined row on its way to the worker of its key.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Quarantined {
    word: u64,
    key: Vec<u8>,
    sequence: u64,
    error: ErrorChange,
}

/// A table's inputs on one worker.
pub(crate) struct TableInput {
    pub rows: InputHandle<Tick, CapacityContainerBuilder<Vec<TableRows>>>,
    pub bad: InputHandle<Tick, CapacityContainerBuilder<Vec<(BadRow, u64)>>>,
}

/// The arrangement of a table: by its key, the version first among the others; a bag by its whole row.
pub(crate) fn layout(def: &TableDef) -> Layout {
    let width = def.schema.fields().len();
    if def.primary_key.is_empty() {
        return Layout::new((0..width).collect(), width);
    }
    let mut layout = Layout::new(def.primary_key.clone(), width);
    if let Some(at) = def.version.and_then(|v| layout.rest.iter().position(|(c, _)| *c == v)) {
        let version = layout.rest.remove(at);
        layout.rest.insert(0, version);
    }
    layout
}

/// Renders a table and serves it, and its history under an id of its own.
pub(crate) fn render(
    mut renderer: Renderer<'_, '_>,
    def: &TableDef,
    history: Option<RelationId>,
) -> SqlResult<TableInput> {
    let layout = layout(def);
    let schema = super::map::relaxed(&def.schema);
    let (rows_input, rows) = renderer.scope.new_input::<Vec<TableRows>>();
    let (bad_input, bad) = renderer.scope.new_input::<Vec<(BadRow, u64)>>();
    let tally: Rc<Tally> = Rc::default();
    renderer.registry.tallies.insert(renderer.relation, Rc::clone(&tally));
    let (arranged, errors) = if def.primary_key.is_empty() {
        super::bag::arrange(rows, bad, &layout, &schema, tally)?
    } else {
        let codec = RowCodec::new(&layout.fields(&schema), layout.key.len())?;
        let columns = layout.columns();
        let encoder = codec.clone();
        let encoded = rows.unary::<NoopBuilder<RowBuf>, _, _, _>(Pipeline, "EncodeTable", move |_, _| {
            move |input, output| {
                input.for_each(|capability, data: &mut Vec<TableRows>| {
                    for rows in data.drain(..) {
                        let mut buffer = encode(&encoder, &columns, &rows).unwrap_or_else(fail);
                        output.session_with_builder(&capability.retain_stamp(0)).give_container(&mut buffer);
                    }
                });
            }
        });
        let keys = codec.clone();
        let quarantined =
            bad.unary::<CapacityContainerBuilder<Vec<Quarantined>>, _, _, _>(Pipeline, "Bad", move |_, _| {
                move |input, output| {
                    input.for_each(|capability, data: &mut Vec<(BadRow, u64)>| {
                        let rows = data.drain(..).map(|(row, sequence)| quarantine(&keys, row, sequence));
                        output.session(&capability.retain_stamp(0)).give_iterator(rows);
                    });
                }
            });
        let trace: Rc<RefCell<Option<TraceAgent<Spine>>>> = Rc::default();
        let gauge = renderer.gauge("Upsert".to_string());
        let suffix = history.map(|_| Suffix::new(def)).transpose()?;
        let mut upsert = Upsert::new(def, codec.clone(), layout.positions(), Rc::clone(&trace), gauge, tally, suffix)?;
        // To the worker that has the key's rows.
        let peers = renderer.scope.peers();
        let exchange = Exchange::new(move |q: &Quarantined| trace::route(q.word, peers) as u64);
        let (changes, errors) = on_tick2(
            encoded,
            DistributorPact(RowDistributor::new),
            quarantined,
            exchange,
            "Upsert",
            move |rows, bad: Vec<Vec<Quarantined>>, closing, out| {
                upsert.close(rows, bad.into_iter().flatten().collect(), closing, out).unwrap_or_else(fail);
            },
        );
        let (changes, logged) = history::split(changes);
        if let Some(relation) = history {
            history::serve(&mut renderer, def, relation, logged)?;
        }
        let arranged = trace::arrange_local(changes, "Table");
        *trace.borrow_mut() = Some(arranged.trace.clone());
        (ArrangedRows { arranged, codec }, errors)
    };
    let meter = ("Table".to_string(), Meter::Trace(arranged.arranged.trace.clone()));
    renderer.registry.meters.entry(renderer.relation).or_default().push(meter);
    let served = serve::serve(&mut renderer, arranged, Some(vec![errors]), layout)?;
    renderer.registry.served.insert(renderer.relation, served);
    Ok(TableInput { rows: rows_input, bad: bad_input })
}

/// Encodes input rows. In place of a count each row carries its arrival number and what it asks.
fn encode(codec: &RowCodec, columns: &[usize], rows: &TableRows) -> SqlResult<RowBuf> {
    let arrays: Vec<ArrayRef> = columns.iter().map(|c| Arc::clone(rows.batch.column(*c))).collect();
    let ask = |at: usize| rows.asks.get(at).copied().unwrap_or(Ask::Upsert) as i64;
    let marks: Vec<i64> =
        (0..rows.batch.num_rows()).map(|at| (rows.sequence as i64 + at as i64) << 2 | ask(at)).collect();
    let mut out = RowBuf::default();
    codec.encode(&arrays, &marks, &mut out)?;
    Ok(out)
}

pub(super) fn error_of(row: BadRow) -> ErrorChange {
    ErrorChange { position: Some(row.position), code: row.code, message: row.message, payload: row.payload, diff: 1 }
}

fn quarantine(codec: &RowCodec, row: BadRow, sequence: u64) -> Quarantined {
    let mut keys = RowBuf::default();
    if let Some(key) = &row.key {
        codec.encode_keys(key.columns(), 1, &mut keys).unwrap_or_else(fail);
    }
    let (word, key) = if keys.is_empty() { (0, vec![]) } else { (keys.words[0], keys.row(0).to_vec()) };
    Quarantined { word, key, sequence, error: error_of(row) }
}

/// One row of input, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    pub word: u64,
    pub row: &'a [u8],
    /// Arrival number.
    pub sequence: u64,
    ask: Ask,
}

impl<'a> Event<'a> {
    fn read(word: u64, row: &'a [u8], mark: i64) -> Event<'a> {
        let ask = match mark & 3 {
            0 => Ask::Upsert,
            1 => Ask::Delete,
            2 => Ask::ForceUpsert,
            _ => Ask::ForceDelete,
        };
        Event { word, row, sequence: (mark >> 2) as u64, ask }
    }
}

/// What a row did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: the row was there, or there was none to delete.
    Nothing,
    Insert,
    Correction,
    Delete,
    /// It came after a newer version.
    Stale,
    /// It is of the stored row's version, with other content.
    Conflict,
}

impl Effect {
    fn of_replacing(stored: Option<&[u8]>, new: &[u8]) -> Effect {
        match stored {
            None => Effect::Insert,
            Some(stored) if stored == new => Effect::Nothing,
            Some(_) => Effect::Correction,
        }
    }
}

/// The operator's state.
struct Upsert {
    codec: RowCodec,
    positions: Vec<usize>,
    /// Bytes of an encoded version; `None`: no version column.
    version_width: Option<usize>,
    on_conflict: OnConflict,
    trace: Rc<RefCell<Option<TraceAgent<Spine>>>>,
    /// Versions of deleted keys.
    tombstones: HashMap<Box<[u8]>, Box<[u8]>>,
    /// Rows that lost against the stored one of the same version, and the row that won.
    conflicts: HashMap<Box<[u8]>, Vec<Box<[u8]>>>,
    quarantine: HashMap<Box<[u8]>, Vec<(u64, ErrorChange)>>,
    gauge: Rc<Gauge>,
    tally: Rc<Tally>,
    /// The tally's counts, put there at the end of a tick.
    counts: Counts,
    /// The tick being closed.
    tick: Tick,
    /// Encodes what a row of the history has behind the table's row; `None`: there is no history.
    suffix: Option<Suffix>,
}

impl Upsert {
    fn new(
        def: &TableDef,
        codec: RowCodec,
        positions: Vec<usize>,
        trace: Rc<RefCell<Option<TraceAgent<Spine>>>>,
        gauge: Rc<Gauge>,
        tally: Rc<Tally>,
        suffix: Option<Suffix>,
    ) -> SqlResult<Upsert> {
        let version_width = def.version.map(|v| {
            let field = def.schema.field(v);
            field.data_type().primitive_width().map(|w| w + 1).ok_or_else(|| {
                SqlError::unsupported(format!(
                    "version column \"{}\" must be an integer, decimal, date or timestamp",
                    field.name()
                ))
            })
        });
        Ok(Upsert {
            codec,
            positions,
            version_width: version_width.transpose()?,
            on_conflict: def.on_conflict,
            trace,
            tombstones: HashMap::new(),
            conflicts: HashMap::new(),
            quarantine: HashMap::new(),
            gauge,
            tally,
            counts: Counts::default(),
            tick: 0,
            suffix,
        })
    }

    fn close(
        &mut self,
        rows: Vec<RowBuf>,
        bad: Vec<Quarantined>,
        closing: Closing,
        out: &mut Out<Part>,
    ) -> SqlResult<()> {
        self.tick = closing.upper - 1;
        for row in bad {
            out.errors.push(row.error.clone());
            if !row.key.is_empty() {
                self.quarantine.entry(row.key.into()).or_default().push((row.sequence, row.error));
            }
        }
        let unsorted: Vec<Event<'_>> =
            rows.iter().flat_map(|r| r.iter()).map(|(word, row, mark)| Event::read(word, row, mark)).collect();
        let order = sort_words(&unsorted.iter().map(|e| e.word).collect::<Vec<u64>>());
        let mut events: Vec<Event<'_>> = order.into_iter().map(|(_, at)| unsorted[at as usize]).collect();
        for same in events.chunk_by_mut(|a, b| a.word == b.word).filter(|same| same.len() > 1) {
            same.sort_unstable_by(|a, b| (a.row, a.sequence).cmp(&(b.row, b.sequence)));
        }
        let mut words: Vec<u64> = events.iter().map(|e| e.word).collect();
        words.dedup();
        let trace = Rc::clone(&self.trace);
        let mut trace = trace.borrow_mut();
        let trace = trace.as_mut().ok_or_else(|| SqlError::internal("a table without its arrangement"))?;
        let prior = prior(trace, closing.lower);
        let mut stored = Gather::default();
        stored.load(&prior, &words);
        let (mut found, mut held) = (vec![], vec![]);
        let mut changes = RowBuf::default();
        let mut log: Log<'_> = self.suffix.is_some().then(Vec::new);
        let mut at = 0;
        for (index, word) in words.iter().enumerate() {
            fetch(&stored, index, &mut found, &mut held);
            let end = at + events[at..].iter().take_while(|e| e.word == *word).count();
            while at < end {
                let key = self.codec.key(events[at].row);
                let group = at + events[at..end].iter().take_while(|e| self.codec.key(e.row) == key).count();
                let before = held.iter().map(|(row, _): &Row<'_>| *row).find(|row| self.codec.key(row) == key);
                self.apply(*word, key, before, &mut events[at..group], &mut changes, &mut out.errors, &mut log)?;
                at = group;
            }
        }
        if !changes.is_empty() {
            out.rows.push(Part::Changes(changes));
        }
        if let (Some(suffix), Some(log)) = (&self.suffix, log.filter(|log| !log.is_empty())) {
            out.rows.push(Part::Logged(suffix.rows(&log, self.tick)?));
        }
        compact(trace, closing.upper);
        let kept = self.tombstones.len() + self.conflicts.len() + self.quarantine.len();
        self.gauge.set((kept, kept * 96));
        self.tally.counts.set(self.counts);
        Ok(())
    }

    /// Applies a key's events of one tick.
    #[allow(clippy::too_many_arguments, reason = "two inputs, what is known before, three outputs")]
    fn apply<'a>(
        &mut self,
        word: u64,
        key: &[u8],
        before: Option<&[u8]>,
        events: &mut [Event<'a>],
        changes: &mut RowBuf,
        errors: &mut Vec<ErrorChange>,
        log: &mut Log<'a>,
    ) -> SqlResult<()> {
        if !self.quarantine.is_empty() {
            let latest = events.iter().map(|e| e.sequence).max().unwrap_or(0);
            self.release_quarantine(key, latest, errors);
        }
        let plain = self.version_width.is_some()
            && self.on_conflict == OnConflict::Overwrite
            && events.iter().all(|e| e.ask == Ask::Upsert);
        let owned: Vec<u8>;
        let after: Option<&[u8]> = match self.version_width {
            // The greatest row is the newest; what is below it is stale, equal, or in conflict with it.
            Some(width) if plain && !self.tombstones.contains_key(key) => {
                let newest = events.last().map(|e| e.row).max(before);
                let prefix = newest.map_or(&[][..], |n| &n[..key.len() + width]);
                self.count_upserts(before, events, prefix, log);
                let seen = || before.into_iter().chain(events.iter().map(|e| e.row));
                if !self.conflicts.is_empty() || seen().any(|row| Some(row) != newest && row.starts_with(prefix)) {
                    self.note_conflicts(key, newest, &seen().collect::<Vec<_>>(), width, errors)?;
                }
                newest
            }
            _ => {
                events.sort_unstable_by_key(|e| e.sequence);
                owned = self.replay(key, before, events, errors, log)?.unwrap_or_default();
                (!owned.is_empty()).then_some(owned.as_slice())
            }
        };
        if before != after {
            self.counts.rows += i64::from(after.is_some()) - i64::from(before.is_some());
            before.into_iter().for_each(|row| changes.push(word, row, -1));
            after.into_iter().for_each(|row| changes.push(word, row, 1));
        }
        Ok(())
    }

    /// Counts upserts of one key, sorted, as if they had come one by one. `newest` is the winner's key and version.
    fn count_upserts<'a>(&mut self, before: Option<&[u8]>, events: &[Event<'a>], newest: &[u8], log: &mut Log<'a>) {
        let mut note = |event: Option<&Event<'a>>, effect: Effect| {
            log.iter_mut().for_each(|log| log.extend(event.map(|event| (*event, effect))));
        };
        if before.is_none() && events.len() == 1 {
            note(events.first(), Effect::Insert);
            return;
        }
        let versioned = newest.len();
        let stored = before.map(|row| &row[..versioned]);
        let mut accepted = 0u64;
        // The oldest version that was accepted so far.
        let mut oldest: Option<&Event<'a>> = None;
        // When the first row of a newer version came.
        let mut newer = u64::MAX;
        for same in events.chunk_by(|a, b| a.row[..versioned] == b.row[..versioned]).rev() {
            let version = &same[0].row[..versioned];
            if stored > Some(version) {
                newer = 0;
            }
            let mut first = newer;
            let mut first_event: Option<&Event<'a>> = None;
            for equal in same.chunk_by(|a, b| a.row == b.row) {
                let in_time = equal.partition_point(|e| e.sequence < newer);
                if in_time > 0 {
                    let known =
                        stored == Some(version) && (before == Some(equal[0].row) || self.has_lost(equal[0].row));
                    self.counts.duplicates += (in_time - usize::from(!known)) as u64;
                    let mut other = (!known).then_some(&equal[0]);
                    if stored != Some(version) && equal[0].sequence < first {
                        std::mem::swap(&mut first_event, &mut other);
                    }
                    note(other, Effect::Conflict);
                    first = first.min(equal[0].sequence);
                }
                for late in &equal[in_time..] {
                    self.note_stale(late, newest);
                    note(Some(late), Effect::Stale);
                }
            }
            if first_event.is_some() {
                accepted += 1;
                note(std::mem::replace(&mut oldest, first_event), Effect::Correction);
            }
            newer = first;
        }
        note(oldest, if before.is_none() { Effect::Insert } else { Effect::Correction });
        self.counts.corrections += accepted.saturating_sub(u64::from(before.is_none()));
    }

    /// Whether the row stands among the losers of a conflict.
    fn has_lost(&self, row: &[u8]) -> bool {
        !self.conflicts.is_empty()
            && self.conflicts.get(self.codec.key(row)).is_some_and(|losers| losers.iter().any(|loser| **loser == *row))
    }

    /// Notes a row that came after a newer version; `newest` is key and version of that.
    fn note_stale(&mut self, event: &Event<'_>, newest: &[u8]) {
        let start = self.codec.key(newest).len();
        self.counts.stale += 1;
        self.tally.note_stale(self.tick, event.sequence, event.row, start, &newest[start..]);
    }

    /// Applies events one by one, in arrival order; the key's row after them.
    fn replay<'a>(
        &mut self,
        key: &[u8],
        before: Option<&[u8]>,
        events: &[Event<'a>],
        errors: &mut Vec<ErrorChange>,
        log: &mut Log<'a>,
    ) -> SqlResult<Option<Vec<u8>>> {
        let mut row: Option<Vec<u8>> = before.map(<[u8]>::to_vec);
        for (at, event) in events.iter().enumerate() {
            let version = |row: &[u8]| self.version_width.map(|w| self.codec.value(row)[..w].to_vec());
            let (new, old) = (version(event.row), row.as_deref().and_then(version));
            let tombstone = self.tombstones.get(key).map(|t| t.to_vec());
            let effect = match event.ask {
                Ask::ForceUpsert => {
                    self.tombstones.remove(key);
                    let replaced = row.replace(event.row.to_vec());
                    Effect::of_replacing(replaced.as_deref(), event.row)
                }
                Ask::ForceDelete => {
                    if let (Some(width), Some(row)) = (self.version_width, &row) {
                        self.tombstones.insert(key.into(), self.codec.value(row)[..width].into());
                    }
                    row.take().map_or(Effect::Nothing, |_| Effect::Delete)
                }
                Ask::Delete => match new {
                    None => row.take().map_or(Effect::Nothing, |_| Effect::Delete),
                    // A delete wins against a row of its own version: it can only have been made from that row.
                    Some(new) if row.is_none() || old.as_ref().is_some_and(|old| new >= *old) => {
                        row = None;
                        match &tombstone {
                            Some(deleted) if new < *deleted => Effect::Stale,
                            Some(deleted) if new == *deleted => Effect::Nothing,
                            _ => {
                                self.tombstones.insert(key.into(), new.into());
                                Effect::Delete
                            }
                        }
                    }
                    Some(_) => Effect::Stale,
                },
                Ask::Upsert => match (&new, &row) {
                    (Some(new), None) if tombstone.as_ref().is_some_and(|t| new <= t) => Effect::Stale,
                    (_, None) => {
                        self.tombstones.remove(key);
                        row = Some(event.row.to_vec());
                        Effect::Insert
                    }
                    _ if self.on_conflict == OnConflict::DoNothing => Effect::Nothing,
                    (Some(_), Some(_)) if new < old => Effect::Stale,
                    (Some(_), Some(stored)) if new == old => match self.on_conflict {
                        OnConflict::Overwrite => {
                            let known = [Some(stored.as_slice()), before].contains(&Some(event.row))
                                || self.has_lost(event.row)
                                || events[..at].iter().any(|e| (e.ask, e.row) == (event.ask, event.row));
                            row = Some(event.row.max(stored).to_vec());
                            if known { Effect::Nothing } else { Effect::Conflict }
                        }
                        _ => Effect::Nothing,
                    },
                    (_, Some(stored)) => {
                        let merged = match self.on_conflict {
                            OnConflict::UpdateIfNotNull => self.merge(stored, event.row)?,
                            _ => event.row.to_vec(),
                        };
                        let replaced = row.replace(merged);
                        Effect::of_replacing(replaced.as_deref(), row.as_deref().unwrap_or_default())
                    }
                },
            };
            if let Some(log) = log.as_mut().filter(|_| effect != Effect::Nothing) {
                log.push((*event, effect));
            }
            match effect {
                Effect::Insert | Effect::Conflict => {}
                Effect::Nothing => self.counts.duplicates += 1,
                Effect::Correction => self.counts.corrections += 1,
                Effect::Delete => self.counts.deletes += 1,
                Effect::Stale => {
                    let newest = old.or(tombstone).unwrap_or_default();
                    self.note_stale(event, &[key, &newest].concat());
                }
            }
        }
        if let (Some(width), OnConflict::Overwrite) = (self.version_width, self.on_conflict) {
            let forced = events.iter().any(|e| matches!(e.ask, Ask::ForceUpsert | Ask::ForceDelete));
            let upserts = events.iter().filter(|e| e.ask == Ask::Upsert && !forced).map(|e| e.row);
            let seen: Vec<&[u8]> = before.into_iter().filter(|_| !forced).chain(upserts).collect();
            self.note_conflicts(key, row.as_deref(), &seen, width, errors)?;
        }
        Ok(row)
    }

    /// The stored row with the new row's non-NULL columns.
    fn merge(&self, stored: &[u8], new: &[u8]) -> SqlResult<Vec<u8>> {
        let columns = self.codec.decode([stored, new])?;
        let mut merged = vec![];
        for column in &columns {
            let pick = if column.is_null(1) { 0 } else { 1 };
            merged.push(column.slice(pick, 1));
        }
        let mut out = RowBuf::default();
        self.codec.encode(&merged, &[1], &mut out)?;
        Ok(out.row(0).to_vec())
    }

    /// Lists the rows of the winner's version that are not the winner, and takes back what no longer conflicts.
    fn note_conflicts(
        &mut self,
        key: &[u8],
        winner: Option<&[u8]>,
        seen: &[&[u8]],
        width: usize,
        errors: &mut Vec<ErrorChange>,
    ) -> SqlResult<()> {
        let prefix = winner.map(|w| &w[..self.codec.key(w).len() + width]);
        let mut losers: Vec<Box<[u8]>> = vec![];
        let held = self.conflicts.remove(key).unwrap_or_default();
        self.counts.conflicts -= held.len() as i64;
        for row in held.iter().map(|r| &**r).chain(seen.iter().copied()) {
            if prefix.is_some_and(|p| row.starts_with(p)) && Some(row) != winner && losers.iter().all(|l| **l != *row) {
                losers.push(row.into());
            }
        }
        for row in held.iter().filter(|r| !losers.contains(r)) {
            errors.push(self.conflict(row, -1)?);
        }
        for row in losers.iter().filter(|r| !held.contains(r)) {
            errors.push(self.conflict(row, 1)?);
        }
        if !losers.is_empty() {
            self.counts.conflicts += losers.len() as i64;
            self.conflicts.insert(key.into(), losers);
        }
        Ok(())
    }

    fn conflict(&self, row: &[u8], diff: i64) -> SqlResult<ErrorChange> {
        let columns = self.codec.decode([row])?;
        let values: Vec<ArrayRef> = self.positions.iter().map(|p| Arc::clone(&columns[*p])).collect();
        let text = |a: &ArrayRef| arrow::util::display::array_value_to_string(a, 0).unwrap_or_default();
        let payload = format!("({})", values.iter().map(text).collect::<Vec<_>>().join(", "));
        let message = "conflicting contents for one key and version; the greater row is kept".to_string();
        Ok(ErrorChange { position: None, code: code::CONFLICT.to_string(), message, payload, diff })
    }

    /// A good row has come for the key: what was quarantined before it leaves.
    fn release_quarantine(&mut self, key: &[u8], sequence: u64, errors: &mut Vec<ErrorChange>) {
        let Some(mut rows) = self.quarantine.remove(key) else { return };
        rows.retain(|(at, error)| {
            if *at < sequence {
                errors.push(ErrorChange { diff: -1, ..error.clone() });
            }
            *at >= sequence
        });
        if !rows.is_empty() {
            self.quarantine.insert(key.into(), rows);
        }
    }
}
