//! A token bucket in eight bytes, for limits of a number per second.

use std::time::Duration;

use crate::instant::Instant;

/// How long an empty bucket takes to fill: a quiet peer may send a burst of one second's tokens.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket that holds the tokens of one [`BURST`], stored as the time at which it will be
/// full again (the generic cell rate algorithm). Each token taken moves that time one interval
/// later; if it would be more than `BURST` from now, the bucket is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    /// Takes a token from a bucket that gains `per_second` tokens each second. Returns false if it
    /// is empty.
    pub(crate) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let full_at = self.full_at.max(now) + interval;
        let is_within = full_at.saturating_since(now) <= BURST;
        if is_within {
            self.full_at = full_at;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_gives_one_second_of_tokens_and_no_more() {
        let (mut bucket, now) = (TokenBucket::default(), Instant::from_nanos(5_000_000_000));
        let taken = (0..100).filter(|_| bucket.take(10, now)).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn tokens_come_back_at_the_rate() {
        let mut bucket = TokenBucket::default();
        let start = Instant::from_nanos(1_000_000_000);
        while bucket.take(10, start) {}
        assert!(!bucket.take(10, start + Duration::from_millis(99)));
        assert!(bucket.take(10, start + Duration::from_millis(100)));
        assert!(!bucket.take(10, start + Duration::from_millis(101)));
    }

    #[test]
    fn one_a_second_is_the_lowest_rate() {
        let mut bucket = TokenBucket::default();
        assert!(bucket.take(1, Instant::ZERO));
        assert!(!bucket.take(1, Instant::ZERO + Duration::from_millis(999)));
        assert!(bucket.take(1, Instant::ZERO + Duration::from_millis(1000)));
    }
}
