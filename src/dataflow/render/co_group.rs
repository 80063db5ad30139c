//! Joins of many inputs on one key, as one operator: *order ⟕ payments ⟕ refunds by order*.
//!
//! The first input drives: each of its rows is extended by the one row, or none, that every other input has under the key. A chain
//! of binary joins would arrange each intermediate result; here only the inputs are kept, and a grouped aggregate among them is not
//! arranged at all: its accumulators are the input. One change costs a look-up in every input.

use std::ops::Range;
use std::rc::Rc;

use arrow::datatypes::{DataType, SchemaRef};
use timely::dataflow::Stream;

use super::join::{Row, fetch, flags, of_key};
use super::reduce::{Groups, report_failed};
use super::{ArrangedRows, BlockDecoder, BlockWriter, Gauge, fail};
use crate::dataflow::operator::{Closing, Errors, Out, RowStream, on_tick_many};
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
    wanted: &[bool],
) -> SqlResult<(RowStream<'s>, Errors)> {
    let (mut arranged, mut reduced, mut inputs) = (vec![], vec![], vec![]);
    for side in sides {
        inputs.push(match side {
            Side::Arranged(rows) => {
                arranged.push(rows.arranged.stream);
                Input::Arranged { trace: rows.arranged.trace, codec: rows.codec }
            }
            Side::Reduced { stream, groups, codec, gauge } => {
                reduced.push(stream);
                let values = RowCodec::new(&codec.columns()[codec.key_columns()..], 0)?;
                Input::Reduced { groups, codec, values, gauge }
            }
        });
    }
    let writer = Writer::new(&inputs, &optional, output, wanted)?;
    let mut group = CoGroup { inputs, writer };
    Ok(on_tick_many(arranged, reduced, "CoGroup", move |arranged: Vec<Vec<Spans>>, reduced, closing, out| {
        group.close(arranged.into_iter().map(batches).collect(), reduced, closing, out).unwrap_or_else(fail);
    }))
}

enum Input {
    Arranged {
        trace: Trace,
        codec: RowCodec,
    },
    Reduced {
        groups: Box<Groups>,
        codec: RowCodec,
        /// Lays out the aggregates alone: the row without its key.
        values: RowCodec,
        gauge: Rc<Gauge>,
    },
}

impl Input {
    fn codec(&self) -> &RowCodec {
        match self {
            Input::Arranged { codec, .. } | Input::Reduced { codec, .. } => codec,
        }
    }
}

/// A key: its word and bytes.
type Key<'a> = (u64, &'a [u8]);

/// The keys that any input's changes are under.
struct Touched<'a> {
    /// In order of words and bytes.
    keys: Vec<Key<'a>>,
    /// For each reduced input, the key of each of its rows.
    of_rows: Vec<Vec<u32>>,
}

impl<'a> Touched<'a> {
    fn new(inputs: &[Input], novel: &'a [Vec<Batch>], reduced: &'a [Vec<RowBuf>]) -> Touched<'a> {
        let (mut rows, mut reduced_rows): (Vec<Key<'a>>, Vec<Range<usize>>) = (vec![], vec![]);
        let (mut novel, mut reduced) = (novel.iter(), reduced.iter());
        for input in inputs {
            match input {
                Input::Arranged { codec, .. } => {
                    let slices =
                        novel.next().into_iter().flatten().flat_map(|batch| &batch.chunks).map(|chunk| &chunk.slice);
                    rows.extend(slices.flat_map(|s| s.range().map(|at| (s.run.word(at), codec.key(s.run.row(at))))));
                }
                Input::Reduced { groups, .. } => {
                    let from = rows.len();
                    let changes = reduced.next().into_iter().flatten().flat_map(RowBuf::iter);
                    rows.extend(changes.map(|(word, row, _)| (word, groups.codec.key(row))));
                    reduced_rows.push(from..rows.len());
                }
            }
        }
        let mut order = sort_words(&rows.iter().map(|(word, _)| *word).collect::<Vec<u64>>());
        for same in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            same.sort_unstable_by(|a, b| rows[a.1 as usize].1.cmp(rows[b.1 as usize].1));
        }
        let (mut keys, mut key_of): (Vec<Key<'a>>, _) = (Vec::with_capacity(rows.len()), vec![0u32; rows.len()]);
        for (_, at) in order {
            let row = rows[at as usize];
            if keys.last() != Some(&row) {
                keys.push(row);
            }
            key_of[at as usize] = keys.len() as u32 - 1;
        }
        Touched { keys, of_rows: reduced_rows.into_iter().map(|range| key_of[range].to_vec()).collect() }
    }
}

/// Where an input's rows under the touched keys lie.
enum Found {
    Rows { before: Gather, changes: Gather },
    Single(Single),
}

/// No row.
const NONE: u32 = u32::MAX;

/// The at most one row per key of a grouped aggregate, without its key.
struct Single {
    before: RowBuf,
    /// By key: which row of `before`.
    before_at: Vec<u32>,
    changed: Vec<bool>,
    after: RowBuf,
    /// By changed key: which row of `after`.
    after_at: Vec<u32>,
}

