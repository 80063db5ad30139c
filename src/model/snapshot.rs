//! Reading snapshots: merging sorted runs of several batches and workers into live rows.
//!
//! A *part* is one batch: slices of runs in ascending order, together sorted and consolidated. Across parts the same row
//! may occur again; what counts is the sum. Everything here is lazy and needs no dataflow: any thread may read.

use std::cmp::Ordering;

use super::bytes::compare_bytes;
use super::rows::{RowBuf, RunSlice};
use super::{Diff, Run};

/// The live rows of all `parts` by word and bytes, in blocks of at most `max_rows` rows. Slices are let go of as they are
/// used up.
pub fn consolidate(parts: Vec<Vec<RunSlice>>, max_rows: usize) -> impl Iterator<Item = RowBuf> {
    let parts = parts.into_iter().filter_map(|part| Part::new(part.into_iter())).collect();
    Consolidate { parts, max_rows: max_rows.max(1) }
}

/// The live rows of one key in `parts`, ascending by bytes.
pub fn lookup<'a>(parts: &'a [Vec<RunSlice>], word: u64, key: &'a [u8]) -> GroupRows<'a, RunSlice> {
    GroupRows::new(parts.iter().map(|part| &part[..]), word, key, &[])
}

/// A part being used up.
struct Part {
    slice: RunSlice,
    /// The next row of the slice's run.
    at: usize,
    rest: std::vec::IntoIter<RunSlice>,
}

impl Part {
    fn new(mut rest: std::vec::IntoIter<RunSlice>) -> Option<Self> {
        let slice = rest.next()?;
        Some(Part { at: slice.lo as usize, slice, rest })
    }

    fn head(&self) -> (u64, &[u8]) {
        (self.slice.run.word(self.at), self.slice.run.row(self.at))
    }

    /// Goes on to row `at`; false when there is none.
    fn advance(&mut self, at: usize) -> bool {
        self.at = at;
        if at < self.slice.hi as usize {
            return true;
        }
        let Some(slice) = self.rest.next() else { return false };
        self.at = slice.lo as usize;
        self.slice = slice;
        true
    }
}

fn compare((word, row): (u64, &[u8]), (other_word, other_row): (u64, &[u8])) -> Ordering {
    word.cmp(&other_word).then_with(|| compare_bytes(row, other_row))
}

struct Consolidate {
    parts: Vec<Part>,
    max_rows: usize,
}

impl Consolidate {
    /// Moves the stretch of rows that comes next into `block`.
    fn step(&mut self, block: &mut RowBuf) {
        let mut least = 0;
        let mut bound: Option<usize> = None;
        for index in 1..self.parts.len() {
            let head = self.parts[index].head();
            if compare(head, self.parts[least].head()).is_lt() {
                (least, bound) = (index, Some(least));
            } else if bound.is_none_or(|bound| compare(head, self.parts[bound].head()).is_lt()) {
                bound = Some(index);
            }
        }
        let part = &self.parts[least];
        let limit = (part.slice.hi as usize).min(part.at + self.max_rows - block.len());
        let end = match bound.map(|bound| self.parts[bound].head()) {
            Some((word, row)) => part.slice.run.seek(part.at, limit, word, row),
            None => limit,
        };
        if end == part.at {
            return self.step_equal(least, block);
        }
        block.extend_from_run(&part.slice.run, part.at, end);
        if !self.parts[least].advance(end) {
            self.parts.swap_remove(least);
        }
    }

    /// Adds up the row at the head of part `least` over all parts that have it.
    fn step_equal(&mut self, least: usize, block: &mut RowBuf) {
        let part = &self.parts[least];
        let (slice, at) = (part.slice.clone(), part.at);
        let head = (slice.run.word(at), slice.run.row(at));
        let mut diff: Diff = 0;
        self.parts.retain_mut(|part| {
            if compare(part.head(), head).is_ne() {
                return true;
            }
            diff += part.slice.run.diff(part.at);
            part.advance(part.at + 1)
        });
        if diff != 0 {
            block.push(head.0, head.1, diff);
        }
    }
}

impl Iterator for Consolidate {
    type Item = RowBuf;

    fn next(&mut self) -> Option<RowBuf> {
        let mut block = RowBuf::default();
        while block.len() < self.max_rows && !self.parts.is_empty() {
            self.step(&mut block);
        }
        (!block.is_empty()).then_some(block)
    }
}

/// The live rows of one key, ascending by bytes: an iterator of row and net count.
pub struct GroupRows<'a, S> {
    heads: Vec<Head<'a, S>>,
    word: u64,
    key: &'a [u8],
}

/// A part's next row of the group.
struct Head<'a, S> {
    slices: &'a [S],
    run: &'a Run,
    at: usize,
    end: usize,
    row: &'a [u8],
}

