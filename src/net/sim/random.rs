//! The random numbers of a simulation, drawn from its seed.

use std::time::Duration;

use crate::split_mix::SplitMix64;

#[derive(Debug)]
pub(super) struct Random(SplitMix64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(SplitMix64(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// Returns a random number in `0..end`; `end` must not be zero.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// Returns a random duration in `0..=longest`.
    pub(super) fn duration(&mut self, longest: Duration) -> Duration {
        let nanos = usize::try_from(longest.as_nanos()).expect("less than 584 years");
        Duration::from_nanos(if nanos == 0 { 0 } else { self.below(nanos + 1) as u64 })
    }

    /// Returns true with this probability. If it is zero no random number is used up, so a new kind
    /// of fault does not change the runs that do without it.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        // 53 random bits, which an f64 holds exactly.
        probability > 0.0 && ((self.next() >> 11) as f64) < probability * (1u64 << 53) as f64
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(end - 1, self.below(end));
        }
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_end_and_reach_each() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[random.below(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn a_chance_of_zero_draws_nothing_and_one_is_certain() {
        let mut random = Random::new(1);
        assert!(!random.chance(0.0));
        assert_eq!(random.next(), Random::new(1).next());
        assert!((0..1000).all(|_| random.chance(1.0)));
        let hits = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_300..2_700).contains(&hits), "{hits} of 10000 at 0.25");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        Random::new(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
