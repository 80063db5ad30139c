//! Rows as bytes: the flat buffer that travels on dataflow edges and the sorted run that arrangements are made of.
//!
//! A row is a 64-bit *order word*, a byte string and a signed count. The word is a function of the row's key
//! ([`super::codec`]); rows are ordered by `(word, bytes)`, bytes as unsigned. Nothing here knows ticks or columns.
//!
//! [`RowBuf`] is unsorted and may hold equal rows many times. [`Run`] is sorted and consolidated: every row once, with a
//! count that is not zero. Runs never change and are shared by `Arc`, so any thread may read them. The builders do not
//! check the order of what is pushed; sorting is the dataflow's job.

use std::sync::Arc;

use super::Diff;
use super::bytes::{compare_bytes, gallop};
use super::regular::{Diffs, Offsets, Words};

/// A flat, unsorted run of rows, struct of arrays. At most 4 GiB of bytes: pushing more panics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowBuf {
    /// One order word per row.
    pub words: Vec<u64>,
    /// Where each row's bytes end in `bytes`; the first begins at 0.
    pub ends: Vec<u32>,
    /// All rows' bytes.
    pub bytes: Vec<u8>,
    /// One signed count per row.
    pub diffs: Vec<Diff>,
}

/// `length` as an offset. Panics beyond 4 GiB.
#[inline(always)]
pub(super) fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("a buffer of rows holds at most 4 GiB")
}

impl RowBuf {
    /// An empty buffer with room for `rows` rows of `bytes` bytes together.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        RowBuf {
            words: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            bytes: Vec::with_capacity(bytes),
            diffs: Vec::with_capacity(rows),
        }
    }

    /// Number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no row.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The bytes of row `index`.
    #[inline]
    pub fn row(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }

    /// All rows in order: word, bytes, signed count.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8], Diff)> + Clone {
        (0..self.len()).map(|index| (self.words[index], self.row(index), self.diffs[index]))
    }

    /// Appends a row.
    #[inline]
    pub fn push(&mut self, word: u64, row: &[u8], diff: Diff) {
        self.bytes.extend_from_slice(row);
        self.seal(word, diff);
    }

    /// Ends a row whose bytes were just appended to `bytes`.
    #[inline]
    pub fn seal(&mut self, word: u64, diff: Diff) {
        self.words.push(word);
        self.ends.push(offset(self.bytes.len()));
        self.diffs.push(diff);
    }

    /// Appends all rows of `other`.
    pub fn append(&mut self, other: &RowBuf) {
        let base = offset(self.bytes.len());
        offset(self.bytes.len() + other.bytes.len());
        self.words.extend_from_slice(&other.words);
        self.ends.extend(other.ends.iter().map(|end| end + base));
        self.bytes.extend_from_slice(&other.bytes);
        self.diffs.extend_from_slice(&other.diffs);
    }

    /// Appends rows `lo..hi` of `run`.
    pub fn extend_from_run(&mut self, run: &Run, lo: usize, hi: usize) {
        let (start, end) = (run.offsets.get(lo), run.offsets.get(hi));
        let base = self.bytes.len();
        offset(base + end - start);
        self.words.extend((lo..hi).map(|index| run.word(index)));
        self.ends.extend((lo + 1..=hi).map(|index| (run.offsets.get(index) - start + base) as u32));
        self.bytes.extend_from_slice(&run.bytes[start..end]);
        self.diffs.extend((lo..hi).map(|index| run.diffs.get(index)));
    }

    /// Removes all rows, keeping the allocations.
    pub fn clear(&mut self) {
        self.words.clear();
        self.ends.clear();
        self.bytes.clear();
        self.diffs.clear();
    }

    /// Heap bytes in use.
    pub fn heap_bytes(&self) -> usize {
        self.words.len() * 20 + self.bytes.len()
    }
}

/// Rows `lo..hi` of source number `source`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub source: usize,
    pub lo: usize,
    pub hi: usize,
}