impl Single {
    fn row(&self, key: usize) -> (Option<&[u8]>, Option<&[u8]>) {
        let before = (self.before_at[key] != NONE).then(|| self.before.row(self.before_at[key] as usize));
        if !self.changed[key] {
            return (before, before);
        }
        (before, (self.after_at[key] != NONE).then(|| self.after.row(self.after_at[key] as usize)))
    }
}

struct CoGroup {
    inputs: Vec<Input>,
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
        let touched = Touched::new(&self.inputs, &novel, &reduced);
        let mut words: Vec<u64> = touched.keys.iter().map(|(word, _)| *word).collect();
        words.dedup();
        let mut novel = novel.iter();
        let mut reduced = reduced.iter().zip(&touched.of_rows);
        let mut found = vec![];
        for input in &mut self.inputs {
            found.push(match input {
                Input::Arranged { trace, .. } => {
                    let (mut before, mut changes) = (Gather::default(), Gather::default());
                    let novel = novel.next().map_or(&[][..], Vec::as_slice);
                    if !words.is_empty() {
                        before.load(&prior(trace, closing.lower), &words);
                        changes.load(novel, &words);
                    }
                    compact(trace, closing.upper);
                    Found::Rows { before, changes }
                }
                Input::Reduced { groups, values, gauge, .. } => {
                    let (changes, of_rows) = reduced.next().map_or((&[][..], &[][..]), |(c, k)| (c, k));
                    let single = single_rows(groups, values, &touched.keys, changes, of_rows, out)?;
                    gauge.set(groups.size());
                    Found::Single(single)
                }
            });
        }
        self.join(&touched.keys, &found, out);
        self.writer.block.flush(out);
        Ok(())
    }

    /// Replaces each key's rows: of the first input what changed if no other input did, else all.
    fn join(&mut self, keys: &[Key<'_>], found: &[Found], out: &mut Out) {
        let codecs: Vec<&RowCodec> = self.inputs.iter().map(Input::codec).collect();
        // Rows of the word at hand, before and changes, of every input that is arranged.
        let mut rows: Vec<(Vec<Row<'_>>, Vec<Row<'_>>)> = found.iter().map(|_| Default::default()).collect();
        let (mut scratch, mut word_at, mut last) = (vec![], 0, None);
        let (mut first_before, mut first_changes): (Vec<Row<'_>>, Vec<Row<'_>>) = (vec![], vec![]);
        let (mut old, mut new) = (vec![], vec![]);
        for (at, (word, key)) in keys.iter().enumerate() {
            if last != Some(*word) {
                word_at += usize::from(last.is_some());
                last = Some(*word);
                for (found, (b, c)) in found.iter().zip(&mut rows) {
                    if let Found::Rows { before, changes } = found {
                        fetch(before, word_at, &mut scratch, b);
                        fetch(changes, word_at, &mut scratch, c);
                    }
                }
            }
            old.clear();
            new.clear();
            first_before.clear();
            first_changes.clear();
            for (input, (found, (b, c))) in found.iter().zip(&rows).enumerate() {
                let value = value_of(codecs[input]);
                match found {
                    Found::Rows { .. } if input == 0 => {
                        first_before.extend(of_key(b, codecs[0], key).iter().map(&value));
                        first_changes.extend(of_key(c, codecs[0], key).iter().map(&value));
                    }
                    Found::Rows { .. } => {
                        let (before, after) = unique(of_key(b, codecs[input], key), of_key(c, codecs[input], key));
                        old.push(before.map(|row| codecs[input].value(row)));
                        new.push(after.map(|row| codecs[input].value(row)));
                    }
                    Found::Single(single) => {
                        let (before, after) = single.row(at);
                        if input > 0 {
                            old.push(before);
                            new.push(after);
                        } else {
                            first_before.extend(before.map(|row| (row, 1)));
                            if before != after {
                                first_changes.extend(before.map(|row| (row, -1)));
                                first_changes.extend(after.map(|row| (row, 1)));
                            }
                        }
                    }
                }
            }
            self.writer.replace(key, (&first_before, &first_changes), (&old, &new), out);
        }
    }
}

/// A row without its key.
fn value_of<'a>(codec: &RowCodec) -> impl Fn(&Row<'a>) -> Row<'a> {
    move |(row, diff)| (codec.value(row), *diff)
}

/// The one row of a unique input, before and after the tick.
fn unique<'a>(before: &[Row<'a>], changes: &[Row<'a>]) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let before = before.first().map(|(row, _)| *row);
    let inserted = changes.iter().find(|(_, diff)| *diff > 0).map(|(row, _)| *row);
    (before, inserted.or(if changes.is_empty() { before } else { None }))
}

