//! When events at a fixed rate, such as openings or messages, are due.
use std::time::Duration;

use crate::net::clock::Moment;

/// Event number i of a run is due at `start + i / rate`, even if earlier events were late. A late
/// event is sent as soon as possible, and none is skipped.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Moment,
    per_second: u64,
    /// The number of the next event.
    number: u64,
    step: u64,
}

impl Schedule {
    /// Schedules `per_second` events a second. `per_second` is at least 1.
    pub(crate) fn new(start: Moment, per_second: u64) -> Schedule {
        Schedule::every(start, per_second, 0, 1)
    }

    /// Schedules a thread's share of all events: those numbered `first`, `first + step`, and so on.
    pub(crate) fn every(start: Moment, per_second: u64, first: u64, step: u64) -> Schedule {
        debug_assert!(per_second > 0, "a rate of zero is never due");
        Schedule { start, per_second, number: first, step }
    }

    /// Returns when the next event is due.
    pub(crate) fn next(&self) -> Moment {
        let after = u128::from(self.number) * 1_000_000_000 / u128::from(self.per_second);
        self.start + Duration::from_nanos(u64::try_from(after).unwrap_or(u64::MAX))
    }

    /// If the next event is due by `now`, takes it and returns its intended moment, else `None`.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Moment> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.number += self.step;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn a_schedule_is_not_moved_by_lateness_and_skips_nothing() {
        let mut schedule = Schedule::new(at(1_000), 4);
        assert_eq!(schedule.take_due(at(999)), None);
        assert_eq!(schedule.take_due(at(1_000)), Some(at(1_000)));
        assert_eq!(schedule.take_due(at(1_000)), None);
        let late = at(1_000 + 1_000_000_000);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take_due(late))
            .map(|at| at.as_nanos() - 1_000)
            .collect();
        assert_eq!(due, [250_000_000, 500_000_000, 750_000_000, 1_000_000_000]);
    }

    #[test]
    fn shares_of_a_schedule_make_up_the_whole() {
        let mut shares = [0, 1].map(|first| Schedule::every(at(0), 4, first, 2));
        let due = shares.each_mut().map(|share| {
            std::iter::from_fn(|| share.take_due(at(1_000_000_000)))
                .map(|at| at.as_nanos() / 1_000_000)
                .collect::<Vec<_>>()
        });
        assert_eq!(due, [vec![0, 500, 1_000], vec![250, 750]]);
    }

    #[test]
    fn a_schedule_does_not_drift_at_a_rate_that_divides_nothing() {
        let mut schedule = Schedule::new(at(0), 3);
        for _ in 0..3_000_000 {
            schedule.take_due(at(u64::MAX));
        }
        assert_eq!(schedule.next(), at(1_000_000 * 1_000_000_000));
    }
}
