//! Masking keys and handshake nonces: fast, and repeatable with `--seed`. Not for secrets.
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

pub(crate) struct Random(SplitMix64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(SplitMix64::seed_from_u64(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a fresh masking key.
    pub(crate) fn mask(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next().to_ne_bytes();
        [a, b, c, d]
    }

    /// Returns a nonce for an opening handshake.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_ne_bytes()
    }

    /// Returns true with probability `share`.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        // A double holds at most 53 bits exactly.
        ((self.next() >> 11) as f64 / (1u64 << 53) as f64) < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_masks_differ() {
        let (mut first, mut second) = (Random::new(7), Random::new(7));
        let masks: Vec<_> = (0..8).map(|_| first.mask()).collect();
        assert!(masks.iter().all(|mask| *mask == second.mask()));
        assert!(masks.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_share_of_zero_never_happens_and_a_share_of_one_always() {
        let mut random = Random::new(1);
        assert!((0..1_000).all(|_| !random.chance(0.0)));
        assert!((0..1_000).all(|_| random.chance(1.0)));
        let half = (0..10_000).filter(|_| random.chance(0.5)).count();
        assert!((4_500..5_500).contains(&half));
    }
}
