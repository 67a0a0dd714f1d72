//! Latencies over the time of a run: of all measured messages together, and of each second.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};

use super::latency::Latencies;
use crate::net::clock::Moment;

/// Significant digits in the histogram of one second: two are enough for a point in a plot.
const DIGITS: u8 = 2;

/// Records how long a scenario's messages took.
pub(crate) struct Recorder {
    total: Latencies,
    /// The second whose messages are recorded in `current`.
    second: u32,
    current: Histogram<u32>,
    /// The histograms of earlier seconds, encoded: as counters, those of a day would take 1 GB.
    seconds: BTreeMap<u32, Vec<u8>>,
    last_p99_nanos: u64,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            total: Latencies::new(),
            second: 0,
            current: histogram(),
            seconds: BTreeMap::new(),
            last_p99_nanos: 0,
        }
    }

    /// Records that a message took `nanos` until `at`. Only a `measured` one is in the total.
    pub(crate) fn record(&mut self, at: Moment, nanos: u64, measured: bool) {
        let second = at.second();
        if second != self.second {
            self.turn_over(second);
        }
        // This histogram grows as needed, so recording cannot fail.
        let _ = self.current.record(nanos);
        if measured {
            self.total.record(nanos);
        }
    }

    pub(crate) fn total(&self) -> &Latencies {
        &self.total
    }

    /// Returns the 99th percentile of the last complete second.
    pub(crate) fn last_p99_nanos(&self) -> u64 {
        self.last_p99_nanos
    }

    pub(crate) fn absorb(&mut self, mut other: Recorder) {
        self.turn_over(0);
        other.turn_over(0);
        self.total.merge(&other.total);
        for (second, latencies) in other.seconds {
            self.store(second, &decoded(&latencies));
        }
    }

    /// Returns p50, p99 and maximum of one second, or `None` if nothing was recorded in it.
    pub(crate) fn of_second(&self, second: u32) -> Option<[u64; 3]> {
        let stored = self.seconds.get(&second).map(|bytes| decoded(bytes));
        let current = (second == self.second).then_some(&self.current);
        let latencies = stored.as_ref().or(current).filter(|latencies| !latencies.is_empty())?;
        Some([latencies.value_at_quantile(0.5), latencies.value_at_quantile(0.99), latencies.max()])
    }

    fn turn_over(&mut self, second: u32) {
        if !self.current.is_empty() {
            self.last_p99_nanos = self.current.value_at_quantile(0.99);
            let full = std::mem::replace(&mut self.current, histogram());
            self.store(self.second, &full);
        }
        self.second = second;
    }

    /// Stores the histogram of a second, together with what is stored of it already.
    fn store(&mut self, second: u32, latencies: &Histogram<u32>) {
        let mut all = latencies.clone();
        if let Some(stored) = self.seconds.get(&second) {
            all.add(decoded(stored)).expect("these histograms grow to hold any value");
        }
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&all, &mut bytes).expect("a vector takes any length");
        self.seconds.insert(second, bytes);
    }
}

fn decoded(bytes: &[u8]) -> Histogram<u32> {
    let mut rest = bytes;
    let found = Deserializer::new().deserialize(&mut rest);
    let mut histogram: Histogram<u32> = found.expect("what `store` has encoded");
    // Another thread may have recorded longer durations.
    histogram.auto(true);
    histogram
}

fn histogram() -> Histogram<u32> {
    Histogram::new(DIGITS).expect("two digits are among those that the histogram accepts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000 + 5)
    }

    #[test]
    fn seconds_are_kept_apart_and_only_the_measured_are_in_the_total() {
        let mut one = Recorder::new();
        one.record(at(1), 100, false);
        one.record(at(2), 200, true);
        let mut other = Recorder::new();
        other.record(at(2), 120, true);
        other.record(at(3), 300, true);
        other.record(at(4), 9, true);
        let mut third = Recorder::new();
        third.record(at(4), 3_000_000, true);
        one.absorb(other);
        one.absorb(third);
        assert_eq!(one.of_second(4).map(|[low, _, high]| [low, high / 100_000]), Some([9, 30]));
        assert_eq!(one.of_second(1), Some([100; 3]));
        assert_eq!(one.of_second(2), Some([120, 200, 200]));
        assert_eq!(one.of_second(3).map(|[_, _, max]| max / 10), Some(30));
        assert_eq!(one.of_second(5), None);
        assert_eq!(one.total().histogram().len(), 5);
    }
}
