//! When each connection's deadlines are to be checked next. This is a hashed timing wheel: time is
//! divided into ticks, and each bucket lists the connections that are checked in one tick. So a
//! connection costs nothing while none of its deadlines is near, however many connections there
//! are.
//!
//! Most deadlines are postponed again and again, and that need not be recorded here: the connection
//! is checked at its old tick, found not to be due, and listed again under its new tick. Only when
//! a deadline becomes earlier must the wheel be updated.

use crate::instant::Instant;
use crate::slot_lists::SlotLists;

/// The length of a tick in nanoseconds: 134 ms. A connection is checked at most this much late.
const TICK_NANOS: u64 = 1 << 27;
/// The number of buckets: the wheel reaches 34 seconds ahead. A connection whose deadline is later
/// is listed under the last tick, checked then, and listed again.
const BUCKETS: u64 = 256;

/// The wheel; see the module comment.
pub(super) struct TimerWheel {
    buckets: SlotLists,
    /// For each slot that is in a bucket, the number of that bucket.
    bucket_of: Vec<u8>,
    /// Every bucket before this tick has been emptied.
    tick: u64,
}

impl TimerWheel {
    pub(super) fn new(now: Instant) -> TimerWheel {
        TimerWheel {
            buckets: SlotLists::new(BUCKETS as u32),
            bucket_of: Vec::new(),
            tick: now.as_nanos() / TICK_NANOS,
        }
    }

    /// Lists a slot so that it is checked at this moment, unless it will be checked earlier anyway.
    pub(super) fn check_by(&mut self, slot: usize, moment: Instant) {
        let tick = moment.as_nanos().div_ceil(TICK_NANOS);
        let ahead = tick.saturating_sub(self.tick).min(BUCKETS - 1);
        if self.buckets.contains(slot) {
            if self.ahead_of(slot) <= ahead {
                return;
            }
            self.buckets.remove(slot);
        }
        let bucket = ((self.tick + ahead) % BUCKETS) as u8;
        if self.bucket_of.len() <= slot {
            self.bucket_of.resize(slot + 1, 0);
        }
        self.bucket_of[slot] = bucket;
        self.buckets.push_back(u32::from(bucket), slot);
    }

    /// Removes a slot whose connection has gone.
    pub(super) fn remove(&mut self, slot: usize) {
        self.buckets.remove(slot);
    }

    /// Removes and returns the next slot that is to be checked by now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<usize> {
        let tick_now = now.as_nanos() / TICK_NANOS;
        while self.tick <= tick_now {
            if let Some(slot) = self.buckets.front((self.tick % BUCKETS) as u32) {
                self.buckets.remove(slot);
                return Some(slot);
            }
            self.tick += 1;
        }
        None
    }

    /// Returns how many ticks ahead a slot, which is in a bucket, will be checked.
    fn ahead_of(&self, slot: usize) -> u64 {
        (u64::from(self.bucket_of[slot]) + BUCKETS - self.tick % BUCKETS) % BUCKETS
    }

    /// Returns true if a slot will be checked no later than one tick after a moment.
    #[cfg(test)]
    pub(super) fn will_check_by(&self, slot: usize, moment: Instant) -> bool {
        let tick = moment.as_nanos().div_ceil(TICK_NANOS).max(self.tick);
        self.buckets.contains(slot) && self.tick + self.ahead_of(slot) <= tick
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_slot_is_checked_after_its_moment_and_within_a_tick() {
        let mut wheel = TimerWheel::new(millis(1_000));
        wheel.check_by(7, millis(6_000));
        assert_eq!(wheel.take_due(millis(5_999)), None);
        assert_eq!(wheel.take_due(millis(6_135)), Some(7));
        assert_eq!(wheel.take_due(millis(100_000)), None, "once");
    }

    #[test]
    fn a_moment_that_comes_earlier_is_taken_and_one_that_comes_later_is_left_to_the_check() {
        let mut wheel = TimerWheel::new(millis(0));
        wheel.check_by(0, millis(10_000));
        wheel.check_by(0, millis(20_000));
        wheel.check_by(1, millis(20_000));
        wheel.check_by(1, millis(10_000));
        let now = millis(10_135);
        assert_eq!((wheel.take_due(now), wheel.take_due(now)), (Some(0), Some(1)));
    }

    #[test]
    fn what_lies_beyond_the_wheel_is_checked_when_it_has_turned() {
        let mut wheel = TimerWheel::new(millis(0));
        wheel.check_by(3, millis(3_600_000));
        assert_eq!(wheel.take_due(millis(30_000)), None);
        assert_eq!(wheel.take_due(millis(40_000)), Some(3));
    }

    proptest! {
        /// Compares the wheel with a naive twin, which walks over every slot and compares moments.
        #[test]
        fn the_wheel_checks_whom_a_walk_over_all_would_check(
            steps in prop::collection::vec((0..20usize, 0..33_000u64, 0..5u8), 0..300),
        ) {
            let mut now = millis(50_000);
            let mut wheel = TimerWheel::new(now);
            let mut naive: BTreeMap<usize, u64> = BTreeMap::new();
            for (slot, ahead, step) in steps {
                match step {
                    0 => {
                        wheel.remove(slot);
                        naive.remove(&slot);
                    }
                    1 => {
                        now = now + Duration::from_millis(ahead / 10);
                        let mut checked: Vec<_> =
                            std::iter::from_fn(|| wheel.take_due(now)).collect();
                        checked.sort_unstable();
                        let tick = now.as_nanos() / TICK_NANOS;
                        let due: Vec<_> =
                            naive.iter().filter(|(_, at)| **at <= tick).map(|(s, _)| *s).collect();
                        naive.retain(|_, at| *at > tick);
                        prop_assert_eq!(checked, due);
                    }
                    _ => {
                        let moment = now + Duration::from_millis(ahead);
                        wheel.check_by(slot, moment);
                        let tick = moment.as_nanos().div_ceil(TICK_NANOS);
                        let at = naive.entry(slot).or_insert(tick);
                        *at = tick.min(*at);
                        prop_assert!(wheel.will_check_by(slot, moment));
                    }
                }
            }
        }
    }
}
