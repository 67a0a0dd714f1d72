//! A moment in four bytes, for fields that every connection has.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::instant::Instant;

/// A moment to about a millisecond, rounded up. Its `Option` needs no extra bytes. The number wraps
/// around after 52 days, so it stands for the moment nearest to now of those that have this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoarseInstant(NonZeroU32);

/// The length of a unit in nanoseconds, as a power of two.
const UNIT_BITS: u32 = 20;

impl CoarseInstant {
    /// A moment may be at most this far from the moment at which it is read: 20 days.
    pub(crate) const FURTHEST: Duration = Duration::from_secs(20 * 24 * 60 * 60);

    pub(crate) fn new(instant: Instant) -> CoarseInstant {
        let units = instant.as_nanos().div_ceil(1 << UNIT_BITS) as u32;
        CoarseInstant(NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN))
    }

    /// Returns the moment, which is at most [`FURTHEST`](Self::FURTHEST) from `now`.
    pub(crate) fn near(self, now: Instant) -> Instant {
        let now = now.as_nanos() >> UNIT_BITS;
        let distance = self.0.get().wrapping_sub(now as u32).cast_signed();
        let units = now.saturating_add_signed(i64::from(distance));
        Instant::from_nanos(units.saturating_mul(1 << UNIT_BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_was_written_whenever_the_number_wraps_around() {
        let millis = |millis| Duration::from_millis(millis);
        for start in [0, 1, 4_503_599_627, 4_503_599_628, 90_000_000_000] {
            let now = Instant::ZERO + millis(start);
            for ahead in [0, 1, 30_000, 1_000_000_000] {
                let moment = now + millis(ahead);
                let read = CoarseInstant::new(moment).near(now);
                assert!(read >= moment && read <= moment + millis(3), "{moment:?} {read:?}");
                let behind = CoarseInstant::new(now).near(moment);
                assert!(behind >= now && behind <= now + millis(3), "{now:?} {behind:?}");
            }
        }
    }

    #[test]
    fn an_option_of_a_moment_takes_four_bytes() {
        assert_eq!(size_of::<Option<CoarseInstant>>(), 4);
    }
}