/// A sorted, consolidated, immutable sequence of rows.
#[derive(Clone, Debug)]
pub struct Run {
    words: Words,
    /// Row `i` is `bytes[offsets.get(i)..offsets.get(i + 1)]`.
    pub(crate) offsets: Offsets,
    pub(crate) bytes: Vec<u8>,
    pub(crate) diffs: Diffs,
}

impl Run {
    /// An empty run under construction, with room for `bytes` bytes of rows.
    pub fn with_capacity(bytes: usize) -> Self {
        Run {
            words: Words::default(),
            offsets: Offsets::default(),
            bytes: Vec::with_capacity(bytes),
            diffs: Diffs::default(),
        }
    }

    /// Number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no row.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The order word of row `index`.
    #[inline]
    pub fn word(&self, index: usize) -> u64 {
        match self.words.stored() {
            Some(words) => words[index],
            None => Words::of(&self.bytes[self.offsets.get(index)..]),
        }
    }

    /// The order words, where they are not in the rows.
    #[inline(always)]
    pub(crate) fn stored_words(&self) -> Option<&[u64]> {
        self.words.stored()
    }

    /// The bytes of row `index`.
    #[inline]
    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets.get(index)..self.offsets.get(index + 1)]
    }

    /// The signed count of row `index`; not zero.
    #[inline]
    pub fn diff(&self, index: usize) -> Diff {
        self.diffs.get(index)
    }

    /// Appends a row, which must be greater than the last one, with a count that is not zero.
    #[inline]
    pub fn push(&mut self, word: u64, row: &[u8], diff: Diff) {
        debug_assert!(diff != 0, "runs hold no cancelled rows");
        if self.words.stored().is_none() && Words::is_in(word, row) {
            self.words.extend_in_rows(1);
        } else {
            self.store_words();
            self.words.extend(std::iter::once(word));
        }
        self.bytes.extend_from_slice(row);
        self.offsets.push(row.len());
        self.diffs.push(diff);
    }

    /// Appends the segments' rows, a column at a time.
    pub(crate) fn extend_from_runs(&mut self, sources: &[Arc<Run>], segments: &[Segment]) {
        let segments = || segments.iter().map(|s| (&*sources[s.source], s.lo, s.hi));
        let rows = segments().map(|(_, lo, hi)| hi - lo).sum();
        if self.words.stored().is_none() && segments().all(|(run, ..)| run.words.stored().is_none()) {
            self.words.extend_in_rows(rows);
        } else {
            self.store_words();
            self.words.reserve(rows);
            for (run, lo, hi) in segments() {
                match run.words.stored() {
                    Some(words) => self.words.extend(words[lo..hi].iter().copied()),
                    None => self.words.extend((lo..hi).map(|index| run.word(index))),
                }
            }
        }
        segments().for_each(|(run, lo, hi)| self.offsets.extend_range(&run.offsets, lo, hi));
        segments().for_each(|(run, lo, hi)| {
            self.bytes.extend_from_slice(&run.bytes[run.offsets.get(lo)..run.offsets.get(hi)])
        });
        segments().for_each(|(run, lo, hi)| self.diffs.extend_range(&run.diffs, lo, hi));
    }

    /// How many bytes rows `lo..hi` are.
    pub(crate) fn bytes_between(&self, lo: usize, hi: usize) -> usize {
        self.offsets.get(hi) - self.offsets.get(lo)
    }

    /// Writes the words out, if they are not.
    fn store_words(&mut self) {
        if self.words.stored().is_none() {
            self.words.store((0..self.len()).map(|index| self.word(index)).collect());
        }
    }

    /// Gives back allocations that turned out too large.
    pub fn shrink(&mut self) {
        self.words.shrink();
        if self.bytes.capacity() > self.bytes.len() + self.bytes.len() / 4 {
            self.bytes.shrink_to_fit();
        }
        self.offsets.shrink();
        self.diffs.shrink();
    }

    /// First row in `from..to` at or after `(word, row)`, `to` if there is none. Fast when it is near `from`.
    #[inline]
    pub fn seek(&self, from: usize, to: usize, word: u64, row: &[u8]) -> usize {
        let start = gallop(from, to, |index| self.word(index) < word);
        gallop(start, to, |index| self.word(index) == word && compare_bytes(self.row(index), row).is_lt())
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.words.heap_bytes() + self.offsets.heap_bytes() + self.bytes.capacity() + self.diffs.heap_bytes()
    }
}

