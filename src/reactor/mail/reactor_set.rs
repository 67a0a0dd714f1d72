//! A set of reactors, as bits, so that only those in it are visited.

use crate::hub::ReactorNumber;

pub(super) struct ReactorSet(Box<[u64]>);

impl ReactorSet {
    /// Makes an empty set, for this many reactors.
    pub(super) fn new(reactors: usize) -> ReactorSet {
        ReactorSet(vec![0; reactors.div_ceil(64)].into())
    }

    pub(super) fn insert(&mut self, reactor: ReactorNumber) {
        self.0[reactor.index() / 64] |= 1 << (reactor.index() % 64);
    }

    /// Inserts the reactors of one word of bits: word 0 has the reactors 0 to 63.
    pub(super) fn insert_word(&mut self, word: usize, bits: u64) {
        self.0[word] |= bits;
    }

    pub(super) fn remove(&mut self, reactor: ReactorNumber) {
        self.0[reactor.index() / 64] &= !(1 << (reactor.index() % 64));
    }

    pub(super) fn contains(&self, reactor: ReactorNumber) -> bool {
        self.0[reactor.index() / 64] >> (reactor.index() % 64) & 1 == 1
    }

    /// Returns the first reactor of the set whose number is at least `number`.
    pub(super) fn first_from(&self, number: usize) -> Option<ReactorNumber> {
        for (word, bits) in self.0.iter().enumerate().skip(number / 64) {
            let before = if word == number / 64 { number % 64 } else { 0 };
            let bits = bits >> before << before;
            if bits != 0 {
                return Some(ReactorNumber((word * 64) as u16 + bits.trailing_zeros() as u16));
            }
        }
        None
    }

    /// Removes and returns the first reactor of the set.
    pub(super) fn take_first(&mut self) -> Option<ReactorNumber> {
        let first = self.first_from(0)?;
        self.remove(first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_inserted_and_not_removed_in_order() {
        let mut set = ReactorSet::new(200);
        for number in [130, 0, 63, 64, 199] {
            set.insert(ReactorNumber(number));
        }
        set.remove(ReactorNumber(63));
        set.insert_word(1, 0b10);
        assert!(set.contains(ReactorNumber(65)) && !set.contains(ReactorNumber(63)));
        assert_eq!(set.first_from(66), Some(ReactorNumber(130)));
        assert_eq!(set.first_from(130), Some(ReactorNumber(130)));
        let all: Vec<_> = std::iter::from_fn(|| set.take_first()).map(|one| one.0).collect();
        assert_eq!(all, [0, 64, 65, 130, 199]);
        assert_eq!(ReactorSet::new(1).take_first(), None);
    }
}
