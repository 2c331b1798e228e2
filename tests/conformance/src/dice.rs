//! Seeded chance: the same seed gives the same cluster and the same questions.

use std::ops::RangeInclusive;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// A source of chance.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// Dice that always fall the same way for a seed and a purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(StdRng::seed_from_u64(
            seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ))
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.0.random_ratio(1, n)
    }

    /// A number of the range.
    pub fn number(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.random_range(range)
    }

    /// An octet.
    pub fn octet(&mut self, range: RangeInclusive<u8>) -> u8 {
        self.0.random_range(range)
    }

    /// A port number.
    pub fn port(&mut self) -> u16 {
        self.0.random_range(1..=u16::MAX)
    }

    /// One of these.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.random_range(0..from.len())]
    }

    /// One of these, if there is any.
    pub fn pick_any<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| self.pick(from))
    }

    /// One of these, the more often the larger its number.
    ///
    /// # Panics
    /// If all numbers are zero.
    pub fn weigh<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let mut at = self
            .0
            .random_range(0..from.iter().map(|(weight, _)| weight).sum());
        let chosen = from.iter().find(|(weight, _)| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        });
        chosen.expect("the sum of the weights was not reached").1
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, these: &mut [T]) {
        these.shuffle(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_so_does_the_purpose() {
        let throw = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            [dice.port(), dice.port(), dice.port(), dice.port()]
        };
        assert_eq!(throw(1, 1), throw(1, 1));
        assert_ne!(throw(1, 1), throw(2, 1));
        assert_ne!(throw(1, 1), throw(1, 2));
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice::new(1, 1);
        let mut counts = [0; 3];
        for _ in 0..1000 {
            counts[dice.weigh(&[(1, 0), (0, 1), (9, 2)])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((50..200).contains(&counts[0]), "{counts:?}");
    }
}
