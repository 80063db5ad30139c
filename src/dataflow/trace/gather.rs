//! All live rows of many order words, across batches: what an operator that recomputes whole groups reads.

use std::sync::Arc;

use crate::model::bytes::compare_bytes;
use crate::model::{Diff, Run};

use super::Batch;
use super::probe::{Hit, prefetch, probe};

/// How many words ahead offsets and row bytes are prefetched.
const AHEAD_OFFSETS: usize = 12;
const AHEAD_BYTES: usize = 6;

/// A row found; its bytes are [`Gather::row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GatheredRow {
    source: u32,
    index: u32,
    /// The net count; not zero.
    pub(crate) diff: Diff,
}

/// The rows of a set of order words. Reused from tick to tick; holds on to the runs it found until the next
/// [`Gather::load`] or [`Gather::clear`].
#[derive(Default)]
pub(crate) struct Gather {
    sources: Vec<Arc<Run>>,
    /// The first source of each batch.
    batch_starts: Vec<u32>,
    hits: Vec<Hit>,
    /// `hits` by key; within a key in order of batches and rows.
    ordered: Vec<Hit>,
    /// Where each key's hits begin in `ordered`.
    starts: Vec<u32>,
}

impl Gather {
    /// Looks `words`, ascending and distinct, up in all of `batches`.
    pub(crate) fn load(&mut self, batches: &[Batch], words: &[u64]) {
        self.clear();
        for batch in batches {
            self.batch_starts.push(self.sources.len() as u32);
            probe(&batch.chunks, words, &mut self.sources, &mut self.hits);
        }
        // Counting sort by key.
        self.starts.resize(words.len() + 2, 0);
        for hit in &self.hits {
            self.starts[hit.key as usize + 2] += 1;
        }
        for key in 2..self.starts.len() {
            self.starts[key] += self.starts[key - 1];
        }
        self.ordered.resize(self.hits.len(), Hit::default());
        for hit in &self.hits {
            let position = &mut self.starts[hit.key as usize + 1];
            self.ordered[*position as usize] = *hit;
            *position += 1;
        }
    }

    /// Forgets everything and lets go of the runs.
    pub(crate) fn clear(&mut self) {
        self.sources.clear();
        self.batch_starts.clear();
        self.hits.clear();
        self.ordered.clear();
        self.starts.clear();
    }

    /// Replaces `rows` by the live rows of the `key`-th word, ascending by bytes, each once with its net count. A word's
    /// rows may be of several keys, which follow each other: `rows.chunk_by(|a, b| key of a == key of b)`.
    pub(crate) fn rows(&self, key: usize, rows: &mut Vec<GatheredRow>) {
        self.prefetch(key);
        rows.clear();
        let hits = self.hits_of(key);
        for hit in hits {
            let run = &self.sources[hit.source as usize];
            rows.extend((hit.lo..hit.hi).map(|index| GatheredRow {
                source: hit.source,
                index,
                diff: run.diff(index as usize),
            }));
        }
        if let [first, .., last] = hits
            && self.batch_of(first) != self.batch_of(last)
        {
            self.consolidate(rows);
        }
    }

    /// A row's bytes.
    #[inline]
    pub(crate) fn row(&self, row: GatheredRow) -> &[u8] {
        self.sources[row.source as usize].row(row.index as usize)
    }

    /// Sorts rows of several batches, which are sorted stretches, and adds up equal ones.
    fn consolidate(&self, rows: &mut Vec<GatheredRow>) {
        rows.sort_by(|left, right| compare_bytes(self.row(*left), self.row(*right)));
        rows.dedup_by(|next, kept| {
            let equal = self.row(*next) == self.row(*kept);
            if equal {
                kept.diff += next.diff;
            }
            equal
        });
        rows.retain(|row| row.diff != 0);
    }

    #[inline]
    fn hits_of(&self, key: usize) -> &[Hit] {
        &self.ordered[self.starts[key] as usize..self.starts[key + 1] as usize]
    }

    fn batch_of(&self, hit: &Hit) -> usize {
        self.batch_starts.partition_point(|start| *start <= hit.source)
    }

    /// Touches what the coming keys will read: keys are mostly asked for in order.
    #[inline]
    fn prefetch(&self, key: usize) {
        let words = self.starts.len() - 2;
        if key + AHEAD_OFFSETS < words {
            for hit in self.hits_of(key + AHEAD_OFFSETS) {
                prefetch(self.sources[hit.source as usize].offsets.values(), hit.lo as usize);
            }
        }
        if key + AHEAD_BYTES < words {
            for hit in self.hits_of(key + AHEAD_BYTES) {
                let run = &self.sources[hit.source as usize];
                prefetch(&run.bytes, run.offsets.get(hit.lo as usize));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::probe::distinct_words;
    use super::super::testing::{batch_of, random_rows, reference};
    use super::*;

    #[test]
    fn gathered_rows_are_the_net_rows_of_each_word() {
        let mut random = ChaCha8Rng::seed_from_u64(10);
        let mut gather = Gather::default();
        let mut rows = Vec::new();
        for round in 0..24 {
            let keys = [1, 5, 300, 20_000][round % 4];
            let inserted: Vec<_> =
                (0..random.random_range(0..5)).map(|_| random_rows(&mut random, 4000, keys)).collect();
            let batches: Vec<Batch> = inserted.iter().filter_map(|rows| batch_of(rows, 1000)).collect();
            let all = reference(&inserted.iter().collect::<Vec<_>>());
            let mut words = distinct_words(&batches);
            assert!(words.is_sorted_by(|left, right| left < right));
            assert!(all.iter().all(|row| words.binary_search(&row.0).is_ok()));
            words.retain(|word| word % 3 != 0);
            words.push(u64::MAX);
            gather.load(&batches, &words);
            let mut found = Vec::new();
            for (key, word) in words.iter().enumerate() {
                gather.rows(key, &mut rows);
                found.extend(rows.iter().map(|row| (*word, gather.row(*row).to_vec(), row.diff)));
            }
            let wanted: Vec<_> = all.into_iter().filter(|row| row.0 % 3 != 0).collect();
            assert_eq!(found, wanted, "round {round}");
        }
    }
}
