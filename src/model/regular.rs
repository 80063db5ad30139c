//! Columns of a run that take no memory while they are regular: order words that the rows begin with, counts that are all equal,
//! rows that are all of one length.

use super::Diff;
use super::bytes::leading_word;
use super::rows::offset;

/// Bytes of the column that an order word may be read from.
const WORD_BYTES: usize = 8;

/// A column of order words that costs nothing while each is what its row begins with: keys of one 64-bit column.
#[derive(Clone, Debug, Default)]
pub struct Words {
    len: usize,
    /// Empty while all words are in the rows, else one per row.
    values: Vec<u64>,
}

impl Words {
    /// Number of rows.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The words; `None`: each is [`Words::of`] its row.
    #[inline(always)]
    pub fn stored(&self) -> Option<&[u64]> {
        (!self.values.is_empty()).then_some(&self.values)
    }

    /// The word that `row` begins with.
    #[inline(always)]
    pub fn of(row: &[u8]) -> u64 {
        leading_word(row, WORD_BYTES)
    }

    /// Whether `word` can be read from `row`.
    #[inline(always)]
    pub fn is_in(word: u64, row: &[u8]) -> bool {
        row.len() > WORD_BYTES && Self::of(row) == word
    }

    /// Appends words that are in their rows. Not to be called once any is stored.
    #[inline(always)]
    pub fn extend_in_rows(&mut self, count: usize) {
        debug_assert!(self.values.is_empty(), "all words are stored, or none");
        self.len += count;
    }

    /// Appends words that may not be in their rows, after all before them are stored.
    #[inline(always)]
    pub fn extend(&mut self, words: impl Iterator<Item = u64>) {
        debug_assert_eq!(self.values.len(), self.len, "all words are stored, or none");
        self.values.extend(words);
        self.len = self.values.len();
    }

    /// Writes out the words of the rows so far.
    pub fn store(&mut self, words: Vec<u64>) {
        debug_assert_eq!(words.len(), self.len, "one word per row");
        self.values = words;
    }

    /// Makes room for words that are stored.
    pub fn reserve(&mut self, count: usize) {
        self.values.reserve(count);
    }

    /// Gives back an allocation that turned out too large.
    pub fn shrink(&mut self) {
        if self.values.capacity() > self.len + self.len / 4 {
            self.values.shrink_to_fit();
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<u64>()
    }
}

/// A column of signed counts that costs nothing while all are equal.
#[derive(Clone, Debug, Default)]
pub struct Diffs {
    first: Diff,
    len: usize,
    /// Empty while constant, else one per row.
    values: Vec<Diff>,
}

impl Diffs {
    /// The count of row `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Diff {
        if self.values.is_empty() { self.first } else { self.values[index] }
    }

    /// The count all rows share, where stored so.
    #[inline]
    pub fn constant(&self) -> Option<Diff> {
        self.values.is_empty().then_some(self.first)
    }

    /// Appends one count.
    #[inline]
    pub fn push(&mut self, diff: Diff) {
        if self.values.is_empty() {
            if self.len == 0 || self.first == diff {
                self.first = diff;
                self.len += 1;
                return;
            }
            self.spread();
        }
        self.values.push(diff);
        self.len += 1;
    }

    /// Appends the counts of rows `lo..hi` of `other`.
    pub fn extend_range(&mut self, other: &Diffs, lo: usize, hi: usize) {
        if lo == hi {
            return;
        }
        match other.constant() {
            Some(diff) => {
                self.push(diff);
                self.len += hi - lo - 1;
                if !self.values.is_empty() {
                    self.values.resize(self.len, diff);
                }
            }
            None => {
                if self.values.is_empty() {
                    self.spread();
                }
                self.values.extend_from_slice(&other.values[lo..hi]);
                self.len += hi - lo;
            }
        }
    }

    /// Adds `diff` to the count of row `index`.
    pub fn add(&mut self, index: usize, diff: Diff) {
        if self.values.is_empty() {
            self.spread();
        }
        self.values[index] += diff;
    }

    /// Writes the constant out.
    fn spread(&mut self) {
        self.values.resize(self.len, self.first);
    }