/// Rows `lo..hi` of a shared run; never empty.
#[derive(Clone, Debug)]
pub struct RunSlice {
    /// The rows' home.
    pub run: Arc<Run>,
    /// First row.
    pub lo: u32,
    /// One past the last row.
    pub hi: u32,
}

impl RunSlice {
    /// All of `run`.
    pub fn whole(run: Arc<Run>) -> Self {
        let length = run.len();
        Self::new(run, 0, length)
    }

    /// Rows `lo..hi` of `run`. Panics when empty or out of range.
    pub fn new(run: Arc<Run>, lo: usize, hi: usize) -> Self {
        assert!(lo < hi && hi <= run.len(), "a slice of a run holds at least one of its rows");
        RunSlice { run, lo: offset(lo), hi: offset(hi) }
    }

    /// Number of rows.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a slice is never empty")]
    pub fn len(&self) -> usize {
        (self.hi - self.lo) as usize
    }

    /// The slice's rows as indices of its run.
    #[inline]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.lo as usize..self.hi as usize
    }

    /// Whether the last row is before `(word, row)`.
    #[inline]
    pub fn ends_before(&self, word: u64, row: &[u8]) -> bool {
        let last = self.hi as usize - 1;
        let last_word = self.run.word(last);
        last_word < word || last_word == word && compare_bytes(self.run.row(last), row).is_lt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shared_between_threads<T: Send + Sync>() {}

    #[test]
    fn runs_may_cross_threads() {
        is_shared_between_threads::<RunSlice>();
    }

    #[test]
    fn buffers_append_and_give_back_their_rows() {
        let (mut left, mut right) = (RowBuf::default(), RowBuf::default());
        left.push(1, b"one", 1);
        right.push(2, b"", -1);
        right.push(3, b"three", 2);
        left.append(&right);
        let rows: Vec<_> = left.iter().collect();
        assert_eq!(rows, [(1, &b"one"[..], 1), (2, b"", -1), (3, b"three", 2)]);
    }

    #[test]
    fn seek_finds_the_lower_bound() {
        let mut run = Run::with_capacity(0);
        for (word, row) in [(1, "a"), (1, "c"), (3, ""), (3, "b"), (9, "z")] {
            run.push(word, row.as_bytes(), 1);
        }
        for (word, row, want) in [(0, "x", 0), (1, "", 0), (1, "b", 1), (1, "d", 2), (3, "b", 3), (9, "zz", 5)] {
            assert_eq!(run.seek(0, 5, word, row.as_bytes()), want, "{word} {row}");
        }
        let slice = RunSlice::new(Arc::new(run), 1, 4);
        assert!(slice.ends_before(3, b"c") && !slice.ends_before(3, b"b"));
    }

    #[test]
    fn slices_of_runs_append_to_buffers() {
        let mut run = Run::with_capacity(0);
        for (word, row, diff) in [(1, "a", 1), (2, "bc", 1), (3, "def", 5)] {
            run.push(word, row.as_bytes(), diff);
        }
        let mut buffer = RowBuf::default();
        buffer.push(0, b"x", 1);
        buffer.extend_from_run(&run, 1, 3);
        let rows: Vec<_> = buffer.iter().collect();
        assert_eq!(rows, [(0, &b"x"[..], 1), (2, b"bc", 1), (3, b"def", 5)]);
    }
}
