//! SplitMix64 (Steele, Lea, Flood 2014): a small generator of numbers that look random, the same on
//! every machine. Not for keys.

/// The state of the generator: a counter that grows by an odd constant. Each number is the counter,
/// scrambled by a one-to-one function, so all 2^64 numbers occur before one repeats.
#[derive(Debug)]
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_repeat() {
        let mut random = SplitMix64(7);
        let mut drawn: Vec<_> = (0..10_000).map(|_| random.next()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 10_000);
    }
}
