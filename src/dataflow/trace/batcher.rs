//! Collects a tick's rows and hands them over as one sorted batch when the tick closes.
//!
//! All rows held are of the one open tick, so all are released at once; [`OpenTick`] asserts it. Many rows in one tick
//! (a table loaded at once) are sorted in parts that are merged, so that no buffer outgrows its offsets.

use std::cell::Cell;
use std::rc::Rc;

use differential_dataflow::batcher::{Batcher, Extract};
use differential_dataflow::trace::chunk::{Chunk, ChunkBatch, merge_chains, settle_all};
use timely::progress::frontier::AntichainRef;
use timely::progress::{Antichain, Stamp};

use crate::model::{RowBuf, Tick};

use super::Batch;
use super::chunk::RowChunk;
use super::sort::sort_rows;

/// Rows sorted at once, at most (but for one message).
const PART_ROWS: usize = 1 << 20;
/// Bytes of rows sorted at once, at most (but for one message).
const PART_BYTES: usize = 256 << 20;

/// The tick whose rows an arrangement is receiving.
#[derive(Default)]
pub(super) struct OpenTick(Cell<Option<Tick>>);

impl OpenTick {
    /// Rows with this stamp have arrived.
    pub(super) fn observe(&self, stamp: &Stamp<Tick>) {
        for tick in stamp.iter() {
            let open = self.0.replace(Some(*tick)).unwrap_or(*tick);
            assert_eq!(open, *tick, "rows of two ticks are in flight at one arrangement");
        }
    }

    /// The frontier has moved to `upper`: it must be past the open tick.
    fn close(&self, upper: AntichainRef<'_, Tick>) {
        if let Some(open) = self.0.take() {
            assert!(!upper.less_equal(&open), "rows of tick {open} arrived while an earlier tick was open");
        }
    }
}

/// Collects rows; sorts once per tick.
pub(crate) struct RowBatcher {
    open: Rc<OpenTick>,
    pending: RowBuf,
    /// Sorted parts, each at least twice the size of the next.
    chains: Vec<Vec<RowChunk>>,
    /// Nothing is ever retained.
    retained: Antichain<Tick>,
}

impl RowBatcher {
    pub(super) fn new(open: Rc<OpenTick>) -> Self {
        RowBatcher { open, pending: RowBuf::default(), chains: Vec::new(), retained: Antichain::new() }
    }

    /// Sorts what is pending into a part.
    fn sort_pending(&mut self) {
        let chain = sort_rows(&self.pending);
        self.pending = RowBuf::default();
        if !chain.is_empty() {
            self.chains.push(chain);
        }
        while let [.., larger, smaller] = &self.chains[..]
            && rows_of(larger) < 2 * rows_of(smaller)
        {
            self.merge_last_two();
        }
    }

    fn merge_last_two(&mut self) {
        if let (Some(right), Some(left)) = (self.chains.pop(), self.chains.pop()) {
            let mut merged = Default::default();
            merge_chains(left, right, &mut merged);
            self.chains.push(settle_all(merged));
        }
    }
}

fn rows_of(chain: &[RowChunk]) -> usize {
    chain.iter().map(Chunk::len).sum()
}

impl Batcher<RowBuf> for RowBatcher {
    fn insert(&mut self, container: &mut RowBuf) {
        let (rows, bytes) = (self.pending.len() + container.len(), self.pending.bytes.len() + container.bytes.len());
        if rows > PART_ROWS || bytes > PART_BYTES {
            self.sort_pending();
        }
        if self.pending.is_empty() {
            std::mem::swap(&mut self.pending, container);
        } else {
            self.pending.append(container);
        }
        container.clear();
    }
}

impl Extract for RowBatcher {
    type Time = Tick;
    type Output = Batch;

    fn extract<'a>(&'a mut self, upper: AntichainRef<'_, Tick>) -> (Option<Batch>, AntichainRef<'a, Tick>) {
        self.open.close(upper);
        self.sort_pending();
        while self.chains.len() > 1 {
            self.merge_last_two();
        }
        let chunks = self.chains.pop().unwrap_or_default();
        let batch = (!chunks.is_empty()).then(|| Rc::new(ChunkBatch::new(chunks)));
        (batch, self.retained.borrow())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::testing::{flat, random_rows, reference};
    use super::*;

    #[test]
    fn parts_sorted_early_come_out_as_one_batch() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut batcher = RowBatcher::new(Rc::default());
        let inserted: Vec<RowBuf> = (0..9).map(|_| random_rows(&mut random, 3000, 5000)).collect();
        for rows in &inserted {
            batcher.insert(&mut rows.clone());
            batcher.sort_pending();
        }
        let sizes: Vec<usize> = batcher.chains.iter().map(|chain| rows_of(chain)).collect();
        assert!(sizes.len() < 5 && sizes.windows(2).all(|pair| pair[0] >= 2 * pair[1]), "{sizes:?}");
        let upper = Antichain::from_elem(1);
        let batch = batcher.extract(upper.borrow()).0.unwrap();
        assert_eq!(flat(&batch.chunks), reference(&inserted.iter().collect::<Vec<_>>()));
        assert!(batcher.extract(upper.borrow()).0.is_none());
    }

    #[test]
    fn rows_that_cancel_give_no_batch() {
        let mut batcher = RowBatcher::new(Rc::default());
        for diff in [1, -1] {
            let mut rows = RowBuf::default();
            rows.push(7, b"row", diff);
            batcher.insert(&mut rows);
        }
        assert!(batcher.extract(Antichain::from_elem(1).borrow()).0.is_none());
    }

    #[test]
    #[should_panic(expected = "rows of two ticks")]
    fn two_ticks_at_once_are_a_bug() {
        let open = OpenTick::default();
        open.observe(&Stamp::from_elem(3));
        open.observe(&Stamp::from_elem(4));
    }

    #[test]
    #[should_panic(expected = "rows of tick 4 arrived")]
    fn a_tick_that_stays_open_is_a_bug() {
        let batcher = RowBatcher::new(Rc::default());
        batcher.open.observe(&Stamp::from_elem(4));
        batcher.open.close(Antichain::from_elem(4).borrow());
    }
}
