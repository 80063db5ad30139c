//! Rows between workers: which worker owns an order word, and [`RowBuf`] as a timely container, in memory or as bytes.

use std::io::Write;

use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::progress::Stamp;

use crate::model::RowBuf;
use crate::model::bytes::remix;

/// Rows per message between workers.
pub(crate) const MESSAGE_ROWS: usize = 8192;
/// Bytes per message between workers, about.
const MESSAGE_BYTES: usize = 4 << 20;

/// The worker, of `peers`, that owns an order word. The same for every arrangement.
#[inline(always)]
pub(crate) fn route(word: u64, peers: usize) -> usize {
    ((u128::from(remix(word)) * peers as u128) >> 64) as usize
}

/// Splits buffers by the owner of each row's order word.
pub(crate) struct RowDistributor {
    buffers: Vec<RowBuf>,
}

impl RowDistributor {
    /// A distributor to `peers` workers.
    pub(crate) fn new(peers: usize) -> Self {
        RowDistributor { buffers: vec![RowBuf::default(); peers] }
    }
}

impl Distributor<RowBuf> for RowDistributor {
    fn partition<T: Clone, P: Push<Message<T, RowBuf>>>(
        &mut self,
        container: &mut RowBuf,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        let mean_bytes = container.bytes.len() / container.len().max(1) + 1;
        for (word, row, diff) in container.iter() {
            let peer = route(word, pushers.len());
            let buffer = &mut self.buffers[peer];
            if buffer.words.capacity() == 0 {
                *buffer = RowBuf::with_capacity(MESSAGE_ROWS, (MESSAGE_ROWS * mean_bytes).min(MESSAGE_BYTES));
            }
            buffer.push(word, row, diff);
            if buffer.len() >= MESSAGE_ROWS || buffer.bytes.len() >= MESSAGE_BYTES {
                send(buffer, stamp, &mut pushers[peer]);
            }
        }
        container.clear();
    }

    fn flush<T: Clone, P: Push<Message<T, RowBuf>>>(&mut self, stamp: &Stamp<T>, pushers: &mut [P]) {
        for (buffer, pusher) in self.buffers.iter_mut().zip(pushers) {
            if !buffer.is_empty() {
                send(buffer, stamp, pusher);
            }
        }
    }
}

/// Sends what `buffer` holds and leaves it empty.
fn send<T: Clone, P: Push<Message<T, RowBuf>>>(buffer: &mut RowBuf, stamp: &Stamp<T>, pusher: &mut P) {
    Message::push_at(buffer, stamp.clone(), pusher);
    // What a pusher gives back is a used allocation, contents undefined.
    buffer.clear();
}

impl Accountable for RowBuf {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }
}

/// Two `u64` lengths (rows, bytes), then words, diffs, ends and bytes, all little endian, padded to a multiple of eight.
impl ContainerBytes for RowBuf {
    fn from_bytes(bytes: Bytes) -> Self {
        let mut rest = &bytes[..];
        let mut take = |count: usize| rest.split_off(..count).expect("a message of rows is as long as it says");
        let rows = u64::from_le_bytes(le(take(8))) as usize;
        let length = u64::from_le_bytes(le(take(8))) as usize;
        RowBuf {
            words: take(8 * rows).chunks_exact(8).map(|part| u64::from_le_bytes(le(part))).collect(),
            diffs: take(8 * rows).chunks_exact(8).map(|part| i64::from_le_bytes(le(part))).collect(),
            ends: take(4 * rows).chunks_exact(4).map(|part| u32::from_le_bytes(le(part))).collect(),
            bytes: take(length).to_vec(),
        }
    }

    fn length_in_bytes(&self) -> usize {
        (16 + 20 * self.len() + self.bytes.len()).next_multiple_of(8)
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let mut put = |bytes: &[u8]| writer.write_all(bytes).expect("room was made for the whole message");
        put(&(self.len() as u64).to_le_bytes());
        put(&(self.bytes.len() as u64).to_le_bytes());
        self.words.chunks(BLOCK).for_each(|block| put(little_endian(block, u64::to_le_bytes).as_flattened()));
        self.diffs.chunks(BLOCK).for_each(|block| put(little_endian(block, i64::to_le_bytes).as_flattened()));
        self.ends.chunks(BLOCK).for_each(|block| put(little_endian(block, u32::to_le_bytes).as_flattened()));
        put(&self.bytes);
        let written = 16 + 20 * self.len() + self.bytes.len();
        put(&[0; 8][..written.next_multiple_of(8) - written]);
    }
}

/// Values converted at a time.
const BLOCK: usize = 1024;

fn little_endian<T: Copy, const N: usize>(block: &[T], convert: impl Fn(T) -> [u8; N]) -> Vec<[u8; N]> {
    block.iter().map(|value| convert(*value)).collect()
}

/// A slice of known length as an array.
fn le<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice.try_into().expect("slices of the length asked for")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use timely::bytes::arc::BytesMut;

    use super::super::testing::random_rows;
    use super::*;

    #[test]
    fn buffers_survive_the_wire() {
        let mut random = ChaCha8Rng::seed_from_u64(6);
        for count in [0, 1, 2, 3, 1023, 5000] {
            let rows = random_rows(&mut random, count, u64::MAX);
            let mut wire = Vec::new();
            rows.into_bytes(&mut wire);
            assert_eq!(wire.len(), rows.length_in_bytes());
            assert_eq!(wire.len() % 8, 0);
            assert_eq!(RowBuf::from_bytes(BytesMut::from(wire).freeze()), rows);
        }
    }

    #[test]
    fn neighbouring_words_spread_over_workers() {
        for peers in 1..6 {
            let mut counts = vec![0; peers];
            (0..6000u64).for_each(|word| counts[route(word << 32, peers)] += 1);
            assert!(counts.iter().all(|count| *count * peers > 4500), "{counts:?}");
        }
    }
}
