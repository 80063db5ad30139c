//! Finding many order words in one batch.
//!
//! Words are looked up in ascending order, in blocks: locate the chunk and guess the row by interpolation, refine the
//! guess once, resolve by exponential search. Each step prefetches what the next reads, so that the cache misses of a
//! block overlap.

use std::ops::Range;
use std::sync::Arc;

use crate::model::Run;
use crate::model::bytes::gallop;

use super::Batch;
use super::chunk::RowChunk;

/// Words in flight.
const BLOCK: usize = 32;

/// A stretch of rows of one probed word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hit {
    /// Which of the probed words.
    pub(crate) key: u32,
    /// Which source run.
    pub(crate) source: u32,
    /// First row in the run.
    pub(crate) lo: u32,
    /// One past the last row.
    pub(crate) hi: u32,
}

/// A word on its way to being resolved.
#[derive(Clone, Copy, Default)]
struct Search {
    key: usize,
    chunk: usize,
    /// Supposed row, counted from the chunk's first.
    guess: usize,
}

/// Distinct order words of `batches`, ascending.
pub(crate) fn distinct_words(batches: &[Batch]) -> Vec<u64> {
    let mut words: Vec<u64> = Vec::new();
    for chunk in batches.iter().flat_map(|batch| &batch.chunks) {
        for word in chunk.slice.range().map(|row| chunk.slice.run.word(row)) {
            if words.last() != Some(&word) {
                words.push(word);
            }
        }
    }
    if batches.len() > 1 {
        words.sort_unstable();
        words.dedup();
    }
    words
}

/// Looks up `words`, ascending and distinct, in a batch's `chunks`. Appends the runs with hits to `sources`, and the hits
/// by ascending word and row.
pub(crate) fn probe(chunks: &[RowChunk], words: &[u64], sources: &mut Vec<Arc<Run>>, hits: &mut Vec<Hit>) {
    let Some(head) = chunks.first() else { return };
    let mut found = Found { chunks, open: None, sources, hits };
    let mut key = words.partition_point(|word| *word < head.first);
    let mut chunk = 0;
    while key < words.len() && chunk < chunks.len() {
        let mut block = [Search::default(); BLOCK];
        let mut filled = 0;
        while filled < BLOCK && key < words.len() {
            let word = words[key];
            chunk = gallop(chunk, chunks.len(), |index| chunks[index].last < word);
            let Some(here) = chunks.get(chunk) else { break };
            if word >= here.first {
                let guess = here.rows_between(here.first, word).min(here.slice.len() - 1);
                prefetch_word(&here.slice.run, here.slice.lo as usize + guess);
                block[filled] = Search { key, chunk, guess };
                filled += 1;
            }
            key += 1;
        }
        for search in &mut block[..filled] {
            refine(&chunks[search.chunk], words[search.key], search);
        }
        for search in &block[..filled] {
            found.resolve(search, words[search.key]);
        }
    }
}

/// Moves a guess by the distance still missing.
#[inline(always)]
fn refine(chunk: &RowChunk, word: u64, search: &mut Search) {
    let base = chunk.slice.lo as usize;
    let at = chunk.slice.run.word(base + search.guess);
    let before = search.guess;
    search.guess = if at < word {
        (before + chunk.rows_between(at, word)).min(chunk.slice.len() - 1)
    } else {
        before.saturating_sub(chunk.rows_between(word, at))
    };
    if search.guess.abs_diff(before) > 3 {
        prefetch_word(&chunk.slice.run, base + search.guess);
    }
}

/// Where hits are collected.
struct Found<'a> {
    chunks: &'a [RowChunk],
    /// The chunk whose run is the last source.
    open: Option<usize>,
    sources: &'a mut Vec<Arc<Run>>,
    hits: &'a mut Vec<Hit>,
}

