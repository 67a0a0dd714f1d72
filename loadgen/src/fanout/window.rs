//! The messages of one publisher that some receiver of this thread has not received yet.
use std::collections::VecDeque;
use std::ops::Range;

use crate::net::clock::Moment;

/// At most this many messages of one publisher are tracked.
const UNDER_WAY_MAX: usize = 1 << 20;

/// A message that some receiver has not received yet.
struct PendingMessage {
    since: Moment,
    /// How many receivers have not received the message.
    missing: u32,
}

#[derive(Default)]
pub(super) struct Window {
    /// The messages `settled..settled + under_way.len()`, by sequence number, oldest first.
    under_way: VecDeque<PendingMessage>,
    /// All messages before this sequence number are complete or were given up.
    settled: u32,
}

impl Window {
    /// Returns the sequence number after the last message in the window.
    pub(super) fn end(&self) -> u32 {
        self.settled + self.under_way.len() as u32
    }

    pub(super) fn under_way(&self) -> u32 {
        self.under_way.len() as u32
    }

    /// Adds a message that was sent at `since` and that `missing` receivers should get.
    pub(super) fn push(&mut self, since: Moment, missing: u32) {
        if self.under_way.len() == UNDER_WAY_MAX {
            // Some receiver gets nothing, or very late: stop waiting for the oldest message.
            self.under_way.pop_front();
            self.settled += 1;
        }
        self.under_way.push_back(PendingMessage { since, missing });
        // A message that no receiver should get is complete already.
        self.pop_settled();
    }

    /// Records that one more receiver has received or missed these messages. Returns true if the
    /// last of these messages is now complete.
    pub(super) fn settle(&mut self, sequences: Range<u32>) -> bool {
        let mut is_complete = false;
        for sequence in sequences {
            let at = sequence.wrapping_sub(self.settled) as usize;
            if let Some(message) = self.under_way.get_mut(at) {
                message.missing = message.missing.saturating_sub(1);
                is_complete = message.missing == 0;
            }
        }
        self.pop_settled();
        is_complete
    }

    /// Gives up on incomplete messages sent before `since`. Returns how many there were.
    pub(super) fn give_up(&mut self, since: Moment) -> u64 {
        let mut given_up = 0;
        while let Some(message) = self.under_way.front_mut() {
            if message.since >= since {
                break;
            }
            message.missing = 0;
            given_up += 1;
            self.pop_settled();
        }
        given_up
    }

    fn pop_settled(&mut self) {
        while self.under_way.pop_front_if(|message| message.missing == 0).is_some() {
            self.settled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn window(missing: &[u32]) -> Window {
        let mut window = Window::default();
        for (number, missing) in missing.iter().enumerate() {
            window.push(at(number as u64), *missing);
        }
        window
    }

    #[test]
    fn a_message_is_complete_when_the_last_receiver_has_it() {
        let mut window = window(&[2, 2]);
        assert!(!window.settle(0..1));
        assert!(!window.settle(1..2));
        assert!(window.settle(1..2), "the second is complete although the first is not");
        assert_eq!((window.under_way(), window.end()), (2, 2));
        assert!(window.settle(0..1));
        assert_eq!((window.under_way(), window.end()), (0, 2));
    }

    #[test]
    fn a_receiver_that_missed_some_has_had_its_turn_with_them() {
        let mut window = window(&[1, 1, 1]);
        assert!(window.settle(0..3));
        assert_eq!(window.under_way(), 0);
        assert!(!window.settle(1..2), "a complete message is not completed again");
    }

    #[test]
    fn without_receivers_nothing_is_under_way() {
        let window = window(&[0, 0, 0]);
        assert_eq!((window.under_way(), window.end()), (0, 3));
    }

    #[test]
    fn gives_up_on_the_oldest_alone() {
        let mut window = window(&[1, 1, 1]);
        assert_eq!(window.give_up(at(2)), 2);
        assert_eq!((window.under_way(), window.end()), (1, 3));
    }
}
