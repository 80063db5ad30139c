//! Joins of many inputs on one key, as one operator: *order ⟕ payments ⟕ refunds by order*.
//!
//! The first input drives: each of its rows is extended by the one row, or none, that every other input has under the key. A chain
//! of binary joins would arrange each intermediate result; here only the inputs are kept, and a grouped aggregate among them is not
//! arranged at all: its accumulators are the input. One change costs a look-up in every input.

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, SchemaRef};
use timely::dataflow::Stream;

use super::join::{Row, fetch, of_key};
use super::reduce::{Groups, report_failed};
use super::{ArrangedRows, BLOCK_ROWS, Gauge, decode_block, fail};
use crate::dataflow::operator::{Closing, ErrorStream, Out, RowStream, on_tick_many};
use crate::dataflow::reading::{Spans, batches, compact, prior};
use crate::dataflow::trace::sort::sort_words;
use crate::dataflow::trace::{Batch, Gather, Trace};
use crate::model::codec::RowCodec;
use crate::model::{Diff, RowBuf, SqlResult, Tick};

/// An input of a co-group.
pub(crate) enum Side<'s> {
    /// Rows in an arrangement by the key.
    Arranged(ArrangedRows<'s>),
    /// Combined changes of a grouped aggregate whose group is the key.
    Reduced {
        stream: Stream<'s, Tick, RowBuf>,
        groups: Box<Groups>,
        /// Lays out key and aggregates.
        codec: RowCodec,
        gauge: Rc<Gauge>,
    },
}

/// Renders it; output rows are key, every input's rest, then a flag for each optional input that says whether it has a row.
pub(crate) fn render<'s>(
    sides: Vec<Side<'s>>,
    optional: Vec<bool>,
    output: &SchemaRef,
) -> SqlResult<(RowStream<'s>, ErrorStream<'s>)> {
    let (mut arranged, mut reduced, mut inputs) = (vec![], vec![], vec![]);
    for side in sides {
        inputs.push(match side {
            Side::Arranged(rows) => {
                arranged.push(rows.arranged.stream);
                Input::Arranged { trace: rows.arranged.trace, codec: rows.codec }
            }
            Side::Reduced { stream, groups, codec, gauge } => {
                reduced.push(stream);
                Input::Reduced { groups, codec, gauge }
            }
        });
    }
    let writer = Writer::new(&inputs, &optional, output)?;
    let mut group = CoGroup { inputs, optional, writer };
    Ok(on_tick_many(arranged, reduced, "CoGroup", move |arranged: Vec<Vec<Spans>>, reduced, closing, out| {
        group.close(arranged.into_iter().map(batches).collect(), reduced, closing, out).unwrap_or_else(fail);
    }))
}

enum Input {
    Arranged { trace: Trace, codec: RowCodec },
    Reduced { groups: Box<Groups>, codec: RowCodec, gauge: Rc<Gauge> },
}

impl Input {
    fn codec(&self) -> &RowCodec {
        match self {
            Input::Arranged { codec, .. } | Input::Reduced { codec, .. } => codec,
        }
    }
}

/// A touched key, in order of words and bytes.
type Key<'a> = (u64, &'a [u8]);

/// Where an input's rows under the touched keys lie.
enum Found {
    Rows {
        before: Gather,
        changes: Gather,
    },
    /// At most one row per key; its place in the buffer.
    Single {
        before: RowBuf,
        before_at: Vec<Option<u32>>,
        after: RowBuf,
        after_at: Vec<Option<u32>>,
    },
}

/// An input's rows, key by key.
#[derive(Default)]
struct Lines<'a> {
    before: Vec<Row<'a>>,
    before_ends: Vec<usize>,
    changes: Vec<Row<'a>>,
    change_ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn seal(&mut self) {
        self.before_ends.push(self.before.len());
        self.change_ends.push(self.changes.len());
    }

    fn before(&self, key: usize) -> &[Row<'a>] {
        &self.before[if key == 0 { 0 } else { self.before_ends[key - 1] }..self.before_ends[key]]
    }

    fn changes(&self, key: usize) -> &[Row<'a>] {
        &self.changes[if key == 0 { 0 } else { self.change_ends[key - 1] }..self.change_ends[key]]
    }

    /// The one row of a unique input, before and after the tick.
    fn single(&self, key: usize) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let before = self.before(key).first().map(|(row, _)| *row);
        let changes = self.changes(key);
        let inserted = changes.iter().find(|(_, diff)| *diff > 0).map(|(row, _)| *row);
        let after = inserted.or(if changes.is_empty() { before } else { None });
        (before, after)
    }
}

struct CoGroup {
    inputs: Vec<Input>,
    optional: Vec<bool>,
    writer: Writer,
}

