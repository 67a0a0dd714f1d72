//! Latencies over the time of a run: of all measured messages together, and of each second.
use hdrhistogram::Histogram;

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
    seconds: Vec<(u32, Histogram<u32>)>,
    last_p99_nanos: u64,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            total: Latencies::new(),
            second: 0,
            current: histogram(),
            seconds: Vec::new(),
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
            match self.seconds.iter_mut().find(|(found, _)| *found == second) {
                Some((_, found)) => {
                    found.add(latencies).expect("these histograms grow to hold any value");
                }
                None => self.seconds.push((second, latencies)),
            }
        }
    }

    /// Returns p50, p99 and maximum of one second, or `None` if nothing was recorded in it.
    pub(crate) fn of_second(&self, second: u32) -> Option<[u64; 3]> {
        let current = (second == self.second).then_some(&self.current);
        let found =
            self.seconds.iter().find(|(found, _)| *found == second).map(|(_, latencies)| latencies);
        let latencies = found.or(current).filter(|latencies| !latencies.is_empty())?;
        Some([latencies.value_at_quantile(0.5), latencies.value_at_quantile(0.99), latencies.max()])
    }

    fn turn_over(&mut self, second: u32) {
        if !self.current.is_empty() {
            self.last_p99_nanos = self.current.value_at_quantile(0.99);
            let full = std::mem::replace(&mut self.current, histogram());
            self.seconds.push((self.second, full));
        }
        self.second = second;
    }
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
        one.absorb(other);
        assert_eq!(one.of_second(1), Some([100; 3]));
        assert_eq!(one.of_second(2), Some([120, 200, 200]));
        assert_eq!(one.of_second(3).map(|[_, _, max]| max / 10), Some(30));
        assert_eq!(one.of_second(4), None);
        assert_eq!(one.total().histogram().len(), 3);
    }
}
