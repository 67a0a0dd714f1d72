//! Moments of the monotonic clock, as a number. Only [`net`](crate::net) reads the clock; elsewhere
//! the time is an argument, and a test can make any moment that it needs (which
//! `std::time::Instant` does not allow).

use std::ops::Add;
use std::time::Duration;

/// Nanoseconds on the monotonic clock since an arbitrary start (584 years fit).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock.
    pub const ZERO: Instant = Instant(0);

    /// Returns the moment `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// Returns the nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Like [`saturating_since`](Self::saturating_since), in nanoseconds.
    pub const fn nanos_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}

/// Saturates: a deadline past the end of the clock never comes.
impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_moment_is_greater_and_knows_its_distance() {
        let start = Instant::from_nanos(5);
        let later = start + Duration::from_nanos(7);
        assert_eq!(later, Instant::from_nanos(12));
        assert!(later > start);
        assert_eq!(later.saturating_since(start), Duration::from_nanos(7));
    }

    #[test]
    fn the_distance_to_a_later_moment_is_zero() {
        assert_eq!(Instant::ZERO.saturating_since(Instant::from_nanos(1)), Duration::ZERO);
    }

    #[test]
    fn a_deadline_past_the_end_of_the_clock_is_its_end() {
        assert_eq!(Instant::from_nanos(1) + Duration::MAX, Instant::from_nanos(u64::MAX));
    }
}