impl CoGroup {
    fn close(
        &mut self,
        novel: Vec<Vec<Batch>>,
        reduced: Vec<Vec<RowBuf>>,
        closing: Closing,
        out: &mut Out,
    ) -> SqlResult<()> {
        let keys = touched(&self.inputs, &novel, &reduced);
        let mut words: Vec<u64> = keys.iter().map(|(word, _)| *word).collect();
        words.dedup();
        let (mut novel_batches, mut reduced_rows) = (novel.iter(), reduced.iter());
        let mut found = vec![];
        for input in &mut self.inputs {
            found.push(match input {
                Input::Arranged { trace, .. } => {
                    let (mut before, mut changes) = (Gather::default(), Gather::default());
                    let novel = novel_batches.next().map_or(&[][..], Vec::as_slice);
                    if !words.is_empty() {
                        before.load(&prior(trace, closing.lower), &words);
                        changes.load(novel, &words);
                    }
                    compact(trace, closing.upper);
                    Found::Rows { before, changes }
                }
                Input::Reduced { groups, codec, gauge } => {
                    let changes = reduced_rows.next().map_or(&[][..], Vec::as_slice);
                    let found = single_rows(groups, codec, &keys, changes, out)?;
                    gauge.set(groups.size());
                    found
                }
            });
        }
        let lines: Vec<Lines<'_>> =
            found.iter().zip(&self.inputs).map(|(f, input)| lines(f, input.codec(), &keys)).collect();
        for key in 0..keys.len() {
            self.join(key, &lines, out);
        }
        self.writer.flush(out);
        Ok(())
    }

