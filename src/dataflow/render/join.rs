//! Equi-joins of two arrangements, inner, outer, semi, anti and mark, as one operator.
//!
//! Pairs are bilinear: a tick's output is ΔL × R₁ + L₀ × ΔR, where ₀ is before the tick and ₁ after it. What outer kinds add hangs on
//! whether a key has any row on the other side: only when that changes are all rows of the key touched. So one change costs the
//! partners it meets, however many rows its own side holds under the key.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, SchemaRef};
use timely::dataflow::channels::pact::Pipeline;

use super::{ArrangedRows, BlockDecoder, BlockWriter};
use crate::dataflow::operator::{Closing, Errors, Out, RowStream, on_tick2};
use crate::dataflow::reading::{Spans, batches, compact, prior};
use crate::dataflow::trace::{Batch, Gather, GatheredRow, distinct_words, group_cursor};
use crate::model::codec::RowCodec;
use crate::model::{Diff, RowBuf, SqlResult};
use crate::plan::lir::JoinKind;

/// Renders a join; output rows are key, left rest, right rest, flags.
pub(crate) fn render<'s>(
    left: ArrangedRows<'s>,
    right: ArrangedRows<'s>,
    kind: JoinKind,
    output: &SchemaRef,
    wanted: &[bool],
) -> SqlResult<(RowStream<'s>, Errors)> {
    let mut join = Join {
        writer: Writer::new(&left.codec, &right.codec, kind, output, wanted)?,
        left: left.codec,
        right: right.codec,
        kind,
        scratch: Scratch::default(),
    };
    let (mut left_trace, mut right_trace) = (left.arranged.trace, right.arranged.trace);
    let name = format!("Join {kind:?}");
    Ok(on_tick2(
        left.arranged.stream,
        Pipeline,
        right.arranged.stream,
        Pipeline,
        &name,
        move |l: Vec<Spans>, r: Vec<Spans>, closing: Closing, out| {
            let (l, r) = (batches(l), batches(r));
            if !l.is_empty() || !r.is_empty() {
                let before = (prior(&mut left_trace, closing.lower), prior(&mut right_trace, closing.lower));
                join.close(&l, &r, &before.0, &before.1, out);
            }
            compact(&mut left_trace, closing.upper);
            compact(&mut right_trace, closing.upper);
        },
    ))
}

/// A row with its count, borrowed from a run.
pub(super) type Row<'a> = (&'a [u8], Diff);

struct Join {
    writer: Writer,
    left: RowCodec,
    right: RowCodec,
    kind: JoinKind,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    found: Vec<GatheredRow>,
}

/// One side's rows of the touched words: the tick's changes, and what was there before.
struct SideRows {
    changes: Gather,
    before: Gather,
}

impl Join {
    fn close(&mut self, left: &[Batch], right: &[Batch], left_before: &[Batch], right_before: &[Batch], out: &mut Out) {
        let (left_words, right_words) = (distinct_words(left), distinct_words(right));
        let words = union(&left_words, &right_words);
        let outer = self.kind != JoinKind::Inner;
        let pairs = matches!(self.kind, JoinKind::Inner | JoinKind::Left | JoinKind::Full);
        let mut l = SideRows { changes: Gather::default(), before: Gather::default() };
        let mut r = SideRows { changes: Gather::default(), before: Gather::default() };
        l.changes.load(left, &words);
        r.changes.load(right, &words);
        // Of each side only what the other side's changes meet; a full join's flips may need both.
        l.before.load(left_before, if self.kind == JoinKind::Full { &words } else { &right_words });
        r.before.load(right_before, if self.kind == JoinKind::Full { &words } else { &left_words });
        let full = self.kind == JoinKind::Full;
        let (mut left_at, mut right_at) = (0, 0);
        let (mut dl, mut dr, mut l0, mut r0) = (vec![], vec![], vec![], vec![]);
        for (at, word) in words.iter().enumerate() {
            let in_left = left_words.get(left_at) == Some(word);
            let in_right = right_words.get(right_at) == Some(word);
            let found = &mut self.scratch.found;
            fetch(&l.changes, at, found, &mut dl);
            fetch(&r.changes, at, found, &mut dr);
            l0.clear();
            r0.clear();
            if full {
                fetch(&l.before, at, found, &mut l0);
                fetch(&r.before, at, found, &mut r0);
            } else {
                if in_right {
                    fetch(&l.before, right_at, found, &mut l0);
                }
                if in_left && pairs {
                    fetch(&r.before, left_at, found, &mut r0);
                }
            }
            for key in keys(&dl, &self.left, &dr, &self.right) {
                let (dl, dr) = (of_key(&dl, &self.left, key), of_key(&dr, &self.right, key));
                let (l0, r0) = (of_key(&l0, &self.left, key), of_key(&r0, &self.right, key));
                if pairs {
                    self.pairs(dl, dr, l0, r0, out);
                }
                if outer {
                    let had_right = group_cursor(right_before, *word, key, &[]).next().is_some();
                    let has_right = if dr.is_empty() { had_right } else { any_after(right_before, *word, key, dr) };
                    self.unmatched(dl, l0, had_right, has_right, out);
                }
                if full {
                    let had_left = !l0.is_empty();
                    let has_left = if dl.is_empty() { had_left } else { any_after(left_before, *word, key, dl) };
                    self.unmatched_right(dr, r0, had_left, has_left, out);
                }
            }
            left_at += usize::from(in_left);
            right_at += usize::from(in_right);
        }
        self.writer.flush(out);
    }

