//! How long deliveries take: from the turn in which a message was appended until the sweep has
//! visited every subscriber that was ready for it.
//!
//! Of each channel one message at a time is followed: the next one is chosen when the delivery of
//! the last one has ended. So an idle channel's messages are all measured, and of a busy channel a
//! sample. A subscriber that is blocked is not waited for; it says nothing about the server.
//!
//! The sweep goes round the subscribers, and sends each all that there is. So a message has reached
//! everybody who is ready when as many visits have been made as there were subscribers that were
//! behind when it was appended, or when nobody is behind. Visits are counted when a channel's turn
//! in the sweep is over, and at the end of the reactor's turn: to count each subscriber's here
//! would cost three in a hundred of the instructions of a delivery.

use std::num::NonZeroU16;

use crate::instant::Instant;
use slab::Slab;

/// The most deliveries that are followed at the same time, each of another channel: 16 KiB.
const FOLLOWED_MAX: usize = 1024;

/// Identifies a delivery that is being followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Followed(NonZeroU16);

#[derive(Debug)]
struct Delivery {
    began: Instant,
    visits_left: u32,
}

/// The deliveries that are being followed; see the module comment.
#[derive(Debug)]
pub(super) struct DeliveryTimes {
    /// When the turn began.
    now: Instant,
    followed: Slab<Delivery>,
    /// When the deliveries began that have ended in this turn.
    ended: Vec<Instant>,
}

impl DeliveryTimes {
    pub(super) fn new() -> DeliveryTimes {
        DeliveryTimes {
            now: Instant::ZERO,
            followed: Slab::with_capacity(FOLLOWED_MAX),
            ended: Vec::with_capacity(FOLLOWED_MAX),
        }
    }

    pub(super) fn begin_turn(&mut self, now: Instant) {
        self.now = now;
    }

    /// Returns when a delivery began that has ended, once for each.
    pub(super) fn next_ended(&mut self) -> Option<Instant> {
        self.ended.pop()
    }

    /// Follows a message that has just been appended, if there is room. It has reached everybody
    /// when the sweep has made this many visits.
    pub(super) fn follow(&mut self, visits: u32) -> Option<Followed> {
        if self.followed.len() == FOLLOWED_MAX {
            return None;
        }
        let key = self.followed.insert(Delivery { began: self.now, visits_left: visits });
        NonZeroU16::new(key as u16 + 1).map(Followed)
    }

    /// Counts visits of the sweep. Returns what is followed from now on: nothing, if the delivery
    /// has ended.
    pub(super) fn visited(&mut self, followed: Followed, visits: u32) -> Option<Followed> {
        let delivery = self.followed.get_mut(key(followed))?;
        delivery.visits_left = delivery.visits_left.saturating_sub(visits);
        if delivery.visits_left > 0 {
            return Some(followed);
        }
        self.end(followed)
    }

    /// Ends a delivery, because no subscriber that is ready is behind. Returns what is followed
    /// from now on: nothing.
    pub(super) fn end(&mut self, followed: Followed) -> Option<Followed> {
        let delivery = self.followed.try_remove(key(followed))?;
        // There is always room: the list is emptied in each turn.
        if self.ended.len() < FOLLOWED_MAX {
            self.ended.push(delivery.began);
        }
        None
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.followed.len()
    }
}

fn key(followed: Followed) -> usize {
    usize::from(followed.0.get() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_ends_with_its_last_visit() {
        let mut times = DeliveryTimes::new();
        times.begin_turn(Instant::from_nanos(5));
        let followed = times.follow(100).unwrap();
        assert_eq!(times.visited(followed, 64), Some(followed));
        assert_eq!(times.next_ended(), None);
        times.begin_turn(Instant::from_nanos(9));
        assert_eq!(times.visited(followed, 64), None);
        assert_eq!(times.next_ended(), Some(Instant::from_nanos(5)));
        assert_eq!((times.next_ended(), times.len()), (None, 0));
    }

    #[test]
    fn no_more_deliveries_are_followed_than_there_is_room_for() {
        let mut times = DeliveryTimes::new();
        let all: Vec<_> = (0..FOLLOWED_MAX).map(|_| times.follow(1).unwrap()).collect();
        assert_eq!(times.follow(1), None);
        assert!(all.iter().all(|followed| times.end(*followed).is_none()));
        assert!(times.follow(1).is_some());
        assert_eq!(std::iter::from_fn(|| times.next_ended()).count(), FOLLOWED_MAX);
    }
}
