//! Checks that each receiver gets each publisher's messages once and in order. Usually the state of
//! a (receiver, publisher) pair is one number. Only a pair with missing messages keeps a list of
//! them.
use std::collections::HashMap;
use std::ops::Range;

use derive_more::AddAssign;

/// Gaps (ranges of missing messages) remembered for one receiver and publisher. If there are more,
/// the oldest count as lost for good, and messages from them that arrive later as duplicated.
const GAPS_PER_PAIR_MAX: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    InOrder,
    /// The `missed` messages before this one have not arrived.
    AfterGap {
        missed: u32,
    },
    /// The message was missing before and arrives now, so it was reordered.
    Late,
    Duplicate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, AddAssign)]
pub(crate) struct SequenceCounts {
    /// Messages that a later message overtook and that have not arrived since.
    pub(crate) overtaken: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
}

/// What each receiver has received from each publisher. Sequences begin at 0.
pub(crate) struct Sequences {
    publishers: usize,
    /// For each pair, the sequence that is due next, at `receiver * publishers + publisher`.
    next: Vec<u32>,
    gaps: HashMap<usize, Vec<Range<u32>>>,
    counts: SequenceCounts,
}

impl Sequences {
    pub(crate) fn new(receivers: usize, publishers: usize) -> Sequences {
        Sequences {
            publishers,
            next: vec![0; receivers * publishers],
            gaps: HashMap::new(),
            counts: SequenceCounts::default(),
        }
    }

    /// Records an arrival. `publisher` must be below the number of publishers.
    pub(crate) fn note(&mut self, receiver: usize, publisher: usize, sequence: u32) -> Arrival {
        debug_assert!(publisher < self.publishers, "the pair would be another receiver's");
        let pair = receiver * self.publishers + publisher;
        let next = &mut self.next[pair];
        if sequence == *next {
            *next += 1;
            return Arrival::InOrder;
        }
        if sequence > *next {
            let missed = sequence - *next;
            let gaps = self.gaps.entry(pair).or_default();
            // With too many gaps, forget the oldest: its messages then count as lost.
            if gaps.len() >= GAPS_PER_PAIR_MAX {
                gaps.remove(0);
            }
            gaps.push(*next..sequence);
            *next = sequence + 1;
            self.counts.overtaken += u64::from(missed);
            return Arrival::AfterGap { missed };
        }
        if self.close_gap(pair, sequence) {
            self.counts.overtaken -= 1;
            self.counts.reordered += 1;
            return Arrival::Late;
        }
        self.counts.duplicated += 1;
        Arrival::Duplicate
    }

    /// Returns one more than the highest sequence that `receiver` got from `publisher`, or zero.
    pub(crate) fn next(&self, receiver: usize, publisher: usize) -> u32 {
        self.next[receiver * self.publishers + publisher]
    }

    pub(crate) fn counts(&self) -> SequenceCounts {
        self.counts
    }

    /// Adds the counts of another thread's pairs.
    pub(crate) fn absorb_counts(&mut self, other: &Sequences) {
        self.counts += other.counts;
    }

    /// Marks `sequence` as arrived. Returns true if it was missing before.
    fn close_gap(&mut self, pair: usize, sequence: u32) -> bool {
        let Some(gaps) = self.gaps.get_mut(&pair) else { return false };
        let Some(at) = gaps.iter().position(|gap| gap.contains(&sequence)) else { return false };
        let gap = gaps.remove(at);
        let rests = [gap.start..sequence, sequence + 1..gap.end];
        gaps.splice(at..at, rests.into_iter().filter(|rest| !rest.is_empty()));
        if gaps.len() > GAPS_PER_PAIR_MAX {
            gaps.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(overtaken: u64, duplicated: u64, reordered: u64) -> SequenceCounts {
        SequenceCounts { overtaken, duplicated, reordered }
    }

    #[test]
    fn a_clean_run_counts_nothing() {
        let mut sequences = Sequences::new(2, 3);
        for sequence in 0..100 {
            for pair in 0..6 {
                assert_eq!(sequences.note(pair / 3, pair % 3, sequence), Arrival::InOrder);
            }
        }
        assert_eq!(sequences.counts(), counts(0, 0, 0));
        assert_eq!(sequences.next(1, 2), 100);
    }

    #[test]
    fn pairs_do_not_share_a_sequence() {
        let mut sequences = Sequences::new(2, 2);
        assert_eq!(sequences.note(0, 0, 0), Arrival::InOrder);
        assert_eq!(sequences.note(0, 1, 0), Arrival::InOrder);
        assert_eq!(sequences.note(1, 0, 1), Arrival::AfterGap { missed: 1 });
        assert_eq!(sequences.counts(), counts(1, 0, 0));
    }

    #[test]
    fn lost_reordered_and_duplicated_are_told_apart() {
        let mut sequences = Sequences::new(1, 1);
        let arrivals: Vec<_> =
            [0, 1, 5, 3, 3, 6, 1].map(|sequence| sequences.note(0, 0, sequence)).to_vec();
        use Arrival::{AfterGap, Duplicate, InOrder, Late};
        assert_eq!(
            arrivals,
            [InOrder, InOrder, AfterGap { missed: 3 }, Late, Duplicate, InOrder, Duplicate]
        );
        assert_eq!(sequences.counts(), counts(2, 2, 1));
        assert_eq!(sequences.note(0, 0, 2), Late);
        assert_eq!(sequences.note(0, 0, 4), Late);
        assert_eq!(sequences.counts(), counts(0, 2, 3));
    }

    #[test]
    fn gaps_are_bounded() {
        let mut sequences = Sequences::new(1, 1);
        for sequence in 0..2 * GAPS_PER_PAIR_MAX as u32 {
            sequences.note(0, 0, 2 * sequence + 1);
        }
        assert_eq!(sequences.gaps[&0].len(), GAPS_PER_PAIR_MAX);
        assert_eq!(sequences.note(0, 0, 0), Arrival::Duplicate);
        assert_eq!(sequences.counts().overtaken, 2 * GAPS_PER_PAIR_MAX as u64);
    }
}