    /// ΔL × R₁ + L₀ × ΔR, with R₁ = R₀ + ΔR.
    fn pairs(&mut self, dl: &[Row<'_>], dr: &[Row<'_>], l0: &[Row<'_>], r0: &[Row<'_>], out: &mut Out) {
        for (left, left_diff) in dl {
            for (right, right_diff) in r0.iter().chain(dr) {
                self.writer.pair(left, self.right.value(right), left_diff * right_diff, out);
            }
        }
        for (left, left_diff) in l0 {
            for (right, right_diff) in dr {
                self.writer.pair(left, self.right.value(right), left_diff * right_diff, out);
            }
        }
    }

    /// What left rows yield by whether their key has a partner: L₁ by what is so now, less L₀ by what was so before.
    fn unmatched(&mut self, dl: &[Row<'_>], l0: &[Row<'_>], had: bool, has: bool, out: &mut Out) {
        let yields = |matched: bool| match self.kind {
            JoinKind::Semi => matched,
            JoinKind::Anti | JoinKind::Left | JoinKind::Full => !matched,
            JoinKind::Mark | JoinKind::Inner => true,
        };
        if yields(has) {
            for (row, diff) in dl {
                self.writer.left(row, has, *diff, out);
            }
        }
        if had != has {
            for (row, diff) in l0 {
                if yields(had) {
                    self.writer.left(row, had, -diff, out);
                }
                if yields(has) {
                    self.writer.left(row, has, *diff, out);
                }
            }
        }
    }

    fn unmatched_right(&mut self, dr: &[Row<'_>], r0: &[Row<'_>], had: bool, has: bool, out: &mut Out) {
        if !has {
            for (row, diff) in dr {
                self.writer.right(row, &self.right, *diff, out);
            }
        }
        if had != has {
            let sign = if had { 1 } else { -1 };
            for (row, diff) in r0 {
                self.writer.right(row, &self.right, sign * diff, out);
            }
        }
    }
}

/// Whether a key has rows once the tick's changes are added. Only as many stored rows are read as changes could cancel.
fn any_after(before: &[Batch], word: u64, key: &[u8], changes: &[Row<'_>]) -> bool {
    if changes.iter().any(|(_, diff)| *diff > 0) {
        return true;
    }
    let change = |row: &[u8]| changes.binary_search_by(|(r, _)| (*r).cmp(row)).map_or(0, |at| changes[at].1);
    group_cursor(before, word, key, &[]).any(|(row, diff)| diff + change(row) > 0)
}

/// Rows of the `at`-th word.
pub(super) fn fetch<'a>(gather: &'a Gather, at: usize, found: &mut Vec<GatheredRow>, rows: &mut Vec<Row<'a>>) {
    gather.rows(at, found);
    rows.clear();
    rows.extend(found.iter().map(|f| (gather.row(*f), f.diff)));
}

/// The distinct keys among rows of one word: nearly always one.
pub(super) fn keys<'a>(
    left: &[Row<'a>],
    left_codec: &RowCodec,
    right: &[Row<'a>],
    right_codec: &RowCodec,
) -> Vec<&'a [u8]> {
    let all = left.iter().map(|(r, _)| left_codec.key(r)).chain(right.iter().map(|(r, _)| right_codec.key(r)));
    let mut keys: Vec<&[u8]> = vec![];
    for key in all {
        if keys.last() != Some(&key) {
            keys.push(key);
        }
    }
    if keys.len() > 1 {
        keys.sort_unstable();
        keys.dedup();
    }
    keys
}