    /// Back to the constant form where all counts turn out equal.
    pub fn shrink(&mut self) {
        if let Some((first, rest)) = self.values.split_first()
            && rest.iter().all(|diff| diff == first)
        {
            self.first = *first;
            self.values = Vec::new();
        }
        self.values.shrink_to_fit();
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Diff>()
    }
}

/// Where rows begin in the bytes that follow each other: nothing is stored while all rows are of one length.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    width: usize,
    len: usize,
    /// Empty while all rows are `width` bytes long, else where each row begins, and where the last ends.
    values: Vec<u32>,
}

impl Offsets {
    /// Where row `index` begins, and the one before it ends.
    #[inline(always)]
    pub fn get(&self, index: usize) -> usize {
        if self.values.is_empty() { index * self.width } else { self.values[index] as usize }
    }

    /// Appends a row of `length` bytes.
    #[inline]
    pub fn push(&mut self, length: usize) {
        if self.values.is_empty() {
            if self.len == 0 || self.width == length {
                self.width = length;
                self.len += 1;
                offset(self.len * length);
                return;
            }
            self.spread();
        }
        let end = self.get(self.len) + length;
        self.values.push(offset(end));
        self.len += 1;
    }

    /// Appends rows as long as rows `lo..hi` of `other`.
    pub fn extend_range(&mut self, other: &Offsets, lo: usize, hi: usize) {
        if lo == hi {
            return;
        }
        if other.values.is_empty() && self.values.is_empty() && (self.len == 0 || self.width == other.width) {
            self.width = other.width;
            self.len += hi - lo;
            offset(self.len * self.width);
            return;
        }
        if self.values.is_empty() {
            self.spread();
        }
        let (base, start) = (self.get(self.len), other.get(lo));
        offset(base + other.get(hi) - start);
        self.values.extend((lo + 1..=hi).map(|index| (other.get(index) - start + base) as u32));
        self.len += hi - lo;
    }

    /// Writes the places out.
    fn spread(&mut self) {
        self.values = (0..=self.len).map(|index| (index * self.width) as u32).collect();
    }

    /// What [`Self::get`] reads, for prefetching; empty while all rows are of one length.
    #[inline(always)]
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// Gives back an allocation that turned out too large.
    pub fn shrink(&mut self) {
        self.values.shrink_to_fit();
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_counts_cost_nothing_until_one_differs() {
        let mut diffs = Diffs::default();
        (0..5).for_each(|_| diffs.push(1));
        assert_eq!((diffs.constant(), diffs.values.capacity()), (Some(1), 0));
        let mut other = diffs.clone();
        other.push(-2);
        assert_eq!(other.constant(), None);
        diffs.extend_range(&other, 3, 6);
        let sevens = (0..9).fold(Diffs::default(), |mut all, _| {
            all.push(7);
            all
        });
        diffs.extend_range(&sevens, 2, 4);
        diffs.add(0, 4);
        assert_eq!((0..10).map(|i| diffs.get(i)).collect::<Vec<_>>(), [5, 1, 1, 1, 1, 1, 1, -2, 7, 7]);
        let mut back = Diffs::default();
        (0..2).for_each(|_| back.push(3));
        back.add(0, 1);
        back.add(1, 1);
        back.shrink();
        assert_eq!((back.constant(), back.get(1)), (Some(4), 4));
    }

    #[test]
    fn rows_of_one_length_need_no_places() {
        let lengths = |offsets: &Offsets| -> Vec<usize> {
            (0..offsets.len).map(|index| offsets.get(index + 1) - offsets.get(index)).collect()
        };
        let mut even = Offsets::default();
        (0..4).for_each(|_| even.push(3));
        assert_eq!((lengths(&even), even.heap_bytes()), (vec![3; 4], 0));
        let mut mixed = even.clone();
        mixed.push(5);
        mixed.push(0);
        assert_eq!(lengths(&mixed), [3, 3, 3, 3, 5, 0]);
        let mut all = Offsets::default();
        all.extend_range(&even, 1, 3);
        assert_eq!((lengths(&all), all.heap_bytes()), (vec![3; 2], 0));
        all.extend_range(&mixed, 3, 5);
        all.extend_range(&even, 0, 2);
        all.extend_range(&even, 2, 2);
        assert_eq!(lengths(&all), [3, 3, 3, 5, 3, 3]);
    }
}