/// Adds the changes to the groups, `of_rows[i]` being the key of the `i`-th; each touched key's row before and after.
fn single_rows(
    groups: &mut Groups,
    values: &RowCodec,
    keys: &[Key<'_>],
    changes: &[RowBuf],
    of_rows: &[u32],
    out: &mut Out,
) -> SqlResult<Single> {
    let mut changed = vec![false; keys.len()];
    of_rows.iter().for_each(|key| changed[*key as usize] = true);
    let slot = |((word, key), changed): (&Key<'_>, &bool)| match changed {
        true => groups.slot(*word, key),
        false => groups.find(*word, key).unwrap_or(NONE),
    };
    let slots: Vec<u32> = keys.iter().zip(&changed).map(slot).collect();
    let (before, before_at) = rows_of(groups, values, &slots, (&changed, false), -1, out)?;
    for ((_, row, _), key) in changes.iter().flat_map(RowBuf::iter).zip(of_rows) {
        groups.merge(slots[*key as usize], row);
    }
    let (after, after_at) = rows_of(groups, values, &slots, (&changed, true), 1, out)?;
    for (slot, _) in slots.iter().zip(&changed).filter(|(_, changed)| **changed) {
        groups.release_if_empty(*slot);
    }
    Ok(Single { before, before_at, changed, after, after_at })
}

/// The groups' rows as they stand, in one buffer, and for each key where its row is in it. Aggregates of changed keys that are out
/// of range are reported.
fn rows_of(
    groups: &Groups,
    values: &RowCodec,
    slots: &[u32],
    (changed, only_changed): (&[bool], bool),
    sign: Diff,
    out: &mut Out,
) -> SqlResult<(RowBuf, Vec<u32>)> {
    let (mut present, mut keys, mut places) = (vec![], vec![], vec![NONE; slots.len()]);
    for (at, slot) in slots.iter().enumerate() {
        if *slot != NONE && groups.rows[*slot as usize] > 0 && (changed[at] || !only_changed) {
            places[at] = present.len() as u32;
            present.push(*slot);
            keys.push(at);
        }
    }
    let (mut rows, mut failed) = (RowBuf::default(), vec![false; present.len()]);
    if !present.is_empty() {
        let columns = groups.aggregates(&present, &mut failed)?;
        values.encode(&columns, &vec![1; present.len()], &mut rows)?;
        if failed.contains(&true) {
            keys.iter().zip(&failed).filter(|(_, failed)| **failed).for_each(|(at, _)| places[*at] = NONE);
            let reported: Vec<bool> = keys.iter().zip(&failed).map(|(at, failed)| *failed && changed[*at]).collect();
            report_failed(&[groups.keys(&present)?, columns].concat(), &reported, sign, out);
        }
    }
    Ok((rows, places))
}

/// Assembles output rows by concatenating bytes.
struct Writer {
    block: BlockWriter,
    optional: Vec<bool>,
    /// Value bytes of each input that has no row.
    nulls: Vec<Vec<u8>>,
    no: Vec<u8>,
    yes: Vec<u8>,
}

/// A row of every input but the first, without its key.
type Others<'a> = [Option<&'a [u8]>];

impl Writer {
    fn new(inputs: &[Input], optional: &[bool], output: &SchemaRef, wanted: &[bool]) -> SqlResult<Writer> {
        let key = inputs[0].codec().key_columns();
        let mut columns = inputs[0].codec().columns().to_vec();
        inputs[1..].iter().for_each(|i| columns.extend_from_slice(&i.codec().columns()[key..]));
        columns.extend(optional.iter().filter(|o| **o).map(|_| (DataType::Boolean, Default::default())));
        let [no, yes] = flags()?;
        let codec = RowCodec::new(&columns, key)?;
        Ok(Writer {
            block: BlockWriter::new(BlockDecoder::new(codec, (0..columns.len()).collect(), output, wanted)),
            optional: optional[1..].to_vec(),
            nulls: inputs[1..].iter().map(|i| i.codec().null_value()).collect(),
            no,
            yes,
        })
    }

    /// Replaces one key's rows.
    fn replace(
        &mut self,
        key: &[u8],
        (before, changes): (&[Row<'_>], &[Row<'_>]),
        (old, new): (&Others<'_>, &Others<'_>),
        out: &mut Out,
    ) {
        let complete =
            |others: &Others<'_>| others.iter().zip(&self.optional).all(|(row, optional)| *optional || row.is_some());
        let (was, is) = (complete(old), complete(new));
        if is {
            for (row, diff) in changes {
                self.row(key, row, new, *diff, out);
            }
        }
        if old != new {
            for (row, diff) in before {
                if was {
                    self.row(key, row, old, -diff, out);
                }
                if is {
                    self.row(key, row, new, *diff, out);
                }
            }
        }
    }

    fn row(&mut self, key: &[u8], first: &[u8], others: &Others<'_>, diff: Diff, out: &mut Out) {
        self.block.push(diff, out, |row| {
            row.extend_from_slice(key);
            row.extend_from_slice(first);
            for (value, null) in others.iter().zip(&self.nulls) {
                row.extend_from_slice(value.unwrap_or(null));
            }
            for (value, _) in others.iter().zip(&self.optional).filter(|(_, optional)| **optional) {
                row.extend_from_slice(if value.is_some() { &self.yes } else { &self.no });
            }
        });
    }
}