/// The rows of one key among a word's rows, which are sorted.
pub(super) fn of_key<'r, 'a>(rows: &'r [Row<'a>], codec: &RowCodec, key: &[u8]) -> &'r [Row<'a>] {
    let from = rows.partition_point(|(row, _)| codec.key(row) < key);
    let to = from + rows[from..].partition_point(|(row, _)| codec.key(row) == key);
    &rows[from..to]
}

/// Two ascending lists as one.
pub(super) fn union(a: &[u64], b: &[u64]) -> Vec<u64> {
    if a.is_empty() || b.is_empty() {
        return if a.is_empty() { b.to_vec() } else { a.to_vec() };
    }
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
        let least = *left.min(right);
        a.next_if_eq(&least);
        b.next_if_eq(&least);
        all.push(least);
    }
    all.extend(a.chain(b));
    all
}

/// Assembles output rows by concatenating bytes.
pub(super) struct Writer {
    block: BlockWriter,
    kind: JoinKind,
    /// Value bytes of a side that is not there.
    left_null: Vec<u8>,
    right_null: Vec<u8>,
    /// The flag columns: right or left missing, or both there.
    no: Vec<u8>,
    yes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(
        left: &RowCodec,
        right: &RowCodec,
        kind: JoinKind,
        output: &SchemaRef,
        wanted: &[bool],
    ) -> SqlResult<Writer> {
        let mut columns = left.columns().to_vec();
        if matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Full) {
            columns.extend_from_slice(&right.columns()[right.key_columns()..]);
        }
        while columns.len() < output.fields().len() {
            columns.push((DataType::Boolean, Default::default()));
        }
        let [no, yes] = flags()?;
        let codec = RowCodec::new(&columns, left.key_columns())?;
        let decoder = BlockDecoder::new(codec, (0..columns.len()).collect(), output, wanted);
        Ok(Writer {
            block: BlockWriter::new(decoder),
            kind,
            left_null: left.null_value(),
            right_null: right.null_value(),
            no,
            yes,
        })
    }

    /// A left row with a right row's value.
    pub(super) fn pair(&mut self, left: &[u8], right_value: &[u8], diff: Diff, out: &mut Out) {
        self.block.push(diff, out, |row| {
            row.extend_from_slice(left);
            row.extend_from_slice(right_value);
            match self.kind {
                JoinKind::Left => row.extend_from_slice(&self.yes),
                JoinKind::Full => {
                    row.extend_from_slice(&self.yes);
                    row.extend_from_slice(&self.yes);
                }
                _ => {}
            }
        });
    }

    /// A left row on its own, as its kind shows it.
    pub(super) fn left(&mut self, left: &[u8], matched: bool, diff: Diff, out: &mut Out) {
        self.block.push(diff, out, |row| {
            row.extend_from_slice(left);
            match self.kind {
                JoinKind::Left => {
                    row.extend_from_slice(&self.right_null);
                    row.extend_from_slice(&self.no);
                }
                JoinKind::Full => {
                    row.extend_from_slice(&self.right_null);
                    row.extend_from_slice(&self.yes);
                    row.extend_from_slice(&self.no);
                }
                JoinKind::Mark => row.extend_from_slice(if matched { &self.yes } else { &self.no }),
                JoinKind::Semi | JoinKind::Anti | JoinKind::Inner => {}
            }
        });
    }

    /// A right row without a left one.
    pub(super) fn right(&mut self, right: &[u8], codec: &RowCodec, diff: Diff, out: &mut Out) {
        self.block.push(diff, out, |row| {
            row.extend_from_slice(codec.key(right));
            row.extend_from_slice(&self.left_null);
            row.extend_from_slice(codec.value(right));
            row.extend_from_slice(&self.no);
            row.extend_from_slice(&self.yes);
        });
    }

    /// Hands on what has been written.
    pub(super) fn flush(&mut self, out: &mut Out) {
        self.block.flush(out);
    }
}

/// The bytes of false and of true.
pub(super) fn flags() -> SqlResult<[Vec<u8>; 2]> {
    let codec = RowCodec::new(&[(DataType::Boolean, Default::default())], 0)?;
    let mut rows = RowBuf::default();
    codec.encode(&[Arc::new(BooleanArray::from(vec![false, true])) as _], &[1, 1], &mut rows)?;
    Ok([rows.row(0).to_vec(), rows.row(1).to_vec()])
}

/// The flags of a full join say which sides are there; of a left join, whether the right one is.
#[cfg(test)]
mod tests {
    use super::union;

    #[test]
    fn union_is_ascending_and_distinct() {
        assert_eq!(union(&[1, 3, 5], &[2, 3, 9]), [1, 2, 3, 5, 9]);
        assert_eq!(union(&[], &[4]), [4]);
    }
}
