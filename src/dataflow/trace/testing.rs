//! What the tests of this module share: random rows, a slow obvious reference, chunks cut small.

use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::trace::chunk::ChunkBatch;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::model::{Diff, RowBuf};

use super::Batch;
use super::chunk::RowChunk;
use super::sort::sort_rows;

/// Bytes of the key at the start of every random row.
pub(super) const KEY_BYTES: usize = 8;

/// A row in the open.
pub(super) type Row = (u64, Vec<u8>, Diff);

/// Up to `count` rows of `keys` keys, two keys to a word, some equal, some cancelling.
pub(super) fn random_rows(random: &mut ChaCha8Rng, count: usize, keys: u64) -> RowBuf {
    let mut rows = RowBuf::default();
    for _ in 0..count {
        let key = random.random_range(0..keys);
        let value = random.random_range(0..4u8);
        let mut row = key.to_be_bytes().to_vec();
        row.extend(std::iter::repeat_n(value, usize::from(value) * 3));
        rows.push(key / 2, &row, if random.random_bool(0.35) { -1 } else { 1 });
    }
    rows
}

/// The rows of some chunks.
pub(super) fn flat(chunks: &[RowChunk]) -> Vec<Row> {
    let rows = |chunk: &RowChunk| {
        let run = std::sync::Arc::clone(&chunk.slice.run);
        chunk.slice.range().map(move |index| (run.word(index), run.row(index).to_vec(), run.diff(index)))
    };
    chunks.iter().flat_map(rows).collect()
}

/// The net rows of some buffers, sorted, by a map.
pub(super) fn reference(buffers: &[&RowBuf]) -> Vec<Row> {
    let mut total: BTreeMap<(u64, Vec<u8>), Diff> = BTreeMap::new();
    for (word, row, diff) in buffers.iter().flat_map(|buffer| buffer.iter()) {
        *total.entry((word, row.to_vec())).or_default() += diff;
    }
    total.into_iter().filter(|(_, diff)| *diff != 0).map(|((word, row), diff)| (word, row, diff)).collect()
}

/// The same rows in chunks of at most `width` rows.
pub(super) fn windows(chunks: &[RowChunk], width: usize) -> Vec<RowChunk> {
    let cut = |chunk: &RowChunk| {
        let range = chunk.slice.range();
        let window = |lo: usize| chunk.window(lo, (lo + width).min(range.end));
        range.clone().step_by(width).map(window).collect::<Vec<_>>()
    };
    chunks.iter().flat_map(cut).collect()
}

/// A batch of some rows in chunks of at most `width` rows; none if they cancel.
pub(super) fn batch_of(rows: &RowBuf, width: usize) -> Option<Batch> {
    let chunks = windows(&sort_rows(rows), width);
    (!chunks.is_empty()).then(|| Rc::new(ChunkBatch::new(chunks)))
}
