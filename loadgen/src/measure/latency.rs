//! A histogram of durations, and the figures that a report takes from it.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};

/// Longer durations are recorded as this one.
const LATENCY_NANOS_MAX: u64 = 3_600_000_000_000;
/// Three significant digits: values are exact to 0.1 %.
const DIGITS: u8 = 3;

/// The quantiles shown in a report.
pub(crate) const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, DIGITS);
        Latencies(histogram.expect("the bounds are constants that the histogram accepts"))
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// Records `value` once for each microsecond of `nanos`, so that quantiles are shares of time
    /// instead of shares of events.
    pub(crate) fn record_by_time(&mut self, value: u64, nanos: u64) {
        self.0.saturating_record_n(value, nanos / 1_000);
    }

    /// Adds everything that `other` has recorded, for another thread or another second.
    pub(crate) fn merge(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    /// Returns the quantile in nanoseconds, or `None` if nothing was recorded.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(quantile))
    }

    /// Returns the histogram, for code that reads it value by value.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// Returns HdrHistogram's V2 encoding, uncompressed, in base64.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("counts below 2^63, and a Vec takes any length");
        STANDARD.encode(bytes)
    }

    /// Decodes what [`encode`](Self::encode) or another tool wrote. Values must not exceed an hour.
    pub(crate) fn decode(text: &str) -> Result<Latencies, &'static str> {
        let bytes = STANDARD.decode(text).map_err(|_| "a histogram must be base64")?;
        let stored: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|_| "not an HdrHistogram of version 2")?;
        let mut latencies = Latencies::new();
        latencies.0.add(&stored).map_err(|_| "a histogram must end within an hour")?;
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nanos: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new();
        nanos.into_iter().for_each(|nanos| latencies.record(nanos));
        latencies
    }

    #[test]
    fn an_encoded_histogram_is_decoded_to_the_same() {
        let latencies = of((1..=1_000).map(|millis| millis * 1_000_000));
        let decoded = Latencies::decode(&latencies.encode()).unwrap();
        assert_eq!(decoded.histogram(), latencies.histogram());
        assert_eq!(Latencies::decode(&Latencies::new().encode()).unwrap().quantile(0.5), None);
    }

    #[test]
    fn the_encoding_of_a_wide_range_stays_small() {
        assert!(of([1, LATENCY_NANOS_MAX]).encode().len() < 100);
    }

    #[test]
    fn refuses_what_is_not_a_histogram() {
        assert!(Latencies::decode("###").is_err());
        assert!(Latencies::decode("").is_err());
        assert!(Latencies::decode(&STANDARD.encode([0; 64])).is_err());
    }

    #[test]
    fn merging_gives_what_one_histogram_would_have_held() {
        let mut merged = of(1..500);
        merged.merge(&of(500..=1_000));
        assert_eq!(merged.histogram(), of(1..=1_000).histogram());
    }
}
