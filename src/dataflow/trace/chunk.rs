//! The unit of storage: a window on a shared run, with what probing needs inline.
//!
//! Chunks carry no times (see the parent module), so a consolidated chain has each row once, and advancing times has
//! nothing to do.

use std::collections::VecDeque;
use std::sync::Arc;

use differential_dataflow::trace::chunk::{Chunk, pack};
use timely::progress::{Antichain, frontier::AntichainRef};

use crate::model::{Run, RunSlice, Tick};

use super::merge;

/// Rows of a chunk at most.
pub(crate) const TARGET: usize = 8192;

/// A sorted, consolidated window of rows. The first and last order word are inline: a batch's chunks are its own index.
#[derive(Clone, Debug)]
pub(crate) struct RowChunk {
    /// The rows.
    pub(crate) slice: RunSlice,
    /// Order word of the first row.
    pub(crate) first: u64,
    /// Order word of the last row.
    pub(crate) last: u64,
    /// Rows per unit of order word, for interpolation.
    scale: f64,
}

impl RowChunk {
    /// All of a run, which must hold a row.
    pub(crate) fn whole(run: Run) -> Self {
        Self::new(RunSlice::whole(Arc::new(run)))
    }

    /// The rows of a slice.
    pub(crate) fn new(slice: RunSlice) -> Self {
        let range = slice.range();
        let (first, last) = (slice.run.word(range.start), slice.run.word(range.end - 1));
        let scale = if last > first { (slice.len() - 1) as f64 / (last - first) as f64 } else { 0.0 };
        RowChunk { slice, first, last, scale }
    }

    /// How many rows lie between two order words, were words spread evenly.
    #[inline(always)]
    pub(super) fn rows_between(&self, low: u64, high: u64) -> usize {
        ((high - low) as f64 * self.scale) as usize
    }

    /// Rows `lo..hi` of the same run.
    pub(super) fn window(&self, lo: usize, hi: usize) -> Self {
        Self::new(RunSlice::new(Arc::clone(&self.slice.run), lo, hi))
    }
}

impl AsRef<RunSlice> for RowChunk {
    fn as_ref(&self) -> &RunSlice {
        &self.slice
    }
}

impl Chunk for RowChunk {
    type Time = Tick;
    const TARGET: usize = TARGET;

    fn len(&self) -> usize {
        self.slice.len()
    }

    fn merge(in1: &mut VecDeque<Self>, in2: &mut VecDeque<Self>, out: &mut VecDeque<Self>) {
        merge::merge(in1, in2, out);
    }

    /// All is ready: rows of a tick that is still open are never stored.
    fn extract(
        input: &mut VecDeque<Self>,
        _frontier: AntichainRef<Tick>,
        _residual: &mut Antichain<Tick>,
        _keep: &mut VecDeque<Self>,
        ship: &mut VecDeque<Self>,
    ) {
        ship.append(input);
    }

    /// There are no times to advance, and merging has consolidated the chain.
    fn advance(input: &mut VecDeque<Self>, _frontier: AntichainRef<Tick>, _done: bool, out: &mut VecDeque<Self>) {
        out.append(input);
    }

    fn settle(input: &mut VecDeque<Self>, done: bool, out: &mut VecDeque<Self>) {
        pack(
            input,
            done,
            out,
            |run| merge::concatenate(&run),
            |chunk, count| {
                let range = chunk.slice.range();
                let middle = range.start + count;
                (chunk.window(range.start, middle), chunk.window(middle, range.end))
            },
            // A small window would keep the whole run it looks at in memory.
            |chunk| if chunk.len() * 2 < chunk.slice.run.len() { merge::concatenate(&[chunk]) } else { chunk },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use differential_dataflow::trace::chunk::{ChunkBatch, ChunkBatchMerger, is_graded};
    use differential_dataflow::trace::implementations::spine_fueled::Merger;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::sort::sort_rows;
    use super::super::testing::{flat, random_rows, reference, windows};
    use super::*;

    #[test]
    fn merging_batches_matches_a_map() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for round in 0..600 {
            let keys = random.random_range(1..20);
            let mut batch = || {
                let rows = random_rows(&mut random, 80, keys);
                let width = random.random_range(1..6);
                (windows(&sort_rows(&rows), width), rows)
            };
            let ((left, left_rows), (right, right_rows)) = (batch(), batch());
            if left.is_empty() || right.is_empty() {
                continue;
            }
            let (left, right) = (ChunkBatch::new(left), ChunkBatch::new(right));
            let frontier = Antichain::from_elem(5);
            let mut merger = ChunkBatchMerger::new(&left, &right, frontier.borrow());
            loop {
                let mut fuel = 1;
                merger.work(&left, &right, &mut fuel);
                if fuel > 0 {
                    break;
                }
            }
            let merged = merger.done().map_or(Vec::new(), |batch| batch.chunks);
            assert!(is_graded(&merged));
            assert_eq!(flat(&merged), reference(&[&left_rows, &right_rows]), "round {round}");
        }
    }

    #[test]
    fn large_chains_merge_and_stay_graded() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        for keys in [50, 40_000, u64::MAX] {
            let (left, right) = (random_rows(&mut random, 60_000, keys), random_rows(&mut random, 30_000, keys));
            let (mut in1, mut in2): (VecDeque<_>, VecDeque<_>) = (sort_rows(&left).into(), sort_rows(&right).into());
            let (mut staged, mut settled) = (VecDeque::new(), VecDeque::new());
            while !in1.is_empty() && !in2.is_empty() {
                RowChunk::merge(&mut in1, &mut in2, &mut staged);
                RowChunk::settle(&mut staged, false, &mut settled);
            }
            staged.extend(in1.into_iter().chain(in2));
            RowChunk::settle(&mut staged, true, &mut settled);
            let settled = Vec::from(settled);
            assert!(is_graded(&settled));
            assert_eq!(flat(&settled), reference(&[&left, &right]));
        }
    }

    #[test]
    fn chunks_apart_pass_through_untouched() {
        let chunk = |words: std::ops::Range<u64>| {
            let mut run = Run::with_capacity(0);
            words.for_each(|word| run.push(word, &word.to_be_bytes(), 1));
            RowChunk::whole(run)
        };
        let chunks: Vec<RowChunk> = (0..4).map(|part| chunk(part * 8000..(part + 1) * 8000)).collect();
        let mut in1 = VecDeque::from([chunks[0].clone(), chunks[2].clone()]);
        let mut in2 = VecDeque::from([chunks[1].clone(), chunks[3].clone()]);
        let mut out = VecDeque::new();
        RowChunk::merge(&mut in1, &mut in2, &mut out);
        assert!(in1.is_empty());
        out.append(&mut in2);
        for (merged, chunk) in out.iter().zip(&chunks) {
            assert!(Arc::ptr_eq(&merged.slice.run, &chunk.slice.run));
        }
        assert_eq!(out.len(), 4);
    }

    #[test]
    fn small_windows_let_go_of_their_run() {
        let mut run = Run::with_capacity(0);
        (0..1000u64).for_each(|word| run.push(word, b"row", 1));
        let window = RowChunk::whole(run).window(10, 20);
        let (mut input, mut out) = (VecDeque::from([window]), VecDeque::new());
        RowChunk::settle(&mut input, true, &mut out);
        assert_eq!((out[0].slice.run.len(), out[0].first), (10, 10));
        let total: BTreeMap<_, _> =
            flat(&Vec::from(out)).into_iter().map(|(word, row, diff)| ((word, row), diff)).collect();
        assert_eq!(total.len(), 10);
    }
}
