//! Histograms of durations, with fixed buckets.

use std::array::from_fn;
use std::time::Duration;

/// The upper bounds of the buckets, in nanoseconds: 1, 2.5 and 5 of each power of ten from 10 µs
/// to 10 s. A bound belongs to its bucket. The last bucket has no bound.
pub const BUCKET_BOUNDS_NANOS: [u64; 19] = {
    const MICRO: u64 = 1_000;
    const MILLI: u64 = 1_000 * MICRO;
    [
        10 * MICRO,
        25 * MICRO,
        50 * MICRO,
        100 * MICRO,
        250 * MICRO,
        500 * MICRO,
        MILLI,
        2 * MILLI + MILLI / 2,
        5 * MILLI,
        10 * MILLI,
        25 * MILLI,
        50 * MILLI,
        100 * MILLI,
        250 * MILLI,
        500 * MILLI,
        1_000 * MILLI,
        2_500 * MILLI,
        5_000 * MILLI,
        10_000 * MILLI,
    ]
};

const BUCKETS: usize = BUCKET_BOUNDS_NANOS.len() + 1;

/// How many durations there were, by size, and their sum. `N` is what one figure is, as in
/// `CountersOf`.
#[derive(Clone, Debug, Default)]
pub struct HistogramOf<N> {
    /// The number of durations in each bucket alone, not in those below it.
    pub buckets: [N; BUCKETS],
    /// The sum of all durations, in nanoseconds.
    pub nanos: N,
}

/// A histogram that has been read.
pub type Histogram = HistogramOf<u64>;

impl Histogram {
    /// Returns how many durations there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

impl<N> HistogramOf<N> {
    /// Combines each figure with the same figure of another histogram.
    pub(super) fn merge<M, R>(
        &self,
        other: &HistogramOf<M>,
        merge: &mut impl FnMut(&N, &M) -> R,
    ) -> HistogramOf<R> {
        HistogramOf {
            buckets: from_fn(|at| merge(&self.buckets[at], &other.buckets[at])),
            nanos: merge(&self.nanos, &other.nanos),
        }
    }
}

/// Returns the index of the bucket of a duration.
pub(super) fn bucket_of(nanos: u64) -> usize {
    BUCKET_BOUNDS_NANOS.partition_point(|bound| *bound < nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        assert_eq!(bucket_of(0), 0);
        for (bucket, bound) in BUCKET_BOUNDS_NANOS.into_iter().enumerate() {
            assert_eq!((bucket_of(bound), bucket_of(bound + 1)), (bucket, bucket + 1));
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }
}
