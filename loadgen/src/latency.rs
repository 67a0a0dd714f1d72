//! A histogram of durations, and what a report says of it.
use hdrhistogram::Histogram;

/// Longer durations are recorded as this one: no run lasts longer.
const LATENCY_NANOS_MAX: u64 = 3_600_000_000_000;
/// Three digits: values are told apart to 0.1 %.
const DIGITS: u8 = 3;

/// The columns of a report.
pub(crate) const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

pub(crate) struct Latencies(Histogram<u64>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LatencySummary {
    pub(crate) count: u64,
    pub(crate) min_nanos: u64,
    /// In the order of [`QUANTILES`].
    pub(crate) quantile_nanos: [u64; QUANTILES.len()],
    pub(crate) max_nanos: u64,
}

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, DIGITS);
        Latencies(histogram.expect("the bounds are constants that the histogram accepts"))
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// `None` when nothing was recorded.
    pub(crate) fn summary(&self) -> Option<LatencySummary> {
        (!self.0.is_empty()).then(|| LatencySummary {
            count: self.0.len(),
            min_nanos: self.0.min(),
            quantile_nanos: QUANTILES.map(|(_, quantile)| self.0.value_at_quantile(quantile)),
            max_nanos: self.0.max(),
        })
    }
}
