//! A form of a channel: one way in which its messages are encoded, the log of them, and the
//! subscribers that read it. All forms of a channel have the same messages under the same numbers.
//!
//! A channel always has the plain form. The other one is made for its first subscriber, begins with
//! the next message, and goes with its last subscriber.

use super::delivery_times::DeliveryTimes;
use super::frames::Frame;
use super::log::Log;
use super::segment_pool::SegmentPool;
use super::subscribers::Subscribers;

/// A form of a channel; see the module comment.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) log: Log,
    pub(super) subscribers: Subscribers,
}

impl Form {
    /// Makes a form without subscribers, whose first message will have the number `next`.
    pub(super) fn new(next: u64) -> Form {
        Form { log: Log::new(next), subscribers: Subscribers::default() }
    }

    /// Sets the number of the next message, as the channel's home has assigned it. Nothing may have
    /// been appended yet.
    pub(super) fn begin_at(&mut self, next: u64) {
        self.log.begin_at(next);
        self.subscribers.begin_at(self.log.end());
    }

    /// Appends a message, for which there must be room, for all subscribers, and begins to time its
    /// delivery unless that of an earlier one is being timed. `visits_made` says how far the sweep
    /// has come in the form's turn. Returns how many subscribers there are.
    pub(super) fn append(
        &mut self,
        frame: Frame<'_>,
        visits_made: u32,
        pool: &mut SegmentPool,
        times: &mut DeliveryTimes,
    ) -> u64 {
        if self.log.due() == 0
            && let Some(followed) = self.log.followed.take()
        {
            times.end(followed);
        }
        self.log.append(frame, pool);
        let due = self.log.due();
        if self.log.followed.is_none() && due > 0 {
            self.log.followed = times.follow(due + visits_made);
        }
        self.subscribers.len() as u64
    }

    /// Returns the number of message copies not yet completely sent, summed over the subscribers.
    pub(super) fn pending(&self) -> u64 {
        let next = self.log.end().number;
        self.subscribers.cursors().map(|(cursor, _)| next - cursor.number).sum()
    }

    /// Returns the bytes of the frames that are kept.
    pub(super) fn kept_bytes(&self) -> usize {
        (self.log.end().offset - self.log.start()) as usize
    }
}
