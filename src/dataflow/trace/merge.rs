//! Merging two chains of chunks, a column at a time.
//!
//! Comparing only decides which stretches of which run come next; a [`Plan`] collects these stretches and, per output
//! chunk, copies all words, then all offsets, then all bytes. Chunks that lie wholly before the other side's head are
//! handed on without copying.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use differential_dataflow::trace::chunk::Chunk;

use crate::model::bytes::{compare_bytes, gallop};
use crate::model::rows::Segment;
use crate::model::{Diff, Run};

use super::chunk::{RowChunk, TARGET};

/// Output under assembly.
struct Plan<'a> {
    sources: Vec<Arc<Run>>,
    /// The sources now read from on the two sides.
    current: [usize; 2],
    segments: Vec<Segment>,
    /// Counts to add to output rows.
    additions: Vec<(usize, Diff)>,
    rows: usize,
    out: &'a mut VecDeque<RowChunk>,
}

impl<'a> Plan<'a> {
    fn new(left: &RowChunk, right: &RowChunk, out: &'a mut VecDeque<RowChunk>) -> Self {
        let sources = vec![Arc::clone(&left.slice.run), Arc::clone(&right.slice.run)];
        Plan { sources, current: [0, 1], segments: Vec::new(), additions: Vec::new(), rows: 0, out }
    }

    /// Goes on to `chunk` on a side.
    fn turn(&mut self, side: usize, chunk: &RowChunk) {
        self.current[side] = self.sources.len();
        self.sources.push(Arc::clone(&chunk.slice.run));
    }

    /// Rows `lo..hi` of a side's current source come next.
    #[inline]
    fn take(&mut self, side: usize, mut lo: usize, hi: usize) {
        while lo < hi {
            let count = (hi - lo).min(TARGET - self.rows);
            let source = self.current[side];
            match self.segments.last_mut() {
                Some(last) if last.source == source && last.hi == lo => last.hi += count,
                _ => self.segments.push(Segment { source, lo, hi: lo + count }),
            }
            self.rows += count;
            lo += count;
            if self.rows == TARGET {
                self.flush();
            }
        }
    }

    /// Writes the planned chunk.
    fn flush(&mut self) {
        if self.rows > 0 {
            let mut run = assemble(&self.sources, &self.segments);
            for (row, diff) in self.additions.drain(..) {
                run.diffs.add(row, diff);
            }
            // An update's deletion has mostly met its row by now.
            run.diffs.shrink();
            self.out.push_back(RowChunk::whole(run));
            self.segments.clear();
            self.rows = 0;
        }
        self.sources = self.current.iter().map(|source| Arc::clone(&self.sources[*source])).collect();
        self.current = [0, 1];
    }
}

/// One run of the segments' rows in order.
fn assemble(sources: &[Arc<Run>], segments: &[Segment]) -> Run {
    let bytes = segments.iter().map(|segment| sources[segment.source].bytes_between(segment.lo, segment.hi)).sum();
    let mut run = Run::with_capacity(bytes);
    run.extend_from_runs(sources, segments);
    run
}

/// One chunk of the rows of `chunks`, which follow each other in order.
pub(super) fn concatenate(chunks: &[RowChunk]) -> RowChunk {
    let sources: Vec<Arc<Run>> = chunks.iter().map(|chunk| Arc::clone(&chunk.slice.run)).collect();
    let segment = |(source, chunk): (usize, &RowChunk)| {
        let range = chunk.slice.range();
        Segment { source, lo: range.start, hi: range.end }
    };
    let segments: Vec<Segment> = chunks.iter().enumerate().map(segment).collect();
    let mut run = assemble(&sources, &segments);
    run.diffs.shrink();
    RowChunk::whole(run)
}

/// A chunk being read, from row `at` of its run.
struct Side {
    chunk: RowChunk,
    at: usize,
}

impl Side {
    fn new(chunk: RowChunk) -> Self {
        let at = chunk.slice.lo as usize;
        Side { chunk, at }
    }

    fn end(&self) -> usize {
        self.chunk.slice.hi as usize
    }

    /// Whether the chunk is unread, wholly before the other side's head, and worth handing on as it is.
    fn passes(&self, other: &Side, planned: usize) -> bool {
        let run = &other.chunk.slice.run;
        self.at == self.chunk.slice.lo as usize
            && (self.chunk.len() >= TARGET / 2 || planned == 0)
            && self.chunk.last <= run.word(other.at)
            && self.chunk.slice.ends_before(run.word(other.at), run.row(other.at))
    }

    /// What is left, to go back to its queue.
    fn rest(self) -> Option<RowChunk> {
        (self.at < self.end()).then(|| self.chunk.window(self.at, self.end()))
    }
}

/// Merges the fronts of two chains until one chain is used up ([`Chunk::merge`]). Rows equal on both sides add up, and
/// vanish at zero.
pub(super) fn merge(in1: &mut VecDeque<RowChunk>, in2: &mut VecDeque<RowChunk>, out: &mut VecDeque<RowChunk>) {
    let (Some(left), Some(right)) = (in1.pop_front(), in2.pop_front()) else {
        unreachable!("both chains hold a chunk");
    };
    let mut plan = Plan::new(&left, &right, out);
    let (mut left, mut right) = (Side::new(left), Side::new(right));
    loop {
        if left.passes(&right, plan.rows) {
            plan.flush();
            plan.out.push_back(left.chunk.clone());
            left.at = left.end();
        } else if right.passes(&left, plan.rows) {
            plan.flush();
            plan.out.push_back(right.chunk.clone());
            right.at = right.end();
        } else {
            merge_pair(&mut left, &mut right, &mut plan);
        }
        if left.at == left.end() {
            let Some(chunk) = in1.pop_front() else { break };
            plan.turn(0, &chunk);
            left = Side::new(chunk);
        }
        if right.at == right.end() {
            let Some(chunk) = in2.pop_front() else { break };
            plan.turn(1, &chunk);
            right = Side::new(chunk);
        }
    }
    plan.flush();
    if let Some(rest) = left.rest() {
        in1.push_front(rest);
    }
    if let Some(rest) = right.rest() {
        in2.push_front(rest);
    }
}

/// Merges two chunks until one is used up.
fn merge_pair(left: &mut Side, right: &mut Side, plan: &mut Plan) {
    let (left_end, right_end) = (left.end(), right.end());
    let (left_run, right_run) = (&*left.chunk.slice.run, &*right.chunk.slice.run);
    let (mut i, mut j) = (left.at, right.at);
    while i < left_end && j < right_end {
        let (left_word, right_word) = (left_run.word(i), right_run.word(j));
        let order = left_word.cmp(&right_word).then_with(|| compare_bytes(left_run.row(i), right_run.row(j)));
        match order {
            Ordering::Less => {
                let end = if left_word < right_word {
                    gallop(i + 1, left_end, |at| left_run.word(at) < right_word)
                } else {
                    left_run.seek(i + 1, left_end, right_word, right_run.row(j))
                };
                plan.take(0, i, end);
                i = end;
            }
            Ordering::Greater => {
                let end = if right_word < left_word {
                    gallop(j + 1, right_end, |at| right_run.word(at) < left_word)
                } else {
                    right_run.seek(j + 1, right_end, left_word, left_run.row(i))
                };
                plan.take(1, j, end);
                j = end;
            }
            Ordering::Equal => {
                let diff = right_run.diff(j);
                if left_run.diff(i) + diff != 0 {
                    plan.additions.push((plan.rows, diff));
                    plan.take(0, i, i + 1);
                }
                i += 1;
                j += 1;
            }
        }
    }
    (left.at, right.at) = (i, j);
}
