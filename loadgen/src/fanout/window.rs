//! The messages of one publisher that not every receiver has had yet.
use std::collections::VecDeque;
use std::ops::Range;

use crate::clock::Moment;
use crate::load::Id;

/// A message on its way.
struct Sent {
    intended: Moment,
    /// How many receivers do not have it yet.
    missing: u32,
}

#[derive(Default)]
pub(super) struct Publisher {
    pub(super) id: Option<Id>,
    /// Messages `settled..settled + window.len()` are on their way.
    window: VecDeque<Sent>,
    settled: u32,
    /// Messages whose intended time lies in the measured span.
    pub(super) measured: Range<u32>,
}

impl Publisher {
    /// How many it has sent: the sequence of the next one.
    pub(super) fn sent(&self) -> u32 {
        self.settled + self.window.len() as u32
    }

    pub(super) fn under_way(&self) -> u32 {
        self.window.len() as u32
    }

    /// One more message is on its way, to `missing` receivers.
    pub(super) fn push(&mut self, intended: Moment, missing: u32) {
        self.window.push_back(Sent { intended, missing });
        // With no receiver it has arrived everywhere already.
        self.settle(0..0, |_| {});
    }

    /// One more receiver has had its turn with `sequences`. Calls `on_settled` with the intended time of each
    /// measured message that all of them have had.
    pub(super) fn settle(&mut self, sequences: Range<u32>, mut on_settled: impl FnMut(Moment)) {
        for sequence in sequences {
            let at = sequence.wrapping_sub(self.settled) as usize;
            if let Some(sent) = self.window.get_mut(at) {
                sent.missing = sent.missing.saturating_sub(1);
            }
        }
        while let Some(sent) = self.window.pop_front_if(|sent| sent.missing == 0) {
            if self.measured.contains(&self.settled) {
                on_settled(sent.intended);
            }
            self.settled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(publisher: &mut Publisher, sequences: Range<u32>) -> Vec<u64> {
        let mut intended = Vec::new();
        publisher.settle(sequences, |moment| intended.push(moment.as_nanos()));
        intended
    }

    #[test]
    fn a_message_is_settled_when_the_last_receiver_has_it_and_all_before_are() {
        let mut publisher = Publisher { measured: 1..3, ..Publisher::default() };
        for sequence in 0..4 {
            publisher.push(Moment::from_nanos(sequence), 2);
        }
        assert!(settled(&mut publisher, 0..3).is_empty());
        assert!(settled(&mut publisher, 1..2).is_empty());
        assert_eq!((publisher.under_way(), publisher.sent()), (4, 4));
        // Message 0 is not measured; 1 goes with it; 2 and 3 are still on their way.
        assert_eq!(settled(&mut publisher, 0..1), [1]);
        assert_eq!((publisher.under_way(), publisher.sent()), (2, 4));
        assert_eq!(settled(&mut publisher, 2..4), [2]);
        assert!(settled(&mut publisher, 3..4).is_empty());
        assert_eq!((publisher.under_way(), publisher.sent()), (0, 4));
    }

    #[test]
    fn a_message_for_nobody_is_settled_at_once() {
        let mut publisher = Publisher::default();
        publisher.push(Moment::default(), 0);
        assert_eq!((publisher.under_way(), publisher.sent()), (0, 1));
    }
}
