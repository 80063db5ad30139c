//! Sorting and consolidating a buffer of rows into chunks.
//!
//! Pairs of order word and row number are sorted by a least-significant-digit radix sort of the top varying bits, enough
//! of them to tell nearly all rows apart; what remains is fixed by comparison. Bytes are compared only between equal words.

use crate::model::bytes::compare_bytes;
use crate::model::{Diff, RowBuf, Run};

use super::chunk::{RowChunk, TARGET};

/// Below this many rows comparison sorting wins.
const RADIX_MIN_ROWS: usize = 256;
/// Bits of one radix pass.
const RADIX_BITS: u32 = 10;
/// Bits sorted beyond those that number the rows.
const SPARE_BITS: u32 = 3;
/// From this many rows of one word on, bytes are compared by an extracted prefix first.
const PREFIX_MIN_ROWS: usize = 32;

/// An order word and a row number.
type Entry = (u64, u32);

/// Sorts `rows` by word and bytes, adds up equal rows and drops those that cancel. All chunks but the last are full.
pub(crate) fn sort_rows(rows: &RowBuf) -> Vec<RowChunk> {
    let mut entries = sort_words(&rows.words);
    let total = entries.len();
    let mean_bytes = rows.bytes.len() / total.max(1) + 1;
    let fresh = |left: usize| Run::with_capacity(left.min(TARGET) * mean_bytes);
    let mut chunks = Vec::new();
    let mut run = fresh(total);
    let mut start = 0;
    while start < total {
        let word = entries[start].0;
        let mut end = start + 1;
        while end < total && entries[end].0 == word {
            end += 1;
        }
        sort_group(rows, &mut entries[start..end]);
        while start < end {
            let row = rows.row(entries[start].1 as usize);
            let mut diff: Diff = rows.diffs[entries[start].1 as usize];
            start += 1;
            while start < end && rows.row(entries[start].1 as usize) == row {
                diff += rows.diffs[entries[start].1 as usize];
                start += 1;
            }
            if diff != 0 {
                run.push(word, row, diff);
                if run.len() == TARGET {
                    chunks.push(finish(std::mem::replace(&mut run, fresh(total - start))));
                }
            }
        }
    }
    if !run.is_empty() {
        chunks.push(finish(run));
    }
    chunks
}

fn finish(mut run: Run) -> RowChunk {
    run.shrink();
    RowChunk::whole(run)
}

/// Sorts rows of one word by their bytes. Leaves the entries' words undefined.
fn sort_group(rows: &RowBuf, group: &mut [Entry]) {
    let row = |entry: &Entry| rows.row(entry.1 as usize);
    if group.len() < PREFIX_MIN_ROWS {
        if group.len() > 1 {
            group.sort_unstable_by(|left, right| compare_bytes(row(left), row(right)));
        }
        return;
    }
    let first = row(&group[0]);
    let shared = group.iter().fold(first.len(), |shared, entry| {
        first[..shared].iter().zip(row(entry)).take_while(|(left, right)| left == right).count()
    });
    for entry in group.iter_mut() {
        let rest = &row(entry)[shared..];
        let mut prefix = [0u8; 8];
        let length = rest.len().min(8);
        prefix[..length].copy_from_slice(&rest[..length]);
        entry.0 = u64::from_be_bytes(prefix);
    }
    group.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| compare_bytes(row(left), row(right))));
}

/// Row numbers with their words, by word.
pub(crate) fn sort_words(words: &[u64]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = words.iter().zip(0..).map(|(word, index)| (*word, index)).collect();
    if words.is_sorted() {
        return entries;
    }
    if words.len() < RADIX_MIN_ROWS {
        entries.sort_unstable();
        return entries;
    }
    let varying = words.iter().fold(0, |varying, word| varying | (word ^ words[0]));
    let top = u64::BITS - varying.leading_zeros();
    let wanted = usize::BITS - words.len().leading_zeros() + SPARE_BITS;
    let base = top.saturating_sub(wanted);
    let mut other: Vec<Entry> = vec![(0, 0); entries.len()];
    let mut shift = base;
    while shift < top {
        let bits = (top - shift).min(RADIX_BITS);
        scatter(&entries, &mut other, shift, bits);
        std::mem::swap(&mut entries, &mut other);
        shift += bits;
    }
    if base > 0 {
        for tie in entries.chunk_by_mut(|left, right| left.0 >> base == right.0 >> base) {
            tie.sort_unstable();
        }
    }
    entries
}

/// One stable counting pass over `bits` bits from bit `shift` on.
fn scatter(entries: &[Entry], out: &mut [Entry], shift: u32, bits: u32) {
    let digit = |entry: &Entry| (entry.0 >> shift) as usize & ((1 << bits) - 1);
    let mut positions = [0u32; (1 << RADIX_BITS) + 1];
    for entry in entries {
        positions[digit(entry) + 1] += 1;
    }
    for index in 1..positions.len() {
        positions[index] += positions[index - 1];
    }
    for entry in entries {
        let position = &mut positions[digit(entry)];
        out[*position as usize] = *entry;
        *position += 1;
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::trace::chunk::is_graded;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::testing::{flat, random_rows, reference};
    use super::*;

    #[test]
    fn sorting_matches_a_map() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for (count, keys) in [(0, 1), (1, 1), (200, 1), (255, 40), (3000, 2), (30_000, 1000), (40_000, u64::MAX)] {
            let rows = random_rows(&mut random, count, keys);
            let chunks = sort_rows(&rows);
            assert!(is_graded(&chunks));
            assert_eq!(flat(&chunks), reference(&[&rows]), "{count} rows, {keys} keys");
        }
    }

    #[test]
    fn large_groups_of_one_word_sort_by_all_their_bytes() {
        let mut random = ChaCha8Rng::seed_from_u64(14);
        for shared in [0, 3, 9] {
            let mut rows = RowBuf::default();
            for _ in 0..2000 {
                let mut row = vec![7u8; shared];
                row.extend((0..random.random_range(0..14)).map(|_| random.random_range(0..2u8)));
                rows.push(5, &row, 1);
            }
            assert_eq!(flat(&sort_rows(&rows)), reference(&[&rows]), "{shared} bytes shared");
        }
    }

    #[test]
    fn words_sort_whatever_bits_vary() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for bits in 0..=64 {
            let shift = random.random_range(0..=64 - bits);
            let mask = if bits == 0 { 0 } else { u64::MAX >> (64 - bits) << shift };
            let words: Vec<u64> = (0..1000).map(|_| random.random::<u64>() & mask).collect();
            let sorted = sort_words(&words);
            assert!(sorted.is_sorted_by_key(|entry| entry.0), "{bits} bits from {shift}");
            let mut rows: Vec<u32> = sorted.iter().map(|entry| entry.1).collect();
            rows.sort_unstable();
            assert!(rows.iter().copied().eq(0..1000));
        }
    }
}