impl<'a, S: AsRef<RunSlice>> Head<'a, S> {
    /// The head at `slices[0]`, row `at` of its run.
    fn new(slices: &'a [S], at: usize) -> Self {
        let slice = slices[0].as_ref();
        Head { slices, run: &slice.run, at, end: slice.hi as usize, row: slice.run.row(at) }
    }

    /// Whether the row is of the group.
    fn is_of(&self, word: u64, key: &[u8]) -> bool {
        self.run.word(self.at) == word && self.row.starts_with(key)
    }

    /// Goes on to the next row; false when there is none of the group.
    fn advance(&mut self, word: u64, key: &[u8]) -> bool {
        self.at += 1;
        if self.at == self.end {
            let slices = self.slices;
            let Some(next) = slices.get(1) else { return false };
            *self = Head::new(&slices[1..], next.as_ref().lo as usize);
        } else {
            self.row = self.run.row(self.at);
        }
        self.is_of(word, key)
    }
}

impl<'a, S: AsRef<RunSlice>> GroupRows<'a, S> {
    /// The group of `word` and `key` in `parts`, each sorted and consolidated, from row `from` on.
    pub fn new(parts: impl Iterator<Item = &'a [S]>, word: u64, key: &'a [u8], from: &[u8]) -> Self {
        let from = if compare_bytes(from, key).is_lt() { key } else { from };
        let head = |slices: &'a [S]| {
            let slices = &slices[slices.partition_point(|slice| slice.as_ref().ends_before(word, from))..];
            let slice = slices.first()?.as_ref();
            let at = slice.run.seek(slice.lo as usize, slice.hi as usize, word, from);
            let head = Head::new(slices, at);
            head.is_of(word, key).then_some(head)
        };
        GroupRows { heads: parts.filter_map(head).collect(), word, key }
    }
}

impl<'a, S: AsRef<RunSlice>> Iterator for GroupRows<'a, S> {
    type Item = (&'a [u8], Diff);

    fn next(&mut self) -> Option<(&'a [u8], Diff)> {
        loop {
            let row = self.heads.iter().map(|head| head.row).min_by(|left, right| compare_bytes(left, right))?;
            let (word, key) = (self.word, self.key);
            let mut diff = 0;
            self.heads.retain_mut(|head| {
                if head.row != row {
                    return true;
                }
                diff += head.run.diff(head.at);
                head.advance(word, key)
            });
            if diff != 0 {
                return Some((row, diff));
            }
        }
    }
}

impl AsRef<RunSlice> for RunSlice {
    fn as_ref(&self) -> &RunSlice {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    type Rows = BTreeMap<(u64, Vec<u8>), Diff>;

    fn random_parts(random: &mut ChaCha8Rng) -> (Vec<Vec<RunSlice>>, Rows) {
        let mut total = Rows::new();
        let keys = random.random_range(1..60u8);
        let mut parts = Vec::new();
        for _ in 0..random.random_range(0..5) {
            let rows: Rows = (0..random.random_range(0..200))
                .map(|_| {
                    let key = random.random_range(0..keys);
                    let diff = if random.random_bool(0.4) { -1 } else { 1 };
                    ((u64::from(key / 2), vec![key, random.random_range(0..4)]), diff)
                })
                .collect();
            let mut part = Vec::new();
            let rows: Vec<_> = rows.into_iter().collect();
            for chunk in rows.chunks(random.random_range(1..30)) {
                let mut run = Run::with_capacity(0);
                for ((word, row), diff) in chunk {
                    run.push(*word, row, *diff);
                    *total.entry((*word, row.clone())).or_default() += diff;
                }
                part.push(RunSlice::whole(Arc::new(run)));
            }
            parts.push(part);
        }
        total.retain(|_, diff| *diff != 0);
        (parts, total)
    }

    #[test]
    fn consolidated_blocks_are_the_sums_in_order() {
        let mut random = ChaCha8Rng::seed_from_u64(12);
        for _ in 0..400 {
            let (parts, total) = random_parts(&mut random);
            let max_rows = random.random_range(1..50);
            let blocks: Vec<RowBuf> = consolidate(parts, max_rows).collect();
            assert!(blocks.iter().all(|block| (1..=max_rows).contains(&block.len())));
            let found: Vec<_> =
                blocks.iter().flat_map(RowBuf::iter).map(|(word, row, diff)| ((word, row.to_vec()), diff)).collect();
            assert_eq!(found, total.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn look_ups_give_one_key() {
        let mut random = ChaCha8Rng::seed_from_u64(13);
        for _ in 0..200 {
            let (parts, total) = random_parts(&mut random);
            for key in 0..60u8 {
                let word = u64::from(key / 2);
                let found: Vec<_> = lookup(&parts, word, &[key]).map(|(row, diff)| (row.to_vec(), diff)).collect();
                let wanted: Vec<_> = total
                    .iter()
                    .filter(|((_, row), _)| row[0] == key)
                    .map(|((_, row), diff)| (row.clone(), *diff))
                    .collect();
                assert_eq!(found, wanted);
            }
        }
    }
}
