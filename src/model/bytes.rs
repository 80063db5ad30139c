//! Comparing and hashing the byte strings that rows and keys are.
//!
//! Both are pure functions of the bytes, the same on every machine and in every process: order words made from the hash
//! are stored and sent. The hash is not meant to withstand chosen collisions; a collision costs time, never an answer.

use std::cmp::Ordering;

const HASH_SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const HASH_STEP: u64 = 0xD1B5_4A32_D192_ED03;

/// Folded 64×64→128 bit multiply: the mixing step of the hash.
#[inline(always)]
pub fn fold_multiply(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Scrambles a word so that neighbours spread over the whole range.
#[inline(always)]
pub fn remix(word: u64) -> u64 {
    fold_multiply(word ^ HASH_STEP, HASH_SEED)
}

/// 64-bit hash of a byte string, eight bytes a step.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = HASH_SEED ^ bytes.len() as u64;
    let (blocks, tail) = bytes.as_chunks::<8>();
    for block in blocks {
        state = fold_multiply(state ^ u64::from_le_bytes(*block), HASH_STEP);
    }
    if !tail.is_empty() {
        let mut block = [0u8; 8];
        block[..tail.len()].copy_from_slice(tail);
        state = fold_multiply(state ^ u64::from_le_bytes(block), HASH_STEP);
    }
    fold_multiply(state, HASH_SEED)
}

/// The order-preserving word of a row that begins with a fixed-width column: a validity byte, then `width` value bytes.
#[inline(always)]
pub fn leading_word(row: &[u8], width: usize) -> u64 {
    if row[0] != 1 {
        return 0;
    }
    let mut word = [0u8; 8];
    word[..width].copy_from_slice(&row[1..1 + width]);
    u64::from_be_bytes(word)
}

/// Unsigned lexicographic comparison, as `left.cmp(right)`, inlined for the short strings that rows are.
#[inline(always)]
pub fn compare_bytes(left: &[u8], right: &[u8]) -> Ordering {
    let common = left.len().min(right.len());
    let (head, other) = (&left[..common], &right[..common]);
    let ((blocks, tail), (other_blocks, other_tail)) = (head.as_chunks::<8>(), other.as_chunks::<8>());
    for (block, other_block) in blocks.iter().zip(other_blocks) {
        let (word, other_word) = (u64::from_be_bytes(*block), u64::from_be_bytes(*other_block));
        if word != other_word {
            return word.cmp(&other_word);
        }
    }
    // The tail is compared as the last eight bytes, which overlap bytes already found equal.
    let tails = match (head.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(block), Some(other_block)) => u64::from_be_bytes(*block).cmp(&u64::from_be_bytes(*other_block)),
        _ => tail.iter().cmp(other_tail),
    };
    tails.then(left.len().cmp(&right.len()))
}

/// First index in `from..to` for which `before` is false, `to` if there is none. `before` must be true on a prefix of
/// the range only. Exponential search: cheap when the answer is near `from`.
#[inline(always)]
pub fn gallop(from: usize, to: usize, before: impl Fn(usize) -> bool) -> usize {
    if from >= to || !before(from) {
        return from;
    }
    let (mut known, mut step) = (from, 1);
    while known + step < to && before(known + step) {
        known += step;
        step <<= 1;
    }
    let (mut low, mut high) = (known + 1, (known + step).min(to));
    while low < high {
        let middle = (low + high) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn comparison_agrees_with_slices() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for _ in 0..20_000 {
            let mut draw = |_| {
                let length = random.random_range(0..20);
                (0..length).map(|_| [0u8, 1, 255][random.random_range(0..3)]).collect::<Vec<u8>>()
            };
            let (left, mut right) = (draw(0), draw(1));
            if left.len() > right.len() {
                let shared = right.len() / 2;
                right[..shared].copy_from_slice(&left[..shared]);
            }
            assert_eq!(compare_bytes(&left, &right), left.cmp(&right), "{left:?} {right:?}");
        }
    }

    #[test]
    fn hash_tells_lengths_apart() {
        let zeros = [0u8; 24];
        let hashes: std::collections::BTreeSet<u64> = (0..=24).map(|n| hash_bytes(&zeros[..n])).collect();
        assert_eq!(hashes.len(), 25);
    }

    #[test]
    fn gallop_finds_the_first_not_before() {
        for length in 0..40usize {
            for from in 0..=length {
                for bound in 0..=length {
                    assert_eq!(gallop(from, length, |i| i < bound), bound.max(from).min(length));
                }
            }
        }
    }
}