impl Found<'_> {
    #[inline(always)]
    fn resolve(&mut self, search: &Search, word: u64) {
        let chunk = &self.chunks[search.chunk];
        let (run, rows) = (&chunk.slice.run, chunk.slice.range());
        let start = lower_bound(run, &rows, rows.start + search.guess, word);
        if start == rows.end || run.word(start) != word {
            return;
        }
        let end = gallop(start, rows.end, |row| run.word(row) == word);
        prefetch(run.offsets.values(), start);
        self.push(search.key, search.chunk, start, end);
        if end == rows.end {
            self.follow(search.key, search.chunk + 1, word);
        }
    }

    /// The word's rows in the chunks from `next` on.
    fn follow(&mut self, key: usize, next: usize, word: u64) {
        for index in next..self.chunks.len() {
            let chunk = &self.chunks[index];
            if chunk.first != word {
                break;
            }
            let rows = chunk.slice.range();
            let end = gallop(rows.start, rows.end, |row| chunk.slice.run.word(row) == word);
            self.push(key, index, rows.start, end);
            if end < rows.end {
                break;
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, key: usize, chunk: usize, lo: usize, hi: usize) {
        if self.open != Some(chunk) {
            self.open = Some(chunk);
            self.sources.push(Arc::clone(&self.chunks[chunk].slice.run));
        }
        self.hits.push(Hit { key: key as u32, source: self.sources.len() as u32 - 1, lo: lo as u32, hi: hi as u32 });
    }
}

/// First of `rows` whose word is at least `word`, from a good guess.
#[inline(always)]
fn lower_bound(run: &Run, rows: &Range<usize>, guess: usize, word: u64) -> usize {
    let before = |row: usize| run.word(row) < word;
    if before(guess) {
        return gallop(guess, rows.end, before);
    }
    let (mut high, mut step) = (guess, 1);
    while high > rows.start {
        let low = high.saturating_sub(step).max(rows.start);
        if before(low) {
            return gallop(low, high, before);
        }
        high = low;
        step <<= 1;
    }
    rows.start
}

/// Asks for the cache line that a row's word is read from.
#[inline(always)]
fn prefetch_word(run: &Run, row: usize) {
    match run.stored_words() {
        Some(words) => prefetch(words, row),
        None => prefetch(&run.bytes, run.offsets.get(row)),
    }
}

/// Asks for an element's cache line.
#[inline(always)]
pub(super) fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(element) = slice.get(index) {
        // SAFETY: a prefetch is a hint and reads nothing; the address is that of a live element.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(element).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::sort::sort_rows;
    use super::super::testing::{flat, random_rows, windows};
    use super::*;

    #[test]
    fn probing_finds_exactly_the_words_rows() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        for (count, keys) in [(10, 4), (30_000, 3), (30_000, 1000), (30_000, 100_000), (3000, u64::MAX)] {
            let chunks = sort_rows(&random_rows(&mut random, count, keys));
            let rows = flat(&chunks);
            let mut stored: Vec<u64> = rows.iter().map(|row| row.0).collect();
            stored.dedup();
            for chunks in [chunks.clone(), windows(&chunks, 1000), windows(&chunks, 3)] {
                // Every other stored word, and words around them that may not be there.
                let mut words: Vec<u64> =
                    stored.iter().step_by(2).flat_map(|word| [word.saturating_sub(1), *word]).collect();
                words.extend([0, u64::MAX]);
                words.sort_unstable();
                words.dedup();
                let (mut sources, mut hits) = (Vec::new(), Vec::new());
                probe(&chunks, &words, &mut sources, &mut hits);
                let found: Vec<_> = hits
                    .iter()
                    .flat_map(|hit| (hit.lo..hit.hi).map(move |row| (hit, row as usize)))
                    .map(|(hit, row)| {
                        let run = &sources[hit.source as usize];
                        assert_eq!(run.word(row), words[hit.key as usize]);
                        (run.word(row), run.row(row).to_vec(), run.diff(row))
                    })
                    .collect();
                let wanted: Vec<_> = rows.iter().filter(|row| words.binary_search(&row.0).is_ok()).cloned().collect();
                assert_eq!(found, wanted, "{count} rows, {keys} keys");
            }
        }
    }
}
