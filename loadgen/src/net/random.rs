//! Masking keys and handshake nonces: fast and repeatable by `--seed`. Not for secrets.

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and two multiplications for 64 bits.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A fresh masking key.
    pub(crate) fn mask(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next().to_ne_bytes();
        [a, b, c, d]
    }

    /// A nonce for an opening handshake.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_ne_bytes()
    }

    /// True with probability `share`.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        // 53 bits: all that a double holds exactly.
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
