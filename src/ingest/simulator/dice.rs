//! Chance: every order, and every concern of an order, has dice of its own, so that no stream depends on which others are asked for.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What dice are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Concern {
    /// When orders come and from which channel.
    Arrival = 1,
    /// What happens to an order.
    Story,
    /// How its news travels.
    Platform,
    Payments,
    Touchpoints,
    Settlements,
    /// Reference tables.
    Reference,
    /// Lines of files.
    Garble,
}

/// A portable generator.
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The dice of one concern of one order.
    pub(super) fn of(seed: u64, number: u64, concern: Concern) -> Dice {
        Dice(Xoshiro256PlusPlus::seed_from_u64(mixed(seed, number, concern)))
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    /// A whole number that is `mean` on average.
    pub(super) fn count(&mut self, mean: f64) -> u64 {
        mean as u64 + u64::from(self.chance(mean.fract()))
    }

    /// A number of a range, both ends included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.pick_at(choices.len())]
    }

    /// The position of one of several.
    pub(super) fn pick_at(&mut self, count: usize) -> usize {
        // Drawn as 64 bits: a position must not depend on the machine's word.
        self.between(0, count as i64 - 1) as usize
    }

    /// One of several by its share in percent; the shares add up to 100.
    pub(super) fn share<T: Copy>(&mut self, shares: &[(T, i64)]) -> T {
        let mut drawn = self.between(0, 99);
        for (choice, percent) in shares {
            if drawn < *percent {
                return *choice;
            }
            drawn -= percent;
        }
        shares[shares.len() - 1].0
    }
}

/// Sixty-four bits that look like chance: the finaliser of SplitMix64 over the mixed inputs.
pub(super) fn mixed(seed: u64, number: u64, concern: Concern) -> u64 {
    let mut bits =
        seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (concern as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