    /// Replaces one key's rows: of the first input what changed if no other input did, else all.
    fn join(&mut self, key: usize, lines: &[Lines<'_>], out: &mut Out) {
        let first = &lines[0];
        let (mut old, mut new): (Vec<Option<&[u8]>>, Vec<Option<&[u8]>>) = (vec![], vec![]);
        for (line, input) in lines.iter().zip(&self.inputs).skip(1) {
            let (before, after) = line.single(key);
            old.push(before.map(|row| input.codec().value(row)));
            new.push(after.map(|row| input.codec().value(row)));
        }
        let complete = |values: &[Option<&[u8]>]| {
            values.iter().zip(&self.optional[1..]).all(|(v, optional)| *optional || v.is_some())
        };
        let (was, is) = (complete(&old), complete(&new));
        let same = old == new;
        if is {
            for (row, diff) in first.changes(key) {
                self.writer.row(row, &new, *diff, out);
            }
        }
        if !same {
            for (row, diff) in first.before(key) {
                if was {
                    self.writer.row(row, &old, -diff, out);
                }
                if is {
                    self.writer.row(row, &new, *diff, out);
                }
            }
        }
    }
}

/// The keys any input's changes are under.
fn touched<'a>(inputs: &[Input], novel: &'a [Vec<Batch>], reduced: &'a [Vec<RowBuf>]) -> Vec<Key<'a>> {
    let mut keys: Vec<Key<'a>> = vec![];
    let (mut novel, mut reduced) = (novel.iter(), reduced.iter());
    for input in inputs {
        match input {
            Input::Arranged { codec, .. } => {
                let slices =
                    novel.next().into_iter().flatten().flat_map(|batch| &batch.chunks).map(|chunk| &chunk.slice);
                keys.extend(slices.flat_map(|s| s.range().map(|at| (s.run.word(at), codec.key(s.run.row(at))))));
            }
            Input::Reduced { groups, .. } => {
                let rows = reduced.next().into_iter().flatten().flat_map(RowBuf::iter);
                keys.extend(rows.map(|(word, row, _)| (word, groups.codec.key(row))));
            }
        }
    }
    let order = sort_words(&keys.iter().map(|(word, _)| *word).collect::<Vec<u64>>());
    let mut keys: Vec<Key<'a>> = order.into_iter().map(|(_, at)| keys[at as usize]).collect();
    for same in keys.chunk_by_mut(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        same.sort_unstable();
    }
    keys.dedup();
    keys
}

fn lines<'a>(found: &'a Found, codec: &RowCodec, keys: &[Key<'_>]) -> Lines<'a> {
    let mut lines = Lines::default();
    match found {
        Found::Rows { before, changes } => {
            let (mut scratch, mut b, mut c) = (vec![], vec![], vec![]);
            let (mut word_at, mut last) = (0, None);
            for (word, key) in keys {
                if last != Some(*word) {
                    word_at += usize::from(last.is_some());
                    last = Some(*word);
                    fetch(before, word_at, &mut scratch, &mut b);
                    fetch(changes, word_at, &mut scratch, &mut c);
                }
                lines.before.extend_from_slice(of_key(&b, codec, key));
                lines.changes.extend_from_slice(of_key(&c, codec, key));
                lines.seal();
            }
        }
        Found::Single { before, before_at, after, after_at } => {
            for (was, is) in before_at.iter().zip(after_at) {
                let old = was.map(|at| before.row(at as usize));
                let new = is.map(|at| after.row(at as usize));
                lines.before.extend(old.map(|row| (row, 1)));
                if old != new {
                    lines.changes.extend(old.map(|row| (row, -1)));
                    lines.changes.extend(new.map(|row| (row, 1)));
                }
                lines.seal();
            }
        }
    }
    lines
}

/// Adds the changes to the groups; each touched key's row before and after.
fn single_rows(
    groups: &mut Groups,
    codec: &RowCodec,
    keys: &[Key<'_>],
    changes: &[RowBuf],
    out: &mut Out,
) -> SqlResult<Found> {
    let slots: Vec<Option<u32>> = keys.iter().map(|(word, key)| groups.find(*word, key)).collect();
    let (before, before_at) = rows_of(groups, codec, &slots, -1, out)?;
    for (word, row, _) in changes.iter().flat_map(RowBuf::iter) {
        let key = groups.codec.key(row).len();
        let slot = groups.slot(word, &row[..key]);
        groups.merge(slot, row);
    }
    let slots: Vec<Option<u32>> = keys.iter().map(|(word, key)| groups.find(*word, key)).collect();
    let (after, after_at) = rows_of(groups, codec, &slots, 1, out)?;
    for slot in slots.into_iter().flatten() {
        groups.release_if_empty(slot);
    }
    Ok(Found::Single { before, before_at, after, after_at })
}

/// The groups' rows as they stand, in one buffer, and where each slot's row is in it.
fn rows_of(
    groups: &Groups,
    codec: &RowCodec,
    slots: &[Option<u32>],
    sign: Diff,
    out: &mut Out,
) -> SqlResult<(RowBuf, Vec<Option<u32>>)> {
    let present: Vec<u32> = slots.iter().flatten().copied().filter(|s| groups.rows[*s as usize] > 0).collect();
    let mut rows = RowBuf::default();
    let mut failed = vec![false; present.len()];
    if !present.is_empty() {
        let columns = groups.columns(&present, &mut failed)?;
        codec.encode(&columns, &vec![1; present.len()], &mut rows)?;
        report_failed(&columns, &failed, sign, out);
    }
    let mut next = 0;
    let mut place = |slot: &Option<u32>| {
        let at = present.get(next).filter(|p| Some(**p) == *slot).map(|_| next);
        next += usize::from(at.is_some());
        at.filter(|at| !failed[*at]).map(|at| at as u32)
    };
    let places = slots.iter().map(&mut place).collect();
    Ok((rows, places))
}

/// Assembles output rows by concatenating bytes and decodes them in blocks.
struct Writer {
    codec: RowCodec,
    positions: Vec<usize>,
    schema: SchemaRef,
    optional: Vec<bool>,
    /// Value bytes of each input that has no row.
    nulls: Vec<Vec<u8>>,
    no: Vec<u8>,
    yes: Vec<u8>,
    rows: RowBuf,
    row: Vec<u8>,
}

impl Writer {
    fn new(inputs: &[Input], optional: &[bool], output: &SchemaRef) -> SqlResult<Writer> {
        let key = inputs[0].codec().key_columns();
        let mut columns = inputs[0].codec().columns().to_vec();
        inputs[1..].iter().for_each(|i| columns.extend_from_slice(&i.codec().columns()[key..]));
        columns.extend(optional.iter().filter(|o| **o).map(|_| (DataType::Boolean, Default::default())));
        let flag = RowCodec::new(&[(DataType::Boolean, Default::default())], 0)?;
        let mut flags = RowBuf::default();
        flag.encode(&[Arc::new(BooleanArray::from(vec![false, true])) as _], &[1, 1], &mut flags)?;
        Ok(Writer {
            codec: RowCodec::new(&columns, key)?,
            positions: (0..columns.len()).collect(),
            schema: Arc::clone(output),
            optional: optional.to_vec(),
            nulls: inputs[1..].iter().map(|i| i.codec().null_value()).collect(),
            no: flags.row(0).to_vec(),
            yes: flags.row(1).to_vec(),
            rows: RowBuf::default(),
            row: vec![],
        })
    }

    fn row(&mut self, first: &[u8], others: &[Option<&[u8]>], diff: Diff, out: &mut Out) {
        self.row.clear();
        self.row.extend_from_slice(first);
        for (value, null) in others.iter().zip(&self.nulls) {
            self.row.extend_from_slice(value.unwrap_or(null));
        }
        for (value, optional) in others.iter().zip(&self.optional[1..]) {
            if *optional {
                self.row.extend_from_slice(if value.is_some() { &self.yes } else { &self.no });
            }
        }
        self.rows.push(0, &self.row, diff);
        if self.rows.len() >= BLOCK_ROWS {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Out) {
        if self.rows.is_empty() {
            return;
        }
        let rows = &self.rows;
        let bytes = (0..rows.len()).map(|at| rows.row(at));
        out.rows.push(
            decode_block(&self.codec, bytes, rows.diffs.clone(), &self.positions, &self.schema).unwrap_or_else(fail),
        );
        self.rows.clear();
    }
}
