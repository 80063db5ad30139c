//! The first rows of each group.
//!
//! A group's rows lie in the arrangement in the order asked for, so its first rows are read from the front, before and after the
//! tick, and compared. Rows behind the last one read are not touched: one change costs about `offset + limit` rows, and the ties.

use std::ops::Range;

use arrow::array::make_comparator;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use timely::dataflow::channels::pact::Pipeline;

use super::join::{fetch, keys, of_key};
use super::{ArrangedRows, BlockDecoder, BlockWriter, fail};
use crate::dataflow::operator::{Closing, Errors, Out, RowStream, on_tick};
use crate::dataflow::reading::{Spans, batches, compact, prior};
use crate::dataflow::trace::{Batch, Gather, distinct_words, group_cursor};
use crate::model::Diff;
use crate::model::codec::RowCodec;

/// Renders it; output rows are in layout order.
pub(crate) fn render<'s>(
    input: ArrangedRows<'s>,
    schema: &SchemaRef,
    offset: usize,
    limit: Option<usize>,
    ties: Option<usize>,
) -> (RowStream<'s>, Errors) {
    let mut trace = input.arranged.trace;
    let codec = input.codec;
    let mut writer = BlockWriter::new(BlockDecoder::whole(codec.clone(), schema));
    let window = Window {
        skip: i64::try_from(offset).unwrap_or(Diff::MAX),
        take: i64::try_from(limit.unwrap_or(usize::MAX)).unwrap_or(Diff::MAX),
        ties: ties.map(|columns| (codec.clone(), codec.key_columns()..codec.key_columns() + columns)),
    };
    on_tick(input.arranged.stream, Pipeline, "TopK", move |data: Vec<Spans>, closing: Closing, out| {
        let novel = batches(data);
        if !novel.is_empty() {
            let before = prior(&mut trace, closing.lower);
            let after: Vec<Batch> = before.iter().chain(&novel).cloned().collect();
            close(&codec, &mut writer, &novel, &before, &after, &window, out);
        }
        compact(&mut trace, closing.upper);
    })
}

/// Which of a group's rows are shown.
struct Window {
    skip: Diff,
    take: Diff,
    /// Also the rows that equal the last one in these columns.
    ties: Option<(RowCodec, Range<usize>)>,
}

impl Window {
    /// Whether a row is shown because another one, shown before it, is.
    fn tie(&self, row: &[u8], other: &[u8]) -> bool {
        let Some((codec, columns)) = &self.ties else { return false };
        let decoded = codec.decode_wanted([row, other], |column| columns.contains(&column)).unwrap_or_else(fail);
        decoded[columns.clone()].iter().all(|column| {
            let order = make_comparator(column, column, SortOptions::default());
            order.is_ok_and(|order| order(0, 1).is_eq())
        })
    }
}

fn close(
    codec: &RowCodec,
    writer: &mut BlockWriter,
    novel: &[Batch],
    before: &[Batch],
    after: &[Batch],
    window: &Window,
    out: &mut Out,
) {
    let words = distinct_words(novel);
    let mut changes = Gather::default();
    changes.load(novel, &words);
    let (mut found, mut rows) = (vec![], vec![]);
    for (at, word) in words.iter().enumerate() {
        fetch(&changes, at, &mut found, &mut rows);
        for key in keys(&rows, codec, &[], codec) {
            let first_change = of_key(&rows, codec, key)[0].0;
            let old = slice(group_cursor(before, *word, key, &[]), window);
            // Every change lies behind what was shown, and the window was full: nothing shown can move.
            let full = old.iter().map(|(_, diff)| diff).sum::<Diff>() >= window.take;
            if full && old.last().is_some_and(|(last, _)| *last < first_change && !window.tie(first_change, last)) {
                continue;
            }
            let new = slice(group_cursor(after, *word, key, &[]), window);
            difference(&old, &new, |row, diff| writer.push(diff, out, |bytes| bytes.extend_from_slice(row)));
        }
    }
    writer.flush(out);
}

/// Rows `skip .. skip + take`, counting each as often as it is there, and their ties.
fn slice<'a>(rows: impl Iterator<Item = (&'a [u8], Diff)>, window: &Window) -> Vec<(&'a [u8], Diff)> {
    let (mut skip, mut left) = (window.skip, window.take);
    let mut shown: Vec<(&[u8], Diff)> = vec![];
    if left == 0 {
        return shown;
    }
    for (row, count) in rows {
        if left == 0 {
            match shown.last() {
                Some((last, _)) if window.tie(row, last) => shown.push((row, count)),
                _ => break,
            }
            continue;
        }
        let skipped = skip.min(count);
        skip -= skipped;
        let there = count - skipped;
        let shows = if window.ties.is_some() { there } else { there.min(left) };
        if shows > 0 {
            shown.push((row, shows));
            left -= shows.min(left);
        }
        if left == 0 && window.ties.is_none() {
            break;
        }
    }
    shown
}

/// Calls `emit` for every row whose count differs; both lists ascend.
fn difference<'a>(old: &[(&'a [u8], Diff)], new: &[(&'a [u8], Diff)], mut emit: impl FnMut(&'a [u8], Diff)) {
    let (mut a, mut b) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some((x, _)), Some((y, _))) if x == y => {
                let (Some((row, was)), Some((_, is))) = (a.next(), b.next()) else { break };
                if is != was {
                    emit(row, is - was);
                }
            }
            (Some((x, _)), Some((y, _))) if x > y => b.next().into_iter().for_each(|(row, is)| emit(row, *is)),
            (None, Some(_)) => b.next().into_iter().for_each(|(row, is)| emit(row, *is)),
            (Some(_), _) => a.next().into_iter().for_each(|(row, was)| emit(row, -was)),
        }
    }
}
