//! One group of an arrangement in order, read lazily: what a top-k reads the first few rows of.

use crate::model::snapshot::GroupRows;

use super::Batch;
use super::chunk::RowChunk;

/// The live rows of one key across `batches`, ascending by bytes, from the first at or after `from` on (empty: from the
/// group's first). Each `next` costs a few comparisons; nothing else of the group is read.
pub(crate) fn group_cursor<'a>(batches: &'a [Batch], word: u64, key: &'a [u8], from: &[u8]) -> GroupRows<'a, RowChunk> {
    GroupRows::new(batches.iter().map(|batch| &batch.chunks[..]), word, key, from)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::testing::{KEY_BYTES, batch_of, random_rows, reference};
    use super::*;

    #[test]
    fn cursors_give_the_groups_rows_in_order() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        for round in 0..12 {
            let keys = [2, 40, 2000][round % 3];
            let inserted: Vec<_> =
                (0..random.random_range(1..5)).map(|_| random_rows(&mut random, 3000, keys)).collect();
            let batches: Vec<Batch> = inserted.iter().filter_map(|rows| batch_of(rows, 500)).collect();
            let all = reference(&inserted.iter().collect::<Vec<_>>());
            for _ in 0..20 {
                let (word, from, _) = &all[random.random_range(0..all.len())];
                let key = &from[..KEY_BYTES];
                for lower in [&[][..], key, from, &[&from[..], &[0]].concat()] {
                    let found: Vec<_> = group_cursor(&batches, *word, key, lower).collect();
                    let wanted: Vec<_> = all
                        .iter()
                        .filter(|(_, row, _)| row.starts_with(key) && row[..] >= *lower)
                        .map(|(_, row, diff)| (&row[..], *diff))
                        .collect();
                    assert_eq!(found, wanted);
                }
            }
            assert_eq!(group_cursor(&batches, 1, b"no such key", b"").count(), 0);
        }
    }
}
